//! The notifier: runs the callbacks that the outbox holds, some at a time, beside all attempts. Each try is told to the
//! loop, which says whether and when there is another.

use crate::execution::{self, Scene};
use crate::executor::{RunFacts, Told, Tools};
use crate::links;
use crate::logs::LogWriter;
use esteira_core::dag::{Dag, Expansion};
use esteira_core::run::{AttemptError, InstanceKey};
use esteira_core::template;
use esteira_operator::{Level, Masker, Progress, TaskContext, TaskError, TaskOutput, TaskReporter};
use esteira_store::NotificationRow;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many callbacks run at the same time.
const TOGETHER_MAX: usize = 16;

/// A callback that is to be run, with what its templates see.
#[derive(Clone)]
pub(crate) struct Notification {
    pub(crate) row: NotificationRow,
    pub(crate) dag: Arc<Dag>,
    pub(crate) facts: Arc<RunFacts>,
    pub(crate) instance: InstanceKey,
    pub(crate) expansion: Option<Arc<Expansion>>,
}

/// The loop's side.
pub(crate) struct Notifier {
    tools: Arc<Tools>,
    told: mpsc::UnboundedSender<Told>,
    permits: Arc<Semaphore>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Notifier {
    pub(crate) fn new(tools: Arc<Tools>, told: mpsc::UnboundedSender<Told>) -> Self {
        let permits = Arc::new(Semaphore::new(TOGETHER_MAX));
        Self { tools, told, permits, cancel: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    /// Runs a callback once; how that ended is told to the loop, unless the engine stops before.
    pub(crate) fn send(&self, notification: Notification) {
        let (told, permits, cancel) = (self.told.clone(), Arc::clone(&self.permits), self.cancel.clone());
        let tools = Arc::clone(&self.tools);
        self.tasks.spawn(async move {
            let permit = tokio::select! {
                permit = permits.acquire() => permit,
                () = cancel.cancelled() => return,
            };
            let notification_id = notification.row.notification_id;
            let result = Delivery::new(tools, notification, cancel.child_token()).run().await;
            drop(permit);
            // A try that the engine's end cut short is no try.
            if result.is_ok() || !cancel.is_cancelled() {
                let _ = told.send(Told::Notified { notification_id, result });
            }
        });
    }

    /// Lets those that run end within `patience`, and cuts off the others.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.cancel.cancel();
            self.tasks.wait().await;
        }
    }
}

/// One try.
struct Delivery {
    scene: Scene,
    row: NotificationRow,
}

impl Delivery {
    fn new(tools: Arc<Tools>, notification: Notification, cancel: CancellationToken) -> Self {
        let Notification { row, dag, facts, instance, expansion } = notification;
        let scene = Scene::new(tools, dag, facts, instance, row.try_number, expansion.as_deref(), cancel);
        Self { scene, row }
    }

    async fn run(self) -> Result<(), AttemptError> {
        match execution::unpanicked(self.execute()).await {
            Ok(_) => Ok(()),
            // One that finds nothing to do has done it.
            Err(error) => execution::ended_with(error, &self.scene.tools.masker).map(drop),
        }
    }

    async fn execute(&self) -> Result<TaskOutput, TaskError> {
        let (scene, callback) = (&self.scene, &self.row.callback);
        let operator = scene.operator(&callback.operator)?;
        let variables = self.variables();
        let arguments = match callback.has_templates {
            true => {
                let context = scene.template_context(variables.clone());
                let written = callback.arguments.clone();
                execution::rendered(move || template::render(&written, &context)).await?
            }
            false => callback.arguments.clone(),
        };
        let mark = format!("notification.{}.{}", self.row.notification_id, self.row.failures);
        let context = TaskContext {
            ask_number: self.row.failures + 1,
            ..scene.context(variables, &mark, Arc::new(self.reporter()))
        };
        let grace = operator.end_grace(&arguments);
        let execution =
            execution::until_cancelled(&scene.cancel, grace, operator.execute(&context, arguments));
        let mut output = execution::within(&scene.cancel, callback.execution_timeout, execution).await?;
        if output.wait.is_some() {
            let message = format!("the operator \"{}\" waits for something", callback.operator);
            return Err(TaskError::fatal(message).hint("a callback cannot wait: trigger a DAG that does"));
        }
        if let Some(after_commit) = output.after_commit.take() {
            after_commit.await?;
        }
        Ok(output)
    }

    /// What templates of tasks see, and what this one tells of.
    fn variables(&self) -> Value {
        let mut variables = self.scene.variables();
        let (dag_id, run_id) = (self.scene.dag.dag_id.as_str(), &*self.scene.facts.run_id);
        let base_url = self.scene.tools.base_url.trim_end_matches('/');
        let task_id = self.scene.task().task_id.as_str();
        let log = links::instance(dag_id, run_id, task_id, self.scene.instance.map_index);
        let besides = json!({
            "ti": { "log_url": format!("{base_url}{log}") },
            "dag_run": { "url": format!("{base_url}{}", links::run(dag_id, run_id)) },
        });
        merge(&mut variables, &self.row.variables);
        merge(&mut variables, &besides);
        variables["task_instance"] = variables["ti"].clone();
        variables
    }

    /// A task's callbacks tell what they do in the log of the attempt.
    fn reporter(&self) -> CallbackReporter {
        let (scene, row) = (&self.scene, &self.row);
        let is_of_attempt = row.is_of_task && row.try_number > 0;
        let masker = &scene.tools.masker;
        let log = is_of_attempt.then(|| scene.tools.logs.appender(scene.log_key(), Arc::clone(masker)));
        let name = format!("{}/{}", scene.dag.dag_id, scene.facts.run_id);
        CallbackReporter { log, kind: row.kind.as_str(), name, masker: Arc::clone(masker) }
    }
}

/// Puts the fields of `more` over those of `fields`; mappings in mappings are put together.
fn merge(fields: &mut Value, more: &Value) {
    match (fields, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (field, value) => *field = value.clone(),
    }
}

/// Where the lines of a callback go.
struct CallbackReporter {
    log: Option<LogWriter>,
    kind: &'static str,
    /// The run, for the engine's own log.
    name: String,
    masker: Arc<Masker>,
}

impl TaskReporter for CallbackReporter {
    fn line(&self, level: Level, _: &str, text: &str) {
        match &self.log {
            Some(log) => log.line(level, self.kind, text, Timestamp::now()),
            None => {
                let text = self.masker.mask(text);
                tracing::debug!(run = %self.name, callback = self.kind, "{text}");
            }
        }
    }

    fn progress(&self, _: Progress) {}
}
