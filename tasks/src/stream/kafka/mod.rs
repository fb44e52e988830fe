//! Kafka.
//!
//! Every piece of work has a librdkafka client of its own, which goes when the work is done: a client that nobody
//! polls would go on connecting, and gather events, for as long as the process lives. Making one takes a few
//! milliseconds.

mod config;
mod consumer;
mod fault;
mod producer;

use self::config::Config;
use self::consumer::KafkaConsumer;
use self::fault::{Watch, code_fault, fault};
use self::producer::KafkaProducer;
use super::{Consumer as StreamConsumer, Offsets, Producer, Stream, check_topic};
use crate::service::{ServiceError, ServiceErrorKind};
use async_trait::async_trait;
use esteira_operator::Connection;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::sync::Arc;
use std::time::Duration;

/// A Kafka cluster.
pub(crate) struct KafkaStream {
    config: Arc<Config>,
}

impl KafkaStream {
    /// A client for this connection. It connects when it is first used.
    pub(crate) fn open(connection: &Connection, patience: Option<Duration>) -> Result<Self, ServiceError> {
        Ok(Self { config: Arc::new(Config::new(connection, patience)?) })
    }

    fn check(&self, topic: &str) -> Result<(), ServiceError> {
        check_topic(topic).map_err(|message| self.config.endpoint.rejected(message))
    }

    /// Makes the topic if it is missing, and waits until it can be written to.
    async fn ensure_topic(&self, topic: &str) -> Result<(), ServiceError> {
        let config = &self.config;
        let is_there = || look_up(config, topic, |_, _, partitions| Ok(!partitions.is_empty()));
        if config.endpoint.patiently(is_there).await? {
            return Ok(());
        }
        config.endpoint.patiently(|| create_topic(config, topic)).await?;
        let is_ready = || async {
            if is_there().await? {
                Ok(())
            } else {
                Err(config.endpoint.unavailable("has not made the topic yet"))
            }
        };
        config.endpoint.patiently(is_ready).await
    }
}

/// Asks about a topic in a client made for it, on a thread that may block. `ask` is given the numbers of the topic's
/// partitions: none for a topic that does not exist.
async fn look_up<T: Send + 'static>(
    config: &Arc<Config>,
    topic: &str,
    ask: impl FnOnce(&BaseConsumer<Watch>, &str, &[i32]) -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, ServiceError> {
    config.reach().await?;
    let (config, topic) = (Arc::clone(config), topic.to_owned());
    blocking(&Arc::clone(&config), move || {
        let client: BaseConsumer<Watch> = config.create(&config.lookup(), &Watch::default())?;
        let answer =
            partitions_of(&config, &client, &topic).and_then(|partitions| ask(&client, &topic, &partitions));
        answer.map_err(|error| fault_of(&config, &client, &error))
    })
    .await
}

/// The numbers of a topic's partitions; none where there is no such topic.
fn partitions_of(
    config: &Config,
    client: &impl Consumer<Watch>,
    topic: &str,
) -> Result<Vec<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), config.timeout())?;
    let Some(found) = metadata.topics().first() else { return Ok(Vec::new()) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => ready_partitions(found),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(Vec::new()),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

/// A topic that was made a moment ago may not have leaders yet.
fn ready_partitions(topic: &MetadataTopic) -> Result<Vec<i32>, KafkaError> {
    if topic.partitions().iter().any(|partition| partition.leader() < 0) {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable));
    }
    Ok(topic.partitions().iter().map(|partition| partition.id()).collect())
}

async fn create_topic(config: &Arc<Config>, topic: &str) -> Result<(), ServiceError> {
    config.reach().await?;
    let watch = Watch::default();
    let client: AdminClient<Watch> = config.create(&config.lookup(), &watch)?;
    let new = NewTopic::new(topic, config.partitions, TopicReplication::Fixed(config.replication));
    let options = AdminOptions::new().request_timeout(Some(config.timeout()));
    let results = client.create_topics([&new], &options).await;
    drop_aside(client);
    match results.map_err(|error| fault(&config.endpoint, &watch, &error))?.into_iter().next() {
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(code_fault(&config.endpoint, code)),
    }
}

