//! Whoever is signed in: their name and role, their password, the way to their tokens.

use super::Fault;
use super::users::{hashed, may};
use crate::access::session::{self, SignInError};
use crate::access::{Caller, PageActor};
use crate::frame::{self, Frame, Section, Visitor};
use crate::{AppState, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::{AccountRequest, Actor, Credential, Secret};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    role: &'static str,
    may: &'static str,
    tokens: usize,
    /// Whether they came in with a password, which they can change here.
    has_password: bool,
    has_users: bool,
    is_changed: bool,
    fault: Option<String>,
}

/// What was done before, to be told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    changed: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Response {
    show(&state, &caller, &visitor, wanted.changed, None)
}

fn show(
    state: &AppState,
    caller: &Caller,
    visitor: &Visitor,
    is_changed: bool,
    fault: Option<String>,
) -> Response {
    let accounts = state.handle.accounts();
    let role = caller
        .principal
        .as_ref()
        .map(|principal| principal.role)
        .unwrap_or(esteira_core::access::Role::Viewer);
    frame::html(&AccountPage {
        frame: visitor
            .frame(Section::None, t("Your account"))
            .style("admin.css")
            .crumb(t("Your account"), ""),
        name: caller.name().to_owned(),
        role: role.as_str(),
        may: may(role),
        tokens: accounts.tokens().iter().filter(|token| token.user_name == caller.name()).count(),
        has_password: has_password(caller),
        has_users: accounts.has_users(),
        is_changed,
        fault,
    })
}

fn has_password(caller: &Caller) -> bool {
    caller.principal.as_ref().is_some_and(|it| it.credential == Credential::Session)
}

/// What somebody types to change their password.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    password: String,
    new_password: String,
    again: String,
}

/// Changes the password, which ends every session of the user; this browser gets a new one.
pub(crate) async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    visitor: Visitor,
    PageActor(actor): PageActor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    match change(&state, &caller, actor, &typed).await {
        Ok(secret) => {
            let cookie = session::set_cookie(&secret, session::is_secure(&state, &headers));
            ([(header::SET_COOKIE, cookie)], Redirect::to("/account?changed=true")).into_response()
        }
        Err(fault) => {
            let page = show(&state, &caller, &visitor, false, Some(fault.message));
            (fault.status, page).into_response()
        }
    }
}

async fn change(state: &AppState, caller: &Caller, actor: Actor, typed: &Typed) -> Result<Secret, Fault> {
    if !has_password(caller) {
        return Err(Fault::invalid(t("Only whoever is signed in with a password can change it")));
    }
    let name = caller.name().to_owned();
    session::check(state, caller, &name, &typed.password).await.map_err(told)?;
    let password_hash = hashed(&typed.new_password, &typed.again).await?;
    let request =
        AccountRequest::ChangeUser { name: name.clone(), role: None, password_hash: Some(password_hash) };
    state.handle.change_account(request, actor).await?;
    session::sign_in(state, caller, &name, &typed.new_password, session::BROWSER).await.map_err(told)
}

fn told(error: SignInError) -> Fault {
    match error {
        SignInError::Refused(error) => error.into(),
        SignInError::Wrong => Fault {
            status: StatusCode::FORBIDDEN,
            message: t("That is not the password that you have now").to_owned(),
        },
        SignInError::TooMany(wait) => Fault {
            status: StatusCode::TOO_MANY_REQUESTS,
            message: t1("Too many wrong passwords. Try again in {} seconds.", wait.as_secs() + 1),
        },
    }
}
