//! The embedded stream: topics of one partition, in the shared SQLite file.
//!
//! It keeps Kafka's promises: a message has an offset that never changes, reading does not remove it, a group goes on
//! from what it committed, and what was flushed is on disk.

use super::{Committer, Consumer, Message, Offsets, Producer, Record, Stream, check_topic};
use crate::embedded::EmbeddedDatabase;
use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const SERVICE: &str = "Embedded stream";

/// The only partition of every topic.
const PARTITION: i32 = 0;

/// How much a producer holds back for one transaction: enough that the disk's flush is paid by many.
const BUFFERED_MESSAGES_MAX: usize = 10_000;
const BUFFERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rows in one insert: four values each, within SQLite's bound of 32,766 values.
const ROWS_PER_INSERT: usize = 1_000;

/// How often a waiting consumer looks for messages from another process; those of this one wake it at once.
const OTHER_PROCESS_INTERVAL: Duration = Duration::from_millis(50);

/// The embedded twin of Kafka.
#[derive(Debug)]
pub(crate) struct EmbeddedStream {
    database: Arc<EmbeddedDatabase>,
}

impl EmbeddedStream {
    pub(crate) fn new(database: Arc<EmbeddedDatabase>) -> Self {
        Self { database }
    }

    fn check(&self, topic: &str) -> Result<(), ServiceError> {
        check_topic(topic).map_err(|message| self.database.rejected(SERVICE, message))
    }
}

#[async_trait]
impl Stream for EmbeddedStream {
    async fn producer(&self, topic: &str) -> Result<Box<dyn Producer>, ServiceError> {
        self.check(topic)?;
        let database = Arc::clone(&self.database);
        let topic_id =
            create_topic(&database, topic).await.map_err(|error| database.fault(SERVICE, &error))?;
        Ok(Box::new(EmbeddedProducer { database, topic_id, buffer: Vec::new(), buffered_bytes: 0 }))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Offsets, ServiceError> {
        self.check(topic)?;
        let end: Option<i64> = sqlx::query_scalar("select next_offset from topic where name = ?1")
            .bind(topic)
            .fetch_optional(self.database.reader())
            .await
            .map_err(|error| self.database.fault(SERVICE, &error))?;
        Ok(Offsets(end.map(|offset| (PARTITION, offset)).into_iter().collect()))
    }

    async fn committed_offsets(&self, topic: &str, group: &str) -> Result<Offsets, ServiceError> {
        self.check(topic)?;
        let offset: Option<i64> = sqlx::query_scalar(
            "select group_offset.offset from group_offset join topic on topic.id = group_offset.topic
             where topic.name = ?1 and group_offset.group_name = ?2",
        )
        .bind(topic)
        .bind(group)
        .fetch_optional(self.database.reader())
        .await
        .map_err(|error| self.database.fault(SERVICE, &error))?;
        Ok(Offsets(offset.map(|offset| (PARTITION, offset)).into_iter().collect()))
    }

    async fn consumer(&self, topic: &str, group: &str) -> Result<Box<dyn Consumer>, ServiceError> {
        self.check(topic)?;
        if group.is_empty() {
            return Err(self.database.rejected(SERVICE, "needs a group name that is not empty".to_owned()));
        }
        let mut consumer = EmbeddedConsumer {
            database: Arc::clone(&self.database),
            topic: topic.to_owned(),
            group: group.to_owned(),
            place: None,
        };
        consumer.find_place().await?;
        Ok(Box::new(consumer))
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let answer = sqlx::query("select 1").execute(self.database.reader()).await;
        answer.map(drop).map_err(|error| self.database.fault(SERVICE, &error))
    }
}

async fn create_topic(database: &EmbeddedDatabase, topic: &str) -> Result<i64, sqlx::Error> {
    let known = sqlx::query_scalar("select id from topic where name = ?1").bind(topic);
    if let Some(id) = known.fetch_optional(database.reader()).await? {
        return Ok(id);
    }
    let mut transaction = database.write().await?;
    sqlx::query("insert into topic (name) values (?1) on conflict do nothing")
        .bind(topic)
        .execute(&mut *transaction)
        .await?;
    let id = sqlx::query_scalar("select id from topic where name = ?1")
        .bind(topic)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(id)
}

/// Gathers messages and writes them in one transaction at a time.
struct EmbeddedProducer {
    database: Arc<EmbeddedDatabase>,
    topic_id: i64,
    buffer: Vec<Message>,
    buffered_bytes: usize,
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn send(&mut self, message: Message) -> Result<(), ServiceError> {
        self.buffered_bytes += message.payload.len() + message.key.as_ref().map_or(0, Bytes::len);
        self.buffer.push(message);
        if self.buffer.len() >= BUFFERED_MESSAGES_MAX || self.buffered_bytes >= BUFFERED_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ServiceError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // The buffer is emptied only afterwards: a flush that failed or was dropped may be tried again.
        self.append().await.map_err(|error| self.database.fault(SERVICE, &error))?;
        self.buffer.clear();
        self.buffered_bytes = 0;
        self.database.announce_arrival();
        Ok(())
    }
}

impl EmbeddedProducer {
    async fn append(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write().await?;
        let first_offset: i64 = sqlx::query_scalar(
            "update topic set next_offset = next_offset + ?2 where id = ?1 returning next_offset - ?2",
        )
        .bind(self.topic_id)
        .bind(i64::try_from(self.buffer.len()).unwrap_or(i64::MAX))
        .fetch_one(&mut *transaction)
        .await?;
        let mut offset = first_offset;
        for messages in self.buffer.chunks(ROWS_PER_INSERT) {
            insert_messages(&mut transaction, self.topic_id, offset, messages).await?;
            offset += i64::try_from(messages.len()).unwrap_or(i64::MAX);
        }
        transaction.commit().await
    }
}

async fn insert_messages(
    transaction: &mut Transaction<'static, Sqlite>,
    topic_id: i64,
    first_offset: i64,
    messages: &[Message],
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::new("insert into message (topic, offset, key, payload) ");
    insert.push_values((first_offset..).zip(messages), |mut row, (offset, message)| {
        row.push_bind(topic_id)
            .push_bind(offset)
            .push_bind(message.key.as_ref().map(|key| key.to_vec()))
            .push_bind(message.payload.to_vec());
    });
    insert.build().execute(&mut **transaction).await.map(drop)
}

/// Where a consumer is in a topic that exists.
#[derive(Clone, Copy)]
struct Place {
    topic_id: i64,
    offset: i64,
}

struct EmbeddedConsumer {
    database: Arc<EmbeddedDatabase>,
    topic: String,
    group: String,
    /// None until the topic exists.
    place: Option<Place>,
}

impl EmbeddedConsumer {
    async fn find_place(&mut self) -> Result<Option<Place>, ServiceError> {
        if self.place.is_none() {
            let row = sqlx::query(
                "select topic.id, coalesce(group_offset.offset, 0) from topic
                 left join group_offset on group_offset.topic = topic.id and group_offset.group_name = ?2
                 where topic.name = ?1",
            )
            .bind(&self.topic)
            .bind(&self.group)
            .fetch_optional(self.database.reader())
            .await
            .map_err(|error| self.database.fault(SERVICE, &error))?;
            self.place = row.map(|row| Place { topic_id: row.get(0), offset: row.get(1) });
        }
        Ok(self.place)
    }

