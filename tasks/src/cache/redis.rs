//! Redis: one multiplexed connection, made on first use and again when it broke; many commands in a pipeline.

use super::{Cache, Hash, KeyPage};
use crate::connectors::install_cryptography;
use crate::service::{Endpoint, ServiceError, ServiceErrorKind};
use async_trait::async_trait;
use esteira_operator::Connection;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind,
};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::Mutex;

const SERVICE: &str = "Redis";
const DEFAULT_PORT: u16 = 6379;

/// Commands in one pipeline: enough that the way there and back costs nothing, few enough that others get a turn.
const COMMANDS_PER_PIPELINE: usize = 1_000;

/// How long one pipeline may take. A command may be slow; a server that says nothing is as good as gone.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many keys Redis looks at in one step of a scan, which holds up its other clients.
const SCAN_STEP: usize = 1_000;

/// A Redis server.
pub(crate) struct RedisCache {
    endpoint: Endpoint,
    client: Client,
    /// None until the first use, and after a fault.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl RedisCache {
    /// A client for this connection. It connects when it is first used.
    pub(crate) fn open(connection: &Connection, patience: Option<Duration>) -> Result<Self, ServiceError> {
        let endpoint = Endpoint::new(connection, SERVICE, DEFAULT_PORT, patience)?;
        let mut url = connection.url.clone();
        url.set_query(None);
        let client = if url.scheme() == "rediss" {
            install_cryptography();
            let root_cert = endpoint.authority(connection)?;
            Client::build_with_tls(url, redis::TlsCertificates { client_tls: None, root_cert })
        } else {
            Client::open(url)
        };
        // The library's own text could repeat the URL with its password.
        let client = client.map_err(|error| {
            endpoint.misconfigured(format!("does not take the connection's URL: {}", error.category()))
        })?;
        Ok(Self { endpoint, client, connection: Mutex::new(None) })
    }

    /// Runs a pipeline, again if the connection broke: every command sent here may be sent twice.
    async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, ServiceError> {
        self.endpoint.patiently(|| self.run_once(pipeline)).await
    }

    async fn run_once<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, ServiceError> {
        let mut connection = self.connect().await?;
        let result = pipeline.query_async(&mut connection).await.map_err(|error| self.fault(&error));
        if matches!(&result, Err(error) if error.kind == ServiceErrorKind::Unavailable) {
            *self.connection.lock().await = None;
        }
        result
    }

    async fn connect(&self) -> Result<MultiplexedConnection, ServiceError> {
        let mut known = self.connection.lock().await;
        if let Some(connection) = known.as_ref() {
            return Ok(connection.clone());
        }
        self.endpoint.reach().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| self.fault(&error))?;
        *known = Some(connection.clone());
        Ok(connection)
    }

    fn fault(&self, error: &RedisError) -> ServiceError {
        let said = match (error.code(), error.detail()) {
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            (Some(code), None) => code.to_owned(),
            _ => error.to_string().replace("Pipeline failure: ", ""),
        };
        // The fault of a command in a pipeline has its code in the text only.
        let is_code = |codes: &[&str]| codes.iter().any(|code| said.contains(code));
        match error.kind() {
            ErrorKind::AuthenticationFailed => {
                self.endpoint.error(ServiceErrorKind::Denied, "refused the user name or the password")
            }
            _ if is_code(&["WRONGPASS", "NOAUTH", "NOPERM"]) => {
                self.endpoint.error(ServiceErrorKind::Denied, format!("denied access: {said}"))
            }
            ErrorKind::Io if error.is_timeout() => self.endpoint.unavailable("did not answer in time"),
            ErrorKind::Io => self.endpoint.connection_fault(&said),
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
                self.endpoint.unavailable(format!("is not ready: {said}"))
            }
            _ if is_code(&["WRONGTYPE"]) => {
                self.endpoint.rejected("keeps something else than a hash at this key")
            }
            _ => self.endpoint.error(ServiceErrorKind::Faulty, format!("answered with an error: {said}")),
        }
    }

    /// One step of a scan over the hashes that match: the next cursor, and keys.
    async fn scan(&self, cursor: u64, pattern: &str) -> Result<(u64, Vec<Vec<u8>>), ServiceError> {
        let mut pipeline = redis::pipe();
        let command = pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern);
        command.arg("COUNT").arg(SCAN_STEP).arg("TYPE").arg("hash");
        let (answer,): ((u64, Vec<Vec<u8>>),) = self.run(&pipeline).await?;
        Ok(answer)
    }
}

