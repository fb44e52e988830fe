//! What several operators need: durations in arguments, work that a cancel interrupts, progress that is not too
//! frequent, and counts in words.

use bytes::Bytes;
use esteira_core::spec::duration;
use esteira_operator::{TaskContext, TaskError};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::future::Future;
use std::time::{Duration, Instant};

/// The connection to Kafka where a task names none.
pub(crate) fn kafka_default() -> String {
    "kafka_default".to_owned()
}

/// The connection to Redis where a task names none.
pub(crate) fn redis_default() -> String {
    "redis_default".to_owned()
}

/// The connection to RabbitMQ where a task names none.
pub(crate) fn rabbitmq_default() -> String {
    "rabbitmq_default".to_owned()
}

/// The connection to S3 or MinIO where a task names none.
pub(crate) fn minio_default() -> String {
    "minio_default".to_owned()
}

/// The connection to a SQL database where a task names none.
pub(crate) fn sql_default() -> String {
    "sql_default".to_owned()
}

/// A value as the bytes of a message: text as it is, anything else as JSON; and its media type.
pub(crate) fn to_body(value: &Value) -> (Bytes, &'static str) {
    match value {
        Value::String(text) => (Bytes::from(text.clone()), "text/plain; charset=utf-8"),
        other => (Bytes::from(other.to_string()), "application/json"),
    }
}

/// What a body holds: JSON where it reads as a JSON value, text otherwise.
pub(crate) fn from_body(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body)))
}

/// Reads an optional argument of the kind `Duration`: `30s`, `1h30m`, a number of seconds, or `null`.
pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => duration::from_value(&value).map(Some).map_err(de::Error::custom),
    }
}

/// Reads an argument of the kind `TextList`: a list of texts, one text, or `null` for none.
pub(crate) fn text_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        None(()),
        One(String),
        Several(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::None(()) => Vec::new(),
        Given::One(text) => vec![text],
        Given::Several(texts) => texts,
    })
}

/// Does the work unless the attempt is told to end first.
pub(crate) async fn or_cancelled<T, E: Into<TaskError>>(
    context: &TaskContext,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, TaskError> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(TaskError::cancelled()),
        result = work => result.map_err(Into::into),
    }
}

/// Reports progress every so many items or every so often, whichever comes first.
pub(crate) struct Meter {
    unit: &'static str,
    total: Option<u64>,
    reported: u64,
    reported_at: Instant,
}

const REPORT_EVERY: u64 = 500;
const REPORT_PERIOD: Duration = Duration::from_millis(200);

impl Meter {
    /// A meter that has reported nothing yet.
    pub(crate) fn new(unit: &'static str, total: Option<u64>) -> Self {
        Self { unit, total, reported: 0, reported_at: Instant::now() }
    }

    /// Notes how many are done, and reports it when it is time.
    pub(crate) fn at(&mut self, context: &TaskContext, done: u64) {
        if done >= self.reported + REPORT_EVERY || self.reported_at.elapsed() >= REPORT_PERIOD {
            self.report(context, done);
        }
    }

    /// Reports the end.
    pub(crate) fn finish(&mut self, context: &TaskContext, done: u64) {
        self.total = Some(done);
        self.report(context, done);
    }

    fn report(&mut self, context: &TaskContext, done: u64) {
        self.reported = done;
        self.reported_at = Instant::now();
        context.progress(done, self.total, self.unit);
    }
}

/// "1 row", "2 rows".
pub(crate) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into() {
        Ok(1) => format!("1 {noun}"),
        Ok(count) => format!("{count} {noun}s"),
        Err(_) => format!("many {noun}s"),
    }
}

/// The first part of a text, at most `bytes_max` bytes, cut between characters.
pub(crate) fn excerpt(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes_max)])
}

/// A condition on an argument's literal value, with the sentence for whoever wrote another.
pub(crate) fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// The seconds of a duration for results, to the millisecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
