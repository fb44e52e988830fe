//! A run: its tasks with their states, attempts and durations, and the bars of when they waited and ran.

use super::cells::instance_key;
use super::run_head::RunHead;
use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::gantt::{Piece, Window};
use crate::links;
use crate::show::{Elapsed, Mark};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::{NotificationState, TaskInstanceState};
use esteira_store::{NotificationRow, RunRow, TaskInstanceRow};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// How many rows a page has.
const PAGE_LENGTH: usize = 300;

/// Up to so many instances, the bars show every attempt.
const INSTANCES_WITH_EVENTS: usize = 300;

/// Which instances are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    task: String,
    from: usize,
}

#[derive(Template)]
#[template(path = "run_tasks.html")]
struct RunPage {
    frame: Frame,
    head: RunHead,
    rows: Vec<Row>,
    window: String,
    shown: String,
    filter: Option<Mark>,
    /// Only the instances of this task, if it is named.
    task: String,
    previous: Option<String>,
    next: Option<String>,
    notifications: Vec<Notification>,
    /// Whether any of them is still to be run.
    is_telling: bool,
}

/// A callback that is to be run, or was.
struct Notification {
    callback: &'static str,
    about: String,
    /// The page of what it tells of.
    url: String,
    operator: String,
    mark: Mark,
    failures: u32,
    error: String,
}

struct Row {
    task_id: String,
    label: String,
    operator: String,
    url: String,
    key: String,
    mark: Mark,
    why: Option<String>,
    tries: String,
    waited: Elapsed,
    ran: Elapsed,
    pieces: Vec<Piece>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, instances) = RunHead::read(&state, &dag_id, &run_id, "tasks").await?;
    let reader = state.handle.reader();
    let definition = Definition::read(&reader.definition(run.version_id).await?.unwrap_or_default());
    let window = Window::of_run(&run, Timestamp::now());
    let mut bars = HashMap::new();
    if instances.len() <= INSTANCES_WITH_EVENTS {
        bars = window.bars(&reader.events_of_run(run.run_key).await?);
    }
    let notifications = reader.notifications_of_run(run.run_key).await?;
    let reasons = reasons(&state, &run).await;
    let filter = filter_mark(&wanted.state);
    let chosen: Vec<&TaskInstanceRow> = instances
        .iter()
        .filter(|instance| filter.is_none_or(|mark| mark == Mark::of_instance(instance.state)))
        .filter(|instance| wanted.task.is_empty() || instance.task_id.as_str() == wanted.task)
        .collect();
    let row = |instance: &&TaskInstanceRow| {
        let pieces = bars.get(&(instance.task_id.to_string(), instance.map_index)).cloned();
        let why = reasons.get(&(instance.task_id.to_string(), instance.map_index)).cloned();
        row(instance, &run, &definition, pieces.unwrap_or_else(|| window.newest_bar(instance)), why)
    };
    let page_from = |from: usize| {
        let pairs = [("state", &wanted.state), ("task", &wanted.task), ("from", &from.to_string())];
        links::with_query(&head.url, &pairs.map(|(key, value)| (key, value.as_str())))
    };
    let until = (wanted.from + PAGE_LENGTH).min(chosen.len());
    let page = RunPage {
        frame: head.frame(&visitor, ""),
        rows: chosen.iter().skip(wanted.from).take(PAGE_LENGTH).map(row).collect(),
        window: window.length(),
        shown: if chosen.len() > PAGE_LENGTH {
            format!("{}–{until} of {}", wanted.from + 1, chosen.len())
        } else {
            String::new()
        },
        filter,
        task: wanted.task.clone(),
        previous: (wanted.from > 0).then(|| page_from(wanted.from.saturating_sub(PAGE_LENGTH))),
        next: (until < chosen.len()).then(|| page_from(until)),
        is_telling: notifications.iter().any(|row| row.state == NotificationState::Pending),
        notifications: notifications.into_iter().map(|row| notification(row, &run)).collect(),
        head,
    };
    Ok(frame::html(&page))
}

fn notification(row: NotificationRow, run: &RunRow) -> Notification {
    let (dag_id, run_id) = (run.dag_id.as_str(), run.run_id.as_str());
    Notification {
        callback: row.kind.as_str(),
        about: row.about(),
        url: match row.is_of_task {
            true => links::instance(dag_id, run_id, row.task_id.as_str(), row.map_index),
            false => links::run(dag_id, run_id),
        },
        mark: Mark::of_instance(Some(row.stands())),
        operator: row.callback.operator,
        failures: row.failures,
        error: row.error.unwrap_or_default(),
    }
}

fn filter_mark(state: &str) -> Option<Mark> {
    match state {
        "no_status" => Some(Mark::of_instance(None)),
        label => TaskInstanceState::from_label(label).map(|state| Mark::of_instance(Some(state))),
    }
}

/// Why the instances of a run that has not ended are not running, by task and map index.
pub(super) async fn reasons(state: &AppState, run: &RunRow) -> HashMap<(String, i32), String> {
    if run.state.is_terminal() {
        return HashMap::new();
    }
    // An engine that does not answer says so elsewhere; the page shows what it can.
    let waiting = state.handle.why_waiting(run.dag_id.clone(), run.run_id.clone()).await.unwrap_or_default();
    waiting.into_iter().map(|it| ((it.task_id.to_string(), it.map_index), it.reason)).collect()
}

fn row(
    instance: &TaskInstanceRow,
    run: &RunRow,
    definition: &Definition,
    pieces: Vec<Piece>,
    why: Option<String>,
) -> Row {
    let now = Timestamp::now();
    let task = definition.tasks.get(instance.task_index as usize);
    let map_index = instance.map_index;
    // A time that never went on past the end of the run does not go on now.
    let end = |at: Option<Timestamp>| at.or(run.ended_at);
    Row {
        task_id: if map_index < 0 {
            instance.task_id.to_string()
        } else {
            format!("{} [{map_index}]", instance.task_id)
        },
        label: instance.label.clone().unwrap_or_default(),
        operator: task.map(|task| task.operator.clone()).unwrap_or_default(),
        url: links::instance(run.dag_id.as_str(), run.run_id.as_str(), instance.task_id.as_str(), map_index),
        key: instance_key(instance),
        mark: Mark::of_instance(instance.state),
        why,
        tries: tries(instance, task.map_or(0, |task| task.retries)),
        waited: Elapsed::between(instance.scheduled_at, end(instance.started_at), now),
        ran: Elapsed::between(instance.started_at, end(instance.ended_at), now),
        pieces,
    }
}

/// The attempt and how many there may be: `2 of 3`.
pub(super) fn tries(instance: &TaskInstanceRow, retries: u32) -> String {
    match (instance.try_number, retries) {
        (0, _) => String::new(),
        (number, 0) => number.to_string(),
        (number, retries) => format!("{number} of {}", number.max(retries + 1)),
    }
}
