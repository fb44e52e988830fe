//! What DAGs share, and who may come in: pools, variables, connections, users, tokens, import errors.
//!
//! Each thing has a list, a form that makes or changes one, and a page that says what removing one would do before it does it.
//! A form that is refused comes back with what was typed and says why; one that is taken leads to the list, which says what
//! was done.

mod account;
mod connection;
mod connection_kinds;
mod connections;
mod import_errors;
mod mentions;
mod pool;
mod pools;
mod tokens;
mod users;
mod variable;
mod variable_import;
mod variables;

use crate::access::{ADMIN, OPERATOR, Routes, VIEWER};
use crate::error_pages::command_status;
use crate::frame::{Frame, Section, Visitor};
use crate::{AppState, links, t};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::CommandError;

pub(super) fn routes() -> Routes<AppState> {
    Routes::new()
        .get("/import-errors", VIEWER, import_errors::page)
        .merge(pool_routes())
        .merge(secret_routes())
        .merge(account_routes())
}

/// Variables and connections.
fn secret_routes() -> Routes<AppState> {
    Routes::new()
        .get("/variables", OPERATOR, variables::page)
        .get("/variables/export", OPERATOR, variables::export)
        .get("/variables/import", OPERATOR, variable_import::form)
        .post("/variables/import", OPERATOR, variable_import::import)
        .get("/variables/edit", OPERATOR, variable::form)
        .post("/variables/edit", OPERATOR, variable::save)
        .get("/variables/remove", OPERATOR, variable::removal)
        .post("/variables/remove", OPERATOR, variable::remove)
        .get("/connections", OPERATOR, connections::page)
        .get("/connections/test", OPERATOR, || async { Redirect::to("/connections") })
        .post("/connections/test", OPERATOR, connections::test)
        .get("/connections/edit", OPERATOR, connection::form)
        .post("/connections/edit", OPERATOR, connection::save)
        .get("/connections/remove", OPERATOR, connection::removal)
        .post("/connections/remove", OPERATOR, connection::remove)
}

/// Users and tokens.
fn account_routes() -> Routes<AppState> {
    Routes::new()
        .get("/users", ADMIN, users::page)
        .get("/users/edit", ADMIN, users::form)
        .post("/users/edit", ADMIN, users::save)
        .get("/users/remove", ADMIN, users::removal)
        .post("/users/remove", ADMIN, users::remove)
        .get("/tokens", VIEWER, tokens::page)
        .get("/tokens/new", VIEWER, tokens::form)
        .post("/tokens/new", VIEWER, tokens::create)
        .get("/tokens/revoke", VIEWER, tokens::removal)
        .post("/tokens/revoke", VIEWER, tokens::revoke)
        .get("/account", VIEWER, account::page)
        .get("/account/password", VIEWER, || async { Redirect::to("/account") })
        .post("/account/password", VIEWER, account::change_password)
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

/// What follows a form: the list, which says what was saved, or the form again with what is wrong.
pub(super) fn answered(
    saved: Result<(), Fault>,
    list: &str,
    name: &str,
    form: impl FnOnce(String) -> Response,
) -> Response {
    match saved {
        Ok(()) => Redirect::to(&links::with_query(list, &[("saved", name)])).into_response(),
        Err(fault) => (fault.status, form(fault.message)).into_response(),
    }
}

/// Which one an address or a form is about, by its name; none for a new one.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    pub(super) name: String,
}

/// What a list says was done: `/pools?saved=narrow`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Done {
    pub(super) saved: String,
    pub(super) removed: String,
}
