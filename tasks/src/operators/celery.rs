//! `celery`: runs a task of a Celery application (the seed's `process_data.delay(...)`), and waits for its result without a slot.
//!
//! The message is Celery's protocol 2, over RabbitMQ or Redis, whichever the connection is; the result is read from Celery's
//! Redis result backend.

use super::support::{ensure, optional_duration, or_cancelled, rabbitmq_default, redis_default};
use crate::connectors::Connectors;
use crate::queue::{QueueMessage, check_queue};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use esteira_core::spec::duration;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Poke, Poked, Signature, TaskContext, TaskError, TaskErrorKind,
    TaskOutput, Trigger, Waiting, parse_arguments,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Runs Celery tasks.
pub(crate) struct Celery {
    connectors: Connectors,
}

impl Celery {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    task: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default = "queue_default")]
    queue: String,
    #[serde(default, deserialize_with = "optional_duration")]
    expires: Option<Duration>,
    #[serde(default = "yes")]
    wait_for_result: bool,
    #[serde(default, deserialize_with = "optional_duration")]
    poke_interval: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    timeout: Option<Duration>,
    #[serde(default = "rabbitmq_default")]
    connection: String,
    #[serde(default = "redis_default")]
    result_connection: String,
}

fn queue_default() -> String {
    "celery".to_owned()
}

fn yes() -> bool {
    true
}

