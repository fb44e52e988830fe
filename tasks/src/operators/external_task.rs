//! `external_task`: waits for a task, or a whole run, of another DAG (Airflow's `ExternalTaskSensor`). While it waits it
//! holds no slot.

use async_trait::async_trait;
use esteira_core::spec::duration;
use esteira_core::states::TaskInstanceState;
use esteira_operator::{
    Argument, ArgumentKind, FoundRun, Operator, Signature, TaskContext, TaskError, TaskOutput, Waiting,
    parse_arguments,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Waits for other DAGs.
pub(crate) struct ExternalTask;

#[derive(Deserialize)]
struct Arguments {
    external_dag_id: String,
    external_task_id: Option<String>,
    external_task_ids: Option<Vec<String>>,
    external_run_id: Option<String>,
    logical_date: Option<String>,
    execution_delta: Option<Value>,
    allowed_states: Option<Vec<String>>,
    failed_states: Option<Vec<String>>,
    skipped_states: Option<Vec<String>>,
    #[serde(default)]
    check_existence: bool,
    poke_interval: Option<Value>,
    timeout: Option<Value>,
    #[serde(default)]
    soft_fail: bool,
}

/// Airflow's default.
const POKE_INTERVAL: Duration = Duration::from_secs(60);

/// Airflow's default: a week.
const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[async_trait]
impl Operator for ExternalTask {
    fn signature(&self) -> Signature {
        use ArgumentKind as Kind;
        Signature {
            name: "external_task",
            summary: "Waits for a task, or a whole run, of another DAG.",
            arguments: vec![
                Argument::required("external_dag_id", Kind::Text, "The DAG."),
                Argument::optional(
                    "external_task_id",
                    Kind::Text,
                    "The task; without it, the whole run is waited for.",
                ),
                Argument::optional("external_task_ids", Kind::List, "Several tasks."),
                Argument::optional(
                    "external_run_id",
                    Kind::Text,
                    "The run's name; without it, the date says which run.",
                ),
                Argument::optional(
                    "logical_date",
                    Kind::Text,
                    "The instant of the run; without it, that of this run.",
                ),
                Argument::optional(
                    "execution_delta",
                    Kind::Duration,
                    "How much earlier than that the run's instant is.",
                ),
                Argument::optional("allowed_states", Kind::List, "The states that are waited for.")
                    .with_default(json!(["success"])),
                Argument::optional("failed_states", Kind::List, "States with which this task fails at once.")
                    .with_default(json!([])),
                Argument::optional(
                    "skipped_states",
                    Kind::List,
                    "States with which this task is skipped at once.",
                )
                .with_default(json!([])),
                Argument::optional(
                    "check_existence",
                    Kind::Boolean,
                    "Whether a DAG or a task that is not there is a failure.",
                )
                .with_default(false),
                Argument::optional("poke_interval", Kind::Duration, "How often it looks.").with_default("1m"),
                Argument::optional("timeout", Kind::Duration, "How long it waits, all in all.")
                    .with_default("7d"),
                Argument::optional("soft_fail", Kind::Boolean, "Whether it is skipped where it would fail.")
                    .with_default(false),
            ],
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let soft_fail = arguments.soft_fail;
        let result = look(context, &arguments).await;
        result.map_err(|error| match soft_fail {
            true => TaskError::skipped(error.message),
            false => error,
        })
    }
}

async fn look(context: &TaskContext, arguments: &Arguments) -> Result<TaskOutput, TaskError> {
    let dag_id = arguments.external_dag_id.as_str();
    if arguments.check_existence && !context.engine.has_dag(dag_id) {
        return Err(TaskError::fatal(format!("there is no DAG \"{dag_id}\"")));
    }
    let found = find_run(context, arguments).await?;
    let states = match &found {
        Some(run) => states(context, arguments, run).await?,
        None => Vec::new(),
    };
    let is_in = |list: &Option<Vec<String>>, state: &str| {
        list.as_ref().is_some_and(|list| list.iter().any(|label| label == state))
    };
    if let Some(state) = states.iter().find(|state| is_in(&arguments.failed_states, state)) {
        return Err(TaskError::failed(format!("{} is {state}", arguments.what())).class("external_failed"));
    }
    if let Some(state) = states.iter().find(|state| is_in(&arguments.skipped_states, state)) {
        return Err(TaskError::skipped(format!("{} is {state}", arguments.what())));
    }
    let is_allowed = |state: &&String| match &arguments.allowed_states {
        None => state.as_str() == "success",
        list => is_in(list, state),
    };
    if !states.is_empty() && states.iter().all(|state| is_allowed(&state)) {
        return Ok(TaskOutput::returning(json!({ "run_id": found.map(|run| run.run_id) })));
    }
    wait(context, arguments, found)
}

/// The run that is waited for, if it is there.
async fn find_run(context: &TaskContext, arguments: &Arguments) -> Result<Option<FoundRun>, TaskError> {
    let dag_id = arguments.external_dag_id.as_str();
    if let Some(run_id) = &arguments.external_run_id {
        return context.engine.run(dag_id, run_id).await;
    }
    let text = arguments.logical_date.as_ref().or(context.logical_date.as_ref()).ok_or_else(|| {
        TaskError::fatal(
            "this run has no logical date, so it is not known which run of the other DAG is meant",
        )
        .hint("give external_run_id or logical_date")
    })?;
    let at: Timestamp = text
        .parse()
        .map_err(|error| TaskError::fatal(format!("logical_date \"{text}\" is no instant: {error}")))?;
    let delta = match &arguments.execution_delta {
        None => SignedDuration::ZERO,
        Some(value) => {
            SignedDuration::try_from(length(value, "execution_delta")?).unwrap_or(SignedDuration::MAX)
        }
    };
    let at = at.checked_sub(delta).unwrap_or(Timestamp::MIN);
    context.engine.run_at(dag_id, at).await
}

/// The states of what is waited for; nothing for what is not there or has no state yet.
async fn states(
    context: &TaskContext,
    arguments: &Arguments,
    run: &FoundRun,
) -> Result<Vec<String>, TaskError> {
    let tasks: Vec<&String> =
        arguments.external_task_id.iter().chain(arguments.external_task_ids.iter().flatten()).collect();
    if tasks.is_empty() {
        return Ok(vec![run.state.to_string()]);
    }
    let mut all = Vec::new();
    for task_id in tasks {
        let states = context.engine.task_states(&arguments.external_dag_id, &run.run_id, task_id).await?;
        if states.is_empty() && arguments.check_existence {
            let message = format!("DAG \"{}\" has no task \"{task_id}\"", arguments.external_dag_id);
            return Err(TaskError::fatal(message));
        }
        if states.is_empty() || states.contains(&None) {
            all.push("no_status".to_owned());
        }
        all.extend(states.into_iter().flatten().map(|state: TaskInstanceState| state.to_string()));
    }
    Ok(all)
}

fn wait(
    context: &TaskContext,
    arguments: &Arguments,
    run: Option<FoundRun>,
) -> Result<TaskOutput, TaskError> {
    let limit = arguments.timeout.as_ref().map_or(Ok(TIMEOUT), |value| length(value, "timeout"))?;
    let waited = Timestamp::now().duration_since(context.started_at);
    let left = limit.saturating_sub(Duration::try_from(waited).unwrap_or_default());
    if left.is_zero() {
        let limit = duration::display(limit);
        return Err(TaskError::failed(format!("{} did not come within {limit}", arguments.what()))
            .class("sensor_timeout"));
    }
    let interval =
        arguments.poke_interval.as_ref().map_or(Ok(POKE_INTERVAL), |value| length(value, "poke_interval"))?;
    let is_whole_run = arguments.external_task_id.is_none() && arguments.external_task_ids.is_none();
    let run = run.filter(|run| is_whole_run && !run.state.is_terminal());
    Ok(TaskOutput::waiting(Waiting {
        at_most: interval.min(left),
        run: run.map(|run| (arguments.external_dag_id.clone(), run.run_id)),
        reason: format!("it waits for {}", arguments.what()),
        state: Value::Null,
    }))
}

impl Arguments {
    /// What is waited for, for people.
    fn what(&self) -> String {
        let tasks: Vec<&String> =
            self.external_task_id.iter().chain(self.external_task_ids.iter().flatten()).collect();
        let names: Vec<String> = tasks.iter().map(|task| format!("\"{task}\"")).collect();
        match names.as_slice() {
            [] => format!("a run of the DAG \"{}\"", self.external_dag_id),
            names => format!("{} of the DAG \"{}\"", names.join(", "), self.external_dag_id),
        }
    }
}

fn length(value: &Value, name: &str) -> Result<Duration, TaskError> {
    duration::from_value(value).map_err(|reason| TaskError::fatal(format!("{name}: {reason}")))
}
