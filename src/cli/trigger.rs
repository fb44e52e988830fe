//! `esteira trigger`: asks the engine that serves the home for a run.

use super::output::{print, print_json, say};
use super::run::ConfArguments;
use super::server::{Server, ServerArguments};
use super::{Failure, history};
use crate::config::Settings;
use clap::Args;
use esteira_core::ids::is_valid_run_id;
use esteira_core::states::RunState;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args, Debug)]
pub(crate) struct TriggerArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    #[command(flatten)]
    conf: ConfArguments,
    /// The run's name [default: made from the time]
    #[arg(long, value_name = "RUN")]
    run_id: Option<String>,
    /// The instant that it stands for [default: none]
    #[arg(long, value_name = "INSTANT", value_parser = super::times::parse)]
    logical_date: Option<jiff::Timestamp>,
    /// Wait for the run's end; exit code 0 success, 1 failed run
    #[arg(long)]
    wait: bool,
    /// Print one JSON document: the run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// How often a run is looked at with --wait: quickly at first, for short runs.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LAST: Duration = Duration::from_secs(1);

pub(crate) async fn trigger(settings: &Settings, arguments: TriggerArguments) -> Result<ExitCode, Failure> {
    let dag_id = arguments.dag_id.as_str();
    let texts = text_params(settings, &arguments).await?;
    let conf = arguments.conf.conf(|key| texts.iter().any(|text| text == key))?;
    if let Some(run_id) = arguments.run_id.as_deref().filter(|run_id| !is_valid_run_id(run_id)) {
        return Err(Failure::usage(format!("\"{run_id}\" cannot name a run"))
            .hint("a name is of letters, digits and _ . ~ : + -, at most 250 of them"));
    }
    let hint = format!("esteira serve starts one; esteira run {dag_id} runs the DAG here and now");
    let server = Server::find(settings, &arguments.server, &hint)?;
    let mut body = json!({ "logical_date": arguments.logical_date, "conf": conf });
    if let Some(run_id) = &arguments.run_id {
        body["dag_run_id"] = json!(run_id);
    }
    let mut run = server.post(&["dags", dag_id, "dagRuns"], &body).await?;
    let run_id = run["dag_run_id"].as_str().unwrap_or_default().to_owned();
    say!("run {dag_id}/{run_id} is queued at {}", server.address());
    if arguments.wait {
        run = wait(&server, dag_id, &run_id).await?;
    }
    if arguments.json {
        print_json(&run)?
    } else {
        print(&run_id)?
    }
    match state(&run) {
        RunState::Failed => Ok(ExitCode::from(1)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The params that take a string, as far as the home knows the DAG; another server's home is not ours to read.
async fn text_params(settings: &Settings, arguments: &TriggerArguments) -> Result<Vec<String>, Failure> {
    if arguments.server.named().is_some() {
        return Ok(Vec::new());
    }
    let Some(reader) = history::open_if_any(settings).await? else { return Ok(Vec::new()) };
    let row = reader.dag(&arguments.dag_id).await.map_err(history::failure)?;
    let definition: Option<Value> = row.and_then(|row| serde_json::from_str(&row.definition).ok());
    let params =
        definition.and_then(|definition| definition["params"].as_object().cloned()).unwrap_or_default();
    Ok(params.into_iter().filter(|(_, param)| param["kind"] == "string").map(|(name, _)| name).collect())
}

fn state(run: &Value) -> RunState {
    run["state"].as_str().and_then(RunState::from_label).unwrap_or(RunState::Queued)
}

async fn wait(server: &Server, dag_id: &str, run_id: &str) -> Result<Value, Failure> {
    let mut pause = LOOK_FIRST;
    loop {
        let run = server.get(&["dags", dag_id, "dagRuns", run_id]).await?;
        let state = state(&run);
        if state.is_terminal() {
            let verdict = if state == RunState::Success { "succeeded" } else { "failed" };
            say!("run {dag_id}/{run_id} {verdict}");
            if state == RunState::Failed {
                say!("hint: esteira runs show {dag_id} {run_id} says why");
            }
            return Ok(run);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
    }
}
