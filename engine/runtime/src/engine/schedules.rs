//! Schedules: which DAGs are due, and the runs that this starts.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{Actor, TriggerRequest};
use crate::dag_folder::LoadedDag;
use crate::preview::scheduled_run_id;
use esteira_core::dag::Overlap;
use esteira_core::ids::DagId;
use esteira_core::schedule::{Tick, When};
use esteira_core::states::RunType;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many runs of one DAG a single turn starts: a long catch-up is spread over turns, so that others go on too.
const RUNS_PER_TURN: usize = 10;

/// When each scheduled DAG is due next.
#[derive(Default)]
pub(super) struct Timetable {
    due: BTreeSet<(Timestamp, DagId)>,
    by_dag: HashMap<DagId, Timestamp>,
    parked: HashMap<DagId, Timestamp>,
}

impl Timetable {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The DAG is due at that time, or not at all.
    fn set(&mut self, dag_id: &DagId, at: Option<Timestamp>) {
        self.parked.remove(dag_id);
        if let Some(before) = self.by_dag.remove(dag_id) {
            self.due.remove(&(before, dag_id.clone()));
        }
        if let Some(at) = at {
            self.by_dag.insert(dag_id.clone(), at);
            self.due.insert((at, dag_id.clone()));
        }
    }

    /// The DAG is not asked about until [`Timetable::go_on`]: it has as many runs as it may.
    fn park(&mut self, dag_id: &DagId) {
        let at = self.by_dag.get(dag_id).copied();
        self.set(dag_id, None);
        if let Some(at) = at {
            self.parked.insert(dag_id.clone(), at);
        }
    }

    /// A run of the DAG has ended: what was due meanwhile may start.
    pub(super) fn go_on(&mut self, dag_id: &DagId) {
        if let Some(at) = self.parked.remove(dag_id) {
            self.set(dag_id, Some(at));
        }
    }

    fn is_due(&self, now: Timestamp) -> Vec<DagId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, dag_id)| dag_id.clone()).collect()
    }
}

impl MainLoop {
    /// Takes a DAG in as it is now, and works out when it is due next.
    pub(super) async fn put_dag(
        &mut self,
        turn: &mut Turn,
        mut loaded: LoadedDag,
    ) -> Result<(), EngineError> {
        loaded.next_tick = if self.is_serving && !loaded.is_paused {
            self.next_tick(turn.now, &loaded).await?
        } else {
            None
        };
        self.timetable.set(&loaded.dag.dag_id, loaded.next_run_at());
        self.name_assets(turn, &loaded);
        turn.batch.dags.push(esteira_store::DagChange {
            dag_id: loaded.dag.dag_id.clone(),
            version_id: loaded.version_id,
            file: loaded.file.clone(),
            is_paused: loaded.is_paused,
            is_stale: false,
            loaded_at: turn.now,
        });
        turn.dags_changed = true;
        self.dags.insert(loaded.dag.dag_id.clone(), Arc::new(loaded));
        Ok(())
    }

    /// The next run of a DAG that was just loaded or unpaused. One that was going by its schedule goes on from its next
    /// run, so that an edit skips none.
    async fn next_tick(&self, now: Timestamp, loaded: &LoadedDag) -> Result<Option<Tick>, EngineError> {
        let ticks = loaded.dag.ticks();
        let before = self.dags.get(&loaded.dag.dag_id).and_then(|before| before.next_run_at());
        if let (Some(due), When::Lines(_)) = (before, &loaded.dag.schedule.when) {
            let just_before = due.checked_sub(SignedDuration::from_micros(1)).unwrap_or(due);
            return Ok(ticks.after(just_before.min(now)));
        }
        let last = self.reader.last_scheduled(loaded.dag.dag_id.as_str()).await?;
        Ok(ticks.resume(last, now))
    }

    /// Forgets a DAG whose file is gone.
    pub(super) fn drop_dag(&mut self, turn: &mut Turn, dag_id: &DagId) {
        self.timetable.set(dag_id, None);
        turn.dags_changed = true;
        self.dags.remove(dag_id);
    }

    pub(super) async fn start_due_runs(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        for dag_id in self.timetable.is_due(turn.now) {
            let Some(loaded) = self.dags.get(&dag_id).cloned() else { continue };
            let ticks = loaded.dag.ticks();
            let mut next = loaded.next_tick;
            let mut is_parked = false;
            for _ in 0..RUNS_PER_TURN {
                let Some(tick) = next.filter(|tick| tick.run_after <= turn.now) else { break };
                if self.overlap(&dag_id) == Overlap::Queue && self.is_full(&dag_id) {
                    is_parked = true;
                    break;
                }
                let tick = ticks.started(tick, turn.now);
                self.start_scheduled_run(turn, &loaded, tick).await?;
                next = ticks.following(tick, turn.now);
            }
            self.timetable.set(&dag_id, next.map(|tick| tick.run_after));
            if is_parked {
                self.timetable.park(&dag_id);
            }
            self.dags.insert(dag_id, Arc::new(LoadedDag { next_tick: next, ..(*loaded).clone() }));
            turn.dags_changed = true;
        }
        Ok(())
    }

    async fn start_scheduled_run(
        &mut self,
        turn: &mut Turn,
        loaded: &LoadedDag,
        tick: Tick,
    ) -> Result<(), EngineError> {
        let dag_id = &loaded.dag.dag_id;
        let run_id = scheduled_run_id(tick);
        if self.is_taken(&turn.batch.new_runs, dag_id, &run_id).await? {
            // Somebody gave a run this name, or the clock was set back over a tick that had its run.
            turn.event(
                "dag.schedule_skipped",
                Some(dag_id),
                &Actor::schedule(),
                json!({ "run_id": run_id }).to_string(),
            );
            return Ok(());
        }
        match loaded.dag.overlap {
            Overlap::Skip if self.is_full(dag_id) => {
                let body = json!({ "run_id": run_id, "reason": "a run is under way, and overlap is skip" });
                turn.event("dag.schedule_skipped", Some(dag_id), &Actor::schedule(), body.to_string());
                return Ok(());
            }
            Overlap::CancelRunning if self.is_full(dag_id) => self.cancel_for_room(turn, dag_id)?,
            _ => {}
        }
        let mut request = TriggerRequest::manual(dag_id.clone(), Actor::schedule());
        request.run_type = RunType::Scheduled;
        request.logical_date = Some(tick.logical_date);
        request.data_interval = Some(tick.data_interval);
        request.run_after = Some(tick.run_after);
        if let Err(error) = self.create_run(turn, loaded, request, run_id) {
            tracing::error!(dag = %dag_id, %error, "the schedule could not start a run");
            let body = json!({ "error": error.to_string() }).to_string();
            turn.event("dag.schedule_failed", Some(dag_id), &Actor::schedule(), body);
        }
        Ok(())
    }
}
