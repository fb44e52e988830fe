//! `esteira xcom`: what tasks passed on.

use super::output::{Table, print_json, right, say};
use super::server::ServerArguments;
use super::source::Source;
use super::{Failure, grouped, suggestion, times};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_store::RunRow;
use jiff::Timestamp;
use serde_json::json;
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum XcomCommand {
    /// Print a value as JSON
    Get(GetArguments),
    /// List what the tasks of a run passed on, without the values
    List(ListArguments),
}

#[derive(Args, Debug)]
pub(crate) struct GetArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    /// The task's name
    #[arg(value_name = "TASK")]
    task_id: String,
    /// Which value
    #[arg(long, short, value_name = "KEY", default_value = RESULT)]
    key: String,
    /// Which instance of a mapped task
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    map_index: i32,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    /// Only of this task
    #[arg(value_name = "TASK")]
    task_id: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// The key of a task's result.
const RESULT: &str = "return_value";

pub(crate) async fn xcom(settings: &Settings, command: XcomCommand) -> Result<ExitCode, Failure> {
    match command {
        XcomCommand::Get(arguments) => {
            get(&Source::open(settings, &arguments.server).await?, &arguments).await?;
        }
        XcomCommand::List(arguments) => {
            list(&Source::open(settings, &arguments.server).await?, &arguments).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn get(source: &Source, arguments: &GetArguments) -> Result<(), Failure> {
    let GetArguments { dag_id, run_id, task_id, key, map_index, .. } = arguments;
    let run = source.run(dag_id, run_id).await?;
    let instance = source.instance(&run, task_id, *map_index).await?;
    match source.xcom_value(&run, task_id, *map_index, key).await? {
        Some(value) => print_json(&value),
        None => {
            let state = instance.state.map_or("waiting", |state| state.as_str());
            let message = format!("task \"{task_id}\" of run {dag_id}/{} has no value \"{key}\"", run.run_id);
            Err(Failure::usage(message).some_hint(missing_hint(source, &run, arguments, state).await?))
        }
    }
}

async fn missing_hint(
    source: &Source,
    run: &RunRow,
    arguments: &GetArguments,
    state: &str,
) -> Result<Option<String>, Failure> {
    let rows = source.xcoms(run, Some(&arguments.task_id)).await?;
    let keys: Vec<&str> =
        rows.iter().filter(|row| row.map_index == arguments.map_index).map(|row| row.key.as_str()).collect();
    Ok(match keys.is_empty() {
        true => Some(format!("it passed nothing on; its state is {state}")),
        false => suggestion(&arguments.key, keys.into_iter()),
    })
}

async fn list(source: &Source, arguments: &ListArguments) -> Result<(), Failure> {
    let run = source.run(&arguments.dag_id, &arguments.run_id).await?;
    let rows = source.xcoms(&run, arguments.task_id.as_deref()).await?;
    if let Some(task_id) = arguments.task_id.as_deref().filter(|_| rows.is_empty()) {
        let instances = source.instances(&run).await?;
        if !instances.iter().any(|instance| instance.task_id.as_str() == task_id) {
            source.instance(&run, task_id, -1).await?;
        }
    }
    if arguments.json {
        return print_json(&json!({ "dag_id": run.dag_id, "run_id": run.run_id, "xcoms": rows }));
    }
    if rows.is_empty() {
        say!("nothing was passed on");
        return Ok(());
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["TASK", "KEY", "BYTES", "AT"]);
    table.can_do_without(&[3]);
    for row in rows {
        let task = match row.map_index {
            -1 => row.task_id.to_string(),
            index => format!("{}[{index}]", row.task_id),
        };
        let at = times::both(row.at, now);
        table.row(vec![Cell::new(task), Cell::new(row.key), right(grouped(row.size)), Cell::new(at)]);
    }
    table.print()
}
