//! The data API: one way over HTTP to what the pipeline wrote, whatever services it went to.
//!
//! | address | answer |
//! |---|---|
//! | `GET /api/cache/{key}` | the hash at a key (Redis) |
//! | `GET /api/cache?prefix=&limit=&after=` | keys, a page at a time |
//! | `GET /api/history/{name}` | the document `processed/{name}.json` (MinIO) |
//! | `GET /api/history?prefix=&limit=&after=` | names, a page at a time |
//! | `GET /api/alerts` | the first alert that waits (RabbitMQ); `?limit=n` for a list. The queue stays as it is |
//! | `GET /api/stats` | counts, and how each service is |
//!
//! Each service may be the real one or its embedded twin; the answers are the same. All of them only read: taking alerts out is told
//! in the history, and so is a matter of [`crate::sensors`], which knows the engine.

pub(crate) mod alerts;
mod cache;
pub(crate) mod error;
mod history;
pub(crate) mod name;
pub(crate) mod query;
pub(crate) mod stats;
#[cfg(test)]
pub(crate) mod tests;

use crate::access::{Routes, VIEWER};
use crate::openapi::own;
use crate::{AppState, Settings};
use axum::extract::FromRef;
use esteira_tasks::cache::Cache;
use esteira_tasks::connectors::Connectors;
use esteira_tasks::objects::Objects;
use esteira_tasks::queue::Queue;
use esteira_tasks::service::ServiceError;
use esteira_tasks::stream::Stream;
use std::sync::Arc;
use std::time::Duration;

/// What the keys of processed documents begin with, and end with.
pub(crate) const PROCESSED_PREFIX: &str = "processed/";
const PROCESSED_SUFFIX: &str = ".json";

/// What the keys of raw batches begin with.
const RAW_PREFIX: &str = "raw/";

/// How long a reader waits for a service that is down. A task waits longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the data API works on.
#[derive(Clone)]
pub(crate) struct DataState {
    pub(crate) connectors: Connectors,
    pub(crate) settings: Settings,
}

impl DataState {
    /// The services behind these connectors, by these names.
    pub(crate) fn new(connectors: &Connectors, settings: &Settings) -> Self {
        Self { connectors: connectors.with_patience(PATIENCE), settings: settings.clone() }
    }

    pub(crate) async fn stream(&self) -> Result<Arc<dyn Stream>, ServiceError> {
        self.connectors.stream(&self.settings.stream_connection).await
    }

    pub(crate) async fn cache(&self) -> Result<Arc<dyn Cache>, ServiceError> {
        self.connectors.cache(&self.settings.cache_connection).await
    }

    pub(crate) async fn queue(&self) -> Result<Arc<dyn Queue>, ServiceError> {
        self.connectors.queue(&self.settings.queue_connection).await
    }

    pub(crate) async fn objects(&self) -> Result<Arc<dyn Objects>, ServiceError> {
        self.connectors.objects(&self.settings.objects_connection).await
    }
}

impl FromRef<AppState> for DataState {
    fn from_ref(state: &AppState) -> Self {
        Self::new(&state.connectors, &state.settings)
    }
}

/// The data API's routes, over any state that holds connectors.
pub(crate) fn routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    DataState: FromRef<S>,
{
    // An address that ends with the slash has an empty name, which is told as such.
    Routes::new()
        .get("/api/cache", VIEWER, cache::list)
        .is(own::list_keys())
        .get("/api/cache/", VIEWER, cache::one)
        .is(own::empty_key())
        .get("/api/cache/{*key}", VIEWER, cache::one)
        .is(own::one_hash())
        .get("/api/history", VIEWER, history::list)
        .is(own::list_documents())
        .get("/api/history/", VIEWER, history::one)
        .is(own::empty_document())
        .get("/api/history/{*name}", VIEWER, history::one)
        .is(own::one_document())
        .get("/api/alerts", VIEWER, alerts::look)
        .is(own::look_at_alerts())
        .get("/api/stats", VIEWER, stats::answer)
        .is(own::data_stats())
}
