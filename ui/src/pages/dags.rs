//! The list of DAGs: what there is, how the last runs went, what comes next.

use super::cells::Cell;
use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::links;
use crate::show::{Instant, Mark, count};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_store::{DagRow, RunRow};
use jiff::Timestamp;
use serde::Deserialize;

/// How many of the newest runs are shown of each DAG.
const STRIP_LENGTH: u32 = 14;

/// Which DAGs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    search: String,
    tag: String,
}

#[derive(Template)]
#[template(path = "dags.html")]
struct DagsPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    total: usize,
    summary: String,
}

struct Row {
    dag_id: String,
    url: String,
    description: String,
    tags: Vec<(String, String)>,
    owners: String,
    schedule: Option<String>,
    is_paused: bool,
    is_stale: bool,
    strip: Vec<Cell>,
    gaps: usize,
    last: Option<(Mark, Instant, String)>,
    next: Option<Instant>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let dags = state.handle.reader().dags().await?;
    let mut runs = state.handle.reader().latest_runs(STRIP_LENGTH).await?;
    let total = dags.len();
    let rows: Vec<Row> = dags
        .into_iter()
        .filter_map(|dag| {
            let newest = runs.remove(dag.dag_id.as_str()).unwrap_or_default();
            row(&state, dag, &newest, &wanted, now)
        })
        .collect();
    let summary = summary(&rows, total, &wanted);
    let frame = visitor.frame(Section::Dags, "DAGs").crumb("DAGs", "");
    Ok(frame::html(&DagsPage { frame, wanted, rows, total, summary }))
}

fn row(state: &AppState, dag: DagRow, newest: &[RunRow], wanted: &Wanted, now: Timestamp) -> Option<Row> {
    let dag_id = dag.dag_id.to_string();
    let definition = Definition::read(&dag.definition);
    if !matches(wanted, &dag_id, &definition) {
        return None;
    }
    let loaded = state.handle.dag(&dag_id);
    let next = loaded.as_ref().filter(|loaded| !loaded.is_paused).and_then(|loaded| loaded.next_run_at());
    let last = newest.first().map(|run| {
        let at = run.ended_at.or(run.started_at).unwrap_or(run.queued_at);
        (Mark::of_run(run.state), Instant::new(at, now), super::cells::run_key(run))
    });
    Some(Row {
        url: links::dag(&dag_id),
        description: definition.description.unwrap_or_default(),
        tags: definition
            .tags
            .into_iter()
            .map(|tag| (links::with_query("/dags", &[("tag", &tag)]), tag))
            .collect(),
        owners: definition.owners.join(", "),
        schedule: definition.schedule.text(),
        is_paused: dag.is_paused,
        is_stale: dag.is_stale,
        strip: newest.iter().rev().map(|run| Cell::of_run(run, now)).collect(),
        gaps: (STRIP_LENGTH as usize).saturating_sub(newest.len()),
        last,
        next: next.map(|at| Instant::new(at, now)),
        dag_id,
    })
}

fn matches(wanted: &Wanted, dag_id: &str, definition: &Definition) -> bool {
    let needle = wanted.search.trim().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&needle);
    let is_found = needle.is_empty()
        || has(dag_id)
        || definition.description.as_deref().is_some_and(has)
        || definition.tags.iter().any(|tag| has(tag))
        || definition.owners.iter().any(|owner| has(owner));
    is_found && (wanted.tag.is_empty() || definition.tags.contains(&wanted.tag))
}

fn summary(rows: &[Row], total: usize, wanted: &Wanted) -> String {
    if wanted.search.is_empty() && wanted.tag.is_empty() {
        return count(total as u64);
    }
    format!("{} of {total}", rows.len())
}
