//! Pages for what is not there and what went wrong.
//!
//! A handler returns a [`PageError`]; a layer around all pages turns it into a page with the frame of the visitor.

use crate::frame::{self, Frame, Section, Visitor};
use crate::{AppState, t, t1};
use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use esteira_runtime::CommandError;
use esteira_store::StoreError;
use std::fmt;

/// Why there is no page.
#[derive(Clone, Debug)]
pub(crate) struct PageError {
    status: StatusCode,
    title: String,
    message: String,
    hint: Option<String>,
}

impl PageError {
    /// There is nothing of this name.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: t("Not found").to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    /// The address or the form says what nobody understands.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: t("That cannot be read").to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    /// Whoever asks may not, or has to sign in before.
    pub(crate) fn forbidden(message: impl Into<String>, is_unknown: bool) -> Self {
        let hint =
            if is_unknown { t("sign in, and try again") } else { t("somebody with that role can do it") };
        Self {
            status: if is_unknown { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN },
            title: t("That is not for you").to_owned(),
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }

    /// Our own fault.
    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: t("Something went wrong").to_owned(),
            message: error.to_string(),
            hint: Some(t("the engine's own log says more; runs that are under way go on").to_owned()),
        }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a page could not be read from the store");
        Self::internal(error)
    }
}

impl From<CommandError> for PageError {
    fn from(error: CommandError) -> Self {
        let status = command_status(&error);
        let title = match status {
            StatusCode::NOT_FOUND => t("Not found"),
            StatusCode::SERVICE_UNAVAILABLE => t("The engine does not answer"),
            _ => t("That was not done"),
        };
        Self { status, title: title.to_owned(), message: error.to_string(), hint: None }
    }
}

/// The status that fits a refusal; pages and API use the same.
pub(crate) fn command_status(error: &CommandError) -> StatusCode {
    match error {
        CommandError::UnknownDag(_)
        | CommandError::UnknownRun { .. }
        | CommandError::UnknownTask { .. }
        | CommandError::UnknownBackfill(_)
        | CommandError::UnknownVariable(_)
        | CommandError::UnknownConnection(_)
        | CommandError::UnknownPool(_)
        | CommandError::UnknownUser(_)
        | CommandError::UnknownToken(_) => StatusCode::NOT_FOUND,
        CommandError::RunExists { .. }
        | CommandError::RunIsUnderWay(_)
        | CommandError::RunIsBeingStopped(_)
        | CommandError::RunKeepsItsVersion(_)
        | CommandError::NotAsked { .. }
        | CommandError::XcomExists { .. }
        | CommandError::BackfillIsOver(_)
        | CommandError::RunIsOver { .. }
        | CommandError::RunCannotGoOn(_)
        | CommandError::UserExists(_)
        | CommandError::LastAdmin(_)
        | CommandError::Stale(_) => StatusCode::CONFLICT,
        CommandError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        CommandError::Stopping | CommandError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.message)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    error: PageError,
}

/// For addresses that nobody serves.
pub(crate) async fn not_found(request: Request) -> PageError {
    PageError::not_found(t1("there is no page at {}", request.uri().path()))
}

/// Turns a [`PageError`] into a page.
pub(crate) async fn render(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let head = parts.clone();
    let response = next.run(Request::from_parts(parts.clone(), body)).await;
    let Some(error) = response.extensions().get::<PageError>().cloned() else { return response };
    parts = head;
    let visitor = Visitor::from_request_parts(&mut parts, &state).await.unwrap_or_default();
    let frame = visitor.frame(Section::None, error.title.clone()).crumb(error.title.clone(), "");
    (error.status, frame::html(&ErrorPage { frame, error })).into_response()
}
