//! `kafka_consume`: reads JSON messages from a topic for a consumer group.
//!
//! The group's offsets are committed only after the records are durable as this task's result (`TaskOutput::then`).
//! A crash in between loses nothing: the messages are read again.
//!
//! A result has a largest size. Reading stops before the message that would not fit; it and what comes after it stay in
//! the topic for the next run.

use super::csv_to_kafka::check_topic;
use super::dead_letters::{DeadLetters, topic_beside};
use super::support::{Meter, counted, ensure, excerpt, kafka_default, optional_duration, or_cancelled};
use crate::connectors::Connectors;
use crate::stream::{Consumer, Offsets, Record, Stream};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskErrorKind, TaskOutput,
    parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads a topic's messages.
pub(crate) struct KafkaConsume {
    connectors: Connectors,
}

#[derive(Deserialize)]
struct Arguments {
    topic: String,
    group: Option<String>,
    until: Option<Value>,
    max_records: Option<u64>,
    #[serde(default, deserialize_with = "optional_duration")]
    idle_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    stall_timeout: Option<Duration>,
    #[serde(default = "kafka_default")]
    connection: String,
    dead_letter_topic: Option<String>,
    max_rejected: Option<u64>,
}

const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const STALL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const POLL_RECORDS_MAX: u64 = 1000;
/// How long one poll waits; it bounds how late the ends below are noticed.
const POLL_WAIT: Duration = Duration::from_millis(500);
/// More of a message that is not JSON is not kept.
const RAW_BYTES_MAX: usize = 64 * 1024;

impl KafkaConsume {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[async_trait]
impl Operator for KafkaConsume {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Any, Duration, Integer, Text};
        Signature {
            name: "kafka_consume",
            summary: "Reads JSON messages from a Kafka topic, up to given offsets, a number, or until none come.",
            arguments: vec![
                Argument::required("topic", Text, "The topic to read."),
                Argument::optional(
                    "group",
                    Text,
                    "The consumer group; esteira.<dag_id>.<task_id> unless said.",
                ),
                Argument::optional(
                    "until",
                    Any,
                    "Read up to these end offsets: the result of csv_to_kafka, or a mapping from partition to offset.",
                ),
                Argument::optional(
                    "max_records",
                    Integer,
                    "Stop after this many messages; the rest is for the next run.",
                ),
                Argument::optional(
                    "idle_timeout",
                    Duration,
                    "Stop when nothing came for so long. 5s without `until`; with it, not at all unless said.",
                ),
                Argument::optional(
                    "stall_timeout",
                    Duration,
                    "With `until`: fail when nothing came for so long.",
                )
                .with_default("30s"),
                Argument::optional("connection", Text, "The Kafka connection.").with_default("kafka_default"),
                Argument::optional(
                    "dead_letter_topic",
                    Text,
                    "Where messages go that are not JSON, or too large for a result; `<topic>.rejected` unless said.",
                ),
                Argument::optional(
                    "max_rejected",
                    Integer,
                    "The task fails when more messages than this are rejected.",
                ),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "topic" | "dead_letter_topic" => check_topic(value.as_str().unwrap_or_default()),
            "until" => parse_until(value).map(drop),
            "max_records" => ensure(value.as_u64().is_some_and(|max| max > 0), "`max_records` is 1 or more"),
            "max_rejected" => ensure(value.as_u64().is_some(), "`max_rejected` is 0 or more"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        check_topic(&arguments.topic).map_err(TaskError::fatal)?;
        let limits = Limits::new(&arguments)?;
        let group = arguments
            .group
            .clone()
            .unwrap_or_else(|| format!("esteira.{}.{}", context.dag_id, context.task_id));
        let stream = self.connectors.stream(&arguments.connection).await?;
        let consumer = or_cancelled(context, stream.consumer(&arguments.topic, &group)).await?;
        let dead_letters = DeadLetters::new(
            Arc::clone(&stream),
            topic_beside(&arguments.topic, arguments.dead_letter_topic),
        );
        let reading = Reading {
            context,
            stream,
            topic: arguments.topic,
            limits,
            dead_letters,
            records: Records::new(context.xcom_size_max),
            consumed: 0,
        };
        reading.run(consumer, &group).await
    }
}

/// When reading ends.
struct Limits {
    until: Option<Offsets>,
    records_max: Option<u64>,
    rejected_max: Option<u64>,
    idle: Option<Duration>,
    stall: Duration,
}

impl Limits {
    fn new(arguments: &Arguments) -> Result<Self, TaskError> {
        let until = arguments.until.as_ref().map(parse_until).transpose().map_err(TaskError::fatal)?;
        // With an end to come to, silence is a fault and not the end.
        let idle = arguments.idle_timeout.or(if until.is_some() { None } else { Some(IDLE_TIMEOUT_DEFAULT) });
        Ok(Self {
            until,
            records_max: arguments.max_records,
            rejected_max: arguments.max_rejected,
            idle,
            stall: arguments.stall_timeout.unwrap_or(STALL_TIMEOUT_DEFAULT),
        })
    }

    /// How many messages are to come at most, as far as that is known; 0 when reading is at its end.
    fn remaining(&self, position: &Offsets, consumed: u64) -> u64 {
        let by_count = self.records_max.map_or(u64::MAX, |max| max.saturating_sub(consumed));
        let Some(until) = &self.until else { return by_count };
        if position.reach(until) {
            return 0;
        }
        by_count.min(distance(position, until).max(1))
    }
}

/// How many offsets lie between a position and an end. Where a group has no position yet, its distance is not known, and
/// the whole topic is taken for it.
fn distance(position: &Offsets, end: &Offsets) -> u64 {
    let in_partition = |(partition, end): (&i32, &i64)| {
        let at = position.0.get(partition).copied().unwrap_or(0);
        u64::try_from(end.saturating_sub(at)).unwrap_or(0)
    };
    end.0.iter().map(in_partition).sum()
}

/// Reads the argument `until`: an object with `end_offsets`, or such a mapping itself.
fn parse_until(value: &Value) -> Result<Offsets, String> {
    let offsets = value.get("end_offsets").unwrap_or(value);
    serde_json::from_value(offsets.clone())
        .map_err(|_| "`until` is the result of csv_to_kafka, or a mapping such as {\"0\": 6941}".to_owned())
}

/// One attempt's reading.
struct Reading<'a> {
    context: &'a TaskContext,
    stream: Arc<dyn Stream>,
    topic: String,
    limits: Limits,
    dead_letters: DeadLetters,
    records: Records,
    consumed: u64,
}

/// The messages of a result, and how long they are together as JSON.
struct Records {
    values: Vec<Value>,
    bytes: usize,
    bytes_max: usize,
}

/// Whether a message can be part of a result.
enum Fit {
    Fits,
    /// Not beside those that are there.
    Later,
    /// Not even alone.
    Never,
}

/// `[` and `]`.
const BRACKETS: usize = 2;

impl Records {
    fn new(bytes_max: usize) -> Self {
        Self { values: Vec::new(), bytes: BRACKETS, bytes_max }
    }

