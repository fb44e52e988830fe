//! The embedded cache: hashes by key, in the shared SQLite file.
//!
//! It does as Redis does: fields are merged into what is there, a time to live stays until another is given, and a
//! hash whose time has come is gone, at the latest when someone looks.

use super::{Cache, Hash, KeyPage};
use crate::embedded::{EmbeddedDatabase, now_milliseconds};
use crate::service::ServiceError;
use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const SERVICE: &str = "Embedded cache";

/// Rows in one statement: three values each, within SQLite's bound of 32,766 values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// The embedded twin of Redis.
#[derive(Debug)]
pub(crate) struct EmbeddedCache {
    database: Arc<EmbeddedDatabase>,
}

impl EmbeddedCache {
    pub(crate) fn new(database: Arc<EmbeddedDatabase>) -> Self {
        Self { database }
    }

    async fn put(&self, hashes: &[(String, Hash)], expires_at: Option<i64>) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write().await?;
        // What has expired must not lend its old fields to what is put now.
        sqlx::query("delete from hash where expires_at <= ?1")
            .bind(now_milliseconds())
            .execute(&mut *transaction)
            .await?;
        for chunk in hashes.chunks(ROWS_PER_STATEMENT) {
            upsert(&mut transaction, chunk, expires_at).await?;
        }
        transaction.commit().await
    }

    async fn read_chunk(
        &self,
        keys: &[String],
        found: &mut HashMap<String, Hash>,
    ) -> Result<(), ServiceError> {
        let mut select = QueryBuilder::<Sqlite>::new("select key, fields from hash where ");
        push_alive(&mut select);
        push_keys(&mut select, keys);
        let rows = select.build().fetch_all(self.database.reader()).await;
        for row in rows.map_err(|error| self.database.fault(SERVICE, &error))? {
            let fields = serde_json::from_str(row.get::<&str, _>(1))
                .map_err(|error| self.database.fault(SERVICE, &sqlx::Error::Decode(Box::new(error))))?;
            found.insert(row.get(0), fields);
        }
        Ok(())
    }

    async fn remove(&self, keys: &[String]) -> Result<u64, sqlx::Error> {
        let mut transaction = self.database.write().await?;
        let mut removed = 0;
        for chunk in keys.chunks(ROWS_PER_STATEMENT) {
            let mut delete = QueryBuilder::<Sqlite>::new("delete from hash where ");
            push_alive(&mut delete);
            push_keys(&mut delete, chunk);
            removed += delete.build().execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(removed)
    }
}

async fn upsert(
    transaction: &mut Transaction<'static, Sqlite>,
    hashes: &[(String, Hash)],
    expires_at: Option<i64>,
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new("insert into hash (key, fields, expires_at) ");
    let rows = hashes.iter().map(|(key, hash)| Ok((key.clone(), serde_json::to_string(hash)?)));
    let rows: Vec<(String, String)> = rows
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    insert.push_values(rows, |mut row, (key, fields)| {
        row.push_bind(key).push_bind(fields).push_bind(expires_at);
    });
    insert.push(
        " on conflict (key) do update set fields = json_patch(fields, excluded.fields),
          expires_at = coalesce(excluded.expires_at, expires_at)",
    );
    insert.build().execute(&mut **transaction).await.map(drop)
}

fn push_alive(query: &mut QueryBuilder<Sqlite>) {
    query.push("(expires_at is null or expires_at > ").push_bind(now_milliseconds()).push(")");
}

fn push_keys(query: &mut QueryBuilder<Sqlite>, keys: &[String]) {
    query.push(" and key in (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind(key.clone());
    }
    query.push(")");
}

/// The first text after all that have this prefix, in SQLite's order of bytes; none when every text is before it.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // UTF-8 sorts by code point, so the next character gives the next text. Ranges skip the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[async_trait]
impl Cache for EmbeddedCache {
    async fn put_hashes(
        &self,
        hashes: &[(String, Hash)],
        time_to_live: Option<Duration>,
    ) -> Result<(), ServiceError> {
        let hashes: Vec<_> = hashes.iter().filter(|(_, hash)| !hash.is_empty()).cloned().collect();
        if hashes.is_empty() {
            return Ok(());
        }
        let expires_at = time_to_live.map(|time| {
            now_milliseconds().saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
        });
        self.put(&hashes, expires_at).await.map_err(|error| self.database.fault(SERVICE, &error))
    }

