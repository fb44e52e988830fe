//! `/auth/token`: a password for a token, as Airflow's clients ask for it. And whoever asks, about themselves.

use super::body::Body;
use super::error::ApiError;
use super::shapes;
use crate::AppState;
use crate::access::session::{self, SignInError};
use crate::access::{ApiActor, Caller};
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use esteira_runtime::{AccountRequest, Credential, hash_password};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How long the token of `/auth/token` lasts (Airflow's `jwt_expiration_time`), and that of `/auth/token/cli`.
const FOR_PROGRAMS: SignedDuration = SignedDuration::from_hours(24);
const FOR_COMMAND_LINE: SignedDuration = SignedDuration::from_hours(1);

/// What stands for a token where nobody is asked for one.
const NOT_NEEDED: &str = "not-needed";

/// `POST /auth/token` with `{"username", "password"}`, as JSON or as a form.
pub(super) async fn token(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    given(&state, &caller, request, FOR_PROGRAMS).await
}

/// `POST /auth/token/cli`: the same, for an hour.
pub(super) async fn command_line_token(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    given(&state, &caller, request, FOR_COMMAND_LINE).await
}

/// `GET /auth/token`: a token for nothing, where there are no users yet (Airflow's `all_admins`).
pub(super) async fn token_for_nothing(caller: Caller) -> Result<Response, ApiError> {
    if is_open(&caller) {
        return Ok(created(NOT_NEEDED));
    }
    Err(ApiError::forbidden("this server has users: POST username and password to /auth/token"))
}

fn is_open(caller: &Caller) -> bool {
    caller.principal.as_ref().is_some_and(|it| it.credential == Credential::None)
}

async fn given(
    state: &AppState,
    caller: &Caller,
    request: Request,
    length: SignedDuration,
) -> Result<Response, ApiError> {
    let mut body = Body::from_form_or_json(request, state).await?;
    let mut needed = |key: &str| {
        let text = body.text(key).unwrap_or_default();
        if text.is_empty() {
            body.fault(key, "missing", "Field required", Value::Null);
        }
        text
    };
    let (name, password) = (needed("username"), needed("password"));
    body.end()?;
    if is_open(caller) {
        return Ok(created(NOT_NEEDED));
    }
    match session::sign_in(state, caller, &name, &password, length).await {
        Ok(secret) => Ok(created(secret.text())),
        Err(SignInError::Wrong) => Err(ApiError::unauthorized("Invalid credentials")),
        Err(SignInError::Refused(error)) => Err(error.into()),
        Err(SignInError::TooMany(wait)) => {
            let seconds = wait.as_secs() + 1;
            let message = format!("too many wrong passwords: try again in {seconds} seconds");
            let head = [(header::RETRY_AFTER, seconds.to_string())];
            Ok((head, ApiError::too_many(message)).into_response())
        }
    }
}

fn created(token: &str) -> Response {
    (StatusCode::CREATED, Json(json!({ "access_token": token }))).into_response()
}

/// `GET /api/me`: who asks, and what they may do.
pub(super) async fn me(State(state): State<AppState>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let principal = caller.principal.ok_or_else(|| ApiError::unauthorized("nobody is signed in"))?;
    let credential = match principal.credential {
        Credential::Session => "session",
        Credential::Token => "token",
        Credential::Home => "home",
        Credential::None => "none",
    };
    let user = state.handle.accounts().user(&principal.name);
    Ok(Json(json!({
        "name": &*principal.name,
        "role": principal.role,
        "dag_ids": principal.dag_ids.as_deref(),
        "credential": credential,
        "created_at": shapes::maybe(user.map(|user| user.created_at)),
    })))
}

/// `PUT /api/me/password` with `{"password", "new_password"}`. It ends every session of the user.
pub(super) async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<StatusCode, ApiError> {
    let (password, new) =
        (body.text("password").unwrap_or_default(), body.text("new_password").unwrap_or_default());
    body.end()?;
    let name = caller.name().to_owned();
    if !caller.principal.as_ref().is_some_and(|it| it.credential == Credential::Session) {
        return Err(ApiError::forbidden("only whoever is signed in with a password can change it"));
    }
    session::check(&state, &caller, &name, &password).await.map_err(|error| match error {
        SignInError::Refused(error) => error.into(),
        SignInError::Wrong => ApiError::forbidden("the password is wrong"),
        SignInError::TooMany(_) => ApiError::too_many("too many wrong passwords: try again in a minute"),
    })?;
    let password_hash = hashed(new).await?;
    let request = AccountRequest::ChangeUser { name, role: None, password_hash: Some(password_hash) };
    state.handle.change_account(request, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The hash of a new password, made where it holds nobody up.
pub(super) async fn hashed(password: String) -> Result<String, ApiError> {
    let hash = tokio::task::spawn_blocking(move || hash_password(&password)).await;
    Ok(hash.map_err(ApiError::internal)??)
}

impl Body {
    /// A body of JSON or of a form.
    async fn from_form_or_json(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.unwrap_or_default().starts_with("application/x-www-form-urlencoded") {
            return Self::from_request(request, state).await;
        }
        let form = axum::Form::<Vec<(String, String)>>::from_request(request, state).await;
        let axum::Form(pairs) = form.map_err(|error| ApiError::bad_request(error.body_text()))?;
        Ok(Self::of(pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect()))
    }
}
