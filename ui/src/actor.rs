//! Who asks, and by what way, as the audit history keeps it.

use crate::AppState;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use esteira_core::states::TriggeredBy;
use esteira_runtime::Actor;
use std::convert::Infallible;
use std::net::SocketAddr;

/// The name of somebody who did not say who they are; users come later.
const ANONYMOUS: &str = "anonymous";

/// The longest name that is taken from a header, in bytes.
const NAME_LENGTH_MAX: usize = 100;

/// Somebody at a page.
pub(crate) fn at_page() -> Actor {
    Actor::new(ANONYMOUS, TriggeredBy::Ui)
}

/// Somebody who calls the API. The command line on the same machine says who its user is with `X-Esteira-Actor`,
/// and that it is the command line with `X-Esteira-Via: cli`; from elsewhere both are passed over.
pub(crate) struct ApiActor(pub(crate) Actor);

impl FromRequestParts<AppState> for ApiActor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_local = peer.is_some_and(|ConnectInfo(address)| address.ip().is_loopback());
        let header = |name: &str| {
            let text = parts.headers.get(name).and_then(|value| value.to_str().ok());
            text.map(str::trim).filter(|text| is_local && !text.is_empty() && text.len() <= NAME_LENGTH_MAX)
        };
        let via = match header("x-esteira-via") {
            Some("cli") => TriggeredBy::Cli,
            _ => TriggeredBy::RestApi,
        };
        Ok(Self(Actor::new(header("x-esteira-actor").unwrap_or(ANONYMOUS), via)))
    }
}
