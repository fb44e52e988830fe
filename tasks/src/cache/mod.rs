//! Caches of hashes by key: Redis, and its embedded twin.

mod embedded;
#[cfg(feature = "redis")]
mod redis;

pub(crate) use embedded::EmbeddedCache;
#[cfg(feature = "redis")]
pub(crate) use redis::RedisCache;

use crate::service::ServiceError;
use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::Value;
use std::time::Duration;

/// A hash: field to value, both text.
pub type Hash = IndexMap<String, String>;

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, in no promised order across pages (Redis has none), each at most once in a page.
    pub keys: Vec<String>,
    /// What to pass to get the next page; none when this is the last.
    pub next: Option<String>,
}

/// A service that keeps hashes.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Sets the given fields of each hash, pipelined, and the time it lives from now, if one is given. Setting the
    /// same again gives the same state.
    async fn put_hashes(
        &self,
        hashes: &[(String, Hash)],
        time_to_live: Option<Duration>,
    ) -> Result<(), ServiceError>;

    /// The hash at a key; none where there is none.
    async fn hash(&self, key: &str) -> Result<Option<Hash>, ServiceError>;

    /// The hashes at many keys, in their order, pipelined.
    async fn hashes(&self, keys: &[String]) -> Result<Vec<Option<Hash>>, ServiceError>;

    /// Keys with a prefix, about `limit` a page.
    async fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, ServiceError>;

    /// How many keys have the prefix.
    async fn count(&self, prefix: &str) -> Result<u64, ServiceError>;

    /// Removes keys; gives how many were there.
    async fn delete(&self, keys: &[String]) -> Result<u64, ServiceError>;

    /// Runs one command, and gives its answer as JSON. It is sent again when the connection breaks, so it may be carried
    /// out twice. The twin knows the commands that go with hashes and keys, and refuses the others.
    async fn command(&self, parts: &[String]) -> Result<Value, ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}
