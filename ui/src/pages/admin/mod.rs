//! What DAGs share, and who may come in: pools, variables, connections, users, tokens, import errors.
//!
//! Each thing has a list, a form that makes or changes one, and a page that says what removing one would do before it does it.
//! A form that is refused comes back with what was typed and says why; one that is taken leads to the list, which says what
//! was done.

mod import_errors;
mod pool;
mod pools;

use crate::access::{OPERATOR, Routes, VIEWER};
use crate::error_pages::command_status;
use crate::frame::{Frame, Section, Visitor};
use crate::{AppState, t};
use axum::http::StatusCode;
use esteira_runtime::CommandError;

pub(super) fn routes() -> Routes<AppState> {
    Routes::new().get("/import-errors", VIEWER, import_errors::page).merge(pool_routes())
}

fn pool_routes() -> Routes<AppState> {
    Routes::new()
        .get("/pools", VIEWER, pools::page)
        .get("/pools/edit", OPERATOR, pools::form)
        .post("/pools/edit", OPERATOR, pools::save)
        .get("/pools/remove", OPERATOR, pool::removal)
        .post("/pools/remove", OPERATOR, pool::remove)
        .get("/pools/of/{name}", VIEWER, pool::page)
}

/// The frame of a page under Admin: where it is under a tab, if it is not the tab itself.
pub(super) fn framed(visitor: &Visitor, tab: (&str, &str), title: &str) -> Frame {
    let (tab_title, url) = tab;
    let frame = visitor.frame(Section::Admin, if title.is_empty() { tab_title } else { title });
    let frame = frame.style("admin.css").crumb(t("Admin"), "/pools");
    if title.is_empty() { frame.crumb(tab_title, "") } else { frame.crumb(tab_title, url).crumb(title, "") }
}

/// Why a form is refused, and the status of the page that says so.
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Fault {
    /// The form says what cannot be taken.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, message: message.into() }
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        Self { status: command_status(&error), message: error.to_string() }
    }
}

/// What a list says was done: `/pools?saved=narrow`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Done {
    pub(super) saved: String,
    pub(super) removed: String,
}
