//! Parts of an address. What cannot be read in one is a 422 in the form of FastAPI, as in bodies and queries.

use super::error::{ApiError, Fault};
use super::query::{INTEGER_KIND, INTEGER_MESSAGE};
use crate::AppState;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path as Parts};
use axum::http::request;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::str::FromStr;

/// The texts in an address; [`number`] reads those that are numbers.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &AppState) -> Result<Self, ApiError> {
        let Parts(texts) = Parts::from_request_parts(parts, state).await.map_err(unreadable)?;
        Ok(Self(texts))
    }
}

fn unreadable(rejection: PathRejection) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        return ApiError::internal(rejection);
    };
    let key = match error.kind() {
        ErrorKind::InvalidUtf8InPathParam { key } => Some(key.clone()),
        _ => None,
    };
    let place = ["path".to_owned()].into_iter().chain(key).collect();
    ApiError::invalid(vec![Fault {
        kind: "string_unicode",
        place,
        message: error.body_text(),
        input: json!(null),
    }])
}

/// A number in an address, by its name in Airflow's API.
pub(super) fn number<T: FromStr>(key: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(vec![Fault::of("path", key, INTEGER_KIND, INTEGER_MESSAGE, json!(text))])
    })
}
