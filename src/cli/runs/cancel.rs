//! `esteira runs cancel`: through the engine that serves the home.

use crate::cli::Failure;
use crate::cli::output::say;
use crate::cli::server::{Server, ServerArguments};
use crate::cli::source::Source;
use crate::config::Settings;
use clap::Args;
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct CancelArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn cancel(settings: &Settings, arguments: &CancelArguments) -> Result<(), Failure> {
    let dag_id = &arguments.dag_id;
    let run = Source::open(settings, &arguments.server).await?.run(dag_id, &arguments.run_id).await?;
    // A server would mark a run that is over.
    if run.state.is_terminal() {
        let failure = Failure::usage(format!("run {dag_id}/{} is over: {}", run.run_id, run.state));
        return Err(failure.hint("there is nothing to cancel"));
    }
    let hint = "the run is at rest until an engine goes on with it: esteira serve, then cancel it";
    let server = Server::find(settings, &arguments.server, hint)?;
    let run_id = run.run_id.as_str();
    server.patch(&["dags", dag_id, "dagRuns", run_id], &json!({ "state": "failed" })).await?;
    say!("run {dag_id}/{run_id} is cancelled; tasks that run are told to end");
    Ok(())
}
