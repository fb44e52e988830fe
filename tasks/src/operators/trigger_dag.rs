//! `trigger_dag`: starts a run of another DAG, and waits for its end if it is told to (Airflow's
//! `TriggerDagRunOperator`). While it waits it holds no slot.

use async_trait::async_trait;
use esteira_core::spec::duration;
use esteira_core::states::RunState;
use esteira_operator::{
    Argument, ArgumentKind, Operator, RunAsked, Signature, TaskContext, TaskError, TaskOutput, Waiting,
    parse_arguments,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Starts runs of other DAGs.
pub(crate) struct TriggerDag;

#[derive(Deserialize)]
struct Arguments {
    trigger_dag_id: String,
    trigger_run_id: Option<String>,
    #[serde(default)]
    conf: Map<String, Value>,
    logical_date: Option<String>,
    note: Option<String>,
    #[serde(default)]
    wait_for_completion: bool,
    poke_interval: Option<Value>,
    allowed_states: Option<Vec<String>>,
    cancel_with_parent: Option<bool>,
}

/// How often a run is looked at whose end would wake the task anyway.
const POKE_INTERVAL: Duration = Duration::from_secs(60);

/// The longest run id that is made from the parent's names.
const NAMES_LENGTH_MAX: usize = 160;

#[async_trait]
impl Operator for TriggerDag {
    fn signature(&self) -> Signature {
        use ArgumentKind as Kind;
        Signature {
            name: "trigger_dag",
            summary: "Starts a run of another DAG, and waits for its end if it is told to.",
            arguments: vec![
                Argument::required("trigger_dag_id", Kind::Text, "The DAG."),
                Argument::optional(
                    "trigger_run_id",
                    Kind::Text,
                    "The run's name; without it, one is made from this run's.",
                ),
                Argument::optional("conf", Kind::Map, "Params, and whatever else its tasks may read."),
                Argument::optional(
                    "logical_date",
                    Kind::Text,
                    "The instant that it stands for, such as {{ ts }}.",
                ),
                Argument::optional("note", Kind::Text, "What its page says about it."),
                Argument::optional(
                    "wait_for_completion",
                    Kind::Boolean,
                    "Whether this task ends only when that run has.",
                )
                .with_default(false),
                Argument::optional(
                    "poke_interval",
                    Kind::Duration,
                    "How often the run is looked at, if nothing else tells.",
                )
                .with_default("1m"),
                Argument::optional(
                    "allowed_states",
                    Kind::List,
                    "The ends of that run with which this task succeeds.",
                )
                .with_default(json!(["success"])),
                Argument::optional(
                    "cancel_with_parent",
                    Kind::Boolean,
                    "Whether that run is cancelled when this one is.",
                )
                .with_default(true),
            ],
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let run_id = match context.resumed.as_ref().and_then(|state| state["run_id"].as_str()) {
            Some(run_id) => run_id.to_owned(),
            None => trigger(context, &arguments).await?,
        };
        let dag_id = arguments.trigger_dag_id.as_str();
        let result = json!({ "trigger_dag_id": dag_id, "trigger_run_id": run_id });
        if !arguments.wait_for_completion {
            return Ok(TaskOutput::returning(result));
        }
        let found = context.engine.run(dag_id, &run_id).await?;
        let missing = || TaskError::failed(format!("the run {dag_id}/{run_id} is gone"));
        let state = found.ok_or_else(missing)?.state;
        if !state.is_terminal() {
            return Ok(TaskOutput::waiting(Waiting {
                run: Some((dag_id.to_owned(), run_id.clone())),
                state: json!({ "run_id": run_id }),
                ..Waiting::at_most(
                    arguments.poke_interval()?,
                    format!("it waits for the run {dag_id}/{run_id}"),
                )
            }));
        }
        if arguments.allows(state) {
            context.info(format!("the run {dag_id}/{run_id} has ended: {state}"));
            return Ok(TaskOutput::returning(result));
        }
        Err(TaskError::failed(format!("the run {dag_id}/{run_id} has ended: {state}")).class("run_failed"))
    }
}

impl Arguments {
    fn poke_interval(&self) -> Result<Duration, TaskError> {
        let Some(value) = &self.poke_interval else { return Ok(POKE_INTERVAL) };
        let interval = duration::from_value(value);
        interval.map_err(|reason| TaskError::fatal(format!("poke_interval: {reason}")))
    }

    fn allows(&self, state: RunState) -> bool {
        match &self.allowed_states {
            None => state == RunState::Success,
            Some(allowed) => allowed.iter().any(|label| label == state.as_str()),
        }
    }
}

/// Asks for the run, and gives its name.
async fn trigger(context: &TaskContext, arguments: &Arguments) -> Result<String, TaskError> {
    let dag_id = arguments.trigger_dag_id.clone();
    if !context.engine.has_dag(&dag_id) {
        return Err(TaskError::fatal(format!("there is no DAG \"{dag_id}\""))
            .hint("esteira dags list names those that there are"));
    }
    let run_id = arguments.trigger_run_id.clone().unwrap_or_else(|| made_run_id(context));
    let logical_date =
        match &arguments.logical_date {
            None => None,
            Some(text) => Some(text.parse::<Timestamp>().map_err(|error| {
                TaskError::fatal(format!("logical_date \"{text}\" is no instant: {error}"))
            })?),
        };
    let asked = RunAsked {
        dag_id: dag_id.clone(),
        run_id: run_id.clone(),
        logical_date,
        conf: arguments.conf.clone(),
        note: arguments.note.clone(),
        is_cancelled_with_parent: arguments.cancel_with_parent.unwrap_or(true),
    };
    context.engine.trigger(asked).await?;
    context.info(format!("the run {dag_id}/{run_id} is queued"));
    Ok(run_id)
}

/// A name that is the same for an attempt and for the ones before it that were lost with their engine: so the run is
/// asked for once.
fn made_run_id(context: &TaskContext) -> String {
    let names = format!("{}.{}", context.dag_id, context.task_id);
    let names: String = names.chars().take(NAMES_LENGTH_MAX).collect();
    let place = format!(
        "{}/{}/{}/{}/{}",
        context.dag_id, context.run_id, context.task_id, context.map_index, context.ask_number
    );
    let digest = Sha256::digest(place);
    format!("operator_triggered__{names}__{}", hex::encode(&digest[..6]))
}
