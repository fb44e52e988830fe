//! `/pools`: slots that task instances share.

use super::body::Body;
use super::error::ApiError;
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::Pairs;
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_runtime::PoolStatus;
use esteira_store::PoolRow;
use serde_json::{Value, json};

/// What pools can be ordered by.
const COLUMNS: [Column<PoolStatus>; 4] = [
    ("name", |one, other| one.pool.name.cmp(&other.pool.name)),
    ("pool", |one, other| one.pool.name.cmp(&other.pool.name)),
    ("id", |one, other| one.pool.name.cmp(&other.pool.name)),
    // No limit is more than any number.
    ("slots", |one, other| one.pool.slots.unwrap_or(u32::MAX).cmp(&other.pool.slots.unwrap_or(u32::MAX))),
];

/// `GET /pools`, by name unless `order_by` says otherwise.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let mut pools = state.handle.pools().await?;
    let pattern = Patterns::of(&pairs, &["pool_name"])?;
    pools.retain(|status| pattern.fits(&status.pool.name));
    ordered::order(&pairs, &mut pools, &COLUMNS)?;
    let part = pairs.window()?.page(pools, |status| status.pool.name.clone())?;
    Ok(Json(part.shaped("pools", shape)))
}

/// `GET /pools/{name}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape(&find(&state, &name).await?)))
}

/// `POST /pools`.
pub(super) async fn create(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name = body.text("name").unwrap_or_default();
    if name.is_empty() {
        body.fault("name", "missing", "Field required", Value::Null);
    }
    let slots = slots(&mut body);
    if slots.is_none() {
        body.fault("slots", "missing", "Field required", Value::Null);
    }
    let description = body.text("description").unwrap_or_default();
    body.unsupported_unless_false("include_deferred");
    body.end()?;
    if state.handle.reader().pool(&name).await?.is_some() {
        return Err(ApiError::conflict(format!("the pool \"{name}\" already exists")));
    }
    let pool = PoolRow { name: name.clone(), slots: slots.unwrap_or(None), description };
    state.handle.set_pool(pool, actor).await?;
    Ok((StatusCode::CREATED, Json(shape(&find(&state, &name).await?))))
}

/// `PATCH /pools/{name}`: what is given changes.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path(name): Path<String>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut pool = find(&state, &name).await?.pool;
    if let Some(other) = body.text("name").or_else(|| body.text("pool")).filter(|other| *other != name) {
        body.fault("name", "value_error", "a pool keeps its name", json!(other));
    }
    if let Some(slots) = slots(&mut body) {
        pool.slots = slots;
    }
    if let Some(description) = body.text("description") {
        pool.description = description;
    }
    body.unsupported_unless_false("include_deferred");
    body.end()?;
    state.handle.set_pool(pool, actor).await?;
    Ok(Json(shape(&find(&state, &name).await?)))
}

/// `DELETE /pools/{name}`.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(name): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.remove_pool(name, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The number of slots, or -1 for as many as anyone wants.
fn slots(body: &mut Body) -> Option<Option<u32>> {
    match body.integer("slots")? {
        -1 => Some(None),
        number => match u32::try_from(number) {
            Ok(slots) => Some(Some(slots)),
            Err(_) => {
                let message = "Input should be greater than or equal to 0, or -1 for no limit";
                body.fault("slots", "greater_than_equal", message, json!(number));
                None
            }
        },
    }
}

async fn find(state: &AppState, name: &str) -> Result<PoolStatus, ApiError> {
    let pools = state.handle.pools().await?;
    let found = pools.into_iter().find(|status| status.pool.name == name);
    found.ok_or_else(|| ApiError::not_found(format!("there is no pool \"{name}\"")))
}

fn shape(status: &PoolStatus) -> Value {
    let slots = status.pool.slots.map_or(-1, i64::from);
    let open = status.pool.slots.map(|slots| slots.saturating_sub(status.used));
    json!({
        "name": status.pool.name,
        "slots": slots,
        "description": status.pool.description,
        "include_deferred": false,
        "occupied_slots": status.used,
        "running_slots": status.used,
        "queued_slots": 0,
        "scheduled_slots": status.wanted,
        "deferred_slots": 0,
        "open_slots": open.map_or(-1, i64::from),
    })
}
