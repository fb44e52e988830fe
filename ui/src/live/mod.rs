//! What happens, as it happens: server-sent events.

use crate::AppState;
use axum::Router;
use tokio_util::sync::CancellationToken;

/// Fires when the server is to end, so that open streams end too. Handlers take it as an optional `Extension`.
#[derive(Clone)]
pub(crate) struct Shutdown(pub(crate) CancellationToken);

pub(crate) fn router() -> Router<AppState> {
    Router::new()
}
