//! The audit history: the page with its filters, the table that other pages share, what was found by the check of the chain,
//! and the history as a file.

mod changes;
mod export;
mod filter;
mod page;
mod sentences;
pub(super) mod table;

use crate::AppState;
use crate::access::{Routes, VIEWER};
use axum::response::Redirect;

pub(super) fn routes() -> Routes<AppState> {
    Routes::new()
        .get("/audit", VIEWER, page::page)
        .get("/audit/export", VIEWER, export::export)
        .get("/audit/verify", VIEWER, || async { Redirect::to("/audit") })
        .post("/audit/verify", VIEWER, page::verify)
}
