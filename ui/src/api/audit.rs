//! `POST /api/audit/verify`: whether the history was altered. An addition of ours, so not under `/api/v2`.

use super::error::ApiError;
use crate::AppState;
use crate::access::Caller;
use crate::audit_check::verified;
use axum::Json;
use axum::extract::State;
use esteira_runtime::audit::Verification;

/// Checks it, and says what does not fit, if anything.
pub(super) async fn verify(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Verification>, ApiError> {
    verified(&state, caller.name()).await.map(Json).map_err(ApiError::internal)
}