const POKE_INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Operator for Celery {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Boolean, Duration, List, Map, Text};
        Signature {
            name: "celery",
            summary: "Runs a task of a Celery application, and waits for its result without a slot.",
            arguments: vec![
                Argument::required(
                    "task",
                    Text,
                    "The task's name, as the worker has it: tasks.process_data.",
                ),
                Argument::optional("args", List, "Its arguments by place.").with_default(json!([])),
                Argument::optional("kwargs", Map, "Its arguments by name.").with_default(json!({})),
                Argument::optional("queue", Text, "The queue that its workers read.")
                    .with_default(queue_default()),
                Argument::optional(
                    "expires",
                    Duration,
                    "After this time a worker does not begin it any more.",
                ),
                Argument::optional(
                    "wait_for_result",
                    Boolean,
                    "Whether its result is waited for; it is this task's result.",
                )
                .with_default(true),
                Argument::optional("poke_interval", Duration, "How often the result is looked for.")
                    .with_default("1s"),
                Argument::optional("timeout", Duration, "How long the result is waited for.")
                    .with_default("1d"),
                Argument::optional("connection", Text, "The broker: RabbitMQ or Redis.")
                    .with_default(rabbitmq_default()),
                Argument::optional(
                    "result_connection",
                    Text,
                    "The Redis of the application's result_backend.",
                )
                .with_default(redis_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "task" => ensure(!text.trim().is_empty(), "`task` is empty"),
            "queue" => check_queue(text),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let id = task_id(context);
        let result = ResultOf {
            connectors: self.connectors.clone(),
            connection: arguments.result_connection.clone(),
            id,
        };
        // An attempt that was lost with its engine may have been answered: then nothing is sent again.
        let is_sent_before =
            context.resumed.is_some() || (context.try_number > 1 && arguments.wait_for_result);
        let mut answer = None;
        if is_sent_before {
            answer = or_cancelled(context, result.read()).await?;
        }
        if answer.is_none() && context.resumed.is_none() {
            or_cancelled(context, self.send(&result.id, context, &arguments)).await?;
            context
                .info(format!("sent {} to the queue {} as {}", arguments.task, arguments.queue, result.id));
            if !arguments.wait_for_result {
                return Ok(TaskOutput::returning(json!({ "celery_task_id": result.id })));
            }
        }
        match answer {
            Some(answer) => outcome(context, &arguments.task, &answer),
            None => wait(context, &arguments, result),
        }
    }
}

impl Celery {
    async fn send(&self, id: &str, context: &TaskContext, arguments: &Arguments) -> Result<(), TaskError> {
        let (headers, body) = message(id, context, arguments);
        let connection = self.connectors.connection("The Celery broker", &arguments.connection)?;
        match connection.url.scheme() {
            "redis" | "rediss" => {
                let cache = self.connectors.cache(&arguments.connection).await?;
                let envelope = envelope(id, &arguments.queue, &headers, &body).to_string();
                cache.command(&["LPUSH".to_owned(), arguments.queue.clone(), envelope]).await?;
            }
            _ => {
                let queue = self.connectors.queue(&arguments.connection).await?;
                let message = QueueMessage {
                    message_id: id.to_owned(),
                    content_type: "application/json".to_owned(),
                    body: Bytes::from(body),
                };
                queue.publish_with_headers(&arguments.queue, &message, &headers).await?;
            }
        }
        Ok(())
    }
}

/// The task's id at Celery: the same in an attempt that was lost with its engine and in the one that takes its place.
fn task_id(context: &TaskContext) -> String {
    let TaskContext { dag_id, run_id, task_id, map_index, ask_number, .. } = context;
    let digest =
        Sha256::digest(json!([dag_id, run_id, task_id, map_index, ask_number]).to_string().as_bytes());
    let hex = hex::encode(&digest[..16]);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Headers and body of Celery's message protocol 2.
fn message(id: &str, context: &TaskContext, arguments: &Arguments) -> (Map<String, Value>, String) {
    let expires = arguments.expires.map(|time| {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_add(time).unwrap_or(Timestamp::MAX).to_string()
    });
    let headers = json!({
        "lang": "py",
        "task": arguments.task,
        "id": id,
        "root_id": id,
        "parent_id": null,
        "group": null,
        "retries": 0,
        "eta": null,
        "expires": expires,
        "timelimit": [null, null],
        "argsrepr": Value::from(arguments.args.clone()).to_string(),
        "kwargsrepr": Value::from(arguments.kwargs.clone()).to_string(),
        "origin": format!("esteira@{}", context.dag_id),
        "ignore_result": !arguments.wait_for_result,
    });
    let embed = json!({ "callbacks": null, "errbacks": null, "chain": null, "chord": null });
    let body = json!([arguments.args, arguments.kwargs, embed]).to_string();
    let Value::Object(headers) = headers else { return (Map::new(), body) };
    (headers, body)
}

/// The message as kombu keeps it in a list of Redis.
fn envelope(id: &str, queue: &str, headers: &Map<String, Value>, body: &str) -> Value {
    json!({
        "body": STANDARD.encode(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "correlation_id": id,
            "reply_to": null,
            "delivery_mode": 2,
            "priority": 0,
            "body_encoding": "base64",
            "delivery_info": { "exchange": "", "routing_key": queue },
            "delivery_tag": uuid::Uuid::now_v7().to_string(),
        },
    })
}

/// Where the result will be.
struct ResultOf {
    connectors: Connectors,
    connection: String,
    id: String,
}

impl ResultOf {
    /// The result, once there is a final one.
    async fn read(&self) -> Result<Option<Value>, TaskError> {
        let cache = self.connectors.cache(&self.connection).await?;
        let found = cache.command(&["GET".to_owned(), format!("celery-task-meta-{}", self.id)]).await?;
        let Some(text) = found.as_str() else { return Ok(None) };
        let answer: Value = serde_json::from_str(text).map_err(|error| {
            TaskError::fatal(format!("the result of the Celery task is no JSON: {error}"))
        })?;
        let is_final = matches!(answer["status"].as_str(), Some("SUCCESS" | "FAILURE" | "REVOKED"));
        Ok(is_final.then_some(answer))
    }
}

#[async_trait]
impl Poke for ResultOf {
    async fn poke(&self) -> Poked {
        match self.read().await {
            Ok(None) => Poked::NotYet,
            Ok(Some(_)) | Err(_) => Poked::GoOn,
        }
    }
}

fn wait(context: &TaskContext, arguments: &Arguments, result: ResultOf) -> Result<TaskOutput, TaskError> {
    let timeout = arguments.timeout.unwrap_or(TIMEOUT);
    let waited = Timestamp::now().duration_since(context.started_at);
    let left = timeout.saturating_sub(Duration::try_from(waited).unwrap_or_default());
    if left.is_zero() {
        let timeout = duration::display(timeout);
        return Err(TaskError::failed(format!("{} gave no result within {timeout}", arguments.task))
            .class("celery_timeout")
            .hint("does a worker read the queue, and has the application the result backend of result_connection?"));
    }
    let interval = arguments.poke_interval.unwrap_or(POKE_INTERVAL).max(Duration::from_millis(10));
    let id = result.id.clone();
    let trigger =
        Trigger { poke_interval: interval, growth: 1.0, interval_max: interval, poke: Arc::new(result) };
    let reason = format!("it waits for the Celery task {}", arguments.task);
    Ok(TaskOutput::waiting(Waiting {
        trigger: Some(trigger),
        state: json!({ "celery_task_id": id }),
        ..Waiting::at_most(left, reason)
    }))
}

/// What the result means for this task.
fn outcome(context: &TaskContext, task: &str, answer: &Value) -> Result<TaskOutput, TaskError> {
    let result = &answer["result"];
    if answer["status"] == "SUCCESS" {
        context.info(format!("{task} has succeeded"));
        return Ok(TaskOutput::returning(result.clone()));
    }
    if let Some(traceback) = answer["traceback"].as_str() {
        traceback.lines().for_each(|line| context.error(line));
    }
    let kind = result["exc_type"].as_str().unwrap_or("an exception");
    let message = match &result["exc_message"] {
        Value::Array(parts) => {
            let text = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
            parts.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if answer["status"] == "REVOKED" {
        return Err(TaskError::failed(format!("{task} was revoked: {message}")).class(kind));
    }
    if kind == "NotRegistered" {
        return Err(TaskError::new(TaskErrorKind::Fatal, format!("the worker has no task {task}"))
            .hint("is the name the one that celery -A APP inspect registered prints?"));
    }
    Err(TaskError::failed(format!("{task} failed: {kind}: {message}")).class(kind))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::{Poked, TaskError, TaskOutput};
    use serde_json::{Value, json};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    const APPLICATION: &str = r#"
import os
from celery import Celery
app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
@app.task
def process_data(rows, scale=1):
    return {"sum": sum(rows) * scale}
@app.task
def fail(text):
    raise ValueError(text, 1)
"#;

    /// A real worker that reads one queue.
    struct Worker(Child);

    impl Drop for Worker {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn start(package: &str, folder: &Path, broker: &str, backend: &str, queue: &str) -> Worker {
        std::fs::write(folder.join("tasks.py"), APPLICATION).unwrap();
        let child = Command::new("python3")
            .args([
                "-m",
                "celery",
                "-A",
                "tasks",
                "worker",
                "--pool",
                "solo",
                "--loglevel",
                "ERROR",
                "-Q",
                queue,
            ])
            .current_dir(folder)
            .env("PYTHONPATH", package)
            .env("BROKER", broker)
            .env("BACKEND", backend)
            .env("C_FORCE_ROOT", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Worker(child)
    }

    /// What the test needs, if the environment has it all: the package, the broker and the backend.
    fn services() -> Option<[String; 3]> {
        let names = ["ESTEIRA_TEST_CELERY", "ESTEIRA_CONN_RABBITMQ_DEFAULT", "ESTEIRA_CONN_REDIS_DEFAULT"];
        let found: Vec<String> = names.iter().filter_map(|name| std::env::var(name).ok()).collect();
        let Ok(all) = found.try_into() else {
            let text = format!("SKIPPED: a real Celery worker ({} are not all set)", names.join(", "));
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
            eprintln!("{text}");
            return None;
        };
        Some(all)
    }

    /// Goes through the attempt as the engine does: executes, looks until it is there, executes again.
    async fn to_the_end(bench: &Bench, task_id: &str, arguments: Value) -> Result<Value, TaskError> {
        let operator = bench.registry.operator("celery").unwrap();
        let mut context = bench.context(task_id);
        context.run_id = format!("run_{}", bench.home.path().display());
        let waiting = operator.execute(&context, arguments.clone()).await?.wait.expect("it waits");
        let trigger = waiting.trigger.unwrap();
        let looks = async {
            while trigger.poke.poke().await == Poked::NotYet {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looks).await.expect("the worker answers");
        context.resumed = Some(waiting.state);
        operator.execute(&context, arguments).await.map(TaskOutput::into_return_value)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_real_worker_runs_the_task_over_rabbitmq_and_over_redis() {
        let Some([package, rabbitmq, redis]) = services() else { return };
        for (broker, connection) in [(&rabbitmq, "rabbitmq_default"), (&redis, "redis_default")] {
            let bench = Bench::connected(&[
                ("ESTEIRA_CONN_RABBITMQ_DEFAULT", &rabbitmq),
                ("ESTEIRA_CONN_REDIS_DEFAULT", &redis),
            ]);
            let queue = format!("celery_{}", uuid::Uuid::now_v7().simple());
            let _worker = start(&package, bench.home.path(), broker, &redis, &queue);
            let with = |more: Value| {
                let mut arguments = json!({ "queue": queue, "connection": connection });
                arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                arguments
            };
            let sum =
                with(json!({ "task": "tasks.process_data", "args": [[1, 2.5]], "kwargs": {"scale": 2} }));
            assert_eq!(to_the_end(&bench, "sum", sum).await.unwrap(), json!({"sum": 7.0}), "{connection}");
            let fails = with(json!({ "task": "tasks.fail", "args": ["no luck"] }));
            let error = to_the_end(&bench, "fails", fails).await.unwrap_err();
            assert_eq!(error.message, "tasks.fail failed: ValueError: no luck, 1");
            assert_eq!(error.class.as_deref(), Some("ValueError"));
            assert!(bench.heard.text().contains("raise ValueError"), "{}", bench.heard.text());
            let unknown = with(json!({ "task": "tasks.nope" }));
            let error = to_the_end(&bench, "unknown", unknown).await.unwrap_err();
            assert_eq!(error.message, "the worker has no task tasks.nope");
        }
    }

    #[tokio::test]
    async fn the_twin_has_no_workers() {
        let bench = Bench::new();
        let error = bench.run("celery", json!({ "task": "tasks.x" })).await.unwrap_err();
        assert!(error.message.contains("no Celery worker"), "{error}");
    }
}
