//! From a connection id to a client, made once and shared by operators and the data API.
//!
//! Opening a client does no network I/O: a client connects when it is first used, tries again with back-off while its
//! service is down, and connects anew when the service has come back.

use crate::cache::{Cache, EmbeddedCache};
use crate::database::Database;
use crate::embedded::EmbeddedDatabase;
use crate::objects::{EmbeddedObjects, Objects};
use crate::queue::{EmbeddedQueue, Queue};
use crate::service::{ServiceError, ServiceErrorKind, connection_fault};
use crate::stream::{EmbeddedStream, Stream};
use esteira_operator::{Connection, ConnectionSource, Masker};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The folder of the embedded object store in the embedded home.
const OBJECTS_FOLDER: &str = "objects";

/// The file of the embedded SQL database there.
const DATABASE_FILE: &str = "sql.db";

/// The clients of this process. Cloning shares them.
#[derive(Clone)]
pub struct Connectors {
    shared: Arc<Shared>,
    patience: Option<Duration>,
}

struct Shared {
    source: Arc<dyn ConnectionSource>,
    masker: Arc<Masker>,
    embedded_home: PathBuf,
    database: OnceCell<Arc<EmbeddedDatabase>>,
    streams: Clients<dyn Stream>,
    caches: Clients<dyn Cache>,
    queues: Clients<dyn Queue>,
    objects: Clients<dyn Objects>,
    databases: Clients<Database>,
}

impl Connectors {
    /// Connectors whose twins keep their data under `embedded_home`; the secrets of every connection that is opened
    /// become known to `masker`.
    pub fn new(source: Arc<dyn ConnectionSource>, masker: Arc<Masker>, embedded_home: PathBuf) -> Self {
        let shared = Shared {
            source,
            masker,
            embedded_home,
            database: OnceCell::new(),
            streams: Clients::default(),
            caches: Clients::default(),
            queues: Clients::default(),
            objects: Clients::default(),
            databases: Clients::default(),
        };
        Self { shared: Arc::new(shared), patience: None }
    }

    /// The same connections with clients that try for this long to reach a service that is down, whatever the URLs
    /// say. For pages: a reader does not wait as long as a task does.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), patience: Some(patience) }
    }

    /// The stream with this connection id: `kafka_default`.
    pub async fn stream(&self, id: &str) -> Result<Arc<dyn Stream>, ServiceError> {
        let connection = self.resolve("Kafka", id)?;
        if connection.is_embedded() {
            return Ok(Arc::new(EmbeddedStream::new(self.database().await?)));
        }
        check_scheme(&connection, "Kafka", &["kafka", "kafka+ssl"])?;
        let open = |connection: &Connection| open_kafka(connection, self.patience);
        self.shared.streams.get(connection, self.patience, open)
    }

    /// The cache with this connection id: `redis_default`.
    pub async fn cache(&self, id: &str) -> Result<Arc<dyn Cache>, ServiceError> {
        let connection = self.resolve("Redis", id)?;
        if connection.is_embedded() {
            return Ok(Arc::new(EmbeddedCache::new(self.database().await?)));
        }
        check_scheme(&connection, "Redis", &["redis", "rediss"])?;
        let open = |connection: &Connection| open_redis(connection, self.patience);
        self.shared.caches.get(connection, self.patience, open)
    }

    /// The queue with this connection id: `rabbitmq_default`.
    pub async fn queue(&self, id: &str) -> Result<Arc<dyn Queue>, ServiceError> {
        let connection = self.resolve("RabbitMQ", id)?;
        if connection.is_embedded() {
            return Ok(Arc::new(EmbeddedQueue::new(self.database().await?)));
        }
        check_scheme(&connection, "RabbitMQ", &["amqp", "amqps"])?;
        let open = |connection: &Connection| open_rabbitmq(connection, self.patience);
        self.shared.queues.get(connection, self.patience, open)
    }

    /// The object store with this connection id: `minio_default`.
    pub async fn objects(&self, id: &str) -> Result<Arc<dyn Objects>, ServiceError> {
        let connection = self.resolve("MinIO", id)?;
        let home = self.shared.embedded_home.join(OBJECTS_FOLDER);
        if connection.is_embedded() {
            return self.shared.objects.get(connection, None, |_| Ok(Arc::new(EmbeddedObjects::open(home)?)));
        }
        check_scheme(&connection, "MinIO", &["s3"])?;
        let open = |connection: &Connection| open_s3(connection, self.patience);
        self.shared.objects.get(connection, self.patience, open)
    }

    /// The SQL database with this connection id: `sql_default`.
    pub fn database_of(&self, id: &str) -> Result<Arc<Database>, ServiceError> {
        let connection = self.resolve("The database", id)?;
        let home = &self.shared.embedded_home;
        if connection.is_embedded() {
            std::fs::create_dir_all(home).map_err(|error| {
                connection_fault(
                    "The database",
                    id,
                    &format!("is embedded, and its folder cannot be made: {error}"),
                )
            })?;
        }
        let open = |connection: &Connection| {
            Database::open(connection, &home.join(DATABASE_FILE), self.patience).map(Arc::new)
        };
        self.shared.databases.get(connection, self.patience, open)
    }

    /// The connection with this id, for a service that has no client here; its secrets are masked from now on.
    pub(crate) fn connection(&self, service: &'static str, id: &str) -> Result<Connection, ServiceError> {
        self.resolve(service, id)
    }

    /// Where connections come from, for health pages.
    pub fn source(&self) -> &Arc<dyn ConnectionSource> {
        &self.shared.source
    }

    fn resolve(&self, service: &'static str, id: &str) -> Result<Connection, ServiceError> {
        let connection = self.shared.source.resolve(id).map_err(|error| {
            let message = format!("cannot be used: {} ({})", error.message, error.hint);
            ServiceError { service, address: String::new(), kind: ServiceErrorKind::Misconfigured, message }
        })?;
        // Known before the first use, so that nothing which a client says can slip past.
        connection.secrets().iter().for_each(|secret| self.shared.masker.add(secret));
        Ok(connection)
    }

    async fn database(&self) -> Result<Arc<EmbeddedDatabase>, ServiceError> {
        let open = || async { EmbeddedDatabase::open(&self.shared.embedded_home).await.map(Arc::new) };
        self.shared.database.get_or_try_init(open).await.cloned()
    }
}

