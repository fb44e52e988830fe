//! `GET /api/events`: the audit history as a stream, for pages and for anybody who wants to follow. An own addition
//! beside Airflow's API.
//!
//! Each event is `event: change` with its number as `id`; a client that reconnects sends `Last-Event-ID` (or
//! `?after=`) and misses nothing. `event: progress` says how far an attempt has come; `event: reset` says that too
//! much was missed to be told one by one, or that the client's number is of another history, such as that of a home
//! that was replaced.

use super::Shutdown;
use super::feed::{Feed, Told, Wanted};
use crate::AppState;
use crate::access::Caller;
use crate::api::{ApiError, Pairs};
use crate::show::state_after;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use esteira_store::EventRow;
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

/// A sign of life, so that a client or a proxy knows that the stream stands.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The events of `?dag_id=` and `?run_id=`, or all, after `?after=`.
pub(crate) async fn stream(
    State(state): State<AppState>,
    pairs: Pairs,
    headers: HeaderMap,
    caller: Caller,
    shutdown: Option<Extension<Shutdown>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let asked = pairs.integer("after")?;
    let receiver = state.handle.subscribe();
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
    let first =
        Event::default().event("hello").id(after.to_string()).data(json!({ "seq": after }).to_string());
    let told = stream::unfold(feed, |mut feed| async { Some((as_event(feed.next().await?), feed)) });
    let end = Shutdown::or_shut_out(shutdown, caller, state);
    let events = stream::iter([first]).chain(told).take_until(end).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn as_event(told: Told) -> Event {
    match told {
        Told::Event(event) => {
            Event::default().event("change").id(event.seq.to_string()).data(as_json(&event).to_string())
        }
        Told::Progress(progress) => {
            let data = serde_json::to_string(&*progress).unwrap_or_default();
            Event::default().event("progress").data(data)
        }
        Told::Reset(seq) => Event::default().event("reset").id(seq.to_string()).data("{}"),
    }
}

/// An event with the state that it leads to, ready to be shown.
fn as_json(event: &EventRow) -> Value {
    let mark = state_after(event);
    json!({
        "seq": event.seq,
        "at": event.at,
        "name": event.name,
        "dag_id": event.dag_id,
        "run_id": event.run_id,
        "task_id": event.task_id,
        "map_index": event.map_index,
        "try_number": event.try_number,
        "actor": event.actor,
        "via": event.via,
        "state": mark.map(|mark| mark.name),
        "label": mark.map(|mark| mark.label),
        "glyph": mark.map(|mark| mark.glyph),
        "body": serde_json::from_str::<Value>(&event.body).unwrap_or_default(),
    })
}