    async fn hash(&self, key: &str) -> Result<Option<Hash>, ServiceError> {
        Ok(self.hashes(&[key.to_owned()]).await?.pop().flatten())
    }

    async fn hashes(&self, keys: &[String]) -> Result<Vec<Option<Hash>>, ServiceError> {
        let mut found = HashMap::new();
        for chunk in keys.chunks(ROWS_PER_STATEMENT) {
            self.read_chunk(chunk, &mut found).await?;
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, ServiceError> {
        let limit = limit.max(1);
        let start = after.map_or(prefix, |after| after.max(prefix));
        // A BLOB sorts after every text: no bound.
        let keys: Vec<String> = sqlx::query_scalar(
            "select key from hash where key >= ?1 and key < ifnull(?2, x'') and key is not ?3
             and (expires_at is null or expires_at > ?4) order by key limit ?5",
        )
        .bind(start)
        .bind(end_of_prefix(prefix))
        .bind(after)
        .bind(now_milliseconds())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.database.reader())
        .await
        .map_err(|error| self.database.fault(SERVICE, &error))?;
        let next = if keys.len() == limit { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, next })
    }

    async fn count(&self, prefix: &str) -> Result<u64, ServiceError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from hash where key >= ?1 and key < ifnull(?2, x'')
             and (expires_at is null or expires_at > ?3)",
        )
        .bind(prefix)
        .bind(end_of_prefix(prefix))
        .bind(now_milliseconds())
        .fetch_one(self.database.reader())
        .await
        .map_err(|error| self.database.fault(SERVICE, &error))?;
        Ok(count.unsigned_abs())
    }

    async fn delete(&self, keys: &[String]) -> Result<u64, ServiceError> {
        self.remove(keys).await.map_err(|error| self.database.fault(SERVICE, &error))
    }

    async fn command(&self, parts: &[String]) -> Result<Value, ServiceError> {
        let name = parts.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        match (name.as_str(), parts.get(1..).unwrap_or_default()) {
            ("PING", []) => Ok("PONG".into()),
            ("EXISTS", keys) if !keys.is_empty() => {
                Ok(self.hashes(keys).await?.into_iter().flatten().count().into())
            }
            ("DEL" | "UNLINK", keys) if !keys.is_empty() => Ok(self.delete(keys).await?.into()),
            ("HGETALL", [key]) => Ok(json!(self.hash(key).await?.unwrap_or_default())),
            ("HGET", [key, field]) => {
                Ok(json!(self.hash(key).await?.and_then(|hash| hash.get(field).cloned())))
            }
            ("HLEN", [key]) => Ok(self.hash(key).await?.map_or(0, |hash| hash.len()).into()),
            ("HSET", [key, fields @ ..]) if !fields.is_empty() && fields.len().is_multiple_of(2) => {
                let known = self.hash(key).await?.unwrap_or_default();
                let pairs = fields.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
                let hash: Hash = pairs.collect();
                let new = hash.keys().filter(|field| !known.contains_key(*field)).count();
                self.put_hashes(&[(key.clone(), hash)], None).await?;
                Ok(new.into())
            }
            _ => {
                let message = format!(
                    "is embedded, and has no command {name} with these arguments: it knows PING, EXISTS, DEL, HSET, \
                     HGET, HGETALL and HLEN; ESTEIRA_CONN_REDIS_DEFAULT names a Redis"
                );
                Err(self.database.rejected(SERVICE, message))
            }
        }
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let answer = sqlx::query("select 1").execute(self.database.reader()).await;
        answer.map(drop).map_err(|error| self.database.fault(SERVICE, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text() {
        assert_eq!(end_of_prefix("sensor:").as_deref(), Some("sensor;"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix(""), None);
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
    }
}
