//! `esteira run`: one DAG in the foreground.

use super::follow::{follow, verdict};
use super::output::{offer, say};
use super::serve::told_to_stop;
use super::{Failure, person, suggestion};
use crate::config::Settings;
use crate::wiring::{Parts, engine_failure, start_engine};
use clap::Args;
use esteira_core::dag::ParamKind;
use esteira_core::states::{RunState, TriggeredBy};
use esteira_runtime::{Actor, CommandError, Engine, LoadedDag, TriggerRequest};
use esteira_store::RunRow;
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    #[command(flatten)]
    conf: ConfArguments,
}

/// What a run is triggered with.
#[derive(Args, Debug, Default)]
pub(crate) struct ConfArguments {
    /// A param; its value is read as JSON where it is JSON and the param is no string, as text otherwise
    #[arg(long = "param", short = 'p', value_name = "KEY=VALUE")]
    params: Vec<String>,
    /// The whole conf as a JSON object; --param goes over it
    #[arg(long, value_name = "JSON")]
    conf: Option<String>,
}

impl ConfArguments {
    /// Whether there are values whose meaning depends on the param.
    pub(crate) fn has_params(&self) -> bool {
        !self.params.is_empty()
    }

    /// The conf that the flags make. The value of a param that takes a string is one, even if it reads as JSON: so
    /// much `takes_text` must know.
    pub(crate) fn conf(&self, takes_text: impl Fn(&str) -> bool) -> Result<Map<String, Value>, Failure> {
        let mut conf = match &self.conf {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(conf)) => conf,
                Ok(_) => {
                    return Err(
                        Failure::usage("--conf is no JSON object").hint("for example --conf '{\"day\": 3}'")
                    );
                }
                Err(error) => return Err(Failure::usage(format!("--conf is no JSON: {error}"))),
            },
        };
        for param in &self.params {
            let Some((key, value)) = param.split_once('=') else {
                return Err(
                    Failure::usage(format!("--param \"{param}\" has no =")).hint("write --param key=value")
                );
            };
            let value = match serde_json::from_str(value) {
                Ok(value) if !takes_text(key) => value,
                _ => Value::String(value.to_owned()),
            };
            conf.insert(key.to_owned(), value);
        }
        Ok(conf)
    }
}

/// Whether a param takes a string, by its schema in a server's answer; null may be allowed beside it.
pub(crate) fn takes_text(params: &Value, name: &str) -> bool {
    match &params[name]["schema"]["type"] {
        Value::Array(types) => {
            types.contains(&"string".into()) && types.len() == 1 + usize::from(types.contains(&"null".into()))
        }
        kind => kind == "string",
    }
}

pub(crate) async fn run(settings: &Settings, arguments: RunArguments) -> Result<ExitCode, Failure> {
    // What can be refused is refused before an engine starts.
    arguments.conf.conf(|_| false)?;
    let parts = Parts::new(settings);
    let engine = start_engine(settings, &parts, settings.dags.clone(), false).await?;
    let result = run_to_end(&engine, &arguments.dag_id, &arguments.conf).await;
    engine.stop().await.map_err(engine_failure)?;
    let run = result?;
    say!("run {} {} in {}", run.run_id, verdict(&run), duration(&run));
    offer(&run.run_id);
    if run.state != RunState::Success {
        say!("hint: esteira runs show {} {} says more", run.dag_id, run.run_id);
    }
    Ok(if run.state == RunState::Success { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Triggers a DAG and follows it to the end; a Ctrl-C, or a polite end from the system, cancels the run.
pub(crate) async fn run_to_end(
    engine: &Engine,
    dag_id: &str,
    conf: &ConfArguments,
) -> Result<RunRow, Failure> {
    let handle = engine.handle();
    let Some(loaded) = handle.dag(dag_id) else { return Err(unknown_dag(engine, dag_id).await) };
    let notices = handle.subscribe();
    let actor = Actor::new(person(), TriggeredBy::Cli);
    let mut request = TriggerRequest::manual(dag_id, actor.clone());
    let takes_text =
        |key: &str| loaded.dag.params.get(key).is_some_and(|param| param.kind == ParamKind::String);
    request.conf = conf.conf(takes_text)?;
    let run = handle.trigger(request).await.map_err(|error| refusal(&error, &loaded))?;
    let followed = follow(handle, notices, &run, &loaded.dag);
    tokio::pin!(followed);
    tokio::select! {
        ended = &mut followed => return ended,
        () = told_to_stop() => say!("cancelling the run; its tasks are told to end"),
    }
    // The run may just have ended by itself: then there is nothing to cancel.
    let _ = handle.cancel(run.dag_id.clone(), run.run_id.clone(), actor).await;
    followed.await
}

fn refusal(error: &CommandError, loaded: &Arc<LoadedDag>) -> Failure {
    let failure = Failure::usage(error.to_string());
    let params: Vec<&str> = loaded.dag.params.keys().map(String::as_str).collect();
    match error {
        CommandError::Invalid(_) if !params.is_empty() => {
            failure.hint(format!("its params are {}", params.join(", ")))
        }
        _ => failure,
    }
}

/// Why a DAG cannot be run: its file has faults, or there is none.
async fn unknown_dag(engine: &Engine, dag_id: &str) -> Failure {
    let broken = engine.handle().reader().import_errors().await.unwrap_or_default();
    let dags: Vec<String> =
        engine.handle().dags().iter().map(|loaded| loaded.dag.dag_id.to_string()).collect();
    let failure = Failure::usage(format!("there is no DAG \"{dag_id}\""));
    if !broken.is_empty() {
        let files: Vec<&str> = broken.iter().map(|row| row.file.as_str()).collect();
        return failure.hint(format!("some files have faults: esteira validate {}", files.join(" ")));
    }
    match dags.is_empty() {
        true => failure.hint("the DAG folder holds no DAG; name another with --dags DIR"),
        false => failure.some_hint(suggestion(dag_id, dags.iter().map(String::as_str))),
    }
}

/// How long a run took, for people.
pub(crate) fn duration(run: &RunRow) -> String {
    match (run.started_at, run.ended_at) {
        (Some(start), Some(end)) => format!("{:.2} s", end.duration_since(start).as_secs_f64()),
        _ => "unknown time".to_owned(),
    }
}
