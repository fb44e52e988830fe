//! Signing in and out: a password for a session, whose secret a browser keeps in a cookie and a program in its memory.

use super::caller::Caller;
use crate::AppState;
use axum::http::{HeaderMap, HeaderValue, header};
use esteira_runtime::{AccountRequest, Actor, CommandError, Secret, User};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// The cookie of a browser that is signed in.
const COOKIE: &str = "esteira_session";

/// How long a browser stays signed in.
pub(crate) const BROWSER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignInError {
    /// Name or password is wrong; which of them is not said.
    Wrong,
    /// Too many were wrong; the next try is after this time.
    TooMany(Duration),
    /// The engine did not do it.
    Refused(CommandError),
}

/// Starts a session for whoever has this name and password.
pub(crate) async fn sign_in(
    state: &AppState,
    caller: &Caller,
    name: &str,
    password: &str,
    length: SignedDuration,
) -> Result<Secret, SignInError> {
    let user = check(state, caller, name, password).await?;
    let refused = |error| SignInError::Refused(error);
    let stopping = || refused(CommandError::Store("the system gives no random bytes".to_owned()));
    let secret = Secret::generate().ok_or_else(stopping)?;
    let request = AccountRequest::StartSession {
        user_name: user.name.clone(),
        secret_hash: secret.hash(),
        expires_at: Timestamp::now().saturating_add(length).unwrap_or(Timestamp::MAX),
        from: caller.address.clone(),
    };
    let actor = Actor::new(user.name, caller.api_actor().via);
    state.handle.change_account(request, actor).await.map_err(refused)?;
    Ok(secret)
}

/// Checks a password, as often as the throttle allows.
pub(crate) async fn check(
    state: &AppState,
    caller: &Caller,
    name: &str,
    password: &str,
) -> Result<User, SignInError> {
    let throttle = &state.doors.throttle;
    throttle.take(&caller.address, name, Instant::now()).map_err(SignInError::TooMany)?;
    let Some(user) = state.handle.accounts().sign_in(name, password).await else {
        // What was typed as a name may be a password; only a name that there is goes into the history.
        let known = state.handle.accounts().user(name).map_or("an unknown name", |_| name);
        let (what, reason) = (format!("sign in as {known}"), "wrong name or password".to_owned());
        state.doors.refusals.tell(&state.handle, caller, what, reason);
        return Err(SignInError::Wrong);
    };
    throttle.forgive(&caller.address, name);
    Ok(user)
}

/// The secret in the cookie of a request.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// What makes a browser keep the secret: out of reach of scripts, and not sent along by other sites' forms.
pub(crate) fn set_cookie(secret: &Secret, is_secure: bool) -> HeaderValue {
    cookie_header(secret.text(), BROWSER.as_secs(), is_secure)
}

/// What makes a browser forget it.
pub(crate) fn forget_cookie(is_secure: bool) -> HeaderValue {
    cookie_header("", 0, is_secure)
}

fn cookie_header(value: &str, seconds: i64, is_secure: bool) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // It holds nothing that a header may not.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether the browser speaks TLS to whatever is in front of this server.
pub(crate) fn is_secure(state: &AppState, headers: &HeaderMap) -> bool {
    let told = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    state.settings.is_https || told.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = HeaderMap::from_iter([(
            header::COOKIE,
            HeaderValue::from_static("theme=dark; esteira_session=abc"),
        )]);
        assert_eq!(cookie(&headers), Some("abc"));
        assert_eq!(cookie(&HeaderMap::new()), None);
        let secret = Secret::generate().unwrap();
        let set = set_cookie(&secret, true);
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"), "{set}");
    }
}
