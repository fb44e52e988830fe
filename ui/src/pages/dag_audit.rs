//! The events of a DAG.

use super::dag_head::DagHead;
use super::events_table::{self, EventLine, PAGE_LENGTH};
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
#[template(path = "dag_audit.html")]
struct DagAuditPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<EventLine>,
    older: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "audit").await?;
    let filter = EventFilter { dag_id: Some(dag_id), before: wanted.before, ..EventFilter::default() };
    let page = state.handle.reader().events(&filter, PAGE_LENGTH).await?;
    let page = DagAuditPage {
        frame: head.frame(&visitor, t("Audit")),
        older: events_table::older(&page, &format!("{}/audit", head.url), &[]),
        rows: EventLine::all(&page),
        head,
    };
    Ok(frame::html(&page))
}
