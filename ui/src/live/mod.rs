//! What happens, as it happens: server-sent events.

mod bursts;
mod events;
mod feed;

pub(crate) use bursts::Bursts;

use crate::AppState;
use crate::access::{Caller, Routes, VIEWER};
use crate::openapi::own;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
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

/// A stream of server-sent events as an answer.
fn event_stream(texts: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (head, Body::from_stream(texts.map(Ok::<_, Infallible>))).into_response()
}

pub(crate) fn routes() -> Routes<AppState> {
    Routes::new().get("/api/events", VIEWER, events::stream).is(own::events())
}
