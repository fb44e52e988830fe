//! `/api/sensors/stream`: tells pages when readings or alerts have come and how far a run is, as server-sent events.
//!
//! One watcher serves all pages, and there is one only while a page listens. It is woken by the engine's notices, and
//! looks twice a second and more, for what other programs write; when looking takes long it looks less often.
//!
//! | event | data |
//! |---|---|
//! | `counts` | `{"readings": n, "alerts": n, "version": "…", "down": […]}`, when one has changed, and once at the beginning. The version is that of what the readings say: it changes when a hash is written over. `down` names the services that do not answer |
//! | `progress` | how far a task is: [`esteira_runtime::ProgressNotice`] |
//! | `run` | `{}`: a run or a task of the pipeline changed its state |
//! | `alerts` | `{}`: somebody has acknowledged alerts, or taken that back |

use super::{Dashboard, PIPELINE};
use crate::AppState;
use crate::access::Caller;
use crate::data_api::DataState;
use crate::live::Shutdown;
use axum::Extension;
use axum::extract::{FromRef, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use esteira_runtime::{Notice, ProgressNotice};
use futures::{Stream, StreamExt};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::BroadcastStream;

/// Counting happens no more often than this, and takes no more than a tenth of the time.
const COUNT_PERIOD: Duration = Duration::from_millis(300);
const COUNT_SHARE: u32 = 10;

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
    Alerts,
}

/// How much there is, none where a service does not answer; and which services are down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    readings: Option<usize>,
    alerts: Option<u64>,
    #[serde(serialize_with = "as_hex")]
    version: Option<u64>,
    down: Vec<&'static str>,
}

/// A script's numbers have 53 bits.
#[expect(clippy::ref_option, reason = "serde gives it so")]
fn as_hex<S: Serializer>(version: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(|version| format!("{version:016x}")).serialize(serializer)
}

/// The way to the pages that listen, while there are any.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Option<Watched>>);

/// What a watcher and the pages that it serves share.
struct Watched {
    told: broadcast::Sender<Told>,
    /// The newest counts; none until the first count is done.
    known: Option<Counts>,
}

/// A page that listens.
struct Listening {
    receiver: broadcast::Receiver<Told>,
    /// What is known already. Where nothing is, the watcher is about to tell.
    known: Option<Counts>,
    /// For the first of the pages, which must start the watcher: the way to tell.
    told: Option<broadcast::Sender<Told>>,
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens.
    fn listen(&self) -> Listening {
        let mut watched = self.lock();
        if let Some(Watched { told, known }) = &*watched {
            return Listening { receiver: told.subscribe(), known: known.clone(), told: None };
        }
        let (told, receiver) = broadcast::channel(BACKLOG);
        *watched = Some(Watched { told: told.clone(), known: None });
        Listening { receiver, known: None, told: Some(told) }
    }

    /// Keeps the newest counts and tells them if they are new.
    fn tell_counts(&self, counts: Counts) {
        let mut watched = self.lock();
        let Some(Watched { told, known }) = &mut *watched else { return };
        if known.as_ref() != Some(&counts) {
            *known = Some(counts.clone());
            let _ = told.send(Told::Counts(counts));
        }
    }

    /// Ends the watch if nobody listens.
    fn leave(&self, told: &broadcast::Sender<Told>) -> bool {
        let mut watched = self.lock();
        let is_over = told.receiver_count() == 0;
        if is_over {
            *watched = None;
        }
        is_over
    }
}

/// Answers `/api/sensors/stream`.
pub(super) async fn stream(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    caller: Caller,
    shutdown: Option<Extension<Shutdown>>,
) -> impl IntoResponse {
    let Listening { receiver, known, told } = dashboard.listeners.listen();
    // Nothing is awaited before the watcher is there: a page that goes away meanwhile would leave the others without.
    if let Some(told) = told {
        let watch = Watch { data: DataState::from_ref(&state), dashboard, told };
        tokio::spawn(watch.run(state.handle.subscribe()));
    }
    let end = Shutdown::or_shut_out(shutdown, caller, state);
    Sse::new(events(known.map(Told::Counts), receiver).take_until(end)).keep_alive(KeepAlive::default())
}

fn events(
    first: Option<Told>,
    receiver: broadcast::Receiver<Told>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // Who is too slow has missed some, and learns it from the next.
    let later = BroadcastStream::new(receiver).filter_map(|told| async { told.ok() });
    futures::stream::iter(first).chain(later).map(|told| Ok(to_event(&told)))
}

