//! The runs of a DAG.

use super::dag_head::DagHead;
use super::runs_table::{self, PAGE_LENGTH, RunLine, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::{RunFilter, RunKey};
use jiff::Timestamp;
use serde::Deserialize;

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    before: Option<RunKey>,
}

#[derive(Template)]
#[template(path = "dag_runs.html")]
struct DagRunsPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<RunLine>,
    states: Vec<StateChoice>,
    older: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "runs").await?;
    let filter =
        RunFilter { dag_id: Some(dag_id), states: runs_table::states(&wanted.state), before: wanted.before };
    let page = state.handle.reader().runs(&filter, PAGE_LENGTH).await?;
    let path = format!("{}/runs", head.url);
    let now = Timestamp::now();
    let page = DagRunsPage {
        frame: head.frame(&visitor, "Runs"),
        states: runs_table::state_choices(&path, &[], &wanted.state),
        older: runs_table::older(&page, &path, &[("state", wanted.state.as_str())]),
        rows: page.rows.iter().map(|run| RunLine::new(run, now)).collect(),
        head,
    };
    Ok(frame::html(&page))
}
