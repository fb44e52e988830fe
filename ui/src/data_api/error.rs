//! What the data API answers when it cannot answer, always as `{"error": …}`.

use crate::error_pages::command_status;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use esteira_runtime::CommandError;
use esteira_tasks::service::{ServiceError, ServiceErrorKind};
use serde_json::json;

/// A request that was not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DataError {
    /// 400: the request itself is wrong.
    #[error("{message}")]
    BadRequest {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// 404: there is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// 502: a service answered something that cannot be passed on.
    #[error("{0}")]
    Unusable(String),
    /// 503, or 400 where the service understood and refused what the request names.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// 503: the same where the request names nothing that could be refused: the fault is in how this server is set
    /// up.
    #[error(transparent)]
    Setup(ServiceError),
    /// The engine did not do what was asked.
    #[error(transparent)]
    Engine(#[from] CommandError),
}

/// What to do about a refusal that is not the fault of who asks.
const SETUP_HINT: &str = "check the connection's URL, and the names in Esteira's settings";

impl DataError {
    /// A request that is wrong.
    pub(crate) fn bad_request(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::BadRequest { message: message.into(), hint: hint.into() }
    }

    /// The status that says it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unusable(_) => StatusCode::BAD_GATEWAY,
            // Of all kinds of faults, only a refusal can be that of who asks.
            Self::Service(error) if error.kind == ServiceErrorKind::Rejected => StatusCode::BAD_REQUEST,
            Self::Engine(error) => command_status(error),
            Self::Service(_) | Self::Setup(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for DataError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = match &self {
            Self::BadRequest { message, hint } => json!({"error": message, "hint": hint}),
            Self::NotFound(message) | Self::Unusable(message) => json!({"error": message}),
            Self::Engine(error) => json!({"error": error.to_string()}),
            Self::Service(error) => {
                json!({"error": error.to_string(), "service": error.service, "hint": error.hint()})
            }
            Self::Setup(error) => {
                let hint = if error.kind == ServiceErrorKind::Rejected { SETUP_HINT } else { error.hint() };
                json!({"error": error.to_string(), "service": error.service, "hint": hint})
            }
        };
        (status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(kind: ServiceErrorKind, address: &str) -> DataError {
        let (address, message) = (address.to_owned(), "refused the connection".to_owned());
        DataError::Service(ServiceError { service: "Redis", address, kind, message })
    }

    #[test]
    fn a_service_that_is_down_is_503_and_a_refusal_400() {
        assert_eq!(service(ServiceErrorKind::Unavailable, "localhost:1").status(), 503);
        assert_eq!(service(ServiceErrorKind::Denied, "localhost:1").status(), 503);
        assert_eq!(service(ServiceErrorKind::Rejected, "localhost:1").status(), 400);
        assert_eq!(service(ServiceErrorKind::Misconfigured, "localhost:1").status(), 503);
        assert_eq!(service(ServiceErrorKind::Misconfigured, "").status(), 503);
    }
}
