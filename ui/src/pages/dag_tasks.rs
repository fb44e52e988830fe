//! The tasks of a DAG, as its newest version defines them: what each runs, when, how often, and beside which others.

use super::dag_head::DagHead;
use crate::definition::{Definition, Task};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show;
use crate::{AppState, links, t, tm};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::SignedDuration;
use std::time::Duration;

#[derive(Template)]
#[template(path = "dag_tasks.html")]
struct TasksPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<TaskLine>,
}

/// A task.
struct TaskLine {
    task_id: String,
    operator: String,
    trigger_rule: String,
    retries: String,
    timeout: String,
    pool: String,
    pool_slots: u32,
    owner: String,
    owner_url: String,
    doc: String,
    upstream: Vec<Neighbour>,
    downstream: Vec<Neighbour>,
}

/// A task that this one waits for, or that waits for it, and its place on the page.
struct Neighbour {
    task_id: String,
    url: String,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "tasks").await?;
    let definition = &head.definition;
    let rows =
        definition.tasks.iter().enumerate().map(|(place, task)| TaskLine::new(definition, place, task));
    let page = TasksPage {
        rows: rows.collect(),
        frame: head.frame(&visitor, t("Tasks")).style("dag_views.css"),
        head,
    };
    Ok(frame::html(&page))
}

impl TaskLine {
    fn new(definition: &Definition, place: usize, task: &Task) -> Self {
        Self {
            task_id: task.task_id.clone(),
            operator: task.operator.clone(),
            trigger_rule: task.trigger_rule.to_string(),
            retries: retries(task),
            timeout: task.execution_timeout.map(length).unwrap_or_default(),
            pool: task.pool.clone(),
            pool_slots: task.pool_slots,
            owner: task.owner.clone(),
            owner_url: links::with_query("/dags", &[("owner", &task.owner)]),
            doc: task.doc_md.clone().unwrap_or_default(),
            upstream: definition.upstream_of(place).map(neighbour).collect(),
            downstream: definition.downstream_of(place).map(neighbour).collect(),
        }
    }
}

fn neighbour(task_id: &str) -> Neighbour {
    Neighbour { task_id: task_id.to_owned(), url: format!("#task-{}", links::escaped(task_id)) }
}

/// `3, after 5 m 00 s each`.
fn retries(task: &Task) -> String {
    match task.retries {
        0 => t("none").to_owned(),
        retries => tm("{}, after {} each", &[&retries, &length(task.retry_delay)]),
    }
}

/// A length of time in words.
pub(super) fn length(of: Duration) -> String {
    show::duration(SignedDuration::try_from(of).unwrap_or(SignedDuration::MAX))
}
