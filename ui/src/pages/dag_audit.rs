//! The events of a DAG.

use super::dag_head::DagHead;
use super::events_table::{EventLine, PAGE_LENGTH};
use super::keyset::{self, Beside};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::EventFilter;
use serde::Deserialize;

/// Which page is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    cursor: String,
}

#[derive(Template)]
#[template(path = "dag_audit.html")]
struct DagAuditPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<EventLine>,
    beside: Beside,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "audit").await?;
    let filter = EventFilter { dag_id: Some(dag_id), ..EventFilter::default() };
    let reader = state.handle.reader();
    let mut listing = reader.event_listing(&filter, PAGE_LENGTH).await?;
    keyset::narrow(&mut listing, &wanted.cursor)?;
    let list = reader.list(&listing).await?;
    let page = DagAuditPage {
        frame: head.frame(&visitor, crate::t("Audit")),
        beside: Beside::of(&list, &format!("{}/audit", head.url), &[]),
        rows: EventLine::of(&list.rows),
        head,
    };
    Ok(frame::html(&page))
}
