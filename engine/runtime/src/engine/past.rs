//! Tasks that depend on the run before: what it says, and whenever that changes.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use esteira_core::dag::TaskIndex;
use esteira_core::ids::DagId;
use esteira_core::run::Input;
use esteira_core::states::TaskInstanceState;
use esteira_store::{RunKey, RunRow};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// The tasks that wait to hear what the run before says, by DAG.
pub(super) type PastAsks = HashMap<DagId, BTreeSet<(RunKey, TaskIndex)>>;

impl MainLoop {
    /// Answers the tasks that have asked in this turn, and those whose DAG's runs have changed in it.
    pub(super) async fn answer_pasts(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        while !self.past_asks.is_empty() {
            let changed: BTreeSet<DagId> = turn
                .touched_instances
                .iter()
                .filter_map(|(run_key, _)| Some(self.runs.get(*run_key)?.run.dag().dag_id.clone()))
                .chain(turn.dags_with_runs_gone.iter().cloned())
                .filter(|dag_id| self.past_asks.contains_key(dag_id))
                .collect();
            let asks: Vec<(RunKey, TaskIndex)> =
                changed.iter().filter_map(|dag_id| self.past_asks.get(dag_id)).flatten().copied().collect();
            let mut has_changed = false;
            for (run_key, task) in asks {
                let Some(live) = self.runs.get(run_key) else {
                    self.forget_past_ask(run_key, task);
                    continue;
                };
                let dag_id = live.run.dag().dag_id.clone();
                let reason = self.reason_of_past(run_key, task, &turn.batch.runs_gone).await?;
                if reason.is_none() {
                    self.past_asks.entry(dag_id).or_default().remove(&(run_key, task));
                    has_changed = true;
                }
                self.decide(turn, run_key, Input::Past { task, reason }, &Actor::engine())?;
            }
            self.past_asks.retain(|_, asks| !asks.is_empty());
            // What is allowed now may be what the next run waits for, or ask for its own.
            if !has_changed {
                break;
            }
        }
        Ok(())
    }

    fn forget_past_ask(&mut self, run_key: RunKey, task: TaskIndex) {
        for asks in self.past_asks.values_mut() {
            asks.remove(&(run_key, task));
        }
    }

    /// Why the run before does not let a task run; nothing when it does, or when there is none.
    async fn reason_of_past(
        &self,
        run_key: RunKey,
        task: TaskIndex,
        gone: &[RunKey],
    ) -> Result<Option<String>, EngineError> {
        let Some(live) = self.runs.get(run_key) else { return Ok(None) };
        let dag = live.run.dag();
        let Some(logical_date) = live.facts.logical_date else { return Ok(None) };
        let Some(before) = self.run_before(&dag.dag_id, logical_date, gone).await? else { return Ok(None) };
        let mut looked_at = vec![task];
        if dag.task(task).wait_for_downstream {
            looked_at.extend(dag.graph.downstream(task));
        }
        for other in looked_at {
            let task_id = dag.task(other).task_id.as_str();
            let states = self.states_in(&before, task_id).await?;
            let is_good = |state: &Option<TaskInstanceState>| {
                matches!(state, Some(TaskInstanceState::Success | TaskInstanceState::Skipped))
            };
            if states.iter().all(is_good) {
                continue;
            }
            let has_failed = states.iter().flatten().any(|state| state.is_failure());
            let what = if has_failed { "has failed there" } else { "has not succeeded there yet" };
            let key =
                if dag.task(task).wait_for_downstream { "wait_for_downstream" } else { "depends_on_past" };
            return Ok(Some(format!(
                "it waits for the run before, {}: \"{task_id}\" {what} ({key})",
                before.run_id
            )));
        }
        Ok(None)
    }

    /// The run of a DAG that stands for the last instant before this one; it may be too new for the database, and those
    /// that this turn removes are still in it.
    async fn run_before(
        &self,
        dag_id: &DagId,
        at: Timestamp,
        gone: &[RunKey],
    ) -> Result<Option<RunRow>, EngineError> {
        let stored = self.reader.run_before(dag_id.as_str(), at, gone).await?;
        let live = self
            .runs
            .of_dag(dag_id)
            .filter(|(run_key, _)| !gone.contains(run_key))
            .filter_map(|(run_key, live)| Some((live.facts.logical_date.filter(|date| *date < at)?, run_key)))
            .max();
        match (stored, live) {
            (stored, Some((date, run_key)))
                if stored.as_ref().is_none_or(|row| row.logical_date < Some(date)) =>
            {
                Ok(self.runs.get(run_key).map(|live| live.row.clone()))
            }
            (stored, _) => Ok(stored),
        }
    }

    /// The states of a task's instances in a run, live or over; nothing for a task that it does not have.
    async fn states_in(
        &self,
        run: &RunRow,
        task_id: &str,
    ) -> Result<Vec<Option<TaskInstanceState>>, EngineError> {
        if let Some(live) = self.runs.get(run.run_key) {
            let Some(task) = live.run.dag().index_of(task_id) else { return Ok(Vec::new()) };
            return Ok(live.run.keys_of(task).map(|key| live.run.instance(key).state).collect());
        }
        let rows = self.reader.instances(run.run_key).await?;
        Ok(rows.into_iter().filter(|row| row.task_id.as_str() == task_id).map(|row| row.state).collect())
    }
}
