//! Reading from Kafka for a group.
//!
//! The consumer does not subscribe: it takes all partitions of the topic itself, from where the group's committed
//! offsets are, and commits to the same group. To join a group takes Kafka seconds (and again whenever a member comes
//! or goes without a farewell, as a killed process does); this takes milliseconds. It means that a group has one reader at a
//! time, which is what a task is; two at once would read the same messages, and lose none. Kafka's own tools
//! show the group's offsets and lag as usual, and Kafka refuses the commits while others are subscribed in the group.

use super::config::Config;
use super::fault::{Watch, fault};
use super::{EVENTS_HEARD_MAX, blocking, drop_aside, partitions_of};
use crate::service::ServiceError;
use crate::stream::{Committer, Consumer, Offsets, Record};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often a consumer of a topic that does not exist looks for it.
const TOPIC_INTERVAL: Duration = Duration::from_millis(200);

type Client = StreamConsumer<Watch>;

pub(super) struct KafkaConsumer {
    reader: Arc<Reader>,
    /// Empty until the topic exists.
    position: BTreeMap<i32, i64>,
}

/// What the consumer and its committers share.
struct Reader {
    config: Arc<Config>,
    topic: String,
    /// Only none while it is being dropped.
    client: Option<Client>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop_aside(self.client.take());
    }
}

impl KafkaConsumer {
    pub(super) async fn open(config: Arc<Config>, topic: &str, group: &str) -> Result<Self, ServiceError> {
        let client = Some(config.create(&config.consumer(group), &Watch::default())?);
        let reader = Arc::new(Reader { config: Arc::clone(&config), topic: topic.to_owned(), client });
        let position = config.endpoint.patiently(|| take_up(&reader)).await?;
        Ok(Self { reader, position })
    }

    /// Waits for the first message, and takes what has come with it.
    async fn receive(
        &mut self,
        client: &Client,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Record>, ServiceError> {
        let mut records = Vec::new();
        while records.len() < limit {
            // What has been taken from the client must not be lost while waiting for more.
            let next = match client.recv().now_or_never() {
                Some(next) => next,
                None if !records.is_empty() => break,
                None => match timeout_at(deadline, client.recv()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            match next {
                Ok(message) => records.push(self.take(&message)),
                // It comes again with the next poll.
                Err(_) if !records.is_empty() => break,
                Err(error) => self.endure(client, &error)?,
            }
        }
        Ok(records)
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Record {
        self.position.insert(message.partition(), message.offset() + 1);
        Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(Bytes::copy_from_slice),
            payload: message.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
        }
    }

    /// librdkafka goes on by itself when a connection broke; other faults are for the caller.
    fn endure(&self, client: &Client, error: &KafkaError) -> Result<(), ServiceError> {
        let fault = fault(&self.reader.config.endpoint, client.context(), error);
        if fault.kind == crate::service::ServiceErrorKind::Unavailable {
            tracing::debug!(target: "esteira::kafka", "{fault}");
            return Ok(());
        }
        Err(fault)
    }
}

/// Takes all partitions of the topic, and gives where reading begins in each. Empty when there is no such topic.
async fn take_up(reader: &Arc<Reader>) -> Result<BTreeMap<i32, i64>, ServiceError> {
    reader.config.reach().await?;
    let work = Arc::clone(reader);
    blocking(&reader.config, move || {
        let Some(client) = &work.client else { return Ok(BTreeMap::new()) };
        work.take_up(client).map_err(|error| {
            // What librdkafka had to say comes with the messages, of which there are none yet.
            for _ in 0..EVENTS_HEARD_MAX {
                let _ = client.recv().now_or_never();
            }
            fault(&work.config.endpoint, client.context(), &error)
        })
    })
    .await
}

impl Reader {
    fn take_up(&self, client: &Client) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let partitions = partitions_of(&self.config, client, &self.topic)?;
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let starts = self.starts(client, &partitions)?;
        client.assign(&self.list(&starts)?)?;
        Ok(starts)
    }

    /// Where the group goes on: at its committed offsets, unless Kafka no longer has (or does not have) that message.
    fn starts(&self, client: &Client, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let committed = self.committed(client, partitions.iter().copied())?;
        let mut starts = BTreeMap::new();
        for &partition in partitions {
            let (low, high) = client.fetch_watermarks(&self.topic, partition, self.config.timeout())?;
            let start = committed.get(&partition).copied().filter(|offset| (low..=high).contains(offset));
            starts.insert(partition, start.unwrap_or(low));
        }
        Ok(starts)
    }

    /// The group's committed offsets, of those partitions that have one.
    fn committed(
        &self,
        client: &Client,
        partitions: impl Iterator<Item = i32>,
    ) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let mut list = TopicPartitionList::new();
        partitions.for_each(|partition| {
            list.add_partition(&self.topic, partition);
        });
        let committed = client.committed_offsets(list, self.config.timeout())?;
        let mut offsets = BTreeMap::new();
        for element in committed.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }

    fn list(&self, offsets: &BTreeMap<i32, i64>) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (&partition, &offset) in offsets {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        Ok(list)
    }

    fn commit(&self, client: &Client, offsets: &BTreeMap<i32, i64>) -> Result<(), KafkaError> {
        let committed = self.committed(client, offsets.keys().copied())?;
        let is_ahead =
            |partition: &i32, offset: &i64| committed.get(partition).is_none_or(|known| offset > known);
        let mut ahead = offsets.clone();
        ahead.retain(|partition, offset| is_ahead(partition, offset));
        if ahead.is_empty() {
            return Ok(());
        }
        client.commit(&self.list(&ahead)?, CommitMode::Sync)
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, ServiceError> {
        let deadline = Instant::now() + wait;
        while self.position.is_empty() {
            self.position = self.reader.config.endpoint.patiently(|| take_up(&self.reader)).await?;
            if self.position.is_empty() {
                if Instant::now() >= deadline {
                    return Ok(Vec::new());
                }
                sleep(TOPIC_INTERVAL.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
        }
        let reader = Arc::clone(&self.reader);
        match &reader.client {
            Some(client) => self.receive(client, limit, deadline).await,
            None => Ok(Vec::new()),
        }
    }

    fn give_back(&mut self, records: &[Record]) {
        // The first of each partition is where its reading goes on: backwards, it is the last that is set.
        for record in records.iter().rev() {
            self.position.insert(record.partition, record.offset);
        }
    }

    fn position(&self) -> Offsets {
        Offsets(self.position.clone())
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(KafkaCommitter { reader: Arc::clone(&self.reader), offsets: self.position.clone() })
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        // A committer may keep the client for a while; it need not read on meanwhile.
        if let Some(client) = &self.reader.client {
            let _ = client.unassign();
        }
    }
}

struct KafkaCommitter {
    reader: Arc<Reader>,
    offsets: BTreeMap<i32, i64>,
}

#[async_trait]
impl Committer for KafkaCommitter {
    async fn commit(self: Box<Self>) -> Result<(), ServiceError> {
        if self.offsets.is_empty() {
            return Ok(());
        }
        let commit = || {
            let (reader, offsets) = (Arc::clone(&self.reader), self.offsets.clone());
            async move {
                reader.config.reach().await?;
                let config = Arc::clone(&reader.config);
                blocking(&config, move || match &reader.client {
                    Some(client) => reader
                        .commit(client, &offsets)
                        .map_err(|error| fault(&reader.config.endpoint, client.context(), &error)),
                    None => Ok(()),
                })
                .await
            }
        };
        self.reader.config.endpoint.patiently(commit).await
    }
}