/// The open clients of one kind of service, each with the connection that it was opened for.
struct Clients<T: ?Sized>(Mutex<HashMap<ClientKey, (Connection, Arc<T>)>>);

/// A connection's id, and the patience asked for.
type ClientKey = (String, Option<Duration>);

impl<T: ?Sized> Default for Clients<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> Clients<T> {
    /// The client of a connection. It is opened when there is none, or when the connection's URL has changed.
    fn get(
        &self,
        connection: Connection,
        patience: Option<Duration>,
        open: impl FnOnce(&Connection) -> Result<Arc<T>, ServiceError>,
    ) -> Result<Arc<T>, ServiceError> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (connection.id.clone(), patience);
        if let Some((known, client)) = clients.get(&key)
            && *known == connection
        {
            return Ok(Arc::clone(client));
        }
        let client = open(&connection)?;
        clients.insert(key, (connection, Arc::clone(&client)));
        Ok(client)
    }
}

fn check_scheme(
    connection: &Connection,
    service: &'static str,
    schemes: &[&str],
) -> Result<(), ServiceError> {
    let scheme = connection.url.scheme();
    if schemes.contains(&scheme) {
        return Ok(());
    }
    let wanted: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    let message = format!(
        "has a URL that begins with {scheme}:, and should begin with {} or be embedded:",
        wanted.join(" or ")
    );
    Err(connection_fault(service, &connection.id, &message))
}

type Patience = Option<Duration>;

#[cfg(not(all(feature = "kafka", feature = "redis", feature = "rabbitmq", feature = "s3")))]
fn not_built<T>(connection: &Connection, service: &'static str, feature: &str) -> Result<T, ServiceError> {
    let message = format!("needs the {feature:?} feature, which this Esteira was built without");
    Err(connection_fault(service, &connection.id, &message))
}

#[cfg(feature = "kafka")]
fn open_kafka(connection: &Connection, patience: Patience) -> Result<Arc<dyn Stream>, ServiceError> {
    Ok(Arc::new(crate::stream::KafkaStream::open(connection, patience)?))
}

