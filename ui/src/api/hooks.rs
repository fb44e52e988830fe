//! `POST /hooks/{dag_id}`: the webhook of a DAG. Whoever has its secret may start runs of that DAG, and nothing else. The
//! secret comes in the header `Authorization: Bearer …`, never in the address.

use super::error::ApiError;
use super::path::Path;
use crate::AppState;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use esteira_core::states::TriggeredBy;
use esteira_runtime::{Actor, TriggerRequest};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Starts a run whose conf is the body, a JSON object; an empty body is an empty one.
pub(super) async fn call(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let kept = state.handle.reader().webhook(&dag_id).await?;
    // One answer for a DAG that is not there, one without a webhook and a wrong secret: nothing can be told from it.
    if !kept.is_some_and(|kept| is_hash_of(&kept, secret)) {
        return Err(ApiError::unauthorized("the secret of this webhook is not right"));
    }
    let conf: Map<String, Value> = match body.as_ref() {
        b"" => Map::new(),
        bytes => serde_json::from_slice(bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is no JSON object: {error}")))?,
    };
    let actor = Actor::new("webhook", TriggeredBy::RestApi);
    let mut request = TriggerRequest::manual(dag_id.as_str(), actor);
    request.conf = conf;
    let run = state.handle.trigger(request).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "state": run.state })),
    ))
}

/// Compares hashes of secrets, so that the time it takes says nothing about the secret.
fn is_hash_of(kept: &str, secret: &str) -> bool {
    !secret.is_empty() && hex::encode(Sha256::digest(secret)) == kept
}

/// `PUT /api/dags/{dag_id}/webhook`: makes a new secret and tells it, this once. An old one is void from then on.
pub(super) async fn renew(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    crate::access::ApiActor(actor): crate::access::ApiActor,
) -> Result<Json<Value>, ApiError> {
    let secret: String = (0..2).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    let hash = hex::encode(Sha256::digest(&secret));
    state.handle.set_webhook(dag_id.as_str().into(), Some(hash), actor).await?;
    Ok(Json(json!({ "dag_id": dag_id, "path": format!("/hooks/{dag_id}"), "secret": secret })))
}

/// `DELETE /api/dags/{dag_id}/webhook`: from then on no secret starts a run.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    crate::access::ApiActor(actor): crate::access::ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.set_webhook(dag_id.as_str().into(), None, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
