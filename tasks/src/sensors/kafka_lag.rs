//! `kafka_lag_sensor`: waits until a consumer group has caught up with a topic, or has something to read.

use super::{Look, Looked, SensorKind};
use crate::connectors::Connectors;
use crate::operators::support::kafka_default;
use crate::stream::check_topic;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Waits for a lag.
pub(crate) struct KafkaLagSensor {
    connectors: Connectors,
}

impl KafkaLagSensor {
    /// The sensor, on these connections.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    topic: String,
    group: String,
    at_most: Option<u64>,
    at_least: Option<u64>,
    #[serde(default = "kafka_default")]
    connection: String,
}

#[async_trait]
impl SensorKind for KafkaLagSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Integer, Text};
        Signature {
            name: "kafka_lag_sensor",
            summary: "Waits until a consumer group has caught up with a topic, or has something to read.",
            arguments: vec![
                Argument::required("topic", Text, "The topic."),
                Argument::required("group", Text, "The consumer group. The result is its lag."),
                Argument::optional(
                    "at_most",
                    Integer,
                    "The messages that may be left to read: 0, unless `at_least` is given.",
                ),
                Argument::optional("at_least", Integer, "The messages that there must be to read."),
                Argument::optional("connection", Text, "The connection to Kafka.")
                    .with_default(kafka_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match (argument, value.as_str(), value.as_i64()) {
            ("topic", Some(topic), _) => check_topic(topic),
            ("at_most" | "at_least", _, Some(count)) if count < 0 => {
                Err(format!("`{argument}` is 0 or more"))
            }
            _ => Ok(()),
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        Ok(Arc::new(KafkaLagLook {
            connectors: self.connectors.clone(),
            arguments: parse_arguments(arguments)?,
        }))
    }
}

struct KafkaLagLook {
    connectors: Connectors,
    arguments: Arguments,
}

impl KafkaLagLook {
    /// The lags that are waited for: from and to.
    fn wanted(&self) -> (u64, u64) {
        let Arguments { at_least, at_most, .. } = self.arguments;
        let most = if at_least.is_some() { u64::MAX } else { 0 };
        (at_least.unwrap_or(0), at_most.unwrap_or(most))
    }
}

#[async_trait]
impl Look for KafkaLagLook {
    fn what(&self) -> String {
        let Arguments { topic, group, .. } = &self.arguments;
        let lag = match self.wanted() {
            (0, 0) => "nothing left to read".to_owned(),
            (0, most) => format!("at most {most} messages left to read"),
            (least, u64::MAX) => format!("at least {least} messages to read"),
            (least, most) => format!("{least} to {most} messages to read"),
        };
        format!("{lag} for the group \"{group}\" in the topic \"{topic}\"")
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let stream = self.connectors.stream(&self.arguments.connection).await?;
        let end = stream.end_offsets(&self.arguments.topic).await?;
        let committed = stream.committed_offsets(&self.arguments.topic, &self.arguments.group).await?;
        let behind = |(partition, end): (&i32, &i64)| {
            let at = committed.0.get(partition).copied().unwrap_or(0);
            u64::try_from(end - at).unwrap_or(0)
        };
        let lag: u64 = end.0.iter().map(behind).sum();
        let (least, most) = self.wanted();
        let is_here = (least..=most).contains(&lag);
        Ok(if is_here { Looked::here(TaskOutput::returning(json!(lag))) } else { Looked::NotYet })
    }
}