#[cfg(not(feature = "kafka"))]
fn open_kafka(connection: &Connection, _patience: Patience) -> Result<Arc<dyn Stream>, ServiceError> {
    not_built(connection, "Kafka", "kafka")
}

#[cfg(feature = "redis")]
fn open_redis(connection: &Connection, patience: Patience) -> Result<Arc<dyn Cache>, ServiceError> {
    Ok(Arc::new(crate::cache::RedisCache::open(connection, patience)?))
}

#[cfg(not(feature = "redis"))]
fn open_redis(connection: &Connection, _patience: Patience) -> Result<Arc<dyn Cache>, ServiceError> {
    not_built(connection, "Redis", "redis")
}

#[cfg(feature = "rabbitmq")]
fn open_rabbitmq(connection: &Connection, patience: Patience) -> Result<Arc<dyn Queue>, ServiceError> {
    Ok(Arc::new(crate::queue::RabbitQueue::open(connection, patience)?))
}

#[cfg(not(feature = "rabbitmq"))]
fn open_rabbitmq(connection: &Connection, _patience: Patience) -> Result<Arc<dyn Queue>, ServiceError> {
    not_built(connection, "RabbitMQ", "rabbitmq")
}

#[cfg(feature = "s3")]
fn open_s3(connection: &Connection, patience: Patience) -> Result<Arc<dyn Objects>, ServiceError> {
    Ok(Arc::new(crate::objects::S3Objects::open(connection, patience)?))
}

#[cfg(not(feature = "s3"))]
fn open_s3(connection: &Connection, _patience: Patience) -> Result<Arc<dyn Objects>, ServiceError> {
    not_built(connection, "MinIO", "s3")
}

/// Chooses the cryptography that rustls uses, once for the process: without it, clients with TLS cannot be made.
pub(crate) fn install_cryptography() {
    // It is an error when it was chosen before, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use esteira_operator::EnvironmentConnections;

    fn connectors(pairs: &[(&str, &str)]) -> (Connectors, Arc<Masker>, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let source = EnvironmentConnections::from_variables(pairs).unwrap();
        let masker = Arc::new(Masker::default());
        let connectors = Connectors::new(Arc::new(source), Arc::clone(&masker), home.path().to_owned());
        (connectors, masker, home)
    }

    #[tokio::test]
    async fn the_defaults_are_embedded() {
        let (connectors, _, _home) = connectors(&[]);
        connectors.stream("kafka_default").await.unwrap().ping().await.unwrap();
        connectors.cache("redis_default").await.unwrap().ping().await.unwrap();
        connectors.queue("rabbitmq_default").await.unwrap().ping().await.unwrap();
        connectors.objects("minio_default").await.unwrap().ping().await.unwrap();
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn a_client_is_made_once_for_each_connection_and_patience() {
        let (connectors, _, _home) = connectors(&[("ESTEIRA_CONN_REDIS_DEFAULT", "redis://localhost")]);
        let cache = connectors.cache("redis_default").await.unwrap();
        let again = connectors.clone().cache("redis_default").await.unwrap();
        assert!(Arc::ptr_eq(&cache, &again));
        let hurried = connectors.with_patience(Duration::from_secs(1)).cache("redis_default").await.unwrap();
        assert!(!Arc::ptr_eq(&cache, &hurried));
    }

    #[tokio::test]
    async fn a_wrong_scheme_and_an_unknown_id_are_named() {
        let (connectors, masker, _home) =
            connectors(&[("ESTEIRA_CONN_KAFKA_DEFAULT", "redis://:hunter2@localhost")]);
        let error = connectors.stream("kafka_default").await.err().unwrap();
        assert_eq!(error.kind, ServiceErrorKind::Misconfigured);
        assert_eq!(
            error.to_string(),
            "Kafka cannot be used: the connection \"kafka_default\" has a URL that begins with redis:, and should begin \
             with kafka:// or kafka+ssl:// or be embedded:"
        );
        assert_eq!(masker.mask("hunter2"), "***");
        let error = connectors.cache("other").await.err().unwrap().to_string();
        assert!(
            error.contains("there is no connection \"other\"") && error.contains("ESTEIRA_CONN_OTHER"),
            "{error}"
        );
    }
}
