//! The graph of a DAG, with the states of the newest run or the one that the address names.

use super::cells::{instance_key, mapped_url};
use super::dag_head::DagHead;
use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::graph::{Drawing, NODES_MAX, NodeState, critical_path};
use crate::show::{Elapsed, Instant, Mark, state_of_instances};
use crate::{links, t};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::{RunFilter, RunRow, TaskInstanceRow};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// How many runs can be picked from.
const CHOICES_MAX: u32 = 25;

/// Up to so many instances, the engine is asked why they wait.
const REASONS_MAX: usize = 2000;

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
        Some(run) => of_run(&state, run, wanted.critical == "1").await?,
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

/// The picture of a run, with its critical path lit or not; none when the DAG is too large for one.
pub(super) async fn of_run(
    state: &AppState,
    run: &RunRow,
    is_critical: bool,
) -> Result<Option<Drawing>, PageError> {
    let reader = state.handle.reader();
    let definition = Definition::read(&reader.definition(run.version_id).await?.unwrap_or_default());
    if definition.tasks.len() > NODES_MAX {
        return Ok(None);
    }
    let instances = reader.instances(run.run_key).await?;
    let reasons = reasons(state, run, instances.len()).await;
    let mut by_place: HashMap<usize, Vec<&TaskInstanceRow>> = HashMap::new();
    for instance in &instances {
        by_place.entry(instance.task_index as usize).or_default().push(instance);
    }
    let now = Timestamp::now();
    let drawing = Drawing::new(&definition, |place| {
        let of_task = by_place.get(&place).map_or(&[][..], Vec::as_slice);
        let reason = |instance: &&TaskInstanceRow| {
            reasons.get(&(instance.task_id.to_string(), instance.map_index)).cloned()
        };
        NodeState { why: of_task.iter().find_map(reason), ..of_task_in(run, of_task, now) }
    });
    if !is_critical {
        return Ok(Some(drawing));
    }
    let ends = (0..definition.tasks.len()).map(|place| by_place.get(&place).and_then(|all| end(all, now)));
    Ok(Some(drawing.lit(critical_path(&definition.graph.upstream, &ends.collect::<Vec<_>>()))))
}

/// Why the instances of a run that has not ended are not running, by task and map index; none where there are too many.
async fn reasons(state: &AppState, run: &RunRow, instances: usize) -> HashMap<(String, i32), String> {
    if run.state.is_terminal() || instances > REASONS_MAX {
        return HashMap::new();
    }
    // An engine that does not answer says so elsewhere; the page shows what it can.
    let waiting = state.handle.why_waiting(run.dag_id.clone(), run.run_id.clone()).await.unwrap_or_default();
    waiting.into_iter().map(|it| ((it.task_id.to_string(), it.map_index), it.reason)).collect()
}

/// When the last of these instances ended: now, while one runs; none when none has begun.
fn end(instances: &[&TaskInstanceRow], now: Timestamp) -> Option<Timestamp> {
    let began = instances.iter().filter(|instance| instance.started_at.is_some());
    began.map(|instance| instance.ended_at.unwrap_or(now)).max()
}

/// What is known of a task in a run.
fn of_task_in(run: &RunRow, instances: &[&TaskInstanceRow], now: Timestamp) -> NodeState {
    match instances {
        [] => no_state(),
        [instance] if instance.map_index < 0 => NodeState {
            mark: Mark::of_instance(instance.state),
            elapsed: Elapsed::between(instance.started_at, instance.ended_at, now),
            url: links::instance(
                run.dag_id.as_str(),
                run.run_id.as_str(),
                instance.task_id.as_str(),
                instance.map_index,
            ),
            key: instance_key(instance),
            why: None,
        },
        mapped => of_mapped(mapped, now),
    }
}

/// A mapped task: from the first start to the last end of its instances.
fn of_mapped(instances: &[&TaskInstanceRow], now: Timestamp) -> NodeState {
    let start = instances.iter().filter_map(|instance| instance.started_at).min();
    let is_over = instances.iter().all(|instance| instance.ended_at.is_some());
    let end = instances.iter().filter_map(|instance| instance.ended_at).max().filter(|_| is_over);
    NodeState {
        mark: Mark::of_instance(state_of_instances(instances.iter().copied())),
        elapsed: Elapsed::between(start, end, now),
        url: instances.first().map(|first| mapped_url(first)).unwrap_or_default(),
        key: String::new(),
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
