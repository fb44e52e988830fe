//! What happens, as it happens: server-sent events.

mod events;
mod feed;

use crate::AppState;
use axum::Router;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

/// Fires when the server is to end, so that open streams end too. Handlers take it as an optional `Extension`.
#[derive(Clone)]
pub(crate) struct Shutdown(pub(crate) CancellationToken);

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/api/events", get(events::stream))
}