    async fn read(&mut self, limit: usize) -> Result<Vec<Record>, ServiceError> {
        let Some(place) = self.find_place().await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "select offset, key, payload from message where topic = ?1 and offset >= ?2 order by offset limit ?3",
        )
        .bind(place.topic_id)
        .bind(place.offset)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.database.reader())
        .await
        .map_err(|error| self.database.fault(SERVICE, &error))?;
        let records: Vec<Record> = rows.iter().map(to_record).collect();
        if let Some(last) = records.last() {
            self.place = Some(Place { offset: last.offset + 1, ..place });
        }
        Ok(records)
    }
}

fn to_record(row: &sqlx::sqlite::SqliteRow) -> Record {
    Record {
        partition: PARTITION,
        offset: row.get(0),
        key: row.get::<Option<Vec<u8>>, _>(1).map(Bytes::from),
        payload: Bytes::from(row.get::<Vec<u8>, _>(2)),
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn poll(&mut self, limit: usize, wait: Duration) -> Result<Vec<Record>, ServiceError> {
        let deadline = Instant::now() + wait;
        let mut arrivals = self.database.arrivals();
        loop {
            let records = self.read(limit).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if limit == 0 || !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            // Either way it looks again: the sender of arrivals lives as long as this consumer.
            let _ = tokio::time::timeout(left.min(OTHER_PROCESS_INTERVAL), arrivals.changed()).await;
        }
    }

    fn give_back(&mut self, records: &[Record]) {
        if let (Some(place), Some(first)) = (&mut self.place, records.first()) {
            place.offset = first.offset;
        }
    }

    fn position(&self) -> Offsets {
        Offsets(self.place.iter().map(|place| (PARTITION, place.offset)).collect::<BTreeMap<_, _>>())
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(EmbeddedCommitter {
            database: Arc::clone(&self.database),
            group: self.group.clone(),
            place: self.place,
        })
    }
}

struct EmbeddedCommitter {
    database: Arc<EmbeddedDatabase>,
    group: String,
    place: Option<Place>,
}

#[async_trait]
impl Committer for EmbeddedCommitter {
    async fn commit(self: Box<Self>) -> Result<(), ServiceError> {
        let Some(place) = self.place else { return Ok(()) };
        self.store(place).await.map_err(|error| self.database.fault(SERVICE, &error))
    }
}

impl EmbeddedCommitter {
    async fn store(&self, place: Place) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query(
            "insert into group_offset (topic, group_name, offset) values (?1, ?2, ?3)
             on conflict do update set offset = max(offset, excluded.offset)",
        )
        .bind(place.topic_id)
        .bind(&self.group)
        .bind(place.offset)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
