//! `csv_to_kafka`: reads a CSV file and sends one JSON message a row to a topic.
//!
//! A thread reads and converts rows ([`rows`], [`convert`]) and hands them over in batches through a short channel,
//! so that memory stays bounded whatever the file's length; the task sends them. A row that does not parse goes to
//! the dead-letter topic as `{line, reason, raw, source}`. All is acknowledged before the task succeeds.
//!
//! Run twice it sends twice: who reads the topic must bear a message that comes again (the pipeline's other tasks do).

mod columns;
mod convert;
mod pump;
mod rows;
mod source;

use super::dead_letters::{DeadLetters, topic_beside};
use super::pattern::Pattern;
use super::support::{counted, ensure, kafka_default, minio_default, seconds};
use crate::connectors::Connectors;
use async_trait::async_trait;
use convert::{Converter, NullValues};
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use pump::{Pump, RowSettings, Sent};
use serde::Deserialize;
use serde_json::{Value, json};
use source::Source;
use std::time::Instant;

/// Sends a CSV file's rows to a topic.
pub(crate) struct CsvToKafka {
    connectors: Connectors,
}

#[derive(Deserialize)]
struct Arguments {
    source: String,
    topic: String,
    #[serde(default = "kafka_default")]
    connection: String,
    #[serde(default = "minio_default")]
    source_connection: String,
    #[serde(default = "separator_default")]
    separator: String,
    #[serde(default = "decimal_default")]
    decimal: String,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default = "null_values_default")]
    null_values: Vec<Value>,
    columns: Option<Value>,
    key: Option<Value>,
    rate: Option<f64>,
    dead_letter_topic: Option<String>,
    max_rejected: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Encoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
}

fn separator_default() -> String {
    ";".to_owned()
}

fn decimal_default() -> String {
    ".".to_owned()
}

fn null_values_default() -> Vec<Value> {
    vec![Value::from("")]
}

impl CsvToKafka {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[async_trait]
impl Operator for CsvToKafka {
    fn signature(&self) -> Signature {
        Signature {
            name: "csv_to_kafka",
            summary: "Sends each row of a CSV file, from an object store or a path, to a Kafka topic as JSON.",
            arguments: signature_arguments(),
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "source" => Source::parse(text).map(drop),
            "topic" | "dead_letter_topic" => check_topic(text),
            "separator" => parse_separator(text).map(drop),
            "null_values" => {
                NullValues::parse(value.as_array().map(Vec::as_slice).unwrap_or_default(), '.').map(drop)
            }
            "columns" => columns::parse(value).map(drop),
            "key" => parse_key(value).map(drop),
            "rate" => {
                ensure(value.as_f64().is_some_and(|rate| rate > 0.0), "`rate` is messages a second, above 0")
            }
            "max_rejected" => ensure(value.as_u64().is_some(), "`max_rejected` is 0 or more"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let started = Instant::now();
        let arguments: Arguments = parse_arguments(arguments)?;
        let (source, settings) = settings(&arguments).map_err(TaskError::fatal)?;
        let stream = self.connectors.stream(&arguments.connection).await?;
        context.info(format!("reading {source}, sending to topic {}", arguments.topic));
        let opened = source.open(&self.connectors, &arguments.source_connection).await?;
        let pump = Pump {
            context,
            producer: stream.producer(&arguments.topic).await?,
            dead_letters: DeadLetters::new(
                stream.clone(),
                topic_beside(&arguments.topic, arguments.dead_letter_topic),
            ),
            source: source.to_string(),
            rate: arguments.rate,
            max_rejected: arguments.max_rejected,
        };
        let Sent { sent, rejected } = pump.run(opened, settings).await?;
        let end_offsets = stream.end_offsets(&arguments.topic).await?;
        let seconds = seconds(started.elapsed());
        context.info(format!("sent {}, rejected {rejected}, in {seconds} s", counted(sent, "message")));
        Ok(TaskOutput::returning(json!({
            "topic": arguments.topic,
            "sent": sent,
            "rejected": rejected,
            "end_offsets": end_offsets,
            "source": source.to_string(),
            "seconds": seconds,
        })))
    }
}

fn signature_arguments() -> Vec<Argument> {
    use ArgumentKind::{Any, Choice, Integer, List, Map, Number, Text};
    vec![
        Argument::required("source", Text, "The file: s3://bucket/key, file:///path, or a path."),
        Argument::required("topic", Text, "The topic that messages go to; made if it is missing."),
        Argument::optional("connection", Text, "The Kafka connection.").with_default("kafka_default"),
        Argument::optional("source_connection", Text, "The object store's connection, for s3:// sources.")
            .with_default("minio_default"),
        Argument::optional("separator", Text, "The character between cells; \\t or tab for a tab.").with_default(";"),
        Argument::optional("decimal", Choice(&[".", ","]), "The decimal sign of numbers.").with_default("."),
        Argument::optional("encoding", Choice(&["utf-8", "latin-1"]), "How text is encoded.").with_default("utf-8"),
        Argument::optional(
            "null_values",
            List,
            "Cells that mean \"no value\" and become null, such as [\"\", -200]; a number is meant however it is written.",
        )
        .with_default(json!([""])),
        Argument::optional(
            "columns",
            Map,
            "The message's fields in order: `field: header`, or `field: {column: header, type: text|number|integer, \
             required: true}`. The type is number unless said; without a value a field is null, or the row is \
             rejected when it is required.",
        )
        .with_default(columns::air_quality_as_written()),
        Argument::optional("key", Any, "The message key: a pattern such as \"{date} {time}\", or a list of fields."),
        Argument::optional("rate", Number, "Messages a second, to imitate live sensors; as fast as it goes unless said."),
        Argument::optional("dead_letter_topic", Text, "Where rejected rows go; `<topic>.rejected` unless said."),
        Argument::optional("max_rejected", Integer, "The task fails when more rows than this are rejected."),
    ]
}

/// Kafka's own rule for the names of topics.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let legal =
        !topic.is_empty() && topic.len() <= 249 && topic.bytes().all(fits) && !matches!(topic, "." | "..");
    ensure(legal, "a topic's name is 1 to 249 letters, digits, dots, underscores and hyphens")
}

fn parse_separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("the separator is one character such as \";\", not {text:?}")),
    }
}

