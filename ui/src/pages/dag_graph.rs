//! The graph of a DAG, with the states of the newest run or the one that the address names.

use super::dag_head::DagHead;
use super::reasons;
use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::graph::{Drawing, NODES_MAX, NodeState, critical_path};
use crate::show::{Elapsed, Instant, Mark, state_among};
use crate::{links, t};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::TaskInstanceState;
use esteira_store::{RunFilter, RunRow, TaskStateRow};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// How many runs can be picked from.
const CHOICES_MAX: u32 = 25;

/// Which run is wanted, and whether its critical path is lit (`critical=1`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    run: String,
    critical: String,
}

/// The choice to light the critical path: where it leads, and whether it is lit.
pub(super) struct CriticalChoice {
    pub(super) url: String,
    pub(super) is_on: bool,
}

impl CriticalChoice {
    /// For a page at `path` with these pairs beside; `critical` is what its address says.
    pub(super) fn new(path: &str, others: &[(&str, &str)], critical: &str) -> Self {
        let is_on = critical == "1";
        let pair = ("critical", if is_on { "" } else { "1" });
        let pairs: Vec<(&str, &str)> = others.iter().copied().chain([pair]).collect();
        Self { url: links::with_query(path, &pairs), is_on }
    }
}

#[derive(Template)]
#[template(path = "dag_graph.html")]
struct GraphPage {
    frame: Frame,
    head: DagHead,
    run: Option<ShownRun>,
    choices: Vec<(String, bool)>,
    drawing: Option<Drawing>,
    /// Where there is a run.
    critical: Option<CriticalChoice>,
}

struct ShownRun {
    url: String,
    key: String,
    mark: Mark,
    at: Instant,
    version: i64,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "graph").await?;
    let filter = RunFilter { dag_id: Some(dag_id.clone()), ..RunFilter::default() };
    let recent = state.handle.reader().runs(&filter, CHOICES_MAX).await?.rows;
    let run = match wanted.run.as_str() {
        "" => recent.first().cloned(),
        run_id => Some(super::run::find(&state, &dag_id, run_id).await?),
    };
    let drawing = match &run {
        Some(run) => {
            let tasks = state.handle.reader().task_states(run.run_key).await?;
            of_run(&state, run, &tasks, wanted.critical == "1").await?
        }
        None => of_definition(&head.definition),
    };
    let choices = recent.iter().map(|choice| {
        let is_chosen = run.as_ref().is_some_and(|run| run.run_key == choice.run_key);
        (choice.run_id.to_string(), is_chosen)
    });
    let page = GraphPage {
        frame: head.frame(&visitor, t("Graph")).script("graph.js"),
        choices: choices.collect(),
        critical: run.as_ref().map(|_| {
            let path = format!("{}/graph", head.url);
            CriticalChoice::new(&path, &[("run", &wanted.run)], &wanted.critical)
        }),
        run: run.map(|run| ShownRun {
            url: links::run(&dag_id, run.run_id.as_str()),
            key: super::cells::run_key(&run),
            mark: Mark::of_run(run.state),
            at: Instant::new(run.queued_at, Timestamp::now()),
            version: run.version_number,
        }),
        drawing,
        head,
    };
    Ok(frame::html(&page))
}

/// The picture of a run with these tasks, with its critical path lit or not; none when the DAG is too large for one.
pub(super) async fn of_run(
    state: &AppState,
    run: &RunRow,
    tasks: &[TaskStateRow],
    is_critical: bool,
) -> Result<Option<Drawing>, PageError> {
    let definition = state.handle.reader().definition(run.version_id).await?.unwrap_or_default();
    let definition = Definition::read(&definition);
    if definition.tasks.len() > NODES_MAX {
        return Ok(None);
    }
    let by_place: HashMap<usize, &[TaskStateRow]> = tasks
        .chunk_by(|one, other| one.task_index == other.task_index)
        .map(|states| (states[0].task_index as usize, states))
        .collect();
    let whole = |states: &&[TaskStateRow]| (states[0].task_id.to_string(), -1);
    let reasons = reasons::of(state, run, by_place.values().map(whole)).await;
    let now = Timestamp::now();
    let drawing = Drawing::new(&definition, |place| match by_place.get(&place) {
        Some(states) => {
            NodeState { why: reasons.get(&whole(states)).cloned(), ..of_task_in(run, states, now) }
        }
        None => no_state(),
    });
    if !is_critical {
        return Ok(Some(drawing));
    }
    let ends = (0..definition.tasks.len()).map(|place| by_place.get(&place).and_then(|all| end(all, now)));
    Ok(Some(drawing.lit(critical_path(&definition.graph.upstream, &ends.collect::<Vec<_>>()))))
}

/// When the last instance of a task ended: now, while one runs; none when none has begun.
fn end(states: &[TaskStateRow], now: Timestamp) -> Option<Timestamp> {
    let began = states.iter().filter(|row| row.started_at.is_some());
    began.map(|row| row.ended_at.filter(|_| is_over(row)).unwrap_or(now)).max()
}

/// Whether nothing goes on in these instances: what waits for its next attempt has ended one.
fn is_over(row: &TaskStateRow) -> bool {
    row.ended_at.is_some() || row.state.is_some_and(TaskInstanceState::is_terminal)
}

/// What is known of a task in a run; of a mapped one, from the first start to the last end of its instances.
fn of_task_in(run: &RunRow, states: &[TaskStateRow], now: Timestamp) -> NodeState {
    let (dag_id, run_id, task_id) = (run.dag_id.as_str(), run.run_id.as_str(), states[0].task_id.as_str());
    let is_mapped = states.iter().any(|row| row.map_index >= 0);
    let is_over = states.iter().all(is_over);
    NodeState {
        mark: Mark::of_instance(state_among(states.iter().map(|row| row.state))),
        elapsed: Elapsed::between(
            states.iter().filter_map(|row| row.started_at).min(),
            states.iter().filter_map(|row| row.ended_at).max().filter(|_| is_over),
            now,
        ),
        url: match is_mapped {
            true => links::with_query(&links::run(dag_id, run_id), &[("task", task_id)]),
            false => links::instance(dag_id, run_id, task_id, -1),
        },
        key: if is_mapped { String::new() } else { format!("{dag_id}/{run_id}/{task_id}/-1") },
        why: None,
    }
}

fn of_definition(definition: &Definition) -> Option<Drawing> {
    (definition.tasks.len() <= NODES_MAX).then(|| Drawing::new(definition, |_| no_state()))
}

fn no_state() -> NodeState {
    NodeState {
        mark: Mark::of_instance(None),
        elapsed: Elapsed::None,
        url: String::new(),
        key: String::new(),
        why: None,
    }
}
