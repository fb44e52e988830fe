//! The graph of a run.

use super::dag_graph::CriticalChoice;
use super::run_head::RunHead;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::graph::Drawing;
use crate::{AppState, t};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

/// Whether the critical path is lit (`critical=1`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    critical: String,
}

#[derive(Template)]
#[template(path = "run_graph.html")]
struct RunGraphPage {
    frame: Frame,
    head: RunHead,
    drawing: Option<Drawing>,
    critical: Option<CriticalChoice>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, tasks) = RunHead::read(&state, &dag_id, &run_id, "graph").await?;
    let drawing = super::dag_graph::of_run(&state, &run, &tasks, wanted.critical == "1").await?;
    let critical = Some(CriticalChoice::new(&format!("{}/graph", head.url), &[], &wanted.critical));
    let frame = head.frame(&visitor, t("Graph")).script("graph.js");
    Ok(frame::html(&RunGraphPage { frame, head, drawing, critical }))
}
