//! `POST /api/audit/verify`: whether the history was altered. An addition of ours, so not under `/api/v2`.

use super::error::ApiError;
use crate::AppState;
use axum::Json;
use axum::extract::State;
use esteira_runtime::audit::{self, Verification};
use std::sync::Arc;

/// Checks the whole history. Replaying all runs is work for a processor: it gets a thread of its own, so that other requests
/// do not wait. The error is for people.
pub(crate) async fn verified(state: &AppState) -> Result<Verification, String> {
    let (reader, registry) = (state.handle.reader().clone(), Arc::clone(&state.registry));
    let runtime = tokio::runtime::Handle::current();
    let check = move || runtime.block_on(audit::verify(&reader, &*registry));
    match tokio::task::spawn_blocking(check).await {
        Ok(verification) => verification.map_err(|error| error.to_string()),
        Err(panic) => Err(panic.to_string()),
    }
}

/// Checks it, and says what does not fit, if anything.
pub(super) async fn verify(State(state): State<AppState>) -> Result<Json<Verification>, ApiError> {
    verified(&state).await.map(Json).map_err(ApiError::internal)
}
