//! Clear or mark: what is to be run again or to get a state, with a preview of what that touches before it is done.

use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::{Mark, plural};
use crate::{AppState, links};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{Redirect, Response};
use esteira_core::states::TaskInstanceState;
use esteira_runtime::{Actor, AffectedInstance, RerunRequest};
use serde::Deserialize;

/// How many of the task instances that are touched are named.
const NAMED_MAX: usize = 100;

/// What is to be done, and to which task instances. A checkbox that is not ticked is not sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// The task to begin with; all if empty.
    task: String,
    /// Of this task, only the instance with this map index, if given.
    map_index: Option<i32>,
    /// `clear`, `success`, `failed` or `skipped`.
    action: String,
    upstream: bool,
    downstream: bool,
    only_failed: bool,
    /// On the newest version of the DAG.
    latest: bool,
}

impl Wanted {
    fn mark(&self) -> Option<TaskInstanceState> {
        match self.action.as_str() {
            "success" => Some(TaskInstanceState::Success),
            "failed" => Some(TaskInstanceState::Failed),
            "skipped" => Some(TaskInstanceState::Skipped),
            _ => None,
        }
    }

    fn request(&self, dag_id: &str, run_id: &str, dry_run: bool, actor: Actor) -> RerunRequest {
        RerunRequest {
            dag_id: dag_id.into(),
            run_id: run_id.into(),
            task_ids: if self.task.is_empty() { Vec::new() } else { vec![self.task.as_str().into()] },
            map_index: self.map_index,
            upstream: self.upstream,
            downstream: self.downstream,
            only_failed: self.only_failed,
            only_running: false,
            on_latest_version: self.latest,
            mark: self.mark(),
            dry_run,
            actor,
        }
    }
}

#[derive(Template)]
#[template(path = "rerun.html")]
struct RerunPage {
    frame: Frame,
    run_id: String,
    run_url: String,
    wanted: Wanted,
    /// What can be done: its name in the form, what it says, and whether it is chosen.
    actions: Vec<(&'static str, &'static str, bool)>,
    effect: String,
    button: String,
    rows: Vec<(String, String, Mark)>,
    left_out: usize,
    /// The newest version of the DAG and the run's own, if they differ and the run may go on with the newest.
    versions: Option<(i64, i64)>,
    problem: Option<String>,
}

/// What can be done with task instances.
const ACTIONS: [(&str, &str); 4] = [
    ("clear", "Run again (clear)"),
    ("success", "Mark as success"),
    ("failed", "Mark as failed"),
    ("skipped", "Mark as skipped"),
];

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
    PageActor(actor): PageActor,
) -> Result<Response, PageError> {
    let run = super::run::find(&state, &dag_id, &run_id).await?;
    let newest = state.handle.reader().dag(&dag_id).await?.filter(|_| run.state.is_terminal());
    let newest =
        newest.filter(|dag| dag.version_id != run.version_id && !dag.is_stale && wanted.mark().is_none());
    let (affected, problem) = match state.handle.rerun(wanted.request(&dag_id, &run_id, true, actor)).await {
        Ok(affected) => (affected, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let run_url = links::run(&dag_id, &run_id);
    let title =
        if wanted.task.is_empty() { "Run again".to_owned() } else { format!("{}: again", wanted.task) };
    let row = |instance: &AffectedInstance| {
        let task_id = instance.task_id.as_str();
        let name = match instance.map_index {
            ..0 => task_id.to_owned(),
            map_index => format!("{task_id} [{map_index}]"),
        };
        (
            name,
            links::instance(&dag_id, &run_id, task_id, instance.map_index),
            Mark::of_instance(instance.state),
        )
    };
    let chosen = if wanted.mark().is_some() { wanted.action.clone() } else { "clear".to_owned() };
    let page = RerunPage {
        frame: visitor
            .frame(Section::Dags, title)
            .crumb("DAGs", "/dags")
            .crumb(dag_id.clone(), links::dag(&dag_id))
            .crumb(run_id.clone(), run_url.clone())
            .crumb("Clear or mark", ""),
        actions: ACTIONS.iter().map(|(name, text)| (*name, *text, chosen == *name)).collect(),
        effect: effect(&wanted, affected.len()),
        button: button(&wanted, affected.len()),
        rows: affected.iter().take(NAMED_MAX).map(row).collect(),
        versions: newest.map(|dag| (dag.version_number, run.version_number)),
        left_out: affected.len().saturating_sub(NAMED_MAX),
        run_id,
        run_url,
        wanted,
        problem,
    };
    Ok(frame::html(&page))
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    PageActor(actor): PageActor,
    Form(wanted): Form<Wanted>,
) -> Result<Redirect, PageError> {
    state.handle.rerun(wanted.request(&dag_id, &run_id, false, actor)).await?;
    Ok(Redirect::to(&links::run(&dag_id, &run_id)))
}

fn effect(wanted: &Wanted, count: usize) -> String {
    let many = plural(count, "task instance");
    match (wanted.mark(), count) {
        (_, 0) => "This touches nothing.".to_owned(),
        (None, _) => format!(
            "Clears {many}: they start anew as their trigger rules allow, what they pushed is gone, and their attempts and \
             logs are kept. What runs among them is ended first. The run goes on."
        ),
        (Some(TaskInstanceState::Success), _) => format!(
            "Gives {many} the state success. What failed after them for their sake is cleared, and the run goes on."
        ),
        (Some(state), _) => format!("Gives {many} the state {state}. What runs among them is ended first."),
    }
}

fn button(wanted: &Wanted, count: usize) -> String {
    let many = plural(count, "task instance");
    match wanted.mark() {
        None => format!("Clear {many}"),
        Some(state) => format!("Mark {many} as {state}"),
    }
}
