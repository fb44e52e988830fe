//! Assets: the list, and one with its updates and the DAGs around it.

mod drawing;
mod list;
mod network;
mod one;

use crate::AppState;
use crate::access::{OPERATOR, Routes, USER, VIEWER};

pub(super) fn routes() -> Routes<AppState> {
    Routes::new()
        .get("/assets", VIEWER, list::page)
        .get("/assets/{uri}", VIEWER, one::page)
        .post("/assets/{uri}/update", OPERATOR, one::update)
        .post("/assets/{uri}/materialize", USER, one::materialize)
}
