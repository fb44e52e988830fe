//! Errors as Airflow's API tells them: `{"detail": …}`.

use crate::error_pages::command_status;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use esteira_runtime::CommandError;
use esteira_store::StoreError;
use serde_json::{Value, json};
use std::fmt;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: Value,
}

impl ApiError {
    fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// There is nothing of this name.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message.into())
    }

    /// It is there already, or in a state that does not allow it.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message.into())
    }

    /// It was asked for in a way that makes no sense here.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.into())
    }

    /// Who asks has not shown that they may.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message.into())
    }

    /// Who asks may not.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message.into())
    }

    /// It was asked for too often.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message.into())
    }

    /// The address does not take this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    /// The body is of another kind than JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as JSON, with content-type: application/json",
        )
    }

    /// The body did not come as a whole: it is larger than is taken (413), or broke off (400).
    pub(crate) fn unreadable_body(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, message.into())
    }

    /// Faults of the request, in the form of FastAPI.
    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        let faults: Vec<Value> = faults
            .into_iter()
            .map(|fault| json!({ "type": fault.kind, "loc": fault.place, "msg": fault.message, "input": fault.input }))
            .collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, faults)
    }

    /// It cannot be answered now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message.into())
    }

    /// Our own fault.
    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        tracing::error!(%error, "the API could not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// One fault of a request.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// FastAPI's name for this kind of fault.
    pub(crate) kind: &'static str,
    /// `["body", "conf"]`.
    pub(crate) place: Vec<String>,
    /// For people.
    pub(crate) message: String,
    /// What was sent.
    pub(crate) input: Value,
}

impl Fault {
    /// A fault of a key of the body or the query.
    pub(crate) fn of(
        part: &str,
        key: &str,
        kind: &'static str,
        message: impl Into<String>,
        input: Value,
    ) -> Self {
        Self { kind, place: vec![part.to_owned(), key.to_owned()], message: message.into(), input }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Overloaded | StoreError::Busy) {
            return Self::unavailable(error.to_string());
        }
        Self::internal(error)
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        Self::new(command_status(&error), error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "detail": self.detail }))).into_response()
    }
}
