//! The events of a run.

use super::events_table::{self, EventLine, PAGE_LENGTH};
use super::run_head::RunHead;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, t};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::EventFilter;
use serde::Deserialize;

/// Which page is wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "run_audit.html")]
struct RunAuditPage {
    frame: Frame,
    head: RunHead,
    rows: Vec<EventLine>,
    older: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, _) = RunHead::read(&state, &dag_id, &run_id, "audit").await?;
    let filter = EventFilter { run_key: Some(run.run_key), before: wanted.before, ..EventFilter::default() };
    let page = state.handle.reader().events(&filter, PAGE_LENGTH).await?;
    let page = RunAuditPage {
        frame: head.frame(&visitor, t("Audit")),
        older: events_table::older(&page, &format!("{}/audit", head.url), &[]),
        rows: EventLine::all(&page),
        head,
    };
    Ok(frame::html(&page))
}
