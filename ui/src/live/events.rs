//! `GET /api/events`: the audit history as a stream, for pages and for anybody who wants to follow. An own addition
//! beside Airflow's API.
//!
//! Each event is `event: change` with its number as `id`; a client that reconnects sends `Last-Event-ID` (or
//! `?after=`) and misses nothing. `event: progress` says how far an attempt has come; `event: reset` says that too
//! much was missed to be told one by one, or that the client's number is of another history, such as that of a home
//! that was replaced.

use super::bursts::{Bursts, text};
use super::feed::{Feed, Wanted};
use super::{Shutdown, event_stream};
use crate::AppState;
use crate::access::Caller;
use crate::api::{ApiError, Pairs};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, stream};
use serde_json::json;

/// The events of `?dag_id=` and `?run_id=`, or all, after `?after=`.
pub(crate) async fn stream(
    State(state): State<AppState>,
    Extension(bursts): Extension<Bursts>,
    pairs: Pairs,
    headers: HeaderMap,
    caller: Caller,
    shutdown: Option<Extension<Shutdown>>,
) -> Result<Response, ApiError> {
    let asked = pairs.integer("after")?;
    let receiver = bursts.subscribe();
    let reader = state.handle.reader().clone();
    let newest = i64::try_from(reader.event_count().await?).unwrap_or(i64::MAX);
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let name = |key: &str| pairs.text(key).unwrap_or_default();
    let wanted = Wanted { dag_id: name("dag_id"), run_id: name("run_id") };
    let asked = known.or(asked).unwrap_or(newest);
    let after = asked.min(newest);
    let mut feed = Feed::new(reader, receiver, wanted, after);
    if asked > newest {
        feed.reset(newest);
    }
    feed.catch_up().await?;
    let first = text("hello", Some(after), &json!({ "seq": after }).to_string());
    let told = stream::unfold(feed, |mut feed| async { Some((feed.next().await?, feed)) });
    let end = Shutdown::or_shut_out(shutdown, caller, state);
    // Boxed: what waits for the end stays where it is.
    Ok(event_stream(stream::iter([first]).chain(told).take_until(Box::pin(end))))
}