    /// Adds a message if it fits. What counts is its length as it will be written, not as it came.
    fn add(&mut self, value: Value) -> Fit {
        let length = json_length(&value);
        let with_comma = length.saturating_add(usize::from(!self.values.is_empty()));
        if length.saturating_add(BRACKETS) > self.bytes_max {
            return Fit::Never;
        }
        if self.bytes.saturating_add(with_comma) > self.bytes_max {
            return Fit::Later;
        }
        self.bytes += with_comma;
        self.values.push(value);
        Fit::Fits
    }
}

/// How long a value is as JSON.
fn json_length(value: &Value) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Neither a value nor a counter can fail.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

/// How reading ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where it was to end.
    Reached,
    /// The result is full.
    Full,
}

impl Reading<'_> {
    async fn run(mut self, mut consumer: Box<dyn Consumer>, group: &str) -> Result<TaskOutput, TaskError> {
        let context = self.context;
        let from = consumer.position();
        context.info(format!("reading topic {} as group {group}", self.topic));
        let end = self.read(&mut *consumer).await?;
        or_cancelled(context, self.dead_letters.flush()).await?;
        let rejected = self.dead_letters.count();
        context.info(format!("consumed {}, rejected {rejected}", counted(self.consumed, "message")));
        let to = consumer.position();
        let is_complete = end == End::Reached;
        let mut summary = json!({
            "consumed": self.consumed,
            "rejected": rejected,
            "from": from,
            "to": to,
            "is_complete": is_complete,
        });
        if !is_complete {
            context.warn(format!(
                "stopped at {}, since a result may hold at most {} bytes; the rest stays in the topic for the next \
                 run; `max_records` sets a smaller batch",
                counted(self.consumed, "message"),
                self.records.bytes_max
            ));
            if let Some(remaining) = self.left_in_topic(&to).await? {
                summary["remaining"] = remaining.into();
            }
        }
        let committer = consumer.committer();
        Ok(TaskOutput::returning(Value::Array(self.records.values))
            .with("summary", summary)
            .then(async move { committer.commit().await.map_err(TaskError::from) }))
    }

    /// How many messages are still to be read, where that can be learnt: it is for people, and no reason to fail.
    async fn left_in_topic(&mut self, position: &Offsets) -> Result<Option<u64>, TaskError> {
        let end = match &self.limits.until {
            Some(until) => Ok(until.clone()),
            None => or_cancelled(self.context, self.stream.end_offsets(&self.topic)).await,
        };
        match end {
            Ok(end) => Ok(Some(distance(position, &end))),
            Err(error) if error.kind == TaskErrorKind::Cancelled => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn read(&mut self, consumer: &mut dyn Consumer) -> Result<End, TaskError> {
        let mut last_came = Instant::now();
        let mut meter = None;
        let mut end = End::Reached;
        while end == End::Reached {
            let remaining = self.limits.remaining(&consumer.position(), self.consumed);
            if remaining == 0 {
                break;
            }
            let total = self.limits.until.as_ref().map(|_| remaining);
            let meter = meter.get_or_insert_with(|| Meter::new("consumed", total));
            let wait = self.next_wait(last_came);
            let limit = usize::try_from(remaining.min(POLL_RECORDS_MAX)).unwrap_or(usize::MAX);
            let batch = or_cancelled(self.context, consumer.poll(limit, wait)).await?;
            if batch.is_empty() {
                if self.ends_in_silence(last_came.elapsed(), &consumer.position())? {
                    break;
                }
                continue;
            }
            last_came = Instant::now();
            for (taken, record) in batch.iter().enumerate() {
                if !self.take(record).await? {
                    consumer.give_back(&batch[taken..]);
                    end = End::Full;
                    break;
                }
            }
            meter.at(self.context, self.consumed);
        }
        Meter::new("consumed", None).finish(self.context, self.consumed);
        Ok(end)
    }

    fn next_wait(&self, last_came: Instant) -> Duration {
        let limit = self.limits.idle.unwrap_or(self.limits.stall);
        limit.saturating_sub(last_came.elapsed()).clamp(Duration::from_millis(1), POLL_WAIT)
    }

    /// Whether silence is the end; a fault when there is an end to come to.
    fn ends_in_silence(&self, silent_for: Duration, position: &Offsets) -> Result<bool, TaskError> {
        if let Some(idle) = self.limits.idle
            && silent_for >= idle
        {
            return Ok(true);
        }
        match &self.limits.until {
            Some(until) if silent_for >= self.limits.stall => Err(TaskError::failed(format!(
                "topic {} gave nothing for {} s, and reading has come to {} of {}",
                self.topic,
                silent_for.as_secs(),
                json!(position),
                json!(until)
            ))
            .hint("are the end offsets of this topic, and is no other consumer in this group?")),
            _ => Ok(false),
        }
    }

    /// Takes a message into the result, or lays it with the dead letters; false when the result has no room for it.
    async fn take(&mut self, record: &Record) -> Result<bool, TaskError> {
        let reason = match serde_json::from_slice(&record.payload) {
            Ok(value) => match self.records.add(value) {
                Fit::Fits => None,
                Fit::Later => return Ok(false),
                Fit::Never => Some(format!(
                    "the message is larger than a result may be: it has {} bytes, and {} is the most",
                    record.payload.len(),
                    self.records.bytes_max
                )),
            },
            Err(error) => Some(format!("the message is not JSON: {error}")),
        };
        self.consumed += 1;
        if let Some(reason) = reason {
            self.reject(record, &reason).await?;
        }
        Ok(true)
    }

    async fn reject(&mut self, record: &Record, reason: &str) -> Result<(), TaskError> {
        let (partition, offset) = (record.partition, record.offset);
        let raw = excerpt(&String::from_utf8_lossy(&record.payload), RAW_BYTES_MAX);
        let letter = json!({"partition": partition, "offset": offset, "reason": reason, "raw": raw});
        let what = format!("{} partition {partition} offset {offset}: {reason}", self.topic);
        or_cancelled(self.context, self.dead_letters.put(self.context, &what, &letter)).await?;
        match self.limits.rejected_max {
            Some(max) if self.dead_letters.count() > max => Err(TaskError::fatal(format!(
                "topic {} has more messages that cannot be used than `max_rejected` ({max}) allows; the first: {}",
                self.topic,
                self.dead_letters.first()
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pairs: &[(i32, i64)]) -> Offsets {
        Offsets(pairs.iter().copied().collect())
    }

    #[test]
    fn until_is_a_result_or_a_mapping() {
        let end = offsets(&[(0, 6941), (3, 2)]);
        assert_eq!(parse_until(&json!({"end_offsets": {"0": 6941, "3": 2}, "sent": 1})).unwrap(), end);
        assert_eq!(parse_until(&json!({"0": 6941, "3": 2})).unwrap(), end);
        assert!(parse_until(&json!({"sent": 1})).is_err());
        assert!(parse_until(&json!("x")).is_err());
    }

    #[test]
    fn what_remains_never_goes_past_the_end() {
        let limits = |until: Option<Offsets>, records_max| Limits {
            until,
            records_max,
            rejected_max: None,
            idle: None,
            stall: Duration::ZERO,
        };
        let end = limits(Some(offsets(&[(0, 10), (1, 0)])), None);
        assert_eq!(end.remaining(&offsets(&[]), 0), 10);
        assert_eq!(end.remaining(&offsets(&[(0, 4)]), 0), 6);
        assert_eq!(end.remaining(&offsets(&[(0, 12)]), 0), 0);
        assert_eq!(limits(None, Some(5)).remaining(&offsets(&[]), 3), 2);
        assert_eq!(limits(Some(offsets(&[(0, 10)])), Some(5)).remaining(&offsets(&[(0, 1)]), 5), 0);
    }
}
