//! A run that is over goes on with the newest version of its DAG.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{Actor, CommandError};
use crate::dag_folder::LoadedDag;
use crate::engine::live::LiveRun;
use crate::versions::version_body;
use esteira_core::ids::DagId;
use esteira_core::run::{InstanceKey, Run, VersionMove};
use esteira_store::{RunKey, RunMoved};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A run as it would go on with the newest version.
pub(super) struct NextVersion {
    loaded: Arc<LoadedDag>,
    pub(super) run: Run,
    tasks: VersionMove,
    params: Value,
}

impl NextVersion {
    /// The instances of tasks that the version before did not have, or had as another kind of task.
    pub(super) fn instances_without_state(&self) -> impl Iterator<Item = InstanceKey> {
        self.tasks.added.iter().chain(&self.tasks.anew).flat_map(|task| self.run.keys_of(*task))
    }
}

impl MainLoop {
    /// The run as it would go on with the newest version; none if it has that already.
    pub(super) async fn next_version(
        &self,
        run_key: RunKey,
        dag_id: &DagId,
    ) -> Result<Option<NextVersion>, Stop> {
        let Some(loaded) = self.dags.get(dag_id).cloned() else {
            return Err(self.why_not_loaded(dag_id).await?.into());
        };
        let Some(live) = self.runs.get(run_key) else { return Ok(None) };
        if live.row.version_id == loaded.version_id {
            return Ok(None);
        }
        let mut run = live.run.clone();
        let tasks = run
            .change_version(Arc::clone(&loaded.dag))
            .ok_or_else(|| CommandError::RunKeepsItsVersion(live.run_id.to_string()))?;
        let conf = live.row.conf.as_object().cloned().unwrap_or_else(Map::new);
        let params = loaded.dag.resolve_params(&conf).map_err(|error| {
            let number = loaded.version_number;
            CommandError::Invalid(format!(
                "version {number} of the DAG does not take the conf of this run: {}",
                error.0
            ))
        })?;
        Ok(Some(NextVersion { loaded, run, tasks, params }))
    }

    /// Lets the run go on with it. Something of it must be cleared in the same turn, which queues it again.
    pub(super) fn move_run(&mut self, turn: &mut Turn, run_key: RunKey, next: NextVersion, actor: &Actor) {
        let Some(live) = self.runs.get_mut(run_key) else { return };
        let (version_id, number) = (next.loaded.version_id, next.loaded.version_number);
        let mut row = live.row.clone();
        (row.version_id, row.version_number) = (version_id, number);
        let name = (run_key, row.run_id.clone());
        turn.run_event("run.version_changed", &row.dag_id, name, actor, version_body(version_id, number));
        turn.touched_instances.extend(next.instances_without_state().map(|key| (run_key, key)));
        turn.batch.moved_runs.push(RunMoved { run_key, version_id, tasks: next.tasks });
        let asset_events = live.facts.asset_events.clone();
        let expansions = std::mem::take(&mut live.expansions);
        *live = LiveRun { expansions, ..LiveRun::new(next.run, &row, next.params, asset_events) };
    }
}
