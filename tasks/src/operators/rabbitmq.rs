//! `rabbitmq_publish` and `rabbitmq_consume`: messages into a queue, and out of it.

use super::support::{counted, ensure, from_body, or_cancelled, rabbitmq_default, to_body};
use crate::connectors::Connectors;
use crate::queue::{QueueMessage, check_queue};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many messages are confirmed together; a cancel is seen in between.
const BATCH_MESSAGES: usize = 500;

/// Puts messages into a queue.
pub(crate) struct RabbitmqPublish {
    connectors: Connectors,
}

impl RabbitmqPublish {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct PublishArguments {
    queue: String,
    messages: Vec<Value>,
    #[serde(default = "rabbitmq_default")]
    connection: String,
}

#[async_trait]
impl Operator for RabbitmqPublish {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "rabbitmq_publish",
            summary: "Puts messages into a durable RabbitMQ queue, and waits until each is confirmed.",
            arguments: vec![
                Argument::required("queue", Text, "The queue; made if it is missing."),
                Argument::required(
                    "messages",
                    List,
                    "The messages: texts as they are, anything else as JSON.",
                ),
                Argument::optional("connection", Text, "The connection to RabbitMQ.")
                    .with_default(rabbitmq_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        if argument == "queue" { check_queue(value.as_str().unwrap_or_default()) } else { Ok(()) }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: PublishArguments = parse_arguments(arguments)?;
        let queue = self.connectors.queue(&arguments.connection).await?;
        let message = |(place, value): (usize, &Value)| {
            let (body, content_type) = to_body(value);
            // The same in every attempt, so that who reads can tell a message that was sent again.
            let TaskContext { dag_id, run_id, task_id, map_index, .. } = context;
            let message_id = format!("{dag_id}/{run_id}/{task_id}/{map_index}/{place}");
            let message_id =
                message_id.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
            QueueMessage { message_id, content_type: content_type.to_owned(), body }
        };
        let messages: Vec<QueueMessage> = arguments.messages.iter().enumerate().map(message).collect();
        let total = messages.len() as u64;
        let mut sent = 0;
        for batch in messages.chunks(BATCH_MESSAGES) {
            or_cancelled(context, queue.publish(&arguments.queue, batch)).await?;
            sent += batch.len() as u64;
            context.progress(sent, Some(total), "messages");
        }
        context.info(format!("{} confirmed in queue {}", counted(total, "message"), arguments.queue));
        Ok(TaskOutput::returning(json!({ "queue": arguments.queue, "messages": total })))
    }
}

/// Takes messages out of a queue.
pub(crate) struct RabbitmqConsume {
    connectors: Connectors,
}

impl RabbitmqConsume {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct ConsumeArguments {
    queue: String,
    #[serde(default = "max_messages_default")]
    max_messages: usize,
    #[serde(default = "rabbitmq_default")]
    connection: String,
}

fn max_messages_default() -> usize {
    1_000
}

#[async_trait]
impl Operator for RabbitmqConsume {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Integer, Text};
        Signature {
            name: "rabbitmq_consume",
            summary: "Takes the messages that wait in a RabbitMQ queue; they are the result.",
            arguments: vec![
                Argument::required(
                    "queue",
                    Text,
                    "The queue. A message leaves it when the task's success is durable, so none is lost; after a crash it may come twice.",
                ),
                Argument::optional("max_messages", Integer, "How many, at the most.")
                    .with_default(max_messages_default()),
                Argument::optional("connection", Text, "The connection to RabbitMQ.")
                    .with_default(rabbitmq_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "queue" => check_queue(value.as_str().unwrap_or_default()),
            "max_messages" => ensure(value.as_u64().is_some_and(|max| max > 0), "`max_messages` is above 0"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: ConsumeArguments = parse_arguments(arguments)?;
        let queue = self.connectors.queue(&arguments.connection).await?;
        let received = or_cancelled(context, queue.receive(&arguments.queue, arguments.max_messages)).await?;
        let count = received.messages.len();
        context.info(format!("{} from queue {}", counted(count as u64, "message"), arguments.queue));
        let bodies: Vec<Value> = received.messages.iter().map(|message| from_body(&message.body)).collect();
        let receipt = received.receipt;
        let output = TaskOutput::returning(Value::Array(bodies)).with("count", count.into());
        Ok(output.then(async move { receipt.acknowledge().await.map_err(TaskError::from) }))
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use serde_json::json;

    #[tokio::test]
    async fn messages_go_in_and_come_out_and_leave_with_the_commit() {
        let bench = Bench::new();
        let messages = json!([{"n": 1}, "two", 3]);
        let published = bench.run("rabbitmq_publish", json!({"queue": "q", "messages": messages})).await;
        assert_eq!(published.unwrap(), json!({"queue": "q", "messages": 3}));
        let uncommitted = bench.attempt("rabbitmq_consume", json!({"queue": "q"})).await.unwrap();
        drop(uncommitted);
        let two = bench.run("rabbitmq_consume", json!({"queue": "q", "max_messages": 2})).await.unwrap();
        assert_eq!(two, json!([{"n": 1}, "two"]));
        assert_eq!(bench.run("rabbitmq_consume", json!({"queue": "q"})).await.unwrap(), json!([3]));
        assert_eq!(bench.run("rabbitmq_consume", json!({"queue": "q"})).await.unwrap(), json!([]));
    }
}
