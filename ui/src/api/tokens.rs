//! `/api/tokens`: API tokens. Everybody has their own; an admin sees and revokes those of all.

use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use super::{shapes, users};
use crate::AppState;
use crate::access::{ApiActor, Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_core::access::Role;
use esteira_runtime::{AccountRequest, NewToken, Secret};
use esteira_store::ApiTokenRow;
use serde_json::{Value, json};

/// `GET /api/tokens`: one's own; an admin's list has those of all.
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let tokens: Vec<ApiTokenRow> =
        state.handle.accounts().tokens().into_iter().filter(|token| may_see(&caller, token)).collect();
    let part = pairs.window()?.page(tokens, |token| token.token_id.to_string())?;
    Ok(Json(part.shaped("tokens", shape)))
}

/// `POST /api/tokens` with `{"label", "role"?, "dag_ids"?, "expires_at"?, "user"?}`: the answer has the token itself, this
/// once. `role` is one's own unless given; `user` is for admins.
pub(super) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let secret = Secret::generate().ok_or_else(|| ApiError::internal("the system gives no random bytes"))?;
    let user_name = user_name(&state, &caller, &mut body);
    if user_name != caller.name() && !caller.may(Role::Admin) {
        return Err(ApiError::forbidden("only an admin makes tokens for somebody else"));
    }
    let own_role = caller.principal.as_ref().map_or(Role::Viewer, |principal| principal.role);
    let most = state.handle.accounts().user(&user_name).map_or(own_role, |user| user.role);
    let token = NewToken {
        label: body.text("label").unwrap_or_default(),
        role: users::role(&mut body).unwrap_or(most.min(own_role)),
        dag_ids: dag_ids(&mut body),
        expires_at: body.instant("expires_at"),
        secret_hash: secret.hash(),
        user_name,
    };
    body.end()?;
    // Whoever came with a token cannot make themselves a stronger one. (One that is bound to DAGs is not let in here at all.)
    if token.role > own_role {
        return Err(ApiError::forbidden(format!("you have the role {own_role}: a token cannot have more")));
    }
    let token_id = token.token_id();
    state.handle.change_account(AccountRequest::CreateToken(token), actor).await?;
    let row = find(&state, &token_id)?;
    let mut shape = shape(&row);
    shape["token"] = json!(secret.text());
    Ok((StatusCode::CREATED, Json(shape)))
}

/// `DELETE /api/tokens/{token_id}`: from then on it opens nothing.
pub(super) async fn revoke(
    State(state): State<AppState>,
    Path(token_id): Path<String>,
    caller: Caller,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::not_found(format!("there is no token \"{token_id}\""));
    find(&state, &token_id).ok().filter(|token| may_see(&caller, token)).ok_or_else(missing)?;
    state.handle.change_account(AccountRequest::RevokeToken(token_id), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For whom the token is: whoever is named, whoever asks, or the only user there is.
fn user_name(state: &AppState, caller: &Caller, body: &mut Body) -> String {
    let accounts = state.handle.accounts();
    if let Some(name) = body.text("user") {
        return name;
    }
    if accounts.user(caller.name()).is_some() {
        return caller.name().to_owned();
    }
    match accounts.users().as_slice() {
        [only] => only.name.clone(),
        _ => {
            body.fault(
                "user",
                "missing",
                "Field required: you are no user, so say for whom it is",
                Value::Null,
            );
            String::new()
        }
    }
}

fn may_see(caller: &Caller, token: &ApiTokenRow) -> bool {
    caller.may(Role::Admin) || token.user_name == caller.name()
}

fn dag_ids(body: &mut Body) -> Option<Vec<String>> {
    if body.has("dag_ids") {
        return body.texts("dag_ids");
    }
    // Null is as good as none.
    body.any("dag_ids");
    None
}

fn find(state: &AppState, token_id: &str) -> Result<ApiTokenRow, ApiError> {
    let mut tokens = state.handle.accounts().tokens().into_iter();
    let found = tokens.find(|token| token.token_id == token_id);
    found.ok_or_else(|| ApiError::not_found(format!("there is no token \"{token_id}\"")))
}

fn shape(token: &ApiTokenRow) -> Value {
    json!({
        "token_id": token.token_id,
        "user": token.user_name,
        "label": token.label,
        "role": token.role,
        "dag_ids": token.dag_ids,
        "created_at": shapes::instant(token.created_at),
        "expires_at": shapes::maybe(token.expires_at),
    })
}
