//! `esteira trigger`: asks the engine that serves the home, or another server, for a run.

use super::Failure;
use super::output::{print, print_json, say};
use super::run::{ConfArguments, takes_text};
use super::server::{Server, ServerArguments};
use crate::config::Settings;
use clap::Args;
use esteira_core::ids::is_valid_run_id;
use esteira_core::states::RunState;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

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

pub(crate) async fn trigger(settings: &Settings, arguments: TriggerArguments) -> Result<ExitCode, Failure> {
    let dag_id = arguments.dag_id.as_str();
    // What is wrongly written is told before a server is looked for.
    arguments.conf.conf(|_| false)?;
    if let Some(run_id) = arguments.run_id.as_deref().filter(|run_id| !is_valid_run_id(run_id)) {
        return Err(Failure::usage(format!("\"{run_id}\" cannot name a run"))
            .hint("a name is of letters, digits and _ . ~ : + -, at most 250 of them"));
    }
    let hint = format!("esteira serve starts one; esteira run {dag_id} runs the DAG here and now");
    let server = Server::find(settings, &arguments.server, &hint)?;
    let conf = conf(&server, &arguments).await?;
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

/// The conf that the flags make, for the params that the server's DAG has.
async fn conf(server: &Server, arguments: &TriggerArguments) -> Result<Map<String, Value>, Failure> {
    let details = match arguments.conf.has_params() {
        true => server.look_up(&["dags", &arguments.dag_id, "details"], &[]).await?,
        false => None,
    };
    let params = details.map(|mut details| details["params"].take()).unwrap_or_default();
    arguments.conf.conf(|name| takes_text(&params, name))
}

fn state(run: &Value) -> RunState {
    run["state"].as_str().and_then(RunState::from_label).unwrap_or(RunState::Queued)
}

async fn wait(server: &Server, dag_id: &str, run_id: &str) -> Result<Value, Failure> {
    let run = server.ended_run(dag_id, run_id).await?;
    let is_good = state(&run) == RunState::Success;
    say!("run {dag_id}/{run_id} {}", if is_good { "succeeded" } else { "failed" });
    if !is_good {
        say!("hint: esteira runs show {dag_id} {run_id} says why");
    }
    Ok(run)
}
