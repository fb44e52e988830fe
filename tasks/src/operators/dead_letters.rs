//! Where messages go that cannot be used: a topic beside the one that they belong to. Nothing is silently dropped.

use crate::service::ServiceError;
use crate::stream::{Message, Producer, Stream};
use bytes::Bytes;
use esteira_operator::TaskContext;
use serde_json::Value;
use std::sync::Arc;

/// The dead-letter topic of one attempt. It is opened, and so made, with the first letter.
pub(crate) struct DeadLetters {
    stream: Arc<dyn Stream>,
    topic: String,
    producer: Option<Box<dyn Producer>>,
    count: u64,
    first: Option<String>,
}

/// How many rejections are told in the log one by one; the rest are in the topic.
const TOLD_MAX: u64 = 10;

impl DeadLetters {
    /// Dead letters on this topic.
    pub(crate) fn new(stream: Arc<dyn Stream>, topic: String) -> Self {
        Self { stream, topic, producer: None, count: 0, first: None }
    }

    /// Puts a letter, and tells of the first few: `what` says where it came from and why it is here.
    pub(crate) async fn put(
        &mut self,
        context: &TaskContext,
        what: &str,
        letter: &Value,
    ) -> Result<(), ServiceError> {
        let producer = match &mut self.producer {
            Some(producer) => producer,
            none => none.insert(self.stream.producer(&self.topic).await?),
        };
        producer.send(Message { key: None, payload: Bytes::from(letter.to_string()) }).await?;
        self.count += 1;
        match self.count {
            1..=TOLD_MAX => context.warn(format!("rejected to {}: {what}", self.topic)),
            count if count == TOLD_MAX + 1 => {
                context.warn(format!("more rejections: see the topic {}", self.topic))
            }
            _ => {}
        }
        self.first.get_or_insert_with(|| what.to_owned());
        Ok(())
    }

    /// Waits until all letters are durable.
    pub(crate) async fn flush(&mut self) -> Result<(), ServiceError> {
        match &mut self.producer {
            Some(producer) => producer.flush().await,
            None => Ok(()),
        }
    }

    /// How many letters there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first one: where it came from and why.
    pub(crate) fn first(&self) -> &str {
        self.first.as_deref().unwrap_or("none")
    }

    /// Where they are.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }
}

/// The topic of dead letters of a topic, unless the task names another.
pub(crate) fn topic_beside(topic: &str, named: Option<String>) -> String {
    named.unwrap_or_else(|| format!("{topic}.rejected"))
}
