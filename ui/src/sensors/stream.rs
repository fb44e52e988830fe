//! `/api/sensors/stream`: tells pages when readings or alerts have come and how far a run is, as server-sent events.
//!
//! One watcher serves all pages, and there is one only while a page listens. It is woken by the engine's notices, and
//! counts once a second, for what other programs write; when counting takes long it counts less often.
//!
//! | event | data |
//! |---|---|
//! | `counts` | `{"readings": n, "alerts": n}`, when one has changed, and once at the beginning |
//! | `progress` | how far a task is: [`esteira_runtime::ProgressNotice`] |
//! | `run` | `{}`: a run or a task of the pipeline changed its state |

use super::{Dashboard, PIPELINE};
use crate::AppState;
use crate::data_api::{DataState, stats};
use crate::live::Shutdown;
use axum::Extension;
use axum::extract::{FromRef, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use esteira_runtime::{Notice, ProgressNotice};
use futures::{Stream, StreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;

/// Counting happens no more often than this, and takes no more than a twentieth of the time.
const COUNT_PERIOD: Duration = Duration::from_secs(1);
const COUNT_SHARE: u32 = 20;

/// What the engine tells is gathered for so long before pages hear of it.
const GATHER_PERIOD: Duration = Duration::from_millis(200);

/// Events that a slow page may be behind.
const BACKLOG: usize = 64;

/// What pages are told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Counts(Counts),
    Progress(Arc<ProgressNotice>),
    Run,
}

/// How much there is; none where a service does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    readings: Option<u64>,
    alerts: Option<u64>,
}

/// The way to the pages that listen, while there are any.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Option<broadcast::Sender<Told>>>);

impl Listeners {
    /// Listens; the second part is the way to tell, for who must start the watcher.
    fn listen(&self) -> (broadcast::Receiver<Told>, Option<broadcast::Sender<Told>>) {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            return (sender.subscribe(), None);
        }
        let (new, receiver) = broadcast::channel(BACKLOG);
        *sender = Some(new.clone());
        (receiver, Some(new))
    }

    /// Ends the watch if nobody listens.
    fn leave(&self, told: &broadcast::Sender<Told>) -> bool {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = told.receiver_count() == 0;
        if is_over {
            *sender = None;
        }
        is_over
    }
}

/// Answers `/api/sensors/stream`.
pub(super) async fn stream(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    shutdown: Option<Extension<Shutdown>>,
) -> impl IntoResponse {
    let data = DataState::from_ref(&state);
    let (receiver, sender) = dashboard.listeners.listen();
    let notices = state.handle.subscribe();
    let first = count(&data).await;
    if let Some(sender) = sender {
        let watch = Watch { data, dashboard, told: sender, known: first };
        tokio::spawn(watch.run(notices));
    }
    let end = shutdown.map_or_else(CancellationToken::new, |Extension(Shutdown(token))| token);
    Sse::new(events(Told::Counts(first), receiver).take_until(end.cancelled_owned()))
        .keep_alive(KeepAlive::default())
}

fn events(first: Told, receiver: broadcast::Receiver<Told>) -> impl Stream<Item = Result<Event, Infallible>> {
    // Who is too slow has missed some, and learns it from the next.
    let later = BroadcastStream::new(receiver).filter_map(|told| async { told.ok() });
    futures::stream::iter([first]).chain(later).map(|told| Ok(to_event(&told)))
}

fn to_event(told: &Told) -> Event {
    let json = |name: &str, value: serde_json::Result<String>| {
        Event::default().event(name).data(value.unwrap_or_else(|_| "{}".to_owned()))
    };
    match told {
        Told::Counts(counts) => json("counts", serde_json::to_string(counts)),
        Told::Progress(progress) => json("progress", serde_json::to_string(&**progress)),
        Told::Run => json("run", Ok("{}".to_owned())),
    }
}

async fn count(data: &DataState) -> Counts {
    let (readings, alerts) = tokio::join!(stats::count_readings(data), stats::count_alerts(data));
    Counts { readings: readings.ok(), alerts: alerts.ok() }
}

/// What has been heard since pages were last told.
#[derive(Default)]
struct Heard {
    progress: BTreeMap<String, Arc<ProgressNotice>>,
    run: bool,
    since: Option<Instant>,
}

impl Heard {
    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Progress(progress) => drop(self.progress.insert(progress.task_id.clone(), progress)),
            Notice::Event(event) if event.dag_id == PIPELINE => self.run = true,
            Notice::Event(_) => return,
        }
        self.since.get_or_insert_with(Instant::now);
    }

    fn due_at(&self) -> Option<Instant> {
        self.since.map(|since| since + GATHER_PERIOD)
    }

    fn tell(&mut self, told: &broadcast::Sender<Told>) {
        let Self { progress, run, .. } = std::mem::take(self);
        // That nobody listens any more is found out by the next count.
        progress.into_values().for_each(|progress| drop(told.send(Told::Progress(progress))));
        if run {
            let _ = told.send(Told::Run);
        }
    }
}

/// Watches on behalf of all pages that listen.
struct Watch {
    data: DataState,
    dashboard: Arc<Dashboard>,
    told: broadcast::Sender<Told>,
    known: Counts,
}

impl Watch {
    async fn run(mut self, mut notices: broadcast::Receiver<Notice>) {
        let (mut heard, mut next_count) = (Heard::default(), Instant::now() + COUNT_PERIOD);
        let mut is_engine_there = true;
        loop {
            let tell_at = heard.due_at();
            tokio::select! {
                notice = notices.recv(), if is_engine_there => match notice {
                    Ok(notice) => heard.note(notice),
                    Err(broadcast::error::RecvError::Lagged(_)) => heard.run = true,
                    Err(broadcast::error::RecvError::Closed) => is_engine_there = false,
                },
                () = sleep_until(tell_at.unwrap_or(next_count)), if tell_at.is_some() => heard.tell(&self.told),
                () = sleep_until(next_count) => {
                    if self.dashboard.listeners.leave(&self.told) {
                        return;
                    }
                    next_count = self.count().await;
                }
            }
        }
    }

    /// Counts, tells what has changed, and gives when to count again.
    async fn count(&mut self) -> Instant {
        let begun_at = Instant::now();
        let counts = count(&self.data).await;
        if std::mem::replace(&mut self.known, counts) != counts {
            let _ = self.told.send(Told::Counts(counts));
        }
        Instant::now() + COUNT_PERIOD.max(begun_at.elapsed() * COUNT_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_listener_starts_the_watch_and_the_last_ends_it() {
        let listeners = Listeners::default();
        let (first, sender) = listeners.listen();
        let sender = sender.unwrap();
        let (second, none) = listeners.listen();
        assert!(none.is_none());
        drop(first);
        assert!(!listeners.leave(&sender));
        drop(second);
        assert!(listeners.leave(&sender));
        assert!(listeners.listen().1.is_some());
    }

    #[tokio::test]
    async fn counting_answers_even_where_a_service_is_down() {
        let (data, _home) =
            crate::data_api::tests::world(&[("ESTEIRA_CONN_REDIS_DEFAULT", "redis://127.0.0.1:1/0")]);
        assert_eq!(count(&data).await, Counts { readings: None, alerts: Some(0) });
    }
}
