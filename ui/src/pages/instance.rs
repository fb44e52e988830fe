//! A task instance: its attempts with their errors, the log, what it pushed, its arguments, its events. With
//! `?panel=1` the short form that the grid opens beside itself.

use super::cells::instance_key;
use super::events_table::EventLine;
use super::instance_log::{self, LogView};
use super::instance_xcom::{self, XcomView};
use super::notifications::{Notification, notification};
use super::question::{self, Given, QuestionView};
use crate::AppState;
use crate::definition::{Definition, Task};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::json_tree::JsonTree;
use crate::links;
use crate::show::{self, Elapsed, Instant, Mark};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::run::AttemptError;
use esteira_runtime::logs::LogKey;
use esteira_store::{AttemptKey, AttemptRow, Counting, EventColumn, Listing, Page, RunRow, TaskInstanceRow};
use jiff::Timestamp;
use serde::Deserialize;

/// How many events are shown; the audit page has the rest.
const EVENTS_MAX: u32 = 200;

/// How many lines of the log the panel shows.
const PANEL_LINES: usize = 12;

/// Which instance, attempt and view are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    map_index: Option<i32>,
    #[serde(rename = "try")]
    try_number: Option<u32>,
    view: String,
    panel: bool,
    /// The line of the log to begin with, counted from 1.
    line: Option<u64>,
}

/// What page and panel share.
pub(crate) struct Subject {
    dag_id: String,
    dag_url: String,
    run_id: String,
    run_url: String,
    task_id: String,
    map_index: i32,
    url: String,
    path: String,
    key: String,
    mark: Mark,
    operator: String,
    tries: String,
    waited: Elapsed,
    ran: Elapsed,
    started: Option<Instant>,
    ended: Option<Instant>,
    retry_at: Option<Instant>,
    attempts: Vec<Attempt>,
    /// The attempt that is shown; 0 when there is none.
    number: u32,
    error: Option<AttemptError>,
    upstream: Vec<(String, String)>,
    downstream: Vec<(String, String)>,
    timeout: Option<String>,
    why: Option<String>,
    /// When the attempt that is shown began, in milliseconds of Unix time; 0 if that is not known.
    began: i64,
    /// All instances of its task, if it is mapped.
    mapped_url: Option<String>,
    rerun_url: String,
    doc: Option<String>,
}

struct Attempt {
    number: u32,
    mark: Mark,
    length: Elapsed,
    url: String,
    is_shown: bool,
}

#[derive(Template)]
#[template(path = "instance.html")]
struct InstancePage {
    frame: Frame,
    it: Subject,
    question: Option<QuestionView>,
    view: &'static str,
    log: Option<LogView>,
    xcoms: Vec<XcomView>,
    arguments: Option<JsonTree>,
    notifications: Vec<Notification>,
    rows: Vec<EventLine>,
}

#[derive(Template)]
#[template(path = "instance_panel.html")]
struct InstancePanel {
    it: Subject,
    log: LogView,
    may_run: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (run, instance) = find(&state, &dag_id, &run_id, &task_id, &wanted).await?;
    shown(&state, &run, &instance, &wanted, &visitor, &Given::default()).await
}

/// The run and the instance that an address names.
pub(crate) async fn find(
    state: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    wanted: &Wanted,
) -> Result<(RunRow, TaskInstanceRow), PageError> {
    let run = super::run::find(state, dag_id, run_id).await?;
    let instance =
        state.handle.reader().instance(run.run_key, task_id, wanted.map_index.unwrap_or(-1)).await?;
    let missing = || PageError::not_found(format!("run \"{run_id}\" has no task \"{task_id}\""));
    Ok((run, instance.ok_or_else(missing)?))
}

