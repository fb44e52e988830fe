//! A connection in Airflow's fields (`conn_type`, `host`, `login`…), and back: its clients and its templates know those.

use crate::connection::{Connection, ConnectionError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// What is escaped in a part of a URL: all but what never needs it.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same in a path of several parts.
const PATH: &AsciiSet = &PART.remove(b'/');

/// A connection in Airflow's fields.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectionFields {
    /// The URL's scheme.
    pub conn_type: String,
    /// The host.
    pub host: Option<String>,
    /// The user name.
    pub login: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The path without its first slash: a database, a virtual host.
    pub schema: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The query: what else there is to say, by key.
    pub extra: Map<String, Value>,
}

impl ConnectionFields {
    /// The fields of a connection.
    pub fn of(connection: &Connection) -> Self {
        let url = &connection.url;
        let text = |text: &str| (!text.is_empty()).then(|| crate::connection::decode(text));
        Self {
            conn_type: url.scheme().to_owned(),
            host: url.host_str().map(str::to_owned),
            login: connection.username(),
            password: connection.password(),
            schema: text(url.path().trim_start_matches('/')),
            port: url.port(),
            extra: url
                .query_pairs()
                .map(|(key, value)| (key.into_owned(), Value::from(value.into_owned())))
                .collect(),
        }
    }

    /// The connection that these fields make. The error never shows them.
    pub fn into_connection(self, id: &str) -> Result<Connection, ConnectionError> {
        let encode = |text: &str| utf8_percent_encode(text, PART).to_string();
        if self.conn_type == Connection::EMBEDDED {
            // A twin is nowhere.
            return Ok(Connection::embedded(id));
        }
        let mut url = format!("{}://", self.conn_type);
        let (login, password) = (self.login.unwrap_or_default(), self.password.unwrap_or_default());
        if !login.is_empty() || !password.is_empty() {
            url += &encode(&login);
            if !password.is_empty() {
                url += &format!(":{}", encode(&password));
            }
            url.push('@');
        }
        url += &self.host.unwrap_or_default();
        if let Some(port) = self.port {
            url += &format!(":{port}");
        }
        if let Some(schema) = self.schema.filter(|schema| !schema.is_empty()) {
            // A slash at the beginning is the name of a virtual host.
            let kept = if schema.starts_with('/') { PART } else { PATH };
            url += &format!("/{}", utf8_percent_encode(&schema, kept));
        }
        let mut connection = Connection::parse(id, &url)?;
        if !self.extra.is_empty() {
            let pairs = self.extra.iter().map(|(key, value)| match value {
                Value::String(text) => (key.clone(), text.clone()),
                other => (key.clone(), other.to_string()),
            });
            connection.url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(connection)
    }

    /// The fields as templates see them (Airflow's names), the password among them.
    pub fn to_json(&self, connection: &Connection) -> Value {
        json!({
            "conn_id": connection.id,
            "conn_type": self.conn_type,
            "host": self.host,
            "login": self.login,
            "password": self.password,
            "schema": self.schema,
            "port": self.port,
            "extra": if self.extra.is_empty() { String::new() } else { Value::Object(self.extra.clone()).to_string() },
            "extra_dejson": self.extra,
            "uri": connection.url.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_urls_are_two_spellings_of_one_connection() {
        for url in [
            "redis://:p%40ss@localhost:6379/0",
            "amqp://guest:guest@rabbit:5672/%2f",
            "s3://key:s3cr%2Fet@localhost:9000?region=us-east-1&tls=false",
            "postgresql://ana@db/air_quality",
            "kafka://localhost:9092",
            "https://example.org/",
        ] {
            let connection = Connection::parse("c", url).unwrap();
            let fields = ConnectionFields::of(&connection);
            let again = fields.clone().into_connection("c").unwrap();
            assert!(ConnectionFields::of(&again) == fields, "{url} became {}", again.url);
        }
    }

    #[test]
    fn a_url_without_what_must_be_escaped_comes_back_as_it_was() {
        for url in [
            "postgresql://ana_b:p-w@db.example:5432/air_quality",
            "sqlite:///data/air.db",
            "kafka://k-1:9092",
            "embedded:",
        ] {
            let connection = Connection::parse("c", url).unwrap();
            let again = ConnectionFields::of(&connection).into_connection("c").unwrap();
            assert_eq!(again.url.as_str(), url);
        }
    }

    #[test]
    fn templates_see_airflows_names() {
        let connection =
            Connection::parse("db", "postgresql://ana:pw%2F1@db:5433/air?sslmode=require").unwrap();
        let fields = ConnectionFields::of(&connection).to_json(&connection);
        assert_eq!((&fields["password"], &fields["schema"]), (&json!("pw/1"), &json!("air")));
        assert_eq!(fields["extra_dejson"], json!({ "sslmode": "require" }));
        assert_eq!((&fields["port"], &fields["conn_type"]), (&json!(5433), &json!("postgresql")));
    }
}
