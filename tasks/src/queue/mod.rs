//! Queues of messages: RabbitMQ, and its embedded twin.

use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;

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

/// A service that keeps messages in durable queues.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts messages at the end of a durable queue, which is made if it is missing, and waits until the service has
    /// confirmed each. Messages are persistent.
    async fn publish(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), ServiceError>;

    /// The first messages, at most `limit`; the queue stays as it was (content and order). A queue that does not
    /// exist is empty.
    async fn peek(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError>;

    /// Takes the first messages out, at most `limit`.
    async fn take(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError>;

    /// How many messages are waiting; 0 for a queue that does not exist.
    async fn count(&self, queue: &str) -> Result<u64, ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}
