//! What happens, as it happens: server-sent events.

mod events;
mod feed;

use crate::AppState;
use crate::access::{Caller, Routes, VIEWER};
use crate::openapi::own;
use axum::Extension;
use tokio_util::sync::CancellationToken;

/// Fires when the server is to end, so that open streams end too. Handlers take it as an optional `Extension`.
#[derive(Clone)]
pub(crate) struct Shutdown(pub(crate) CancellationToken);

impl Shutdown {
    /// Waits until a stream has to end: the server does, or its reader would not be let in any more.
    pub(crate) async fn or_shut_out(shutdown: Option<Extension<Self>>, caller: Caller, state: AppState) {
        let end = shutdown.map(|Extension(Self(token))| token).unwrap_or_default();
        tokio::select! {
            () = end.cancelled() => {}
            () = caller.shut_out(state) => {}
        }
    }
}

pub(crate) fn routes() -> Routes<AppState> {
    Routes::new().get("/api/events", VIEWER, events::stream).is(own::events())
}
