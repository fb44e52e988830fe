//! The embedded queue: durable queues of messages, in the shared SQLite file.

use super::{Queue, QueueMessage, Receipt, Received, check_message, check_queue};
use crate::embedded::EmbeddedDatabase;
use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::sync::Arc;

const SERVICE: &str = "Embedded queue";

/// Rows in one insert: four values each, within SQLite's bound of 32,766 values.
const ROWS_PER_INSERT: usize = 1_000;

const FIRST_MESSAGES: &str = "select message.message_id, message.content_type, message.body, message.id
    from queue_message as message join queue on queue.id = message.queue
    where queue.name = ?1 order by message.id limit ?2";

/// The embedded twin of RabbitMQ.
#[derive(Debug)]
pub(crate) struct EmbeddedQueue {
    database: Arc<EmbeddedDatabase>,
}

impl EmbeddedQueue {
    pub(crate) fn new(database: Arc<EmbeddedDatabase>) -> Self {
        Self { database }
    }

    fn check(&self, queue: &str) -> Result<(), ServiceError> {
        check_queue(queue).map_err(|message| self.database.rejected(SERVICE, message))
    }

    fn fault(&self, error: &sqlx::Error) -> ServiceError {
        self.database.fault(SERVICE, error)
    }

    async fn append(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query("insert into queue (name) values (?1) on conflict do nothing")
            .bind(queue)
            .execute(&mut *transaction)
            .await?;
        let queue_id: i64 = sqlx::query_scalar("select id from queue where name = ?1")
            .bind(queue)
            .fetch_one(&mut *transaction)
            .await?;
        for chunk in messages.chunks(ROWS_PER_INSERT) {
            insert_messages(&mut transaction, queue_id, chunk).await?;
        }
        transaction.commit().await
    }

    async fn remove_first(&self, queue: &str, limit: i64) -> Result<Vec<QueueMessage>, sqlx::Error> {
        let mut transaction = self.database.write().await?;
        let rows = sqlx::query(FIRST_MESSAGES).bind(queue).bind(limit).fetch_all(&mut *transaction).await?;
        // The rows are the queue's first, so all of its rows up to the last of them are taken.
        if let Some(last) = rows.last() {
            sqlx::query(
                "delete from queue_message where queue = (select id from queue where name = ?1) and id <= ?2",
            )
            .bind(queue)
            .bind(last.get::<i64, _>(3))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(rows.iter().map(to_message).collect())
    }
}

/// Messages that were handed out, by their numbers.
struct EmbeddedReceipt {
    database: Arc<EmbeddedDatabase>,
    ids: Vec<i64>,
}

#[async_trait]
impl Receipt for EmbeddedReceipt {
    async fn acknowledge(self: Box<Self>) -> Result<(), ServiceError> {
        let removed = async {
            let mut transaction = self.database.write().await?;
            for ids in self.ids.chunks(ROWS_PER_INSERT) {
                let mut delete = QueryBuilder::new("delete from queue_message where id in (");
                let mut list = delete.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                delete.push(")").build().execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        removed.await.map_err(|error| self.database.fault(SERVICE, &error))
    }
}

async fn insert_messages(
    transaction: &mut Transaction<'static, Sqlite>,
    queue_id: i64,
    messages: &[QueueMessage],
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::new("insert into queue_message (queue, message_id, content_type, body) ");
    insert.push_values(messages, |mut row, message| {
        row.push_bind(queue_id)
            .push_bind(message.message_id.clone())
            .push_bind(message.content_type.clone())
            .push_bind(message.body.to_vec());
    });
    insert.build().execute(&mut **transaction).await.map(drop)
}

fn to_message(row: &SqliteRow) -> QueueMessage {
    QueueMessage {
        message_id: row.get(0),
        content_type: row.get(1),
        body: Bytes::from(row.get::<Vec<u8>, _>(2)),
    }
}

fn to_bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), ServiceError> {
        self.check(queue)?;
        let fitting = messages.iter().try_for_each(check_message);
        fitting.map_err(|message| self.database.rejected(SERVICE, message))?;
        self.append(queue, messages).await.map_err(|error| self.fault(&error))
    }

    async fn publish_with_headers(
        &self,
        _: &str,
        _: &QueueMessage,
        _: &Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let message =
            "is embedded, so no Celery worker reads it: ESTEIRA_CONN_RABBITMQ_DEFAULT names a RabbitMQ";
        Err(self.database.rejected(SERVICE, message.to_owned()))
    }

    async fn peek(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError> {
        self.check(queue)?;
        let select = sqlx::query(FIRST_MESSAGES).bind(queue).bind(to_bound(limit));
        let rows = select.fetch_all(self.database.reader()).await.map_err(|error| self.fault(&error))?;
        Ok(rows.iter().map(to_message).collect())
    }

    /// The twin has one engine that reads, so what is handed out is not hidden from others; it is removed by its numbers.
    async fn receive(&self, queue: &str, limit: usize) -> Result<Received, ServiceError> {
        self.check(queue)?;
        let select = sqlx::query(FIRST_MESSAGES).bind(queue).bind(to_bound(limit));
        let rows = select.fetch_all(self.database.reader()).await.map_err(|error| self.fault(&error))?;
        let ids = rows.iter().map(|row| row.get(3)).collect();
        let receipt = Box::new(EmbeddedReceipt { database: Arc::clone(&self.database), ids });
        Ok(Received { messages: rows.iter().map(to_message).collect(), receipt })
    }

    async fn take(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError> {
        self.check(queue)?;
        self.remove_first(queue, to_bound(limit)).await.map_err(|error| self.fault(&error))
    }

    async fn count(&self, queue: &str) -> Result<u64, ServiceError> {
        self.check(queue)?;
        let count: i64 = sqlx::query_scalar(
            "select count(*) from queue_message where queue = (select id from queue where name = ?1)",
        )
        .bind(queue)
        .fetch_one(self.database.reader())
        .await
        .map_err(|error| self.fault(&error))?;
        Ok(count.unsigned_abs())
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let answer = sqlx::query("select 1").execute(self.database.reader()).await;
        answer.map(drop).map_err(|error| self.fault(&error))
    }
}