/// The page; `given` is what was typed into the form of its question.
pub(crate) async fn shown(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
    wanted: &Wanted,
    visitor: &Visitor,
    given: &Given,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let key =
        AttemptKey { run_key: run.run_key, task_index: instance.task_index, map_index: instance.map_index };
    let attempts = reader.attempts(key).await?;
    let definition = Definition::read(&reader.definition(run.version_id).await?.unwrap_or_default());
    let mut it = subject(run, instance, &attempts, &definition, wanted.try_number);
    it.why = why(state, run, instance).await;
    let log_key = LogKey {
        dag_id: it.dag_id.clone(),
        run_id: it.run_id.clone(),
        task_id: it.task_id.clone(),
        map_index: instance.map_index,
        try_number: it.number,
    };
    if wanted.panel {
        let mut log = instance_log::view(state.handle.logs(), log_key, None).await?;
        log.lines.drain(..log.lines.len().saturating_sub(PANEL_LINES));
        return Ok(frame::html(&InstancePanel { it, log, may_run: visitor.may().run }));
    }
    let view = match wanted.view.as_str() {
        "xcom" => "xcom",
        "arguments" => "arguments",
        "events" => "events",
        _ => "log",
    };
    let shown = attempts.iter().find(|attempt| attempt.try_number == it.number);
    let page = InstancePage {
        frame: page_frame(visitor, &it),
        question: question::view(state, run, instance, it.number, given).await?,
        view,
        log: if view == "log" && it.number > 0 {
            Some(instance_log::view(state.handle.logs(), log_key, wanted.line).await?)
        } else {
            None
        },
        xcoms: if view == "xcom" { instance_xcom::views(state, run, instance).await? } else { Vec::new() },
        arguments: shown.and_then(|attempt| attempt.arguments.clone()).map(JsonTree::new),
        notifications: match view {
            "events" => notifications(state, run, instance).await?,
            _ => Vec::new(),
        },
        rows: if view == "events" { events(state, run, instance).await? } else { Vec::new() },
        it,
    };
    Ok(frame::html(&page))
}

fn page_frame(visitor: &Visitor, it: &Subject) -> Frame {
    visitor
        .frame(Section::Dags, format!("{} · {}", it.task_id, it.run_id))
        .crumb("DAGs", "/dags")
        .crumb(it.dag_id.clone(), it.dag_url.clone())
        .crumb(it.run_id.clone(), it.run_url.clone())
        .crumb(it.task_id.clone(), "")
        .events(links::query(&[("dag_id", &it.dag_id), ("run_id", &it.run_id)]))
        .script("log.js")
        .script("copy.js")
        .script("json_editor.js")
}

fn subject(
    run: &RunRow,
    instance: &TaskInstanceRow,
    ended: &[AttemptRow],
    definition: &Definition,
    wanted: Option<u32>,
) -> Subject {
    let now = Timestamp::now();
    let (dag_id, run_id, task_id) = (run.dag_id.as_str(), run.run_id.as_str(), instance.task_id.as_str());
    let url = links::instance(dag_id, run_id, task_id, instance.map_index);
    let map_index = if instance.map_index < 0 { String::new() } else { instance.map_index.to_string() };
    let place = instance.task_index as usize;
    let neighbour = |name: &str| (name.to_owned(), links::instance(dag_id, run_id, name, -1));
    let task = definition.tasks.get(place).cloned().unwrap_or_default();
    let number = wanted.unwrap_or(instance.try_number).min(instance.try_number);
    let end = |at: Option<Timestamp>| at.or(run.ended_at);
    Subject {
        dag_url: links::dag(dag_id),
        run_url: links::run(dag_id, run_id),
        path: links::instance(dag_id, run_id, task_id, -1),
        key: instance_key(instance),
        mark: Mark::of_instance(instance.state),
        tries: super::run_rows::tries(instance, task.retries),
        waited: Elapsed::between(instance.scheduled_at, end(instance.started_at), now),
        ran: Elapsed::between(instance.started_at, end(instance.ended_at), now),
        started: instance.started_at.map(|at| Instant::new(at, now)),
        ended: instance.ended_at.map(|at| Instant::new(at, now)),
        retry_at: instance.retry_at.map(|at| Instant::new(at, now)),
        attempts: attempts(instance, ended, &url, number, now),
        error: ended
            .iter()
            .find(|attempt| attempt.try_number == number)
            .and_then(|attempt| attempt.error.clone()),
        upstream: definition.upstream_of(place).map(neighbour).collect(),
        downstream: definition.downstream_of(place).map(neighbour).collect(),
        timeout: timeout(&task),
        why: None,
        began: began(instance, ended, number),
        mapped_url: (instance.map_index >= 0).then(|| super::cells::mapped_url(instance)),
        rerun_url: links::with_query(
            &format!("{}/rerun", links::run(dag_id, run_id)),
            &[("task", task_id), ("map_index", &map_index)],
        ),
        doc: task.doc_md,
        operator: task.operator,
        dag_id: dag_id.to_owned(),
        run_id: run_id.to_owned(),
        task_id: task_id.to_owned(),
        map_index: instance.map_index,
        url,
        number,
    }
}

