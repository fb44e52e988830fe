//! The check that the history was not altered, and that the summaries are what it says.
//!
//! Recomputed are: the hash chain over all events; the hash of every DAG version's source, which the event of its
//! addition tells; for every run, the state that its events lead to; and the rows that pages read, which must be that
//! state. XCom values and logs are data, and not covered.

use crate::engine_body;
use crate::source_hash;
use crate::versions::{Versions, version_after};
use esteira_core::catalog::Catalog;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::{AttemptError, Change, InstanceKey, Run};
use esteira_store::{EventFilter, EventRow, Reader, RunSnapshot, StoreError, TaskInstanceRow, VersionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// How many events the chain has.
    pub events: u64,
    /// How many runs were replayed.
    pub runs: u64,
    /// The first row that does not fit; none when all do.
    pub problem: Option<Problem>,
}

/// A row that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            let dags = versions.of_run(reader, catalog, &snapshot.events).await?;
            verification.problem = check_run(&snapshot, &dags);
            if verification.problem.is_some() {
                return Ok(verification);
            }
            verification.runs += 1;
        }
    }
}

/// Replays the events of a run from its creation, over the versions of its DAG that they name. The error is the number of
/// the first event that does not fit, and why.
pub(crate) fn replay(
    dags: &HashMap<VersionId, Arc<Dag>>,
    run_id: &str,
    events: &[EventRow],
) -> Result<Run, (i64, String)> {
    let mut replayed: Option<Run> = None;
    for event in events {
        let fault = |message: &str| (event.seq, message.to_owned());
        if let Some((version_id, number)) = version_after(event) {
            let dag = dags.get(&version_id).cloned();
            let dag = dag.ok_or_else(|| (event.seq, format!("DAG version {number} cannot be read")))?;
            match &mut replayed {
                None => replayed = Some(Run::new(dag, run_id)),
                Some(run) => {
                    run.change_version(dag).ok_or_else(|| fault("the run was not over"))?;
                }
            }
            continue;
        }
        // What was told of the run, or put beside it, changes nothing in it.
        if event.name.starts_with("notification.") || event.name == "xcom.set" {
            continue;
        }
        let instance =
            event.task_index.map(|task| InstanceKey { task: TaskIndex(task), map_index: event.map_index });
        let try_number = (event.try_number > 0).then_some(event.try_number);
        let change = Change::read(&event.name, instance, try_number, &event.body).ok_or_else(|| {
            (event.seq, format!("\"{}\" is no event of a run that this version knows", event.name))
        })?;
        let run = replayed.as_mut().ok_or_else(|| fault("the run was not created before"))?;
        run.apply(&change, event.at).map_err(|error| (event.seq, error.to_string()))?;
    }
    replayed.ok_or_else(|| (0, "the history does not tell of its creation".to_owned()))
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

fn check_run(snapshot: &RunSnapshot, dags: &HashMap<VersionId, Arc<Dag>>) -> Option<Problem> {
    let run = &snapshot.run;
    let name = format!("run {}/{}", run.dag_id, run.run_id);
    let Some(created) = snapshot.events.first().filter(|event| event.name == "run.created") else {
        return Some(Problem::new(name, "the history does not tell of its creation"));
    };
    let mut versions = snapshot.events.iter().filter_map(version_after);
    let first = versions.next();
    let last = versions.next_back().or(first);
    let mut as_created = run.clone();
    (as_created.version_id, as_created.version_number) = first.unwrap_or_default();
    if created.body != engine_body(&as_created) || created.at != run.queued_at {
        return Some(Problem::new(name, format!("its row is not what event {} created", created.seq)));
    }
    if last != Some((run.version_id, run.version_number)) {
        return Some(Problem::new(
            name,
            "its row has another DAG version than its events tell of".to_owned(),
        ));
    }
    if !dags.contains_key(&run.version_id) {
        return Some(Problem::new(name, format!("its DAG version {} cannot be read", run.version_number)));
    }
    let replayed = match replay(dags, run.run_id.as_str(), &snapshot.events) {
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

/// The attempts as the events tell them, in the order of the rows, with the numbers that tasks have in the run now.
fn told_attempts(events: &[EventRow], numbers: &HashMap<&str, u32>) -> Vec<AttemptFacts> {
    let mut running: HashMap<(u32, i32), (u32, Timestamp)> = HashMap::new();
    let mut waiting: HashMap<(u32, i32), Timestamp> = HashMap::new();
    let mut told = Vec::new();
    for event in events {
        // A task's number changes with the version, its name does not.
        let Some(task) = numbers.get(event.task_id.as_str()).copied() else { continue };
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
    let numbers = snapshot.instances.iter().map(|row| (row.task_id.as_str(), row.task_index)).collect();
    let told = told_attempts(&snapshot.events, &numbers);
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
    let dag = replayed.dag();
    let present = replayed.instances().map(|(key, live)| (key, &dag.task(key.task).task_id, live));
    let expected: Vec<_> = present.chain(replayed.removed_instances()).collect();
    if expected.len() != rows.len() {
        return Some(Problem::new(
            run.to_owned(),
            format!("it has {} task instances, its DAG has {}", rows.len(), expected.len()),
        ));
    }
    expected.into_iter().zip(rows).find_map(|((key, task_id, live), row)| {
        let replayed_row = (key.task.0, key.map_index, task_id, live.state, live.try_number);
        let stored_row = (row.task_index, row.map_index, &row.task_id, row.state, row.try_number);
        let replayed_times = (live.scheduled_at, live.started_at, live.ended_at, live.retry_at);
        let stored_times = (row.scheduled_at, row.started_at, row.ended_at, row.retry_at);
        if replayed_row == stored_row && replayed_times == stored_times {
            return None;
        }
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
        Some(Problem::new(name, message))
    })
}
