//! Which runs may begin: as many of a DAG as its `max_active_runs` says, oldest first; the others stay queued.

use super::EngineError;
use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use crate::dag_folder::LoadedDag;
use esteira_core::dag::{MAX_ACTIVE_RUNS, Overlap};
use esteira_core::ids::DagId;
use esteira_core::run::Input;
use esteira_core::states::RunState;
use esteira_store::RunKey;
use serde_json::json;

impl MainLoop {
    /// Begins the runs of a DAG that have waited for their turn, as far as there is room.
    pub(super) fn start_queued_runs(&mut self, turn: &mut Turn, dag_id: &DagId) -> Result<(), EngineError> {
        let room = self.max_active_runs(dag_id).saturating_sub(self.count_of(dag_id, RunState::Running));
        let next: Vec<RunKey> = self
            .runs
            .of_dag(dag_id)
            .filter(|(_, live)| live.run.state() == RunState::Queued && live.run.stop_cause().is_none())
            .map(|(run_key, live)| (run_key, live.row.backfill_id.is_some()))
            // A backfill starts only as many runs as it may have; they take up no room of the others.
            .scan(room, |room, (run_key, is_backfill)| {
                let begins = is_backfill || *room > 0;
                *room -= usize::from(begins && !is_backfill);
                Some(begins.then_some(run_key))
            })
            .flatten()
            .collect();
        for run_key in next {
            self.decide(turn, run_key, Input::Start, &Actor::engine())?;
        }
        Ok(())
    }

    /// Goes on where a run of this turn has ended: with the runs that waited for that, and with the schedule.
    pub(super) async fn make_use_of_room(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        while let Some((dag_id, run_key)) = turn.ended_runs.pop() {
            if let Some(run_id) = self.runs.get(run_key).map(|live| live.run_id.clone()) {
                self.go_on_after(turn, &dag_id, &run_id)?;
            }
            self.pause_after_failures(turn, &dag_id, run_key).await?;
            self.start_queued_runs(turn, &dag_id)?;
            self.timetable.go_on(&dag_id);
        }
        Ok(())
    }

    /// Whether a run that is due now would find as many under way or waiting as there may be.
    pub(super) fn is_full(&self, dag_id: &DagId) -> bool {
        let under_way = self.count_of(dag_id, RunState::Running) + self.count_of(dag_id, RunState::Queued);
        under_way >= self.max_active_runs(dag_id)
    }

    /// Cancels the oldest runs of a DAG until there is room for one more.
    pub(super) fn cancel_for_room(&mut self, turn: &mut Turn, dag_id: &DagId) -> Result<(), EngineError> {
        let under_way: Vec<RunKey> = self
            .runs
            .of_dag(dag_id)
            .filter(|(_, live)| !live.run.state().is_terminal() && live.run.stop_cause().is_none())
            .filter(|(_, live)| live.row.backfill_id.is_none())
            .map(|(run_key, _)| run_key)
            .collect();
        let too_many = (under_way.len() + 1).saturating_sub(self.max_active_runs(dag_id));
        for run_key in under_way.into_iter().take(too_many) {
            self.decide(turn, run_key, Input::Cancel, &Actor::schedule())?;
        }
        Ok(())
    }

    pub(super) fn overlap(&self, dag_id: &DagId) -> Overlap {
        self.dags.get(dag_id).map_or(Overlap::Queue, |loaded| loaded.dag.overlap)
    }

    /// Why a run of this DAG that is queued does not begin.
    pub(super) fn why_queued(&self, dag_id: &DagId) -> String {
        let running = self.count_of(dag_id, RunState::Running);
        let runs = if running == 1 { "1 run is".to_owned() } else { format!("{running} runs are") };
        format!("its run waits: {runs} under way, as many as max_active_runs allows")
    }

    fn max_active_runs(&self, dag_id: &DagId) -> usize {
        self.dags.get(dag_id).map_or(MAX_ACTIVE_RUNS, |loaded| loaded.dag.max_active_runs) as usize
    }

    fn count_of(&self, dag_id: &DagId, state: RunState) -> usize {
        let counts = |live: &LiveRun| live.run.state() == state && live.row.backfill_id.is_none();
        self.runs.of_dag(dag_id).filter(|(_, live)| counts(live)).count()
    }

    /// Pauses a DAG whose newest runs have all failed, as many in a row as it says.
    async fn pause_after_failures(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        run_key: RunKey,
    ) -> Result<(), EngineError> {
        let Some(loaded) = self.dags.get(dag_id).cloned() else { return Ok(()) };
        let in_a_row = loaded.dag.max_consecutive_failed_dag_runs;
        let has_failed = self.runs.get(run_key).is_some_and(|live| live.run.state() == RunState::Failed);
        if in_a_row == 0 || !has_failed || loaded.is_paused {
            return Ok(());
        }
        let before = self.reader.last_run_states(dag_id.as_str(), run_key, in_a_row - 1).await?;
        if before.len() + 1 < in_a_row as usize || before.iter().any(|state| *state != RunState::Failed) {
            return Ok(());
        }
        let body = json!({ "reason": format!("its last {in_a_row} runs have failed (max_consecutive_failed_dag_runs)") });
        turn.event("dag.paused", Some(dag_id), &Actor::engine(), body.to_string());
        self.put_dag(turn, LoadedDag { is_paused: true, ..(*loaded).clone() }).await
    }
}
