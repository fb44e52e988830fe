//! The page to sign in, and the button to sign out.

use super::commands::is_own_path;
use crate::access::session::{self, SignInError};
use crate::access::{Caller, PageActor};
use crate::error_pages::PageError;
use crate::frame;
use crate::{AppState, assets, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::{AccountRequest, Credential, Secret};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    theme: &'static str,
    name: String,
    next: String,
    /// What went wrong, or empty.
    fault: String,
}

impl LoginPage {
    /// The address of a static file, for the template.
    fn asset(&self, name: &str) -> String {
        assets::url(name)
    }
}

/// Where somebody wants to go once they are signed in.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
}

/// What somebody types.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    // There is nothing to sign in for: no users yet, or signed in already.
    if caller.principal.is_some() {
        return Redirect::to(&next(&wanted.next)).into_response();
    }
    let (theme, next) = (frame::theme_in_cookie(&headers), wanted.next);
    // For somebody who cannot sign in yet.
    let fault = match state.handle.accounts().has_users() {
        true => "",
        false => {
            t("There are no users yet. Make the first one where the server runs: esteira users create NAME")
        }
    };
    frame::html(&LoginPage { theme, name: String::new(), next, fault: fault.to_owned() })
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, PageError> {
    let name = typed.username.trim();
    let result = session::sign_in(&state, &caller, name, &typed.password, session::BROWSER).await;
    let (status, fault) = match result {
        Ok(secret) => {
            let cookie = session::set_cookie(&secret, session::is_secure(&state, &headers));
            return Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&next(&typed.next))).into_response());
        }
        Err(SignInError::Refused(error)) => return Err(error.into()),
        Err(SignInError::Wrong) => {
            (StatusCode::UNAUTHORIZED, t("That name and password do not belong together.").to_owned())
        }
        Err(SignInError::TooMany(wait)) => {
            let fault = t1("Too many wrong passwords. Try again in {} seconds.", wait.as_secs() + 1);
            (StatusCode::TOO_MANY_REQUESTS, fault)
        }
    };
    let theme = frame::theme_in_cookie(&headers);
    let page = LoginPage { theme, name: name.to_owned(), next: typed.next, fault };
    Ok((status, frame::html(&page)).into_response())
}

/// Ends the session, for the server and for the browser.
pub(crate) async fn sign_out(
    State(state): State<AppState>,
    caller: Caller,
    PageActor(actor): PageActor,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let is_signed_in = caller.principal.is_some_and(|it| it.credential == Credential::Session);
    if let Some(secret) = session::cookie(&headers).filter(|_| is_signed_in) {
        state.handle.change_account(AccountRequest::EndSession(Secret::hash_of(secret)), actor).await?;
    }
    let cookie = session::forget_cookie(session::is_secure(&state, &headers));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

/// A path of this server, or the first page.
fn next(wanted: &str) -> String {
    if is_own_path(wanted) { wanted.to_owned() } else { "/".to_owned() }
}
