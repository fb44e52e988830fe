//! Streams of messages: Kafka, and its embedded twin.

mod embedded;
#[cfg(feature = "kafka")]
mod kafka;

pub(crate) use embedded::EmbeddedStream;
#[cfg(feature = "kafka")]
pub(crate) use kafka::KafkaStream;

use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What decides the partition; messages with the same key keep their order.
    pub key: Option<Bytes>,
    /// The content.
    pub payload: Bytes,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it was read from.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its content.
    pub payload: Bytes,
}

/// For each partition, the offset after the last message: where the next one goes, or is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offsets(pub BTreeMap<i32, i64>);

impl Offsets {
    /// Whether reading has come to `end` in each of its partitions.
    pub fn reach(&self, end: &Offsets) -> bool {
        end.0
            .iter()
            .all(|(partition, offset)| *offset <= 0 || self.0.get(partition).is_some_and(|at| at >= offset))
    }
}

/// A service that keeps messages in topics.
#[async_trait]
pub trait Stream: Send + Sync {
    /// Opens a producer for a topic, which is made if it is missing. Sending is idempotent and acknowledged by all
    /// replicas.
    async fn producer(&self, topic: &str) -> Result<Box<dyn Producer>, ServiceError>;

    /// The offset after the last message, of every partition; empty for a topic that does not exist.
    async fn end_offsets(&self, topic: &str) -> Result<Offsets, ServiceError>;

    /// The offsets that a group has committed; a partition of which it has committed none is not there.
    async fn committed_offsets(&self, topic: &str, group: &str) -> Result<Offsets, ServiceError>;

    /// Opens a consumer of a topic in a group. It starts at the group's committed offsets, at the first message
    /// where there are none.
    async fn consumer(&self, topic: &str, group: &str) -> Result<Box<dyn Consumer>, ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}

/// Sends to one topic.
#[async_trait]
pub trait Producer: Send {
    /// Takes a message in; it may wait until earlier ones have gone out. Durable only after [`Producer::flush`]. A
    /// fault may be an earlier message's: as soon as one is known, no more are taken in.
    async fn send(&mut self, message: Message) -> Result<(), ServiceError>;

    /// Waits until every message sent so far is acknowledged, and gives the first fault of any of them.
    async fn flush(&mut self) -> Result<(), ServiceError>;
}

/// Reads one topic for a group.
#[async_trait]
pub trait Consumer: Send {
    /// The next messages in order, at most `limit`; empty when none came within `wait`.
    async fn poll(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, ServiceError>;

    /// Gives back the last of the messages that [`Consumer::poll`] gave, in their order: they are left for the group's
    /// next consumer. This one is at its end then, and is not to be polled again.
    fn give_back(&mut self, records: &[Record]);

    /// Where the group's reading would go on, for every partition it has: the committed offsets, moved on by what
    /// [`Consumer::poll`] gave and was not given back.
    fn position(&self) -> Offsets;

    /// Something that commits the position of this moment later, also after this consumer is gone.
    fn committer(&self) -> Box<dyn Committer>;
}

/// Commits a group's offsets, once what was read is durable elsewhere.
#[async_trait]
pub trait Committer: Send {
    /// Commits. Done twice it does no harm; it never moves a group backwards past what another commit has set.
    async fn commit(self: Box<Self>) -> Result<(), ServiceError>;
}

/// Kafka's rule for the names of topics. The twin keeps it too, so that what runs on one runs on the other.
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.chars().all(allowed) {
        return Err(format!(
            "does not take the topic name {topic:?}: it must have 1 to 249 letters, digits, dots, underscores or dashes"
        ));
    }
    Ok(())
}
