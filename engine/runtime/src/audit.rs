//! The check that the history was not altered, and that the summaries are what it says.
//!
//! Three things are recomputed: the hash chain over all events; for every run, the state that its events lead to;
//! and the rows that pages read, which must be that state.

use crate::engine_body;
use crate::versions::Versions;
use esteira_core::catalog::Catalog;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::{Change, InstanceKey, Run};
use esteira_store::{EventRow, Reader, RunSnapshot, StoreError, TaskInstanceRow};
use serde::Serialize;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many events the chain has.
    pub events: u64,
    /// How many runs were replayed.
    pub runs: u64,
    /// The first row that does not fit; none when all do.
    pub problem: Option<Problem>,
}

/// A row that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which row: `event 17`, `run d/r`, `task instance d/r/t`.
    pub row: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    fn new(row: String, message: impl Into<String>) -> Self {
        Self { row, message: message.into() }
    }
}

/// How many runs are named at once.
const RUNS_AT_ONCE: u32 = 1_000;

/// Checks the whole history of a home. It may be in use: what happens meanwhile is left for the next check.
pub async fn verify(reader: &Reader, catalog: &(dyn Catalog + Sync)) -> Result<Verification, StoreError> {
    let mut verification = Verification { events: 0, runs: 0, problem: None };
    match reader.check_chain().await? {
        Ok(events) => verification.events = events,
        Err((seq, message)) => {
            verification.problem = Some(Problem::new(format!("event {seq}"), message));
            return Ok(verification);
        }
    }
    let mut versions = Versions::default();
    let mut after = 0;
    loop {
        let keys = reader.run_keys_after(after, RUNS_AT_ONCE).await?;
        let Some(last) = keys.last() else { return Ok(verification) };
        after = *last;
        for key in keys {
            let Some(snapshot) = reader.run_snapshot(key).await? else { continue };
            let dag = versions.dag(reader, catalog, snapshot.run.version_id).await?;
            verification.problem = check_run(&snapshot, dag);
            if verification.problem.is_some() {
                return Ok(verification);
            }
            verification.runs += 1;
        }
    }
}

/// Replays the events of a run from its creation. The error is the number of the first event that does not fit, and
/// why.
pub(crate) fn replay(dag: Arc<Dag>, events: &[EventRow]) -> Result<Run, (i64, String)> {
    let mut run = Run::new(dag);
    for event in events.iter().filter(|event| event.name != "run.created") {
        let instance =
            event.task_index.map(|task| InstanceKey { task: TaskIndex(task), map_index: event.map_index });
        let try_number = (event.try_number > 0).then_some(event.try_number);
        let change = Change::read(&event.name, instance, try_number, &event.body).ok_or_else(|| {
            (event.seq, format!("\"{}\" is no event of a run that this version knows", event.name))
        })?;
        run.apply(&change, event.at).map_err(|error| (event.seq, error.to_string()))?;
    }
    Ok(run)
}

fn check_run(snapshot: &RunSnapshot, dag: Option<Arc<Dag>>) -> Option<Problem> {
    let run = &snapshot.run;
    let name = format!("run {}/{}", run.dag_id, run.run_id);
    let Some(dag) = dag else {
        return Some(Problem::new(name, format!("its DAG version {} cannot be read", run.version_number)));
    };
    let Some(created) = snapshot.events.first().filter(|event| event.name == "run.created") else {
        return Some(Problem::new(name, "the history does not tell of its creation"));
    };
    if created.body != engine_body(run) || created.at != run.queued_at {
        return Some(Problem::new(name, format!("its row is not what event {} created", created.seq)));
    }
    let replayed = match replay(dag, &snapshot.events) {
        Ok(replayed) => replayed,
        Err((seq, message)) => return Some(Problem::new(format!("event {seq}"), message)),
    };
    if (replayed.state(), replayed.started_at(), replayed.ended_at())
        != (run.state, run.started_at, run.ended_at)
    {
        return Some(Problem::new(
            name,
            format!("its row says {}, its events lead to {}", run.state, replayed.state()),
        ));
    }
    check_instances(&replayed, &snapshot.instances, &name)
}

fn check_instances(replayed: &Run, rows: &[TaskInstanceRow], run: &str) -> Option<Problem> {
    let expected = replayed.instances().count();
    if expected != rows.len() {
        return Some(Problem::new(
            run.to_owned(),
            format!("it has {} task instances, its DAG has {expected}", rows.len()),
        ));
    }
    for ((instance, live), row) in replayed.instances().zip(rows) {
        let replayed_row =
            (instance.task.0, live.state, live.try_number, live.scheduled_at, live.started_at, live.ended_at);
        let stored_row =
            (row.task_index, row.state, row.try_number, row.scheduled_at, row.started_at, row.ended_at);
        if replayed_row != stored_row || live.retry_at != row.retry_at {
            let state = |state: Option<esteira_core::states::TaskInstanceState>| {
                state.map_or("no_status", |state| state.as_str())
            };
            let name = format!("task instance {}/{}/{}", row.dag_id, row.run_id, row.task_id);
            let message = format!(
                "its row says {} in attempt {}, its events lead to {} in attempt {}",
                state(row.state),
                row.try_number,
                state(live.state),
                live.try_number
            );
            return Some(Problem::new(name, message));
        }
    }
    None
}
