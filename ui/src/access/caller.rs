//! Who sends a request: by the cookie of a browser that signed in, or by the token of a program.

use super::session;
use crate::AppState;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use esteira_core::access::Role;
use esteira_core::states::TriggeredBy;
use esteira_runtime::{Actor, Credential, Principal, Secret};
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The name of somebody who did not say who they are.
const ANONYMOUS: &str = "anonymous";

/// The longest name that is taken from a header, in bytes.
const NAME_LENGTH_MAX: usize = 100;

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whoever it is; none, if they have not shown it.
    pub(crate) principal: Option<Principal>,
    /// Whether they have shown something that is not, or no longer, good for anything.
    pub(crate) has_wrong_credential: bool,
    /// Whether the browser shows it by itself, whatever page makes it send the request.
    pub(crate) is_by_cookie: bool,
    /// From where: an address, or empty.
    pub(crate) address: String,
    /// Whether it is the command line.
    is_command_line: bool,
    /// What is kept of the secret that they have shown.
    secret_hash: Option<String>,
}

/// Finds out who sends a request, for all that comes after.
pub(crate) async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let caller = find(&state, request.headers(), peer);
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn find(state: &AppState, headers: &HeaderMap, peer: Option<SocketAddr>) -> Caller {
    let accounts = state.handle.accounts();
    let bearer = bearer(headers);
    let (secret, is_by_cookie) = match bearer {
        Some(secret) => (Some(secret), false),
        None => (session::cookie(headers), true),
    };
    let found = secret.and_then(|secret| accounts.find(secret, Timestamp::now()));
    let address = address(headers, peer);
    let is_local = address.is_some_and(|address| address.is_loopback());
    // What came through a proxy came from elsewhere, whoever handed it on.
    let is_open = !accounts.has_users() && !state.settings.requires_login && !is_forwarded(headers);
    let named = |is_trusted: bool| {
        text(headers, "x-esteira-actor").filter(|_| is_trusted).unwrap_or(ANONYMOUS).to_owned()
    };
    let principal = match found {
        // The command line says who types.
        Some(principal) if principal.credential == Credential::Home => {
            Some(Principal { name: named(true).into(), ..principal })
        }
        None if is_open => Some(Principal::nobody_in_particular(named(is_local))),
        found => found,
    };
    Caller {
        has_wrong_credential: principal.is_none() && bearer.is_some(),
        is_by_cookie: principal.is_some() && secret.is_some() && is_by_cookie,
        is_command_line: text(headers, "x-esteira-via") == Some("cli"),
        secret_hash: secret.map(Secret::hash_of),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        principal,
    }
}

/// From where a request comes: what a proxy on this machine says of it, or the other end of the connection.
fn address(headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
    let peer = peer?.ip();
    if !peer.is_loopback() {
        // Whoever it is may write into the header what they like.
        return Some(peer);
    }
    // The last one is what the proxy itself has seen.
    let told = headers.get("x-forwarded-for").and_then(|told| told.to_str().ok());
    let last = told.and_then(|told| told.rsplit(',').next()?.trim().parse().ok());
    Some(last.unwrap_or(peer))
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= NAME_LENGTH_MAX).then_some(text)
}

impl Caller {
    /// The caller of a request that passed [`identify`]; nobody otherwise.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            principal: None,
            has_wrong_credential: false,
            is_by_cookie: false,
            address: String::new(),
            is_command_line: false,
            secret_hash: None,
        })
    }

    /// Whether they may do what users of this role may.
    pub(crate) fn may(&self, role: Role) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.role >= role)
    }

    /// Waits until they would not be let in any more: what they have shown was revoked or has ended, or there are users now.
    /// An answer that goes on for long ends then.
    pub(crate) async fn shut_out(self, state: AppState) {
        let accounts = state.handle.accounts();
        let mut changes = accounts.changes();
        let is_let_in = || match &self.secret_hash {
            Some(hash) if accounts.find_by_hash(hash, Timestamp::now()).is_some() => true,
            _ => !accounts.has_users() && !state.settings.requires_login,
        };
        while is_let_in() {
            // Looked at each minute, for what ends by time.
            let changed = tokio::time::timeout(Duration::from_secs(60), changes.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return;
            }
        }
    }

    /// By what name the history calls them.
    pub(crate) fn name(&self) -> &str {
        self.principal.as_ref().map_or(ANONYMOUS, |principal| &principal.name)
    }

    /// Who asks through the API.
    pub(crate) fn api_actor(&self) -> Actor {
        let via = if self.is_command_line { TriggeredBy::Cli } else { TriggeredBy::RestApi };
        Actor::new(self.name(), via)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// Somebody who calls the API. The command line says so with `X-Esteira-Via: cli`; who types it is believed
/// (`X-Esteira-Actor`) when it has the secret of the home, or when there are no users and it runs on this machine.
pub(crate) struct ApiActor(pub(crate) Actor);

impl FromRequestParts<AppState> for ApiActor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(Caller::of(parts).api_actor()))
    }
}

/// Somebody at a page.
pub(crate) struct PageActor(pub(crate) Actor);

impl FromRequestParts<AppState> for PageActor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(Actor::new(Caller::of(parts).name(), TriggeredBy::Ui)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_proxy_on_this_machine_is_believed_and_nobody_else() {
        let told = |text: &'static str| {
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(text))])
        };
        let (near, far) = ("127.0.0.1:4000".parse().ok(), "192.0.2.7:4000".parse().ok());
        let of = |headers: HeaderMap, peer| address(&headers, peer).map(|address| address.to_string());
        assert_eq!(of(HeaderMap::new(), near).as_deref(), Some("127.0.0.1"));
        assert_eq!(of(told("10.0.0.1, 198.51.100.4"), near).as_deref(), Some("198.51.100.4"));
        assert_eq!(of(told("nonsense"), near).as_deref(), Some("127.0.0.1"));
        assert_eq!(of(told("127.0.0.1"), far).as_deref(), Some("192.0.2.7"));
        assert_eq!(of(told("127.0.0.1"), None), None);
    }
}
