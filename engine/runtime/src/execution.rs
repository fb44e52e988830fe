//! What every execution of an operator has around it, an attempt's or a callback's: it is rendered for, ended in time, and
//! never takes the engine with it.

use crate::door::Door;
use crate::executor::{RunFacts, Tools};
use crate::logs::LogKey;
use crate::template_source::RunSource;
use esteira_core::dag::{Dag, Expansion, Task};
use esteira_core::run::{AttemptError, AttemptErrorKind, InstanceKey};
use esteira_core::states::RunType;
use esteira_core::template::{self, TemplateError};
use esteira_operator::{Masker, Operator, TaskContext, TaskError, TaskErrorKind, TaskOutput, TaskReporter};
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which task instance of which run something is executed for.
pub(crate) struct Scene {
    pub(crate) tools: Arc<Tools>,
    pub(crate) dag: Arc<Dag>,
    pub(crate) facts: Arc<RunFacts>,
    pub(crate) instance: InstanceKey,
    pub(crate) try_number: u32,
    pub(crate) cancel: CancellationToken,
    /// What a mapped instance is expanded over, by name.
    pub(crate) expand: Option<Value>,
    /// How many instances its task has, if it is mapped.
    expanded_to: Option<u32>,
}

impl Scene {
    pub(crate) fn new(
        tools: Arc<Tools>,
        dag: Arc<Dag>,
        facts: Arc<RunFacts>,
        instance: InstanceKey,
        try_number: u32,
        expansion: Option<&Expansion>,
        cancel: CancellationToken,
    ) -> Self {
        let place = usize::try_from(instance.map_index).ok();
        let expansion = expansion.zip(place).filter(|(expansion, place)| *place < expansion.len());
        let expand = expansion.map(|(expansion, place)| Value::Object(expansion.arguments(place)));
        let expanded_to = expansion.map(|(expansion, _)| u32::try_from(expansion.len()).unwrap_or(u32::MAX));
        Self { tools, dag, facts, instance, try_number, cancel, expand, expanded_to }
    }

    pub(crate) fn task(&self) -> &Task {
        self.dag.task(self.instance.task)
    }

    pub(crate) fn operator(&self, name: &str) -> Result<Arc<dyn Operator>, TaskError> {
        let found = self.tools.registry.operator(name);
        found.ok_or_else(|| TaskError::fatal(format!("there is no operator \"{name}\"")))
    }

    pub(crate) fn log_key(&self) -> LogKey {
        LogKey {
            dag_id: self.dag.dag_id.to_string(),
            run_id: self.facts.run_id.to_string(),
            task_id: self.task().task_id.to_string(),
            map_index: self.instance.map_index,
            try_number: self.try_number,
        }
    }

    /// What templates see.
    pub(crate) fn variables(&self) -> Value {
        template::context_variables(&self.facts.for_templates(
            &self.dag,
            self.instance,
            self.try_number,
            self.expanded_to,
            self.expand.as_ref(),
        ))
    }

    /// The same, with what they find elsewhere.
    pub(crate) fn template_context(&self, variables: Value) -> template::Context {
        let runtime = tokio::runtime::Handle::current();
        let tools = &self.tools;
        let source =
            RunSource::new(&tools.reader, &tools.vault, &self.dag, &self.facts, self.instance, runtime);
        template::Context { variables, source: Arc::new(source) }
    }

    /// What the operator sees, as if it began now for the first time. `mark` tells it from all others of this engine.
    pub(crate) fn context(
        &self,
        variables: Value,
        mark: &str,
        reporter: Arc<dyn TaskReporter>,
    ) -> TaskContext {
        let (tools, task_id) = (&self.tools, &self.task().task_id);
        TaskContext {
            dag_id: self.dag.dag_id.to_string(),
            run_id: self.facts.run_id.to_string(),
            task_id: task_id.to_string(),
            map_index: self.instance.map_index,
            try_number: self.try_number,
            logical_date: self.facts.logical_date.map(|at| at.to_string()),
            is_latest: self.is_latest(),
            params: self.facts.params.clone(),
            variables: Arc::new(variables),
            attempt_mark: format!("{}/{mark}", tools.engine_mark),
            xcom_size_max: tools.xcom_size_max,
            resumed: None,
            started_at: Timestamp::now(),
            ask_number: 1,
            engine: Arc::new(Door {
                reader: tools.reader.clone(),
                commands: tools.commands.clone(),
                dags: Arc::clone(&tools.dags),
                run_key: self.facts.run_key,
                name: format!("{}/{}/{task_id}", self.dag.dag_id, self.facts.run_id),
            }),
            cancel: self.cancel.clone(),
            reporter,
        }
    }