/// When an attempt began.
fn began(instance: &TaskInstanceRow, ended: &[AttemptRow], number: u32) -> i64 {
    let of_attempt =
        ended.iter().find(|attempt| attempt.try_number == number).map(|attempt| attempt.started_at);
    of_attempt.or(instance.started_at).map_or(0, Timestamp::as_millisecond)
}

/// Why the instance is not running, if it waits.
async fn why(state: &AppState, run: &RunRow, instance: &TaskInstanceRow) -> Option<String> {
    let place = (instance.task_id.to_string(), instance.map_index);
    super::reasons::of(state, run, [place].into_iter()).await.into_values().next()
}

fn timeout(task: &Task) -> Option<String> {
    let length = jiff::SignedDuration::try_from(task.execution_timeout?).ok()?;
    Some(show::duration(length))
}

/// The attempts that ended, and the one that runs.
fn attempts(
    instance: &TaskInstanceRow,
    ended: &[AttemptRow],
    url: &str,
    shown: u32,
    now: Timestamp,
) -> Vec<Attempt> {
    let attempt = |number: u32, mark: Mark, length: Elapsed| Attempt {
        number,
        mark,
        length,
        url: links::with_query(url, &[("try", &number.to_string())]),
        is_shown: number == shown,
    };
    let mut attempts: Vec<Attempt> = ended
        .iter()
        .map(|row| {
            let length = Elapsed::between(Some(row.started_at), Some(row.ended_at), now);
            attempt(row.try_number, Mark::of_outcome(&row.outcome), length)
        })
        .collect();
    let last = ended.last().map_or(0, |row| row.try_number);
    if instance.try_number > last {
        let length = Elapsed::between(instance.started_at, instance.ended_at, now);
        attempts.push(attempt(instance.try_number, Mark::of_instance(instance.state), length));
    }
    attempts
}

/// The callbacks that tell of the instance.
async fn notifications(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
) -> Result<Vec<Notification>, PageError> {
    let (task_id, map_index) = (instance.task_id.as_str(), instance.map_index);
    let reader = state.handle.reader();
    let rows = reader.notifications_of_instance(run.run_key, task_id, map_index).await?;
    Ok(rows.into_iter().map(|row| notification(row, run)).collect())
}

async fn events(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
) -> Result<Vec<EventLine>, PageError> {
    let listing = Listing {
        any_number: vec![
            (EventColumn::RunKey, vec![run.run_key]),
            (EventColumn::MapIndex, vec![i64::from(instance.map_index)]),
        ],
        order: vec![(EventColumn::Seq, true)],
        limit: EVENTS_MAX,
        counting: Counting::Nothing,
        ..Listing::default()
    };
    let listing = listing.with(EventColumn::TaskId, instance.task_id.as_str());
    let list = state.handle.reader().list(&listing).await?;
    let page = Page { rows: list.rows, has_more: list.next.is_some() };
    Ok(EventLine::all(&page))
}
