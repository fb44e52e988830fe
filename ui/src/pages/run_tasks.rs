//! A run: its tasks with their states, attempts and durations, and the bars of when they waited and ran. Narrowed down to a
//! task or a state, it lists instances, page by page.

use super::notifications::{Notification, notification};
use super::run_head::RunHead;
use super::run_rows::{self, PAGE_LENGTH, Row, Rows};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::{Mark, count};
use crate::{AppState, links, tm};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::{NotificationState, TaskInstanceState};
use esteira_store::TaskStateRow;
use serde::Deserialize;

/// Which instances are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    task: String,
    from: usize,
    /// What was done before: `cleared`, `marked`, `cancelled`, with the number of task instances.
    done: String,
    number: u64,
}

#[derive(Template)]
#[template(path = "run_tasks.html")]
struct RunPage {
    frame: Frame,
    head: RunHead,
    done: Option<String>,
    rows: Vec<Row>,
    window: String,
    shown: String,
    /// The states of what is listed, each with the address of the list of it, and whether it is chosen.
    filters: Vec<(Mark, String, String, bool)>,
    all_url: String,
    is_filtered: bool,
    /// Only the instances of this task, if it is named.
    task: String,
    previous: Option<String>,
    next: Option<String>,
    notifications: Vec<Notification>,
    /// Whether any of them is still to be run.
    is_telling: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, tasks) = RunHead::read(&state, &dag_id, &run_id, "tasks").await?;
    let reader = state.handle.reader();
    let notifications = reader.notifications_of_run(run.run_key).await?;
    let rows = Rows::read(&state, &run, &tasks).await?;
    let filter = filter_mark(&wanted.state);
    let (mut listed, total) = if wanted.task.is_empty() && filter.is_none() {
        let all = rows.of_tasks(&tasks);
        let total = all.len();
        (all.into_iter().skip(wanted.from).take(PAGE_LENGTH).collect::<Vec<_>>(), total)
    } else {
        let part = (wanted.from, PAGE_LENGTH);
        let list = reader.list(&run_rows::listing(&run, &wanted.task, filter, part)).await?;
        let total = usize::try_from(list.total.unwrap_or_default()).unwrap_or(usize::MAX);
        (list.rows.iter().map(|instance| rows.of_instance(instance)).collect::<Vec<_>>(), total)
    };
    rows.explain(&state, listed.iter_mut()).await;
    let page_from = |from: usize| {
        let pairs = [("state", &wanted.state), ("task", &wanted.task), ("from", &from.to_string())];
        links::with_query(&head.url, &pairs.map(|(key, value)| (key, value.as_str())))
    };
    let until = (wanted.from + PAGE_LENGTH).min(total);
    let place = || {
        tm(
            "{} of {}",
            &[&format!("{}–{}", count(wanted.from as u64 + 1), count(until as u64)), &count(total as u64)],
        )
    };
    let page = RunPage {
        frame: head.frame(&visitor, "").script("done.js"),
        done: super::rerun::done(&wanted.done, wanted.number),
        rows: listed,
        window: rows.window.length(),
        shown: if total > PAGE_LENGTH { place() } else { String::new() },
        filters: filters(&tasks, &wanted, &head.url),
        all_url: links::with_query(&head.url, &[("task", &wanted.task)]),
        is_filtered: filter.is_some(),
        task: wanted.task.clone(),
        previous: (wanted.from > 0).then(|| page_from(wanted.from.saturating_sub(PAGE_LENGTH))),
        next: (until < total).then(|| page_from(until)),
        is_telling: notifications.iter().any(|row| row.state == NotificationState::Pending),
        notifications: notifications.into_iter().map(|row| notification(row, &run)).collect(),
        head,
    };
    Ok(frame::html(&page))
}

/// The states that the instances of the run, or of the task that is wanted, are in.
fn filters(tasks: &[TaskStateRow], wanted: &Wanted, url: &str) -> Vec<(Mark, String, String, bool)> {
    let mut states: Vec<(Mark, u64)> = Vec::new();
    for row in tasks.iter().filter(|row| wanted.task.is_empty() || row.task_id.as_str() == wanted.task) {
        let mark = Mark::of_instance(row.state);
        match states.iter_mut().find(|(known, _)| *known == mark) {
            Some((_, number)) => *number += row.count,
            None => states.push((mark, row.count)),
        }
    }
    let link = |mark: Mark| links::with_query(url, &[("task", &wanted.task), ("state", mark.name)]);
    states
        .into_iter()
        .map(|(mark, number)| (mark, count(number), link(mark), wanted.state == mark.name))
        .collect()
}

fn filter_mark(state: &str) -> Option<Mark> {
    match state {
        "no_status" => Some(Mark::of_instance(None)),
        label => TaskInstanceState::from_label(label).map(|state| Mark::of_instance(Some(state))),
    }
}
