//! The names that the data API and the sensor dashboard use, and who may call the server by what host name.

/// Names that the data API and the dashboard use. The defaults fit `dags/air_quality_pipeline.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The bucket that holds the history.
    pub bucket: String,
    /// The queue that holds the alerts.
    pub alert_queue: String,
    /// What the key of a reading's hash begins with.
    pub hash_prefix: String,
    /// The connection of the stream.
    pub stream_connection: String,
    /// The connection of the cache.
    pub cache_connection: String,
    /// The connection of the queue.
    pub queue_connection: String,
    /// The connection of the object store.
    pub objects_connection: String,
    /// Host names, besides the loopback ones, by which browsers may call the server: that of a proxy before it. Where
    /// none is given, a server that listens on loopback answers to the loopback names only, any other to every name.
    pub allowed_hosts: Vec<String>,
    /// Whether nobody comes in without signing in, even while there are no users: the server is reached from elsewhere.
    pub requires_login: bool,
    /// Whether browsers reach the pages by https, through a proxy: cookies are kept to that then.
    pub is_https: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bucket: "air-quality".to_owned(),
            alert_queue: "sensor_alert".to_owned(),
            hash_prefix: "sensor:".to_owned(),
            stream_connection: "kafka_default".to_owned(),
            cache_connection: "redis_default".to_owned(),
            queue_connection: "rabbitmq_default".to_owned(),
            objects_connection: "minio_default".to_owned(),
            allowed_hosts: Vec::new(),
            requires_login: false,
            is_https: false,
        }
    }
}