/// The pattern of keys with this prefix, in which nothing of the prefix has a meaning of its own.
fn pattern_of(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

/// A hash as Redis tells it. Other programs may have put bytes there that are no text.
/// An answer as JSON: bytes as text, maps with text keys as mappings.
fn to_json(answer: redis::Value) -> Value {
    use redis::Value as Answer;
    let list = |answers: Vec<Answer>| Value::Array(answers.into_iter().map(to_json).collect());
    match answer {
        Answer::Nil => Value::Null,
        Answer::Int(number) => number.into(),
        Answer::Double(number) => number.into(),
        Answer::Boolean(value) => value.into(),
        Answer::BulkString(bytes) => String::from_utf8_lossy(&bytes).into(),
        Answer::SimpleString(text) => text.into(),
        Answer::VerbatimString { text, .. } => text.into(),
        Answer::Okay => "OK".into(),
        Answer::Array(answers) | Answer::Set(answers) => list(answers),
        Answer::Map(pairs) => {
            let text = |key| match to_json(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(pairs.into_iter().map(|(key, value)| (text(key), to_json(value))).collect())
        }
        Answer::Attribute { data, .. } => to_json(*data),
        Answer::Push { data, .. } => list(data),
        other => format!("{other:?}").into(),
    }
}

fn to_hash(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Option<Hash> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let hash: Hash = pairs.into_iter().map(|(field, value)| (text(field), text(value))).collect();
    (!hash.is_empty()).then_some(hash)
}

#[async_trait]
impl Cache for RedisCache {
    async fn put_hashes(
        &self,
        hashes: &[(String, Hash)],
        time_to_live: Option<Duration>,
    ) -> Result<(), ServiceError> {
        for chunk in hashes.chunks(COMMANDS_PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            if time_to_live.is_some() {
                // A hash must not be left without its end when the connection breaks in between.
                pipeline.atomic();
            }
            for (key, hash) in chunk.iter().filter(|(_, hash)| !hash.is_empty()) {
                let command = pipeline.cmd("HSET").arg(key);
                hash.iter().for_each(|(field, value)| {
                    command.arg(field).arg(value);
                });
                pipeline.ignore();
                if let Some(time) = time_to_live {
                    let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                    pipeline.cmd("PEXPIRE").arg(key).arg(milliseconds.max(1)).ignore();
                }
            }
            if !pipeline.is_empty() {
                self.run::<()>(&pipeline).await?;
            }
        }
        Ok(())
    }

    async fn hash(&self, key: &str) -> Result<Option<Hash>, ServiceError> {
        Ok(self.hashes(&[key.to_owned()]).await?.pop().flatten())
    }

    async fn hashes(&self, keys: &[String]) -> Result<Vec<Option<Hash>>, ServiceError> {
        let mut hashes = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(COMMANDS_PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            for key in chunk {
                pipeline.cmd("HGETALL").arg(key);
            }
            let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> = self.run(&pipeline).await?;
            hashes.extend(found.into_iter().map(to_hash));
        }
        Ok(hashes)
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, ServiceError> {
        let mut cursor = match after {
            Some(after) => after.parse().map_err(|_| {
                self.endpoint.rejected(format!("has no page of keys after {after:?}: it gives out cursors"))
            })?,
            None => 0,
        };
        let pattern = pattern_of(prefix);
        let mut seen = HashSet::new();
        let mut page = KeyPage::default();
        loop {
            let (next, keys) = self.scan(cursor, &pattern).await?;
            let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
            page.keys.extend(keys.filter(|key| seen.insert(key.clone())));
            cursor = next;
            if cursor == 0 {
                return Ok(page);
            }
            if page.keys.len() >= limit.max(1) {
                page.next = Some(cursor.to_string());
                return Ok(page);
            }
        }
    }

    async fn count(&self, prefix: &str) -> Result<u64, ServiceError> {
        let pattern = pattern_of(prefix);
        // A scan may give a key more than once.
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            let (next, keys) = self.scan(cursor, &pattern).await?;
            seen.extend(keys);
            cursor = next;
            if cursor == 0 {
                return Ok(seen.len() as u64);
            }
        }
    }

    async fn delete(&self, keys: &[String]) -> Result<u64, ServiceError> {
        let mut removed = 0;
        for chunk in keys.chunks(COMMANDS_PER_PIPELINE) {
            let mut pipeline = redis::pipe();
            pipeline.cmd("DEL").arg(chunk);
            let (count,): (u64,) = self.run(&pipeline).await?;
            removed += count;
        }
        Ok(removed)
    }

    async fn command(&self, parts: &[String]) -> Result<Value, ServiceError> {
        let mut parts = parts.iter();
        let Some(name) = parts.next() else { return Err(self.endpoint.rejected("needs a command")) };
        let mut pipeline = redis::pipe();
        let command = pipeline.cmd(name);
        for part in parts {
            command.arg(part);
        }
        let (answer,): (redis::Value,) = self.run(&pipeline).await?;
        Ok(to_json(answer))
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").ignore();
        self.endpoint.promptly(self.run_once::<()>(&pipeline)).await
    }
}
