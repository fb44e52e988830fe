//! The audit history: the page with its filters, the table that other pages share, the check of the chain.

mod page;
pub(super) mod table;

use crate::AppState;
use crate::access::{Routes, VIEWER};
use axum::response::Redirect;

pub(super) fn routes() -> Routes<AppState> {
    Routes::new()
        .get("/audit", VIEWER, page::page)
        .get("/audit/verify", VIEWER, || async { Redirect::to("/audit") })
        .post("/audit/verify", VIEWER, page::verify)
}
