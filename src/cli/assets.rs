//! `esteira assets`: what tasks bring up to date and DAGs are run for. Through the engine that serves the home.

use super::Failure;
use super::output::{Table, print_json, say};
use super::server::{Server, ServerArguments};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum AssetsCommand {
    /// List the assets, the tasks that bring them up to date, and the DAGs that are run for them
    List(ListArguments),
    /// List the newest updates
    Events(EventsArguments),
    /// Say that an asset was updated; the DAGs that are run for it hear of it
    Update(UpdateArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct EventsArguments {
    /// Only of this asset
    #[arg(value_name = "ASSET")]
    uri: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateArguments {
    /// The asset's name
    #[arg(value_name = "ASSET")]
    uri: String,
    /// A JSON object about the update, for the tasks of the runs that it starts
    #[arg(long, value_name = "JSON", value_parser = object)]
    extra: Option<Map<String, Value>>,
    #[command(flatten)]
    server: ServerArguments,
}

const HINT: &str = "esteira serve starts one";

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"))
}

pub(crate) async fn assets(settings: &Settings, command: AssetsCommand) -> Result<ExitCode, Failure> {
    match command {
        AssetsCommand::List(arguments) => list(settings, &arguments).await?,
        AssetsCommand::Events(arguments) => events(settings, &arguments).await?,
        AssetsCommand::Update(arguments) => {
            let server = Server::find(settings, &arguments.server, HINT)?;
            let extra = arguments.extra.unwrap_or_default();
            server.post(&["assets", "events"], &json!({ "uri": arguments.uri, "extra": extra })).await?;
            say!("{} is updated", arguments.uri);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let assets = Server::find(settings, &arguments.server, HINT)?.all(&["assets"], &[], "assets").await?;
    if arguments.json {
        return print_json(&assets);
    }
    let mut table = Table::new(&["ASSET", "BROUGHT UP TO DATE BY", "RUN FOR IT"]);
    for asset in &assets {
        let producing = names(&asset["producing_tasks"], |task| {
            format!("{}/{}", task["dag_id"].as_str().unwrap_or("?"), task["task_id"].as_str().unwrap_or("?"))
        });
        let scheduled =
            names(&asset["scheduled_dags"], |dag| dag["dag_id"].as_str().unwrap_or("?").to_owned());
        table.row(vec![
            Cell::new(asset["uri"].as_str().unwrap_or_default()),
            Cell::new(producing),
            Cell::new(scheduled),
        ]);
    }
    table.print()
}

fn names(list: &Value, name: impl Fn(&Value) -> String) -> String {
    let names: Vec<String> = list.as_array().into_iter().flatten().map(name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

async fn events(settings: &Settings, arguments: &EventsArguments) -> Result<(), Failure> {
    let query: Vec<_> = arguments.uri.iter().map(|uri| ("uri", uri.clone())).collect();
    let server = Server::find(settings, &arguments.server, HINT)?;
    let answer = server.get_with(&["assets", "events"], &query).await?;
    if arguments.json {
        return print_json(&answer["asset_events"]);
    }
    let mut table = Table::new(&["WHEN", "ASSET", "BY"]);
    for event in answer["asset_events"].as_array().into_iter().flatten() {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let by = match event["source_dag_id"].is_null() {
            true => "from outside".to_owned(),
            false => {
                format!("{}/{}/{}", text("source_dag_id"), text("source_run_id"), text("source_task_id"))
            }
        };
        table.row(vec![Cell::new(text("timestamp")), Cell::new(text("uri")), Cell::new(by)]);
    }
    table.print()
}
