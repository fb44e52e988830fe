//! The check that the history was not altered, and that the summaries are what it says.
//!
//! Recomputed are: the hash chain over all events; the hash of every DAG version's source, which the event of its
//! addition tells; for every run, the state that its events lead to; and the rows that pages read, which must be that
//! state. XCom values and logs are data, and not covered.

use crate::engine_body;
use crate::source_hash;
use crate::versions::Versions;
use esteira_core::catalog::Catalog;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::{AttemptError, Change, InstanceKey, Run};
use esteira_store::{EventFilter, EventRow, Reader, RunSnapshot, StoreError, TaskInstanceRow};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
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

/// More versions than anybody has: each is a distinct content that a DAG file had.
const VERSIONS_MAX: u32 = 10_000_000;

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
    verification.problem = check_versions(reader).await?;
    if verification.problem.is_some() {
        return Ok(verification);
    }
    if let Some((dag_id, run_id)) = reader.run_without_row().await? {
        let message = "the history tells of its creation, and it has no row".to_owned();
        verification.problem = Some(Problem::new(format!("run {dag_id}/{run_id}"), message));
        return Ok(verification);
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
pub(crate) fn replay(dag: Arc<Dag>, run_id: &str, events: &[EventRow]) -> Result<Run, (i64, String)> {
    let mut run = Run::new(dag, run_id);
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

/// Every version's source against its hash, and the hash against the event of its addition.
async fn check_versions(reader: &Reader) -> Result<Option<Problem>, StoreError> {
    let filter = EventFilter { name: Some("dag.version_added".to_owned()), ..EventFilter::default() };
    let mut told: HashMap<(String, i64), String> = reader
        .events(&filter, VERSIONS_MAX)
        .await?
        .rows
        .into_iter()
        .filter_map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.body).ok()?;
            let hash = body["source_hash"].as_str()?.to_owned();
            Some(((event.dag_id, body["version_number"].as_i64()?), hash))
        })
        .collect();
    for (version_id, dag_id, version_number, hash) in reader.version_index().await? {
        let Some(version) = reader.version_by_id(version_id).await? else { continue };
        let row = || format!("version {version_number} of DAG {dag_id}");
        if told.remove(&(dag_id.clone(), version_number)).as_ref() != Some(&hash) {
            return Ok(Some(Problem::new(row(), "its hash is not the one that the history tells")));
        }
        if source_hash(&version.source) != hash {
            return Ok(Some(Problem::new(row(), "its source does not fit its hash")));
        }
    }
    let missing = told.into_keys().min();
    Ok(missing.map(|(dag_id, version_number)| {
        let row = format!("version {version_number} of DAG {dag_id}");
        Problem::new(row, "the history tells of it, and it has no row")
    }))
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
    let replayed = match replay(dag, run.run_id.as_str(), &snapshot.events) {
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
    check_instances(&replayed, &snapshot.instances, &name).or_else(|| check_attempts(snapshot))
}

/// What an attempt's row must say: instance, number, outcome, begin, end, and why it failed.
type AttemptFacts = (u32, i32, u32, &'static str, Timestamp, Timestamp, Option<AttemptError>);

/// The attempts as the events tell them, in the order of the rows.
fn told_attempts(events: &[EventRow]) -> Vec<AttemptFacts> {
    let mut running: HashMap<(u32, i32), (u32, Timestamp)> = HashMap::new();
    let mut waiting: HashMap<(u32, i32), Timestamp> = HashMap::new();
    let mut told = Vec::new();
    for event in events {
        let Some(task) = event.task_index else { continue };
        let instance = (task, event.map_index);
        let outcome = match event.name.as_str() {
            "task.started" => {
                let began = waiting.remove(&instance).unwrap_or(event.at);
                running.insert(instance, (event.try_number, began));
                continue;
            }
            // It goes on under the same number, or never: then it left no attempt.
            "task.rescheduled" => {
                let began = running.remove(&instance).map(|(_, began)| began);
                waiting.extend(began.map(|began| (instance, began)));
                continue;
            }
            "task.succeeded" => "success",
            "task.failed" => "failed",
            "task.lost" => "lost",
            "task.interrupted" => "interrupted",
            "task.skipped" => "skipped",
            "task.cleared" => "cleared",
            "task.marked" => "marked",
            _ => continue,
        };
        waiting.remove(&instance);
        // An instance that was skipped before it began has no attempt.
        let Some((try_number, started_at)) = running.remove(&instance) else { continue };
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap_or_default();
        let error = serde_json::from_value(body["error"].clone()).ok();
        told.push((task, event.map_index, try_number, outcome, started_at, event.at, error));
    }
    told.sort_by_key(|facts| (facts.0, facts.1, facts.2));
    told
}

fn check_attempts(snapshot: &RunSnapshot) -> Option<Problem> {
    let told = told_attempts(&snapshot.events);
    let run = &snapshot.run;
    if told.len() != snapshot.attempts.len() {
        let message =
            format!("it has {} attempts, its events tell of {}", snapshot.attempts.len(), told.len());
        return Some(Problem::new(format!("run {}/{}", run.dag_id, run.run_id), message));
    }
    let mut pairs = told.iter().zip(&snapshot.attempts);
    let (facts, (key, row)) = pairs.find(|(facts, (key, row))| {
        let (task, map_index, try_number, outcome, started_at, ended_at, error) = facts;
        (key.task_index, key.map_index, row.try_number) != (*task, *map_index, *try_number)
            || (row.outcome.as_str(), row.started_at, row.ended_at) != (*outcome, *started_at, *ended_at)
            || row.error != *error
    })?;
    let name =
        format!("attempt {} of task {} in {}/{}", row.try_number, key.task_index, run.dag_id, run.run_id);
    Some(Problem::new(
        name,
        format!("its row says {}, its events tell of {} in attempt {}", row.outcome, facts.3, facts.2),
    ))
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
