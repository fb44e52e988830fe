//! From a connection id to a client, made once and shared by operators and the data API.

use crate::cache::Cache;
use crate::objects::Objects;
use crate::queue::Queue;
use crate::service::ServiceError;
use crate::stream::Stream;
use esteira_operator::{ConnectionSource, Masker};
use std::path::PathBuf;
use std::sync::Arc;

/// The clients of this process. Cloning shares them.
#[derive(Clone)]
pub struct Connectors {
    source: Arc<dyn ConnectionSource>,
    masker: Arc<Masker>,
    embedded_home: PathBuf,
}

impl Connectors {
    /// Connectors whose twins keep their data under `embedded_home`; the secrets of every connection that is opened
    /// become known to `masker`.
    pub fn new(source: Arc<dyn ConnectionSource>, masker: Arc<Masker>, embedded_home: PathBuf) -> Self {
        Self { source, masker, embedded_home }
    }

    /// The stream with this connection id: `kafka_default`.
    pub async fn stream(&self, _id: &str) -> Result<Arc<dyn Stream>, ServiceError> {
        unimplemented!()
    }

    /// The cache with this connection id: `redis_default`.
    pub async fn cache(&self, _id: &str) -> Result<Arc<dyn Cache>, ServiceError> {
        unimplemented!()
    }

    /// The queue with this connection id: `rabbitmq_default`.
    pub async fn queue(&self, _id: &str) -> Result<Arc<dyn Queue>, ServiceError> {
        unimplemented!()
    }

    /// The object store with this connection id: `minio_default`.
    pub async fn objects(&self, _id: &str) -> Result<Arc<dyn Objects>, ServiceError> {
        unimplemented!()
    }

    /// Where connections come from, for health pages.
    pub fn source(&self) -> &Arc<dyn ConnectionSource> {
        &self.source
    }
}
