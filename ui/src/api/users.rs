//! `/api/users`: who may come in. An own addition; Airflow leaves users to its auth managers.

use super::auth::hashed;
use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use super::shapes;
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_core::access::Role;
use esteira_runtime::{AccountRequest, User};
use serde_json::{Value, json};

/// `GET /api/users`, by name.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let users = state.handle.accounts().users();
    let part = pairs.window()?.page(users, |user| user.name.clone())?;
    Ok(Json(part.shaped("users", shape)))
}

/// `GET /api/users/{name}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    answer(&state, &name)
}

/// `POST /api/users` with `{"name", "role", "password"}`.
pub(super) async fn create(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut needed = |key: &str| {
        let text = body.text(key);
        if text.is_none() {
            body.fault(key, "missing", "Field required", Value::Null);
        }
        text.unwrap_or_default()
    };
    let (name, password) = (needed("name"), needed("password"));
    let role = role(&mut body).unwrap_or(Role::Viewer);
    body.end()?;
    let request =
        AccountRequest::CreateUser { name: name.clone(), role, password_hash: hashed(password).await? };
    state.handle.change_account(request, actor).await?;
    Ok((StatusCode::CREATED, answer(&state, &name)?))
}

/// `PATCH /api/users/{name}`: a new `role`, a new `password`, or both. A new password ends the user's sessions.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path(name): Path<String>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let (role, password) = (role(&mut body), body.text("password"));
    body.end()?;
    let password_hash = match password {
        Some(password) => Some(hashed(password).await?),
        None => None,
    };
    let request = AccountRequest::ChangeUser { name: name.clone(), role, password_hash };
    state.handle.change_account(request, actor).await?;
    answer(&state, &name)
}

/// `DELETE /api/users/{name}`: with all sessions and tokens.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(name): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.change_account(AccountRequest::RemoveUser(name), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The role that a body gives, if it gives one.
pub(super) fn role(body: &mut Body) -> Option<Role> {
    let text = body.text("role")?;
    let role = Role::from_label(&text);
    if role.is_none() {
        let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        body.fault("role", "enum", format!("Input should be one of {}", roles.join(", ")), json!(text));
    }
    role
}

fn answer(state: &AppState, name: &str) -> Result<Json<Value>, ApiError> {
    let user = state.handle.accounts().user(name);
    user.map(|user| Json(shape(&user)))
        .ok_or_else(|| ApiError::not_found(format!("there is no user \"{name}\"")))
}

fn shape(user: &User) -> Value {
    json!({
        "name": user.name,
        "role": user.role,
        "created_at": shapes::instant(user.created_at),
        "changed_at": shapes::instant(user.changed_at),
    })
}
