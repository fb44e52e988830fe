//! `/variables`: values that templates read. A secret's value is never told.

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
use esteira_operator::is_secret_name;
use esteira_runtime::{SecretRequest, Variable};
use serde_json::{Value, json};

/// What stands for a value that must not be shown.
pub(super) const HIDDEN: &str = "***";

/// What variables can be ordered by.
const COLUMNS: [Column<Variable>; 3] = [
    ("key", |one, other| one.key.cmp(&other.key)),
    ("id", |one, other| one.key.cmp(&other.key)),
    ("description", |one, other| one.description.cmp(&other.description)),
];

/// `GET /variables`, by name unless `order_by` says otherwise. One that cannot be opened is left out; the log says why.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let mut variables: Vec<Variable> = state.handle.vault().variables().into_iter().flatten().collect();
    let pattern = Patterns::of(&pairs, &["variable_key"])?;
    variables.retain(|variable| pattern.fits(&variable.key));
    ordered::order(&pairs, &mut variables, &COLUMNS)?;
    let part = pairs.window()?.page(variables, |variable| variable.key.clone())?;
    Ok(Json(part.shaped("variables", shape)))
}

/// `GET /variables/{key}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape(&find(&state, &key)?)))
}

/// `POST /variables`.
pub(super) async fn create(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let key = body.text("key").unwrap_or_default();
    if key.is_empty() {
        body.fault("key", "missing", "Field required", Value::Null);
    }
    let value = value(&mut body);
    if value.is_none() {
        body.fault("value", "missing", "Field required", Value::Null);
    }
    let is_secret = body.boolean("is_secret").unwrap_or_else(|| is_secret_name(&key));
    let description = body.text("description").unwrap_or_default();
    body.unsupported("team_name");
    body.end()?;
    if find(&state, &key).is_ok() {
        return Err(ApiError::conflict(format!("the variable \"{key}\" already exists")));
    }
    let variable = Variable { key, value: value.unwrap_or_default(), is_secret, description };
    state.handle.change_secret(SecretRequest::SetVariable(variable.clone()), actor).await?;
    Ok((StatusCode::CREATED, Json(shape(&variable))))
}

/// `PATCH /variables/{key}`: what is given changes.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path(key): Path<String>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut variable = find(&state, &key)?;
    if let Some(other) = body.text("key").filter(|other| *other != key) {
        body.fault("key", "value_error", "a variable keeps its name", json!(other));
    }
    if let Some(value) = value(&mut body) {
        variable.value = value;
    }
    if let Some(is_secret) = body.boolean("is_secret") {
        variable.is_secret = is_secret;
    }
    if let Some(description) = body.text("description") {
        variable.description = description;
    }
    body.unsupported("team_name");
    body.end()?;
    state.handle.change_secret(SecretRequest::SetVariable(variable.clone()), actor).await?;
    Ok(Json(shape(&variable)))
}

/// `DELETE /variables/{key}`.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(key): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.change_secret(SecretRequest::RemoveVariable(key), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/secrets/rotate`: seals everything with the newest key.
pub(super) async fn rotate(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
) -> Result<Json<Value>, ApiError> {
    let count = state.handle.change_secret(SecretRequest::Rotate, actor).await?;
    Ok(Json(json!({ "sealed_anew": count })))
}

/// A text as it is, any other JSON value as its text.
fn value(body: &mut Body) -> Option<String> {
    Some(match body.any("value")? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn find(state: &AppState, key: &str) -> Result<Variable, ApiError> {
    let mut variables = state.handle.vault().variables().into_iter().flatten();
    let found = variables.find(|variable| variable.key == key);
    found.ok_or_else(|| ApiError::not_found(format!("there is no variable \"{key}\" in the store")))
}

fn shape(variable: &Variable) -> Value {
    json!({
        "key": variable.key,
        "value": if variable.is_secret { HIDDEN } else { &variable.value },
        "description": variable.description,
        "is_encrypted": true,
        "is_secret": variable.is_secret,
        "team_name": null,
    })
}