/// The fault of a client that is not polled otherwise: what librdkafka had to say is heard first.
fn fault_of(config: &Config, client: &BaseConsumer<Watch>, error: &KafkaError) -> ServiceError {
    for _ in 0..EVENTS_HEARD_MAX {
        let _ = client.poll(Duration::ZERO);
    }
    fault(&config.endpoint, client.context(), error)
}

/// What the client's group has committed in a topic.
fn committed(config: &Config, client: &BaseConsumer<Watch>, topic: &str) -> Result<Offsets, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions_of(config, client, topic)? {
        asked.add_partition(topic, partition);
    }
    if asked.count() == 0 {
        return Ok(Offsets::default());
    }
    let found = client.committed_offsets(asked, config.timeout())?;
    let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    };
    Ok(Offsets(found.elements().iter().filter_map(offset).collect()))
}

/// Events that librdkafka may have gathered in a client by the time of a fault.
const EVENTS_HEARD_MAX: usize = 20;

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    config: &Arc<Config>,
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(config.endpoint.error(ServiceErrorKind::Faulty, format!("failed: {error}"))),
    }
}

/// Drops a client on a thread of its own: it waits for librdkafka's threads, which must not hold up others.
fn drop_aside<T: Send + 'static>(client: T) {
    std::thread::spawn(move || drop(client));
}

#[async_trait]
impl Stream for KafkaStream {
    async fn producer(&self, topic: &str) -> Result<Box<dyn Producer>, ServiceError> {
        self.check(topic)?;
        self.ensure_topic(topic).await?;
        Ok(Box::new(KafkaProducer::open(Arc::clone(&self.config), topic)?))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Offsets, ServiceError> {
        self.check(topic)?;
        let timeout = self.config.timeout();
        let ask = move |client: &BaseConsumer<Watch>, topic: &str, partitions: &[i32]| {
            let end = |partition: &i32| {
                client.fetch_watermarks(topic, *partition, timeout).map(|(_, high)| (*partition, high))
            };
            Ok(Offsets(partitions.iter().map(end).collect::<Result<_, KafkaError>>()?))
        };
        self.config.endpoint.patiently(|| look_up(&self.config, topic, ask)).await
    }

    async fn committed_offsets(&self, topic: &str, group: &str) -> Result<Offsets, ServiceError> {
        self.check(topic)?;
        let ask = || async {
            self.config.reach().await?;
            let (config, topic, group) = (Arc::clone(&self.config), topic.to_owned(), group.to_owned());
            blocking(&self.config, move || {
                let mut settings = config.lookup();
                settings.set("group.id", group);
                let client: BaseConsumer<Watch> = config.create(&settings, &Watch::default())?;
                committed(&config, &client, &topic).map_err(|error| fault_of(&config, &client, &error))
            })
            .await
        };
        self.config.endpoint.patiently(ask).await
    }

    async fn consumer(&self, topic: &str, group: &str) -> Result<Box<dyn StreamConsumer>, ServiceError> {
        self.check(topic)?;
        if group.is_empty() {
            return Err(self.config.endpoint.rejected("needs a group name that is not empty"));
        }
        Ok(Box::new(KafkaConsumer::open(Arc::clone(&self.config), topic, group).await?))
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let config = Arc::clone(&self.config);
        let ask = async {
            config.reach().await?;
            let config = Arc::clone(&config);
            blocking(&self.config, move || {
                let client: BaseConsumer<Watch> = config.create(&config.lookup(), &Watch::default())?;
                let metadata = client.fetch_metadata(None, config.timeout());
                metadata.map(drop).map_err(|error| fault_of(&config, &client, &error))
            })
            .await
        };
        self.config.endpoint.promptly(ask).await
    }
}
