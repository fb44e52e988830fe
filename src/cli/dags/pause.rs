//! `esteira dags pause` and `unpause`: through the engine that serves the home.

use crate::cli::Failure;
use crate::cli::output::say;
use crate::cli::server::{Server, ServerArguments};
use crate::config::Settings;
use clap::Args;
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct PauseArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn set_paused(
    settings: &Settings,
    arguments: &PauseArguments,
    is_paused: bool,
) -> Result<(), Failure> {
    let hint = "esteira serve starts one";
    let server = Server::find(settings, &arguments.server, hint)?;
    server.patch(&["dags", &arguments.dag_id], &json!({ "is_paused": is_paused })).await?;
    match is_paused {
        true => {
            say!("DAG {} is paused: its schedule starts no runs; it can still be triggered", arguments.dag_id)
        }
        false => say!("DAG {} is not paused: its schedule starts runs", arguments.dag_id),
    }
    Ok(())
}
