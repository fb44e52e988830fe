//! Queues of messages: RabbitMQ, and its embedded twin.

mod embedded;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;

pub(crate) use embedded::EmbeddedQueue;
#[cfg(feature = "rabbitmq")]
pub(crate) use rabbitmq::RabbitQueue;

use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// The sender's own name for it, the same when the same thing is sent again.
    pub message_id: String,
    /// The media type: `application/json`.
    pub content_type: String,
    /// The content.
    pub body: Bytes,
}

/// Messages that are handed out and not gone yet.
pub struct Received {
    /// The messages, in the queue's order.
    pub messages: Vec<QueueMessage>,
    /// What removes them.
    pub receipt: Box<dyn Receipt>,
}

/// What removes messages that were handed out.
#[async_trait]
pub trait Receipt: Send {
    /// Removes them for good.
    async fn acknowledge(self: Box<Self>) -> Result<(), ServiceError>;
}

/// A service that keeps messages in durable queues.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts messages at the end of a durable queue, which is made if it is missing, and waits until the service has
    /// confirmed each. Messages are persistent.
    async fn publish(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), ServiceError>;

    /// Puts one message with headers at the end of a durable queue, which is made if it is missing, and waits until the
    /// service has confirmed it. Its id is the correlation id too. Who reads it is another program, so the twin refuses it.
    async fn publish_with_headers(
        &self,
        queue: &str,
        message: &QueueMessage,
        headers: &Map<String, Value>,
    ) -> Result<(), ServiceError>;

    /// The first messages, at most `limit`; the queue stays as it was (content and order). A queue that does not
    /// exist is empty.
    async fn peek(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError>;

    /// Hands out the first messages, at most `limit`, for work that takes its time. They are gone for good once the receipt
    /// is acknowledged; when it is dropped, or this process ends, they are in the queue again.
    async fn receive(&self, queue: &str, limit: usize) -> Result<Received, ServiceError>;

    /// Takes the first messages out, at most `limit`.
    async fn take(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError>;

    /// How many messages are waiting; 0 for a queue that does not exist.
    async fn count(&self, queue: &str) -> Result<u64, ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}

/// AMQP's rule for the names of queues. The twin keeps it too, so that what runs on one runs on the other.
pub(crate) fn check_queue(queue: &str) -> Result<(), String> {
    if queue.is_empty() || queue.len() > 255 {
        return Err(format!("does not take the queue name {queue:?}: it must have 1 to 255 bytes"));
    }
    if queue.starts_with("amq.") {
        return Err(format!(
            "does not take the queue name {queue:?}: names with \"amq.\" are the broker's own"
        ));
    }
    Ok(())
}

/// AMQP's bound on the texts that go with a message.
pub(crate) fn check_message(message: &QueueMessage) -> Result<(), String> {
    for (what, text) in [("message id", &message.message_id), ("content type", &message.content_type)] {
        if text.len() > 255 {
            return Err(format!("does not take a {what} of {} bytes: 255 is the most", text.len()));
        }
    }
    Ok(())
}
