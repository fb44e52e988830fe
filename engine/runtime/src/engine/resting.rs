//! The run that is over and was looked at last, kept in memory. Whoever clears tasks looks at what that would touch, chooses
//! otherwise, looks again and then does it; and a run of many thousand instances takes long to be read from its history. What a
//! request would touch in a run that is over is told beside the loop, so that nobody waits for that reading.

use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::reruns;
use crate::command::{AffectedInstance, CommandError, Reply, RerunRequest};
use crate::versions::Versions;
use esteira_core::catalog::Catalog;
use esteira_store::{Reader, RunKey};
use std::sync::{Arc, Mutex, PoisonError};

/// The run that was looked at last. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Resting(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    run: Option<(RunKey, LiveRun)>,
    /// How often a run was taken out or put in: what was read before the last time may be old.
    changes: u64,
}

impl Resting {
    /// Takes a run out, which may be changed from now on.
    pub(super) fn take(&self, run_key: RunKey) -> Option<LiveRun> {
        let mut kept = self.lock();
        kept.changes += 1;
        kept.run.take_if(|(kept, _)| *kept == run_key).map(|(_, live)| live)
    }

    /// Puts a run in, in the place of the one before.
    pub(super) fn keep(&self, run_key: RunKey, live: LiveRun) {
        let mut kept = self.lock();
        kept.changes += 1;
        kept.run = Some((run_key, live));
    }

    /// The number of changes so far.
    fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Puts a run in that was read when there were so many changes, unless there were more since.
    fn keep_as_of(&self, changes: u64, run_key: RunKey, live: LiveRun) {
        let mut kept = self.lock();
        if kept.changes == changes {
            kept.run = Some((run_key, live));
        }
    }

    /// Looks at a run, if it is here.
    fn look<T>(&self, run_key: RunKey, look: impl FnOnce(&LiveRun) -> T) -> Option<T> {
        let kept = self.lock();
        kept.run.as_ref().filter(|(kept, _)| *kept == run_key).map(|(_, live)| look(live))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MainLoop {
    /// Whether a request only asks what would be touched, in a run that is over.
    pub(super) fn is_told_beside(&self, request: &RerunRequest) -> bool {
        let is_over = || self.runs.key_of(&request.dag_id, &request.run_id).is_none();
        request.dry_run && !request.on_latest_version && is_over()
    }

    /// Answers such a request while the loop goes on.
    pub(super) fn tell_beside(&self, request: RerunRequest, reply: Reply<Vec<AffectedInstance>>) {
        let resting = self.resting.clone();
        let teller = Teller {
            reader: self.reader.clone(),
            catalog: Arc::clone(&self.catalog),
            changes: resting.changes(),
            resting,
        };
        tokio::spawn(async move {
            let told = teller.touched(&request).await;
            // Whoever asked may be gone by now.
            drop(reply.send(told));
        });
    }
}

/// What is needed to tell what a request would touch.
struct Teller {
    reader: Reader,
    catalog: Arc<dyn Catalog + Send + Sync>,
    resting: Resting,
    changes: u64,
}

impl Teller {
    async fn touched(&self, request: &RerunRequest) -> Result<Vec<AffectedInstance>, CommandError> {
        reruns::check_mark(request)?;
        let (dag_id, run_id) = (request.dag_id.to_string(), request.run_id.to_string());
        let row = self.reader.run(&dag_id, &run_id).await.map_err(fault)?;
        let row = row.ok_or_else(|| CommandError::UnknownRun { dag_id, run_id: run_id.clone() })?;
        if let Some(touched) = self.resting.look(row.run_key, |live| reruns::touched_by(&live.run, request)) {
            return touched;
        }
        let cannot = || CommandError::RunCannotGoOn(run_id);
        if !row.state.is_terminal() {
            return Err(cannot());
        }
        let replayed =
            reruns::replayed(&self.reader, self.catalog.as_ref(), &row, &mut Versions::default()).await;
        let live = replayed.map_err(fault)?.ok_or_else(cannot)?;
        let touched = reruns::touched_by(&live.run, request);
        self.resting.keep_as_of(self.changes, row.run_key, live);
        touched
    }
}

fn fault(error: impl std::fmt::Display) -> CommandError {
    CommandError::Store(error.to_string())
}
