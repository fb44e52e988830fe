//! Counts of objects and the health of the services. Counting objects means listing them, and a service that is down makes
//! who asks wait; so pages are given what was last known, and what is old is read again meanwhile.

use crate::data_api::DataState;
use crate::data_api::stats::{self, Stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What was read is fresh for so long; longer where reading takes long, so that it takes a twentieth of the time at most.
const AGE_FRESH: Duration = Duration::from_secs(2);
const AGE_FRESH_TIMES: u32 = 20;

/// What is older than this is not shown.
const AGE_MAX: Duration = Duration::from_secs(60);

/// A page waits for so long where nothing is known yet.
const PATIENCE: Duration = Duration::from_millis(80);

/// What was read, when, and how long that took.
#[derive(Clone, Debug)]
struct Known {
    at: Instant,
    took: Duration,
    stats: Stats,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < AGE_FRESH.max(self.took * AGE_FRESH_TIMES)
    }
}

/// What is known of counts and services.
#[derive(Clone)]
pub(crate) struct StatsBook {
    known: watch::Sender<Option<Known>>,
    is_reading: Arc<AtomicBool>,
}

impl Default for StatsBook {
    fn default() -> Self {
        Self { known: watch::Sender::new(None), is_reading: Arc::default() }
    }
}

impl StatsBook {
    /// What is known, or becomes known in a moment; and whether that is how it is now. None: it is not known yet.
    pub(crate) async fn get(&self, data: &DataState) -> (Option<Stats>, bool) {
        let data = data.clone();
        self.get_from(async move { stats::read(&data).await }).await
    }

    async fn get_from(&self, read: impl Future<Output = Stats> + Send + 'static) -> (Option<Stats>, bool) {
        let mut news = self.known.subscribe();
        let known = news.borrow_and_update().clone();
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return (Some(known.stats.clone()), true);
        }
        self.read_soon(read);
        if let Some(known) = known.filter(|known| known.at.elapsed() < AGE_MAX) {
            return (Some(known.stats), false);
        }
        match tokio::time::timeout(PATIENCE, news.changed()).await {
            Ok(Ok(())) => (news.borrow().as_ref().map(|known| known.stats.clone()), true),
            _ => (None, false),
        }
    }

    /// Reads in the background, once at a time.
    fn read_soon(&self, read: impl Future<Output = Stats> + Send + 'static) {
        if self.is_reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let book = self.clone();
        tokio::spawn(async move {
            let begun_at = Instant::now();
            let _reading = Reading(&book.is_reading);
            let stats = read.await;
            let took = begun_at.elapsed();
            book.known.send_replace(Some(Known { at: Instant::now(), took, stats }));
        });
    }
}

/// Says that reading is over, however it ends: a fault in it must not keep what was read last for good.
struct Reading<'a>(&'a AtomicBool);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn stats(readings: u64) -> Stats {
        Stats {
            readings_cached: Some(readings),
            objects_processed: None,
            objects_raw: None,
            alerts_waiting: None,
            services: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_does_not_wait_for_what_takes_long_and_it_is_read_once() {
        let book = StatsBook::default();
        let (answer, answered) = oneshot::channel();
        assert_eq!(book.get_from(async { answered.await.unwrap() }).await, (None, false));
        // While that goes on nothing else is read.
        assert_eq!(book.get_from(async { unreachable!() }).await, (None, false));
        let mut news = book.known.subscribe();
        answer.send(stats(7)).unwrap();
        news.wait_for(Option::is_some).await.unwrap();
        assert_eq!(book.get_from(async { unreachable!() }).await, (Some(stats(7)), true));
    }

    #[tokio::test]
    async fn what_is_answered_at_once_is_there_at_once() {
        assert_eq!(StatsBook::default().get_from(async { stats(3) }).await, (Some(stats(3)), true));
    }
}
