//! `/connections`: where services are. Passwords are never told.

use super::body::Body;
use super::error::ApiError;
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::Pairs;
use super::variables::HIDDEN;
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_operator::{ConnectionFields, ConnectionSource, is_secret_name};
use esteira_runtime::{SecretRequest, StoredConnection};
use esteira_tasks::ping;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What connections can be ordered by.
const COLUMNS: [Column<StoredConnection>; 5] = [
    ("conn_id", |one, other| one.connection.id.cmp(&other.connection.id)),
    ("connection_id", |one, other| one.connection.id.cmp(&other.connection.id)),
    ("id", |one, other| one.connection.id.cmp(&other.connection.id)),
    ("conn_type", |one, other| one.connection.url.scheme().cmp(other.connection.url.scheme())),
    ("description", |one, other| one.description.cmp(&other.description)),
];

/// `GET /connections`, by id unless `order_by` says otherwise: those of the store.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let mut connections: Vec<StoredConnection> =
        state.handle.vault().connections().into_iter().flatten().collect();
    let pattern = Patterns::of(&pairs, &["connection_id"])?;
    connections.retain(|stored| pattern.fits(&stored.connection.id));
    ordered::order(&pairs, &mut connections, &COLUMNS)?;
    let part = pairs.window()?.page(connections, |stored| stored.connection.id.to_string())?;
    Ok(Json(part.shaped("connections", shape)))
}

/// `GET /connections/{connection_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape(&find(&state, &id)?)))
}

/// `POST /connections`.
pub(super) async fn create(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (id, description, fields) = read(body, ConnectionFields::default())?;
    if find(&state, &id).is_ok() {
        return Err(ApiError::conflict(format!("the connection \"{id}\" already exists")));
    }
    let stored = stored(&id, description.unwrap_or_default(), fields)?;
    state.handle.change_secret(SecretRequest::SetConnection(stored.clone()), actor).await?;
    Ok((StatusCode::CREATED, Json(shape(&stored))))
}

/// `PATCH /connections/{connection_id}`: what is given changes.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path(id): Path<String>,
    ApiActor(actor): ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let known = find(&state, &id)?;
    let (named, description, fields) = read(body, ConnectionFields::of(&known.connection))?;
    if named != id {
        return Err(ApiError::conflict("a connection keeps its id"));
    }
    let stored = stored(&id, description.unwrap_or(known.description), fields)?;
    state.handle.change_secret(SecretRequest::SetConnection(stored.clone()), actor).await?;
    Ok(Json(shape(&stored)))
}

/// `DELETE /connections/{connection_id}`.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(id): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.change_secret(SecretRequest::RemoveConnection(id), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /connections/test`: whether the service answers. Nothing is kept. A password that is `***` is the one of the
/// connection of this id.
pub(super) async fn test(State(state): State<AppState>, body: Body) -> Result<Json<Value>, ApiError> {
    let (id, _, fields) = read(body, ConnectionFields::default())?;
    let known = state.handle.vault().resolve(&id).ok().map(|connection| ConnectionFields::of(&connection));
    let fields = match known {
        Some(known) if fields.password.as_deref() == Some(HIDDEN) => {
            ConnectionFields { password: known.password, ..fields }
        }
        _ => fields,
    };
    let connection = stored(&id, String::new(), fields)?.connection;
    let masker = Arc::clone(state.handle.vault().masker());
    let answer = ping(connection, masker).await;
    let message = answer.as_ref().map_or_else(ToString::to_string, |()| "the service answers".to_owned());
    Ok(Json(json!({ "status": answer.is_ok(), "message": message })))
}

/// The id, the description and the fields of a body, what is not given from `fields`.
fn read(
    mut body: Body,
    mut fields: ConnectionFields,
) -> Result<(String, Option<String>, ConnectionFields), ApiError> {
    let id = body.text("connection_id").unwrap_or_default();
    if id.is_empty() {
        body.fault("connection_id", "missing", "Field required", Value::Null);
    }
    fields.conn_type = body.text("conn_type").unwrap_or(fields.conn_type);
    if fields.conn_type.is_empty() {
        body.fault("conn_type", "missing", "Field required", Value::Null);
    }
    fields.host = body.text("host").or(fields.host);
    fields.login = body.text("login").or(fields.login);
    fields.password = body.text("password").or(fields.password);
    fields.schema = body.text("schema").or(fields.schema);
    if let Some(port) = body.integer("port") {
        fields.port = u16::try_from(port).ok();
        if fields.port.is_none() {
            body.fault("port", "less_than_equal", "Input should be between 0 and 65535", json!(port));
        }
    }
    if let Some(extra) = extra(&mut body) {
        fields.extra = extra;
    }
    let description = body.text("description");
    body.unsupported("team_name");
    body.end()?;
    Ok((id, description, fields))
}

/// Airflow writes it as JSON text; an object is taken, too.
fn extra(body: &mut Body) -> Option<Map<String, Value>> {
    let value = match body.any("extra")? {
        Value::String(text) if text.is_empty() => return Some(Map::new()),
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        other => other,
    };
    match value {
        Value::Object(extra) => Some(extra),
        _ => {
            body.fault("extra", "json_type", "Input should be a JSON object", json!(HIDDEN));
            None
        }
    }
}

fn stored(id: &str, description: String, fields: ConnectionFields) -> Result<StoredConnection, ApiError> {
    let connection = fields.into_connection(id).map_err(|error| ApiError::conflict(error.message))?;
    Ok(StoredConnection { connection, description })
}

fn find(state: &AppState, id: &str) -> Result<StoredConnection, ApiError> {
    let mut connections = state.handle.vault().connections().into_iter().flatten();
    let found = connections.find(|stored| stored.connection.id == id);
    found.ok_or_else(|| ApiError::not_found(format!("there is no connection \"{id}\" in the store")))
}

fn shape(stored: &StoredConnection) -> Value {
    let fields = ConnectionFields::of(&stored.connection);
    let extra: Map<String, Value> = fields
        .extra
        .iter()
        .map(|(key, value)| (key.clone(), if is_secret_name(key) { json!(HIDDEN) } else { value.clone() }))
        .collect();
    json!({
        "connection_id": stored.connection.id,
        "conn_type": fields.conn_type,
        "description": stored.description,
        "host": fields.host,
        "login": fields.login,
        "password": fields.password.map(|_| HIDDEN),
        "schema": fields.schema,
        "port": fields.port,
        "extra": if extra.is_empty() { Value::Null } else { json!(Value::Object(extra).to_string()) },
        "team_name": null,
    })
}
