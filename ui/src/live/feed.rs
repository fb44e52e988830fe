//! The events after a given one, without a gap: first those that were missed, from the store, then the live ones.

use esteira_runtime::{Notice, ProgressNotice};
use esteira_store::{EventFilter, EventRow, Reader, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// A subscriber who missed more than this is told to look at the page anew instead.
const MISSED_MAX: u32 = 1000;

/// What a subscriber is told next.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Something happened.
    Event(Arc<EventRow>),
    /// An attempt came further.
    Progress(Arc<ProgressNotice>),
    /// Too much was missed, or the subscriber knows another history; the stream goes on after this event.
    Reset(i64),
}

/// Which events a subscriber wants. Empty names mean all.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) dag_id: String,
    pub(super) run_id: String,
}

impl Wanted {
    fn fits(&self, dag_id: &str, run_id: &str) -> bool {
        (self.dag_id.is_empty() || self.dag_id == dag_id) && (self.run_id.is_empty() || self.run_id == run_id)
    }
}

/// The state of one subscription.
pub(super) struct Feed {
    reader: Reader,
    receiver: Receiver<Notice>,
    wanted: Wanted,
    /// The newest event that was told of or passed over.
    last: i64,
    waiting: VecDeque<Told>,
}

impl Feed {
    /// Begins after `last`. The receiver must have been opened before `last` was read, or earlier.
    pub(super) fn new(reader: Reader, receiver: Receiver<Notice>, wanted: Wanted, last: i64) -> Self {
        Self { reader, receiver, wanted, last, waiting: VecDeque::new() }
    }

    /// Begins anew after this event: what is before it is not told.
    pub(super) fn reset(&mut self, newest: i64) {
        self.last = newest;
        self.waiting.push_back(Told::Reset(newest));
    }

    /// Reads what was missed since the last event.
    pub(super) async fn catch_up(&mut self) -> Result<(), StoreError> {
        let filter = EventFilter {
            dag_id: Some(self.wanted.dag_id.clone()).filter(|dag_id| !dag_id.is_empty()),
            after: Some(self.last),
            ..EventFilter::default()
        };
        let newest = i64::try_from(self.reader.event_count().await?).unwrap_or(i64::MAX);
        let missed = self.reader.events(&filter, MISSED_MAX).await?;
        if missed.has_more {
            self.reset(newest);
            return Ok(());
        }
        for event in missed.rows.into_iter().rev() {
            self.last = self.last.max(event.seq);
            if self.wanted.fits(&event.dag_id, &event.run_id) {
                self.waiting.push_back(Told::Event(Arc::new(event)));
            }
        }
        Ok(())
    }

    /// What is told next; none when the engine has ended.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            match self.receiver.recv().await {
                Ok(Notice::Event(event)) if event.seq > self.last => {
                    self.last = event.seq;
                    if self.wanted.fits(&event.dag_id, &event.run_id) {
                        return Some(Told::Event(event));
                    }
                }
                Ok(Notice::Event(_)) => {}
                Ok(Notice::Progress(progress)) if self.wanted.fits(&progress.dag_id, &progress.run_id) => {
                    return Some(Told::Progress(progress));
                }
                Ok(Notice::Progress(_)) => {}
                Err(RecvError::Lagged(_)) => {
                    if let Err(error) = self.catch_up().await {
                        tracing::warn!(%error, "a live stream ends: what it missed cannot be read");
                        return None;
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