fn to_event(told: &Told) -> Event {
    let json = |name: &str, value: serde_json::Result<String>| {
        Event::default().event(name).data(value.unwrap_or_else(|_| "{}".to_owned()))
    };
    match told {
        Told::Counts(counts) => json("counts", serde_json::to_string(counts)),
        Told::Progress(progress) => json("progress", serde_json::to_string(&**progress)),
        Told::Run => json("run", Ok("{}".to_owned())),
        Told::Alerts => json("alerts", Ok("{}".to_owned())),
    }
}

async fn count(dashboard: &Dashboard, data: &DataState) -> Counts {
    let (snapshot, alerts, (stats, _)) =
        tokio::join!(dashboard.snapshots.get(data), dashboard.queue.count(data), dashboard.stats.get(data));
    let snapshot = snapshot.ok();
    let services = stats.map(|stats| stats.services).unwrap_or_default();
    Counts {
        readings: snapshot.as_ref().map(|snapshot| snapshot.readings.len()),
        alerts: alerts.ok(),
        version: snapshot.map(|snapshot| snapshot.version),
        down: services.iter().filter(|health| !health.healthy).map(|health| health.service).collect(),
    }
}

/// What has been heard since pages were last told.
#[derive(Default)]
struct Heard {
    progress: BTreeMap<String, Arc<ProgressNotice>>,
    run: bool,
    alerts: bool,
    since: Option<Instant>,
}

impl Heard {
    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Progress(progress) => drop(self.progress.insert(progress.task_id.clone(), progress)),
            Notice::Event(event) if event.dag_id == PIPELINE => self.run = true,
            Notice::Event(event) if event.name.starts_with("alert.") => self.alerts = true,
            Notice::Event(_) => return,
        }
        self.since.get_or_insert_with(Instant::now);
    }

    fn due_at(&self) -> Option<Instant> {
        self.since.map(|since| since + GATHER_PERIOD)
    }

    fn tell(&mut self, told: &broadcast::Sender<Told>) {
        let Self { progress, run, alerts, .. } = std::mem::take(self);
        // That nobody listens any more is found out by the next count.
        progress.into_values().for_each(|progress| drop(told.send(Told::Progress(progress))));
        if run {
            let _ = told.send(Told::Run);
        }
        if alerts {
            let _ = told.send(Told::Alerts);
        }
    }
}

/// Watches on behalf of all pages that listen.
struct Watch {
    data: DataState,
    dashboard: Arc<Dashboard>,
    told: broadcast::Sender<Told>,
}

impl Watch {
    async fn run(self, mut notices: broadcast::Receiver<Notice>) {
        let (mut heard, mut next_count) = (Heard::default(), Instant::now());
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
    async fn count(&self) -> Instant {
        let begun_at = Instant::now();
        self.dashboard.listeners.tell_counts(count(&self.dashboard, &self.data).await);
        Instant::now() + COUNT_PERIOD.max(begun_at.elapsed() * COUNT_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_listener_starts_the_watch_and_the_last_ends_it() {
        let listeners = Listeners::default();
        let Listening { receiver: first, told, .. } = listeners.listen();
        let told = told.unwrap();
        let Listening { receiver: second, told: none, .. } = listeners.listen();
        assert!(none.is_none());
        drop(first);
        assert!(!listeners.leave(&told));
        drop(second);
        assert!(listeners.leave(&told));
        assert!(listeners.listen().told.is_some());
    }

    #[test]
    fn who_comes_later_learns_what_is_known_and_nobody_the_same_twice() {
        let listeners = Listeners::default();
        let mut first = listeners.listen();
        let counts = Counts { readings: Some(1), alerts: None, version: Some(7), down: Vec::new() };
        assert_eq!((first.known, listeners.listen().known), (None, None));
        listeners.tell_counts(counts.clone());
        listeners.tell_counts(counts.clone());
        assert!(matches!(first.receiver.try_recv(), Ok(Told::Counts(told)) if told == counts));
        assert!(first.receiver.try_recv().is_err());
        let mut later = listeners.listen();
        assert_eq!(later.known, Some(counts));
        assert!(later.receiver.try_recv().is_err());
    }

    #[tokio::test]
    async fn counting_answers_even_where_a_service_is_down() {
        let (data, _home) =
            crate::data_api::tests::world(&[("ESTEIRA_CONN_REDIS_DEFAULT", "redis://127.0.0.1:1/0")]);
        let counted = count(&Dashboard::default(), &data).await;
        assert_eq!((counted.readings, counted.alerts, counted.version), (None, Some(0), None));
        let counted = Counts { down: vec!["Redis"], ..counted };
        assert_eq!(
            serde_json::to_string(&Counts { version: Some(u64::MAX), ..counted }).unwrap(),
            "{\"readings\":null,\"alerts\":0,\"version\":\"ffffffffffffffff\",\"down\":[\"Redis\"]}"
        );
    }
}
