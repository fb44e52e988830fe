//! `rabbitmq_alert`: records that satisfy a condition become messages on a durable queue.
//!
//! An alert's message id is made from the queue, the record and the condition, and not from the run: the same alert
//! has the same id when it is sent again, so that who reads the queue can tell.

use super::condition::Condition;
use super::support::{counted, ensure, or_cancelled, rabbitmq_default};
use crate::connectors::Connectors;
use crate::queue::QueueMessage;
use async_trait::async_trait;
use bytes::Bytes;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Sends alerts for the records that satisfy a condition.
pub(crate) struct RabbitmqAlert {
    connectors: Connectors,
}

#[derive(Deserialize)]
struct Arguments {
    records: Vec<Value>,
    when: String,
    queue: String,
    #[serde(default = "rabbitmq_default")]
    connection: String,
}

/// How many alerts are confirmed together; a cancel is seen in between.
const BATCH_ALERTS: usize = 500;
/// RabbitMQ's limit on a queue's name.
const QUEUE_BYTES_MAX: usize = 255;

impl RabbitmqAlert {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[async_trait]
impl Operator for RabbitmqAlert {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "rabbitmq_alert",
            summary: "Sends an alert to a RabbitMQ queue for each record that satisfies a condition.",
            arguments: vec![
                Argument::required(
                    "records",
                    List,
                    "The records to look at, such as kafka_consume's result.",
                ),
                Argument::required(
                    "when",
                    Text,
                    "The condition over a record's fields: CO > 10 or NO2 > 200. Comparisons < <= > >= == !=, and, or, \
                     not, parentheses, numbers, \"text\", true, false, null; a field of any name between backticks.",
                ),
                Argument::required(
                    "queue",
                    Text,
                    "The durable queue that alerts go to; made if it is missing.",
                ),
                Argument::optional("connection", Text, "The RabbitMQ connection.")
                    .with_default("rabbitmq_default"),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "when" => text.parse::<Condition>().map(drop).map_err(|error| error.to_string()),
            "queue" => check_queue(text),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        check_queue(&arguments.queue).map_err(TaskError::fatal)?;
        let condition: Condition = arguments.when.parse().map_err(|error| {
            TaskError::fatal(format!("`when` is not a condition: {error}: {}", arguments.when))
        })?;
        warn_of_unknown_fields(context, &condition, &arguments.records);
        let alerts = alerts(context, &condition, &arguments.queue, &arguments.records);
        // Opened even when there is nothing to send, so that a wrong connection is not found on the worst of days.
        let queue = or_cancelled(context, self.connectors.queue(&arguments.connection)).await?;
        let (mut sent, total) = (0, alerts.len());
        for batch in alerts.chunks(BATCH_ALERTS) {
            or_cancelled(context, queue.publish(&arguments.queue, batch)).await?;
            sent += batch.len();
            context.progress(sent as u64, Some(total as u64), "alerts");
        }
        let checked = arguments.records.len();
        context.info(format!(
            "{} checked, {} confirmed in queue {}",
            counted(checked as u64, "record"),
            counted(sent as u64, "alert"),
            arguments.queue
        ));
        Ok(TaskOutput::returning(json!({"alerts": sent, "checked": checked, "queue": arguments.queue})))
    }
}

fn check_queue(name: &str) -> Result<(), String> {
    ensure(!name.is_empty() && name.len() <= QUEUE_BYTES_MAX, "a queue's name is 1 to 255 bytes long")
}

/// The alerts, each once: a record that came twice (its load was tried again) is one alert.
fn alerts(context: &TaskContext, condition: &Condition, queue: &str, records: &[Value]) -> Vec<QueueMessage> {
    let canonical = condition.to_string();
    let mut seen = HashSet::new();
    let mut alerts = Vec::new();
    for record in records {
        let fired = condition.fired(record);
        if fired.is_empty() {
            continue;
        }
        let message_id = message_id(queue, record, &canonical);
        if seen.insert(message_id.clone()) {
            let body = body(context, &message_id, record, &fired).to_string();
            let content_type = "application/json".to_owned();
            alerts.push(QueueMessage { message_id, content_type, body: Bytes::from(body) });
        }
    }
    alerts
}

fn message_id(queue: &str, record: &Value, condition: &str) -> String {
    // As one JSON list, so that no two different triples give the same bytes.
    let identity = json!([queue, record, condition]).to_string();
    hex::encode(Sha256::digest(identity.as_bytes()))
}

fn body(context: &TaskContext, message_id: &str, record: &Value, fired: &[&Condition]) -> Value {
    let conditions: Vec<String> = fired.iter().map(ToString::to_string).collect();
    json!({
        "message_id": message_id,
        "dag_id": context.dag_id,
        "run_id": context.run_id,
        "conditions": conditions,
        "record": record,
        "text": text(record, &conditions),
    })
}

/// The alert in one line for people: "ALERT NO2 > 200: date = 10/03/2004, time = 18.00.00, CO = 2.6, …".
fn text(record: &Value, conditions: &[String]) -> String {
    let values = match record.as_object() {
        Some(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name} = {}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
        None => plain(record),
    };
    format!("ALERT {}: {values}", conditions.join(", "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A field that no record has is most likely a slip of the pen, and its comparisons are all false.
fn warn_of_unknown_fields(context: &TaskContext, condition: &Condition, records: &[Value]) {
    if records.is_empty() {
        return;
    }
    for field in condition.fields() {
        if records.iter().all(|record| record.get(field).is_none()) {
            context.warn(format!("no record has a field \"{field}\", which `when` compares"));
        }
    }
}