    /// Whether no later tick of the schedule has come since the one that the run is for (Airflow's `latest_only`).
    fn is_latest(&self) -> bool {
        let is_by_schedule = self.facts.run_type == RunType::Scheduled.as_str()
            || self.facts.run_type == RunType::Backfill.as_str();
        let tick = self.facts.data_interval.map(|(_, end)| end).filter(|_| is_by_schedule);
        let next = tick.and_then(|tick| self.dag.ticks().after(tick));
        next.is_none_or(|next| next.run_after > Timestamp::now())
    }
}

type Executed = Result<TaskOutput, TaskError>;

/// Renders on a thread that may wait: templates read XCom as they go, which waits for the database.
pub(crate) async fn rendered<T: Send + 'static>(
    render: impl FnOnce() -> Result<T, TemplateError> + Send + 'static,
) -> Result<T, TaskError> {
    match tokio::task::spawn_blocking(render).await {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error)) => Err(TaskError::fatal(format!("the arguments cannot be rendered: {error}"))
            .hint("look at the templates under with:")),
        Err(panic) => Err(TaskError::fatal(format!("rendering the arguments stopped: {panic}"))),
    }
}

/// Lets an execution go on until it ends or is cancelled; after a cancel it has the grace to end.
pub(crate) async fn until_cancelled(
    cancel: &CancellationToken,
    grace: Duration,
    execution: impl Future<Output = Executed>,
) -> Executed {
    tokio::pin!(execution);
    tokio::select! {
        biased;
        result = &mut execution => return result,
        () = cancel.cancelled() => {}
    }
    tokio::time::timeout(grace, execution).await.unwrap_or_else(|_| Err(TaskError::cancelled()))
}

/// Lets a cancellable execution go on for so long; then it is cancelled.
pub(crate) async fn within(
    cancel: &CancellationToken,
    limit: Option<Duration>,
    execution: impl Future<Output = Executed>,
) -> Executed {
    let Some(limit) = limit else { return execution.await };
    tokio::pin!(execution);
    if let Ok(result) = tokio::time::timeout(limit, &mut execution).await {
        return result;
    }
    let was_cancelled = cancel.is_cancelled();
    cancel.cancel();
    let result = execution.await;
    if was_cancelled {
        return result;
    }
    let limit = esteira_core::spec::duration::display(limit);
    Err(TaskError::new(
        TaskErrorKind::TimedOut,
        format!("it took longer than its execution_timeout of {limit}"),
    ))
}

/// A panic is a bug of an operator; it must not leave an execution that never tells how it ended.
pub(crate) async fn unpanicked(execution: impl Future<Output = Executed>) -> Executed {
    let result = AssertUnwindSafe(execution).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> TaskError {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    TaskError::failed(format!("the operator stopped by a bug of its own: {}", text.unwrap_or_default()))
}

/// What an execution without result ended with, without secrets: why it skipped itself, or its error as the history keeps
/// it.
pub(crate) fn ended_with(error: TaskError, masker: &Masker) -> Result<String, AttemptError> {
    let message = masker.mask(&error.message);
    let hint = error.hint.map(|hint| masker.mask(&hint));
    let kind = match error.kind {
        TaskErrorKind::Skipped => return Ok(message),
        TaskErrorKind::Failed => AttemptErrorKind::Failed,
        TaskErrorKind::Fatal => AttemptErrorKind::Fatal,
        TaskErrorKind::TimedOut => AttemptErrorKind::TimedOut,
        TaskErrorKind::Cancelled => AttemptErrorKind::Cancelled,
    };
    Err(AttemptError { kind, message, hint, exit_code: error.exit_code, class: error.class })
}
