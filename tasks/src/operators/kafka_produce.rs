//! `kafka_produce`: sends messages to a topic; they are durable when the task has succeeded.

use super::pattern::Pattern;
use super::support::{Meter, counted, ensure, kafka_default, or_cancelled, to_body};
use crate::connectors::Connectors;
use crate::stream::{Message, check_topic};
use async_trait::async_trait;
use bytes::Bytes;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Sends messages.
pub(crate) struct KafkaProduce {
    connectors: Connectors,
}

impl KafkaProduce {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    topic: String,
    messages: Vec<Value>,
    key: Option<String>,
    #[serde(default = "kafka_default")]
    connection: String,
}

#[async_trait]
impl Operator for KafkaProduce {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "kafka_produce",
            summary: "Sends messages to a Kafka topic.",
            arguments: vec![
                Argument::required("topic", Text, "The topic; made if it is missing."),
                Argument::required(
                    "messages",
                    List,
                    "The messages: texts as they are, anything else as JSON.",
                ),
                Argument::optional(
                    "key",
                    Text,
                    "The key of each message, with fields of it in braces: \"{sensor}\". The same key, the same partition.",
                ),
                Argument::optional("connection", Text, "The connection to Kafka.")
                    .with_default(kafka_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "topic" => check_topic(text),
            "key" => text.parse::<Pattern>().map(drop).map_err(|error| format!("`key`: {error}")),
            "messages" => ensure(value.is_array(), "`messages` is a list"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        check_topic(&arguments.topic).map_err(TaskError::fatal)?;
        let key = arguments.key.as_deref().map(str::parse::<Pattern>).transpose();
        let key = key.map_err(|error| TaskError::fatal(format!("`key`: {error}")))?;
        let stream = self.connectors.stream(&arguments.connection).await?;
        let mut producer = or_cancelled(context, stream.producer(&arguments.topic)).await?;
        let total = arguments.messages.len() as u64;
        let mut meter = Meter::new("messages", Some(total));
        for (place, message) in arguments.messages.iter().enumerate() {
            let key = key.as_ref().map(|key| key_of(key, message, place)).transpose()?;
            let message = Message { key, payload: to_body(message).0 };
            or_cancelled(context, producer.send(message)).await?;
            meter.at(context, place as u64 + 1);
        }
        or_cancelled(context, producer.flush()).await?;
        meter.finish(context, total);
        context.info(format!("{} sent to topic {}", counted(total, "message"), arguments.topic));
        Ok(TaskOutput::returning(json!({ "topic": arguments.topic, "messages": total })))
    }
}

fn key_of(key: &Pattern, message: &Value, place: usize) -> Result<Bytes, TaskError> {
    let text = key.render(|field| message.get(field)).map_err(|field| {
        TaskError::fatal(format!(
            "message {place} has no field \"{field}\" for its key, or it is no single value"
        ))
    })?;
    Ok(Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use serde_json::json;
    use std::time::Duration;

    #[tokio::test]
    async fn messages_arrive_with_their_keys() {
        let bench = Bench::new();
        let messages = json!([{"sensor": "co", "value": 2.5}, {"sensor": "no2", "value": 100}]);
        let sent =
            bench.run("kafka_produce", json!({"topic": "t", "messages": messages, "key": "k:{sensor}"}));
        assert_eq!(sent.await.unwrap(), json!({"topic": "t", "messages": 2}));
        let stream = bench.connectors.stream("kafka_default").await.unwrap();
        let records =
            stream.consumer("t", "g").await.unwrap().poll(10, Duration::from_secs(1)).await.unwrap();
        let keys: Vec<_> = records.iter().map(|record| record.key.clone().unwrap()).collect();
        assert_eq!(keys, ["k:co", "k:no2"]);
        assert_eq!(records[0].payload, r#"{"sensor":"co","value":2.5}"#);
        let error = bench.run("kafka_produce", json!({"topic": "t", "messages": [1], "key": "{sensor}"}));
        assert!(error.await.unwrap_err().message.contains("has no field \"sensor\""));
    }
}
