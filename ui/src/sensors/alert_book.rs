//! The alerts that wait, with who has acknowledged them. Looking at a queue costs a broker more than counting it, so what
//! was seen is kept while the count stays the same, and looked at again when nobody waits for it.

use super::Dashboard;
use super::alerts::{Alert, distinct};
use crate::AppState;
use crate::data_api::query::LIMIT_MAX;
use crate::data_api::{DataState, stats};
use esteira_store::{AcknowledgementRow, StoreError};
use esteira_tasks::queue::{Queue, QueueMessage};
use esteira_tasks::service::ServiceError;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What was seen of a queue is looked at again after so long, for one message may have gone and another come; and shown
/// meanwhile, unless it is very old.
const AGE_FRESH: Duration = Duration::from_secs(5);
const AGE_MAX: Duration = Duration::from_secs(600);

/// What was last seen of the queue.
#[derive(Clone, Default)]
pub(crate) struct SeenQueue(Arc<Mutex<Option<Seen>>>);

struct Seen {
    at: Instant,
    waiting: u64,
    messages: Arc<Vec<QueueMessage>>,
}

/// The alerts that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    /// How many messages wait; none where the queue does not answer.
    pub(crate) waiting: Option<u64>,
    /// Among the first of them: those that nobody has acknowledged, newest first.
    pub(crate) open: Vec<Alert>,
    /// The others, newest first.
    pub(crate) acknowledged: Vec<Alert>,
}

/// Why alerts cannot be told.
#[derive(Debug)]
pub(crate) enum Fault {
    Queue(ServiceError),
    Store(StoreError),
}

impl SeenQueue {
    /// How many messages wait. Those that are being looked at are away for a moment, so looking and counting take turns.
    pub(crate) async fn count(&self, data: &DataState) -> Result<u64, ServiceError> {
        let _turn = self.0.lock().await;
        stats::count_alerts(data).await
    }

    /// Takes the first messages out of the queue, at most so many, and gives them.
    pub(crate) async fn take(
        &self,
        queue: &dyn Queue,
        name: &str,
        limit: usize,
    ) -> Result<Vec<QueueMessage>, ServiceError> {
        let mut seen = self.0.lock().await;
        *seen = None;
        queue.take(name, limit).await
    }

    /// The first messages of the queue, at most as many as one request may ask for, and how many there are.
    pub(crate) async fn messages(
        &self,
        data: &DataState,
    ) -> Result<(u64, Arc<Vec<QueueMessage>>), ServiceError> {
        let mut seen = self.0.lock().await;
        let waiting = stats::count_alerts(data).await?;
        let is_same = |seen: &&Seen| seen.waiting == waiting && seen.at.elapsed() < AGE_MAX;
        if let Some(known) = seen.as_ref().filter(is_same) {
            if known.at.elapsed() >= AGE_FRESH {
                self.look_soon(data, waiting);
            }
            return Ok((waiting, Arc::clone(&known.messages)));
        }
        let messages = look(data).await?;
        *seen = Some(Seen { at: Instant::now(), waiting, messages: Arc::clone(&messages) });
        Ok((waiting, messages))
    }

    /// Looks again, in the background.
    fn look_soon(&self, data: &DataState, waiting: u64) {
        let (queue, data) = (self.clone(), data.clone());
        tokio::spawn(async move {
            let mut seen = queue.0.lock().await;
            // Somebody else may have looked meanwhile.
            if seen.as_ref().is_none_or(|seen| seen.at.elapsed() < AGE_FRESH) {
                return;
            }
            // That the queue does not answer is told to whoever counts it next.
            if let Ok(messages) = look(&data).await {
                *seen = Some(Seen { at: Instant::now(), waiting, messages });
            }
        });
    }
}

async fn look(data: &DataState) -> Result<Arc<Vec<QueueMessage>>, ServiceError> {
    Ok(Arc::new(data.queue().await?.peek(&data.settings.alert_queue, LIMIT_MAX).await?))
}

/// Reads the alerts and what is known of them.
pub(crate) async fn read(state: &AppState, dashboard: &Dashboard, data: &DataState) -> Result<Alerts, Fault> {
    let (waiting, messages) = dashboard.queue.messages(data).await.map_err(Fault::Queue)?;
    let alerts = distinct(&messages);
    let names: Vec<String> = alerts.iter().map(|alert| alert.message_id.clone()).collect();
    let rows = state.handle.reader().acknowledgements(&names).await.map_err(Fault::Store)?;
    Ok(parted(waiting, alerts, rows, Timestamp::now()))
}

fn parted(waiting: u64, alerts: Vec<Alert>, rows: Vec<AcknowledgementRow>, now: Timestamp) -> Alerts {
    let known: HashMap<&str, &AcknowledgementRow> =
        rows.iter().map(|row| (row.message_id.as_str(), row)).collect();
    let mut parted = Alerts { waiting: Some(waiting), ..Alerts::default() };
    for alert in alerts {
        match known.get(alert.message_id.as_str()) {
            Some(row) => parted.acknowledged.push(alert.acknowledged_by(row, now)),
            None => parted.open.push(alert),
        }
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_api::tests::world;

    #[tokio::test]
    async fn what_comes_into_the_queue_or_is_taken_out_is_seen_at_once() {
        let (data, _home) = world(&[]);
        let (book, name) = (SeenQueue::default(), data.settings.alert_queue.clone());
        let queue = data.queue().await.unwrap();
        assert_eq!(book.messages(&data).await.unwrap().0, 0);
        for expected in 1..=2 {
            let message = QueueMessage {
                message_id: expected.to_string(),
                content_type: "text/plain".to_owned(),
                body: "ALERTA!".into(),
            };
            queue.publish(&name, &[message]).await.unwrap();
            let (waiting, messages) = book.messages(&data).await.unwrap();
            assert_eq!((waiting, messages.len()), (expected, expected as usize));
        }
        // The same number of messages need not be the same messages.
        assert_eq!(book.take(&*queue, &name, 1).await.unwrap().len(), 1);
        let other =
            QueueMessage { message_id: "3".to_owned(), content_type: String::new(), body: "3".into() };
        queue.publish(&name, &[other]).await.unwrap();
        let (_, messages) = book.messages(&data).await.unwrap();
        let names: Vec<&str> = messages.iter().map(|message| message.message_id.as_str()).collect();
        assert_eq!(names, ["2", "3"]);
    }
}