fn parse_key(value: &Value) -> Result<Pattern, String> {
    match value {
        Value::String(pattern) => pattern.parse(),
        Value::Array(fields) => {
            let names: Option<Vec<String>> =
                fields.iter().map(|field| field.as_str().map(str::to_owned)).collect();
            names
                .map(|names| Pattern::of_fields(&names))
                .ok_or_else(|| "`key` is a list of fields' names".to_owned())
        }
        _ => Err("`key` is a pattern such as \"{date} {time}\", or a list of fields".to_owned()),
    }
}

fn settings(arguments: &Arguments) -> Result<(Source, RowSettings), String> {
    let source = Source::parse(&arguments.source)?;
    check_topic(&arguments.topic)?;
    let separator = parse_separator(&arguments.separator)?;
    let decimal = match arguments.decimal.as_str() {
        "." => '.',
        "," => ',',
        other => return Err(format!("the decimal sign is \".\" or \",\", not {other:?}")),
    };
    if arguments.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
        return Err("`rate` is messages a second, above 0".to_owned());
    }
    let columns = match &arguments.columns {
        None => columns::air_quality(),
        Some(columns) => columns::parse(columns)?,
    };
    let key = arguments.key.as_ref().map(parse_key).transpose()?;
    if let Some(field) =
        key.iter().flat_map(Pattern::fields).find(|name| columns.iter().all(|column| column.field != *name))
    {
        return Err(format!("`key` names \"{field}\", which is no field of the message"));
    }
    let nulls = NullValues::parse(&arguments.null_values, decimal)?;
    let is_latin1 = arguments.encoding == Encoding::Latin1;
    Ok((source, RowSettings { separator, converter: Converter { columns, decimal, nulls, key, is_latin1 } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_separators_are_checked() {
        assert!(check_topic("sensor_raw").is_ok());
        for bad in ["", "a b", "..", "tópico", &"x".repeat(250)] {
            assert!(check_topic(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_separator("\\t").unwrap(), b'\t');
        for bad in ["", ";;", "\"", "é"] {
            assert!(parse_separator(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_of_unknown_fields_is_told() {
        let arguments = json!({"source": "a.csv", "topic": "t", "key": ["date", "hour"]});
        let arguments: Arguments = parse_arguments(arguments).unwrap();
        assert!(settings(&arguments).err().unwrap().contains("\"hour\""));
    }
}
