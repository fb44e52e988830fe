//! The graph of a run.

use super::run_head::RunHead;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::graph::Drawing;
use crate::{AppState, t};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

#[derive(Template)]
#[template(path = "run_graph.html")]
struct RunGraphPage {
    frame: Frame,
    head: RunHead,
    drawing: Option<Drawing>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, _) = RunHead::read(&state, &dag_id, &run_id, "graph").await?;
    let drawing = super::dag_graph::of_run(&state, &run).await?;
    Ok(frame::html(&RunGraphPage {
        frame: head.frame(&visitor, t("Graph")).script("graph.js"),
        head,
        drawing,
    }))
}
