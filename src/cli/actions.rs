//! `esteira actions`: what tasks ask people, and answers to it. Through the engine that serves the home.

use super::Failure;
use super::output::{Table, harmless, print_json, say};
use super::run::{ConfArguments, takes_text};
use super::server::{Server, ServerArguments};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum ActionsCommand {
    /// List what waits for an answer
    List(ListArguments),
    /// Answer what a task asks
    Respond(RespondArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Also what was answered, or is asked no more
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RespondArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name
    #[arg(value_name = "RUN")]
    run_id: String,
    /// The task's name
    #[arg(value_name = "TASK")]
    task_id: String,
    /// What is chosen; more than once where several may be
    #[arg(value_name = "OPTION", required = true)]
    options: Vec<String>,
    /// Which of the task's mapped instances
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    map_index: i32,
    #[command(flatten)]
    params: ConfArguments,
    #[command(flatten)]
    server: ServerArguments,
}

const HINT: &str = "esteira serve starts one; only a served run can be answered";

pub(crate) async fn actions(settings: &Settings, command: ActionsCommand) -> Result<ExitCode, Failure> {
    match command {
        ActionsCommand::List(arguments) => list(settings, &arguments).await?,
        ActionsCommand::Respond(arguments) => respond(settings, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let mut query = vec![("limit", "100".to_owned())];
    if !arguments.all {
        query.push(("state", "awaiting_input".to_owned()));
        query.push(("response_received", "false".to_owned()));
    }
    let answer = server.get_with(&["dags", "~", "dagRuns", "~", "hitlDetails"], &query).await?;
    if arguments.json {
        return print_json(&answer["hitl_details"]);
    }
    let details = answer["hitl_details"].as_array().cloned().unwrap_or_default();
    if details.is_empty() {
        say!("nothing waits for an answer");
        return Ok(());
    }
    let mut table = Table::new(&["ASKED", "DAG", "RUN", "TASK", "OPTIONS", "ANSWER"]);
    table.can_do_without(&[5]);
    for detail in &details {
        let instance = &detail["task_instance"];
        let text = |value: &Value| harmless(value.as_str().unwrap_or_default());
        let list = |value: &Value| {
            let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            harmless(&items.collect::<Vec<_>>().join(", "))
        };
        let task = match instance["map_index"].as_i64() {
            Some(map_index) if map_index >= 0 => format!("{}[{map_index}]", text(&instance["task_id"])),
            _ => text(&instance["task_id"]).to_string(),
        };
        let by = detail["responded_by_user"]["name"].as_str();
        let answer = by.map(|by| format!("{} by {}", list(&detail["chosen_options"]), harmless(by)));
        table.row(vec![
            Cell::new(text(&detail["subject"])),
            Cell::new(text(&instance["dag_id"])),
            Cell::new(text(&instance["dag_run_id"])),
            Cell::new(task),
            Cell::new(list(&detail["options"])),
            Cell::new(answer.unwrap_or_else(|| "-".to_owned())),
        ]);
    }
    table.print()?;
    let total = answer["total_entries"].as_u64().unwrap_or(0);
    if total > details.len() as u64 {
        say!("these are the newest {} of {total}; more come into view as these are answered", details.len());
    }
    Ok(())
}

async fn respond(settings: &Settings, arguments: &RespondArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let map_index = arguments.map_index.to_string();
    let (dag_id, run_id, task_id) = (&arguments.dag_id, &arguments.run_id, &arguments.task_id);
    let path = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, &map_index, "hitlDetails"];
    let detail = server.get(&path).await?;
    let params_input = arguments.params.conf(|name| takes_text(&detail["params"], name))?;
    let body = json!({ "chosen_options": arguments.options, "params_input": params_input });
    server.patch(&path, &body).await?;
    say!(
        "answered \"{}\" with {}",
        detail["subject"].as_str().unwrap_or_default(),
        arguments.options.join(", ")
    );
    Ok(())
}
