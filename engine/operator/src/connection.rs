//! Where the services are: a connection is an id and a URL.

use std::collections::HashMap;
use std::fmt;
use url::Url;

/// Where a service is. Its `Debug` and `Display` never show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The id that a task names: `kafka_default`.
    pub id: String,
    /// The service's URL, with its credentials; `embedded:` for the built-in twin.
    pub url: Url,
}

impl Connection {
    /// The URL scheme of the built-in twins.
    pub const EMBEDDED: &'static str = "embedded";

    /// Reads a connection's URL. The error never repeats the URL, which may hold a password.
    pub fn parse(id: impl Into<String>, url: &str) -> Result<Self, ConnectionError> {
        let id = id.into();
        match Url::parse(url) {
            Ok(url) => Ok(Self { id, url }),
            Err(error) => Err(ConnectionError {
                message: format!("connection \"{id}\" is not a URL: {error}"),
                hint: format!("set {}, for example to kafka://localhost:9092", environment_key(&id)),
            }),
        }
    }

    /// The connection of a service that nobody configured: its embedded twin.
    pub fn embedded(id: impl Into<String>) -> Self {
        let url =
            Url::parse("embedded:").unwrap_or_else(|error| unreachable!("a constant URL parses: {error}"));
        Self { id: id.into(), url }
    }

    /// Whether it is the built-in twin.
    pub fn is_embedded(&self) -> bool {
        self.url.scheme() == Self::EMBEDDED
    }

    /// Host and port for messages, or `embedded`. Never credentials.
    pub fn address(&self) -> String {
        if self.is_embedded() {
            return "embedded".to_owned();
        }
        let host = self.url.host_str().unwrap_or("?");
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The URL's user name, percent-decoded, if there is one.
    pub fn username(&self) -> Option<String> {
        (!self.url.username().is_empty()).then(|| decode(self.url.username()))
    }

    /// The URL's password, percent-decoded, if there is one.
    pub fn password(&self) -> Option<String> {
        self.url.password().map(decode)
    }

    /// The value of a query key: `region` in `s3://…?region=us-east-1`.
    pub fn option(&self, key: &str) -> Option<String> {
        self.url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// What must not be shown: the password, and the values of query keys that name a secret.
    pub fn secrets(&self) -> Vec<String> {
        let from_query = self
            .url
            .query_pairs()
            .filter(|(key, _)| is_secret_name(key))
            .map(|(_, value)| value.into_owned());
        self.password().into_iter().chain(from_query).collect()
    }

    /// The URL for people: user name and password as `***`.
    pub fn display_url(&self) -> String {
        let mut url = self.url.clone();
        if url.password().is_some() {
            // Both fail only for URLs that cannot hold credentials, which then have none.
            let _ = url.set_password(Some("***"));
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        if pairs.iter().any(|(key, _)| is_secret_name(key)) {
            url.query_pairs_mut().clear().extend_pairs(
                pairs
                    .iter()
                    .map(|(key, value)| (key, if is_secret_name(key) { "***" } else { value.as_str() })),
            );
        }
        url.to_string()
    }
}

/// Whether a name says that its value is a secret (Airflow's list).
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 11] = [
        "access_key",
        "api_key",
        "apikey",
        "authorization",
        "keyfile_dict",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "secret",
        "token",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

pub(crate) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection({} -> {})", self.id, self.display_url())
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.id, self.address())
    }
}

/// A connection that cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectionError {
    /// What is wrong, without any secret.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Where connections come from.
pub trait ConnectionSource: Send + Sync {
    /// The connection with this id. One that nobody configured is the embedded twin when its id is one of the four
    /// defaults, and an error otherwise.
    fn resolve(&self, id: &str) -> Result<Connection, ConnectionError>;

    /// Every connection that is configured or has a default, for health pages.
    fn all(&self) -> Vec<Connection>;
}

/// The ids that are embedded when nobody configured them.
pub const DEFAULT_IDS: [&str; 5] =
    ["kafka_default", "redis_default", "rabbitmq_default", "minio_default", "sql_default"];

/// Connections from environment variables: `ESTEIRA_CONN_<ID>`, the id in capitals.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentConnections {
    connections: HashMap<String, Connection>,
}

impl EnvironmentConnections {
    /// Reads the connections from name and value pairs, such as `std::env::vars()`; other names are passed over.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConnectionError> {
        let mut connections = HashMap::new();
        for (name, value) in variables {
            let Some(id) = name.strip_prefix("ESTEIRA_CONN_") else { continue };
            if value.is_empty() {
                continue;
            }
            let id = id.to_ascii_lowercase();
            connections.insert(id.clone(), Connection::parse(id, &value)?);
        }
        Ok(Self { connections })
    }
}

impl EnvironmentConnections {
    /// Whether somebody configured a connection of this id.
    pub fn has(&self, id: &str) -> bool {
        self.connections.contains_key(&id.to_ascii_lowercase())
    }
}

impl ConnectionSource for EnvironmentConnections {
    fn resolve(&self, id: &str) -> Result<Connection, ConnectionError> {
        if let Some(connection) = self.connections.get(&id.to_ascii_lowercase()) {
            return Ok(connection.clone());
        }
        if DEFAULT_IDS.contains(&id) {
            return Ok(Connection::embedded(id));
        }
        Err(ConnectionError {
            message: format!("there is no connection \"{id}\""),
            hint: format!("set {} to the service's URL", environment_key(id)),
        })
    }

    fn all(&self) -> Vec<Connection> {
        let mut ids: Vec<&str> = self.connections.keys().map(String::as_str).chain(DEFAULT_IDS).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.resolve(id).ok()).collect()
    }
}

fn environment_key(id: &str) -> String {
    format!("ESTEIRA_CONN_{}", id.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(pairs: &[(&str, &str)]) -> EnvironmentConnections {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        EnvironmentConnections::from_variables(pairs).unwrap()
    }

    #[test]
    fn defaults_are_embedded_until_configured() {
        let source = source(&[("ESTEIRA_CONN_REDIS_DEFAULT", "redis://localhost:6379/0"), ("PATH", "/bin")]);
        assert!(source.resolve("kafka_default").unwrap().is_embedded());
        assert_eq!(source.resolve("redis_default").unwrap().address(), "localhost:6379");
        assert!(source.resolve("other").unwrap_err().hint.contains("ESTEIRA_CONN_OTHER"));
        assert_eq!(source.all().len(), 5);
    }

    #[test]
    fn no_form_for_people_shows_the_password() {
        let connection = Connection::parse(
            "minio_default",
            "s3://key:s3cr%2Fet@localhost:9000?session_token=abc&tls=false",
        )
        .unwrap();
        assert_eq!(connection.password().as_deref(), Some("s3cr/et"));
        assert_eq!(connection.secrets(), ["s3cr/et", "abc"]);
        for shown in [
            format!("{connection}"),
            format!("{connection:?}"),
            connection.display_url(),
            connection.address(),
        ] {
            assert!(!shown.contains("s3cr") && !shown.contains("abc"), "{shown}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_url() {
        let error = Connection::parse("kafka_default", "//user:hunter2@").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
