//! Removing runs that are over, and DAGs with all their runs: their rows, values and logs go. The history keeps what
//! happened, and that it was removed, by whom.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::{Act, Turn};
use crate::command::{Actor, CommandError};
use esteira_core::ids::{DagId, RunId};
use esteira_store::{RunFilter, RunRow};

impl MainLoop {
    /// Removes a run that is not under way.
    pub(super) async fn delete_run(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        run_id: &RunId,
        actor: &Actor,
    ) -> Result<(), Stop> {
        let Some(run) = self.reader.run(dag_id.as_str(), run_id.as_str()).await? else {
            // One that this very turn has created is under way.
            return Err(match self.runs.key_of(dag_id, run_id) {
                Some(_) => CommandError::RunIsUnderWay(run_id.to_string()).into(),
                None => {
                    CommandError::UnknownRun { dag_id: dag_id.to_string(), run_id: run_id.to_string() }.into()
                }
            });
        };
        self.check_is_over(&run)?;
        self.remove_run(turn, &run, actor);
        Ok(())
    }

    /// Removes a DAG with all its runs; gives how many these were. One whose file is still there begins anew, without
    /// runs.
    pub(super) async fn delete_dag(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        actor: &Actor,
    ) -> Result<usize, Stop> {
        if self.reader.dag(dag_id.as_str()).await?.is_none() {
            return Err(CommandError::UnknownDag(dag_id.to_string()).into());
        }
        let filter = RunFilter { dag_id: Some(dag_id.to_string()), ..RunFilter::default() };
        let runs = self.reader.runs(&filter, u32::MAX - 1).await?.rows;
        for run in &runs {
            self.check_is_over(run)?;
        }
        if let Some((_, live)) = self.runs.of_dag(dag_id).next() {
            return Err(CommandError::RunIsUnderWay(live.run_id.to_string()).into());
        }
        for run in &runs {
            self.remove_run(turn, run, actor);
        }
        let body = serde_json::json!({ "runs": runs.len() }).to_string();
        turn.event("dag.deleted", Some(dag_id), actor, body);
        if !self.dags.contains_key(dag_id) {
            turn.batch.dags_gone.push(dag_id.clone());
        }
        Ok(runs.len())
    }

    fn check_is_over(&self, run: &RunRow) -> Result<(), Stop> {
        match self.runs.get(run.run_key) {
            Some(live) if !live.run.state().is_terminal() => {
                Err(CommandError::RunIsUnderWay(run.run_id.to_string()).into())
            }
            _ => Ok(()),
        }
    }

    fn remove_run(&mut self, turn: &mut Turn, run: &RunRow, actor: &Actor) {
        self.outbox.forget_run(run.run_key);
        self.resting.take(run.run_key);
        let place = (run.run_key, run.run_id.clone());
        turn.run_event("run.deleted", &run.dag_id, place, actor, String::new());
        turn.batch.runs_gone.push(run.run_key);
        turn.dags_with_runs_gone.insert(run.dag_id.clone());
        turn.acts.push(Act::RemoveLogs(run.dag_id.to_string(), run.run_id.to_string()));
    }
}
