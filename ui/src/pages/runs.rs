//! All runs, newest first, by state and DAG.

use super::runs_table::{self, PAGE_LENGTH, RunLine, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::count;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_store::{RunFilter, RunKey};
use jiff::Timestamp;
use serde::Deserialize;

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    dag: String,
    before: Option<RunKey>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<RunLine>,
    states: Vec<StateChoice>,
    dags: Vec<String>,
    total: String,
    older: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let filter = RunFilter {
        dag_id: Some(wanted.dag.clone()).filter(|dag_id| !dag_id.is_empty()),
        states: runs_table::states(&wanted.state),
        before: wanted.before,
    };
    let page = reader.runs(&filter, PAGE_LENGTH).await?;
    let total = reader.run_count(&filter).await?;
    let now = Timestamp::now();
    let filters = [("dag", wanted.dag.as_str()), ("state", wanted.state.as_str())];
    let page = RunsPage {
        frame: visitor.frame(Section::Runs, "Runs").crumb("Runs", ""),
        states: runs_table::state_choices("/runs", &filters[..1], &wanted.state),
        dags: reader.dags().await?.into_iter().map(|dag| dag.dag_id.to_string()).collect(),
        total: count(total),
        older: runs_table::older(&page, "/runs", &filters),
        rows: page.rows.iter().map(|run| RunLine::new(run, now)).collect(),
        wanted,
    };
    Ok(frame::html(&page))
}
