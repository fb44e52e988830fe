//! `external_task`: waits for a task, or a whole run, of another DAG (Airflow's `ExternalTaskSensor`). While it waits it
//! holds no slot.

use super::{Look, Looked, SensorKind};
use crate::operators::support::optional_duration;
use async_trait::async_trait;
use esteira_core::states::TaskInstanceState;
use esteira_operator::{
    Argument, ArgumentKind, EngineDoor, FoundRun, Signature, TaskContext, TaskError, TaskOutput,
    parse_arguments,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
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
    #[serde(default, deserialize_with = "optional_duration")]
    execution_delta: Option<Duration>,
    allowed_states: Option<Vec<String>>,
    failed_states: Option<Vec<String>>,
    skipped_states: Option<Vec<String>>,
    #[serde(default)]
    check_existence: bool,
}

#[async_trait]
impl SensorKind for ExternalTask {
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
            ],
        }
    }

    async fn prepare(&self, context: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let run = match &arguments.external_run_id {
            Some(run_id) => Wanted::Named(run_id.clone()),
            None => Wanted::At(instant(context, &arguments)?),
        };
        Ok(Arc::new(ExternalTaskLook { engine: Arc::clone(&context.engine), arguments, run }))
    }
}

/// The run that is waited for.
enum Wanted {
    Named(String),
    At(Timestamp),
}

struct ExternalTaskLook {
    engine: Arc<dyn EngineDoor>,
    arguments: Arguments,
    run: Wanted,
}

#[async_trait]
impl Look for ExternalTaskLook {
    fn what(&self) -> String {
        self.arguments.what()
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let arguments = &self.arguments;
        let dag_id = arguments.external_dag_id.as_str();
        if arguments.check_existence && !self.engine.has_dag(dag_id) {
            return Err(TaskError::fatal(format!("there is no DAG \"{dag_id}\"")));
        }
        let found = match &self.run {
            Wanted::Named(run_id) => self.engine.run(dag_id, run_id).await?,
            Wanted::At(at) => self.engine.run_at(dag_id, *at).await?,
        };
        let states = match &found {
            Some(run) => self.states(run).await?,
            None => Vec::new(),
        };
        let is_in = |list: &Option<Vec<String>>, state: &str| {
            list.as_ref().is_some_and(|list| list.iter().any(|label| label == state))
        };
        if let Some(state) = states.iter().find(|state| is_in(&arguments.failed_states, state)) {
            return Err(
                TaskError::failed(format!("{} is {state}", arguments.what())).class("external_failed")
            );
        }
        if let Some(state) = states.iter().find(|state| is_in(&arguments.skipped_states, state)) {
            return Err(TaskError::skipped(format!("{} is {state}", arguments.what())));
        }
        let is_allowed = |state: &&String| match &arguments.allowed_states {
            None => state.as_str() == "success",
            list => is_in(list, state),
        };
        if !states.is_empty() && states.iter().all(|state| is_allowed(&state)) {
            let run_id = found.map(|run| run.run_id);
            return Ok(Looked::here(TaskOutput::returning(json!({ "run_id": run_id }))));
        }
        // Nothing changes in a whole run before it ends; its end wakes the attempt.
        let is_whole_run = arguments.tasks().next().is_none();
        Ok(match found.filter(|run| is_whole_run && !run.state.is_terminal()) {
            Some(run) => Looked::NotBefore(dag_id.to_owned(), run.run_id),
            None => Looked::NotYet,
        })
    }
}

/// The instant of the run that is waited for.
fn instant(context: &TaskContext, arguments: &Arguments) -> Result<Timestamp, TaskError> {
    let text = arguments.logical_date.as_ref().or(context.logical_date.as_ref()).ok_or_else(|| {
        TaskError::fatal(
            "this run has no logical date, so it is not known which run of the other DAG is meant",
        )
        .hint("give external_run_id or logical_date")
    })?;
    let at: Timestamp = text
        .parse()
        .map_err(|error| TaskError::fatal(format!("logical_date \"{text}\" is no instant: {error}")))?;
    let delta = SignedDuration::try_from(arguments.execution_delta.unwrap_or_default());
    Ok(at.checked_sub(delta.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MIN))
}

impl ExternalTaskLook {
    /// The states of what is waited for; nothing for what is not there or has no state yet.
    async fn states(&self, run: &FoundRun) -> Result<Vec<String>, TaskError> {
        let arguments = &self.arguments;
        if arguments.tasks().next().is_none() {
            return Ok(vec![run.state.to_string()]);
        }
        let mut all = Vec::new();
        for task_id in arguments.tasks() {
            let states = self.engine.task_states(&arguments.external_dag_id, &run.run_id, task_id).await?;
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
}

impl Arguments {
    fn tasks(&self) -> impl Iterator<Item = &String> {
        self.external_task_id.iter().chain(self.external_task_ids.iter().flatten())
    }

    /// What is waited for, for people.
    fn what(&self) -> String {
        let names: Vec<String> = self.tasks().map(|task| format!("\"{task}\"")).collect();
        match names.as_slice() {
            [] => format!("a run of the DAG \"{}\"", self.external_dag_id),
            names => format!("{} of the DAG \"{}\"", names.join(", "), self.external_dag_id),
        }
    }
}
