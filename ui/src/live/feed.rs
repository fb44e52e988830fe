//! The events after a given one, without a gap: first those that were missed, from the store, then the live ones.

use super::bursts::{Burst, Line, of_event, text, whole};
use axum::body::Bytes;
use esteira_store::{EventFilter, Reader, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// A subscriber who missed more than this is told to look at the page anew instead.
const MISSED_MAX: u32 = 1000;

/// A sign of life after this time, so that a client or a proxy knows that the stream stands.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which events a subscriber wants. Empty names mean all.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) dag_id: String,
    pub(super) run_id: String,
}

impl Wanted {
    fn fits(&self, line: &Line) -> bool {
        (self.dag_id.is_empty() || *self.dag_id == *line.dag_id)
            && (self.run_id.is_empty() || *self.run_id == *line.run_id)
    }

    fn is_all(&self) -> bool {
        self.dag_id.is_empty() && self.run_id.is_empty()
    }
}

/// The state of one subscription.
pub(super) struct Feed {
    reader: Reader,
    receiver: Receiver<Arc<Burst>>,
    wanted: Wanted,
    /// The newest event that was told of or passed over.
    last: i64,
    waiting: Option<Bytes>,
}

impl Feed {
    /// Begins after `last`. The receiver must have been opened before `last` was read, or earlier.
    pub(super) fn new(reader: Reader, receiver: Receiver<Arc<Burst>>, wanted: Wanted, last: i64) -> Self {
        Self { reader, receiver, wanted, last, waiting: None }
    }

    /// Begins anew after this event: too much was missed, or the subscriber knows another history.
    pub(super) fn reset(&mut self, newest: i64) {
        self.last = newest;
        self.waiting = Some(text("reset", Some(newest), "{}"));
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
        let lines: Vec<Line> = missed.rows.iter().rev().map(of_event).collect();
        let told = self.told(&lines);
        if !told.is_empty() {
            let before = self.waiting.take().unwrap_or_default();
            self.waiting = Some([before, told].concat().into());
        }
        Ok(())
    }

    /// What is told next; none when the engine has ended.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(waiting) = self.waiting.take() {
                return Some(waiting);
            }
            match timeout(HEARTBEAT, self.receiver.recv()).await {
                Err(_) => return Some(Bytes::from_static(b":\n\n")),
                Ok(Ok(burst)) => match &*burst {
                    Burst::Lines(lines, whole) => self.take(lines, whole),
                    Burst::Gap => self.read_missed().await?,
                },
                Ok(Err(RecvError::Lagged(_))) => self.read_missed().await?,
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    fn take(&mut self, lines: &[Line], whole: &Bytes) {
        let newest = lines.iter().rev().find_map(|line| line.seq);
        let is_new = lines.iter().find_map(|line| line.seq).is_none_or(|seq| seq > self.last);
        // The usual case costs no more than this.
        if is_new && self.wanted.is_all() {
            self.last = newest.unwrap_or(self.last);
            self.waiting = Some(whole.clone());
            return;
        }
        let told = self.told(lines);
        self.waiting = Some(told).filter(|told| !told.is_empty());
    }

    /// Those of the lines that are new and wanted.
    fn told(&mut self, lines: &[Line]) -> Bytes {
        let mut told = Vec::new();
        for line in lines {
            if line.seq.is_some_and(|seq| seq <= self.last) {
                continue;
            }
            self.last = line.seq.unwrap_or(self.last);
            if self.wanted.fits(line) {
                told.push(line.clone());
            }
        }
        whole(&told)
    }

    async fn read_missed(&mut self) -> Option<()> {
        match self.catch_up().await {
            Ok(()) => Some(()),
            Err(error) => {
                tracing::warn!(%error, "a live stream ends: what it missed cannot be read");
                None
            }
        }
    }
}
