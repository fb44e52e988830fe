//! The events of a run.

use super::events_table::{EventLine, PAGE_LENGTH};
use super::keyset::{self, Beside};
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
#[serde(default)]
pub(crate) struct Wanted {
    cursor: String,
}

#[derive(Template)]
#[template(path = "run_audit.html")]
struct RunAuditPage {
    frame: Frame,
    head: RunHead,
    rows: Vec<EventLine>,
    beside: Beside,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, _) = RunHead::read(&state, &dag_id, &run_id, "audit").await?;
    let filter = EventFilter { run_key: Some(run.run_key), ..EventFilter::default() };
    let reader = state.handle.reader();
    let mut listing = reader.event_listing(&filter, PAGE_LENGTH).await?;
    keyset::narrow(&mut listing, &wanted.cursor)?;
    let list = reader.list(&listing).await?;
    let page = RunAuditPage {
        frame: head.frame(&visitor, t("Audit")),
        beside: Beside::of(&list, &format!("{}/audit", head.url), &[]),
        rows: EventLine::of(&list.rows),
        head,
    };
    Ok(frame::html(&page))
}
