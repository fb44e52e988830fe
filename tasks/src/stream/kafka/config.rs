//! A Kafka connection's URL, in librdkafka's words.

use super::fault::Watch;
use crate::service::{Endpoint, ServiceError, connection_fault};
use esteira_operator::Connection;
use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use std::time::Duration;

const SERVICE: &str = "Kafka";
const PORT: u16 = 9092;

/// Bounds of one request, within the connection's patience.
const REQUEST_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// Messages that go out together: a short wait fills a batch, and a batch costs little more than a message.
const LINGER_MILLISECONDS: &str = "5";
const BATCH_MESSAGES: &str = "20000";
const BATCH_BYTES: &str = "1000000";

/// Messages that a producer holds before `send` waits for the first of them.
pub(super) const QUEUED_MESSAGES_MAX: usize = 50_000;

/// How a cluster is reached, and what its topics are made like.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) endpoint: Endpoint,
    /// Further brokers to begin with (`?brokers=host:port,host:port`).
    others: Vec<Endpoint>,
    base: ClientConfig,
    /// Of a topic that is made (`?partitions=3`).
    pub(super) partitions: i32,
    /// Of a topic that is made (`?replication=3`); -1 is the broker's own default.
    pub(super) replication: i32,
}

impl Config {
    pub(super) fn new(connection: &Connection, patience: Option<Duration>) -> Result<Self, ServiceError> {
        let endpoint = Endpoint::new(connection, SERVICE, PORT, patience)?;
        let others = other_brokers(connection, &endpoint)?;
        let brokers: Vec<String> = std::iter::once(&endpoint).chain(&others).map(Endpoint::address).collect();
        let mut base = ClientConfig::new();
        base.set_log_level(RDKafkaLogLevel::Error)
            .set("bootstrap.servers", brokers.join(","))
            .set("client.id", "esteira")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A broker hangs up on idle connections; that is no news.
            .set("log.connection.close", "false");
        secure(&mut base, connection, &endpoint)?;
        let partitions = number(connection, "partitions", 1)?;
        let replication = number(connection, "replication", -1)?;
        Ok(Self { endpoint, others, base, partitions, replication })
    }

    /// For questions, and for making topics. Asking about a topic must not make it.
    pub(super) fn lookup(&self) -> ClientConfig {
        let mut config = self.base.clone();
        config.set("allow.auto.create.topics", "false");
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.base.clone();
        let patience = self.endpoint.patience.max(REQUEST_TIMEOUT_MIN).as_millis().to_string();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", LINGER_MILLISECONDS)
            .set("batch.num.messages", BATCH_MESSAGES)
            .set("batch.size", BATCH_BYTES)
            .set("queue.buffering.max.messages", QUEUED_MESSAGES_MAX.to_string())
            .set("delivery.timeout.ms", patience);
        config
    }

    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.lookup();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.message.max.bytes", "8388608");
        config
    }

    /// Makes a librdkafka client.
    pub(super) fn create<T>(&self, config: &ClientConfig, watch: &Watch) -> Result<T, ServiceError>
    where
        T: FromClientConfigAndContext<Watch>,
    {
        config.create_with_context(watch.clone()).map_err(|error| {
            // Its text names the setting and the value: only settings made from the URL could be at fault, and
            // the value could be a secret.
            let text = error.to_string();
            let text = text.split("sasl.password").next().unwrap_or_default();
            self.endpoint.misconfigured(format!("does not take the connection's settings: {text}"))
        })
    }

    /// How long one request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.endpoint.patience.clamp(REQUEST_TIMEOUT_MIN, REQUEST_TIMEOUT_MAX)
    }

    /// Whether one of the brokers takes connections; if none, why the first does not.
    pub(super) async fn reach(&self) -> Result<(), ServiceError> {
        let reached = self.endpoint.reach().await;
        if reached.is_err() {
            for other in &self.others {
                if other.reach().await.is_ok() {
                    return Ok(());
                }
            }
        }
        reached
    }
}

fn other_brokers(connection: &Connection, endpoint: &Endpoint) -> Result<Vec<Endpoint>, ServiceError> {
    let Some(brokers) = connection.option("brokers") else { return Ok(Vec::new()) };
    let to_endpoint = |broker: &str| {
        let (host, port) = broker.rsplit_once(':').unwrap_or((broker, "9092"));
        let port = port.parse().map_err(|_| {
            connection_fault(
                SERVICE,
                &connection.id,
                &format!("has a broker that is not HOST:PORT: {broker:?}"),
            )
        })?;
        Ok(Endpoint { host: host.trim_matches(['[', ']']).to_owned(), port, ..endpoint.clone() })
    };
    brokers.split(',').filter(|broker| !broker.is_empty()).map(to_endpoint).collect()
}

fn number(connection: &Connection, key: &str, default: i32) -> Result<i32, ServiceError> {
    let Some(text) = connection.option(key) else { return Ok(default) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(connection_fault(
            SERVICE,
            &connection.id,
            &format!("has a URL whose {key}= is not a number above 0"),
        )),
    }
}

/// Whether the URL asks for TLS, or names a user.
fn needs_security(connection: &Connection) -> bool {
    connection.url.scheme() == "kafka+ssl"
        || connection.username().is_some()
        || connection.password().is_some()
}

#[cfg(feature = "kafka-tls")]
fn secure(base: &mut ClientConfig, connection: &Connection, endpoint: &Endpoint) -> Result<(), ServiceError> {
    if !needs_security(connection) {
        return Ok(());
    }
    let is_tls = connection.url.scheme() == "kafka+ssl";
    let user = connection.username();
    let protocol = match (is_tls, user.is_some()) {
        (true, true) => "sasl_ssl",
        (true, false) => "ssl",
        (false, _) => "sasl_plaintext",
    };
    base.set("security.protocol", protocol);
    if let Some(user) = user {
        base.set("sasl.mechanism", connection.option("mechanism").unwrap_or_else(|| "PLAIN".to_owned()))
            .set("sasl.username", user)
            .set("sasl.password", connection.password().unwrap_or_default());
    }
    if let Some(path) = connection.option("ca") {
        // Read here only to say plainly when that cannot be done.
        endpoint.authority(connection)?;
        base.set("ssl.ca.location", path);
    }
    Ok(())
}

#[cfg(not(feature = "kafka-tls"))]
fn secure(
    _base: &mut ClientConfig,
    connection: &Connection,
    _endpoint: &Endpoint,
) -> Result<(), ServiceError> {
    if !needs_security(connection) {
        return Ok(());
    }
    let message = "asks for TLS or names a user, and this Esteira was built without both for Kafka: \
                   build it with --features kafka-tls (the container image has it)";
    Err(connection_fault(SERVICE, &connection.id, message))
}
