//! `esteira tasks`: what a task's arguments would be, without running it.

use super::dags::KnownDag;
use super::output::{Ink, paint, print, print_json, say};
use super::run::ConfArguments;
use super::secrets::{NO_SECRETS, opened};
use super::server::ServerArguments;
use super::source::Source;
use super::{Failure, history, suggestion, times};
use crate::config::Settings;
use clap::{Args, Subcommand};
use esteira_core::dag::{Dag, ParamKind, TaskIndex};
use esteira_core::schedule::When;
use esteira_operator::Masker;
use esteira_runtime::{Rehearsal, RehearsedArgument, RehearsedRun};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Subcommand, Debug)]
pub(crate) enum TasksCommand {
    /// Render the templates of a task and print its arguments; nothing is run
    #[command(
        after_help = "The exit code is 0 when every argument could be rendered, and 1 otherwise. Secrets are masked."
    )]
    Render(RenderArguments),
}

#[derive(Args, Debug)]
pub(crate) struct RenderArguments {
    /// The DAG's name; its file is taken as it is now
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The task's name
    #[arg(value_name = "TASK")]
    task_id: String,
    /// The run whose results templates pull, or latest [default: none; the run is imagined]
    #[arg(long, value_name = "RUN", conflicts_with_all = ["logical_date", "params", "conf"])]
    run: Option<String>,
    /// The instant that the imagined run stands for [default: now, if the DAG has a schedule; else none]
    #[arg(long, value_name = "INSTANT", value_parser = times::parse)]
    logical_date: Option<Timestamp>,
    #[command(flatten)]
    conf: ConfArguments,
    /// Which instance of a mapped task
    #[arg(long, value_name = "N", default_value_t = 0)]
    map_index: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn tasks(settings: &Settings, command: TasksCommand) -> Result<ExitCode, Failure> {
    match command {
        TasksCommand::Render(arguments) => render(settings, &arguments).await,
    }
}

async fn render(settings: &Settings, arguments: &RenderArguments) -> Result<ExitCode, Failure> {
    let why = format!("templates read variables and connections, and {NO_SECRETS}");
    arguments.server.refuse("tasks render", &why)?;
    let (known, _) = KnownDag::find(settings, &arguments.server, &arguments.dag_id).await?;
    let dag = &known.dag;
    let task = find_task(dag, &arguments.task_id)?;
    let run = match &arguments.run {
        Some(run_id) => {
            let reader = history::open(settings).await?;
            let row = Source::home(settings, reader.clone()).run(&arguments.dag_id, run_id).await?;
            RehearsedRun::Kept(reader, Box::new(row))
        }
        None => {
            let takes_text =
                |key: &str| dag.params.get(key).is_some_and(|param| param.kind == ParamKind::String);
            let conf = arguments.conf.conf(takes_text)?;
            let has_schedule = dag.schedule.when != When::Never;
            let logical_date = arguments.logical_date.or_else(|| has_schedule.then(Timestamp::now));
            RehearsedRun::Imagined { logical_date, conf }
        }
    };
    let vault = Arc::new(opened(settings).await?);
    let rehearsal = Rehearsal { dag: Arc::new(dag.clone()), task, map_index: arguments.map_index, run };
    let runtime = tokio::runtime::Handle::current();
    let shared = Arc::clone(&vault);
    // Templates wait for the database as they go.
    let rendered = tokio::task::spawn_blocking(move || rehearsal.render(&shared, &runtime))
        .await
        .map_err(|panic| Failure::failed(format!("rendering stopped: {panic}")))?
        .map_err(|reason| {
            Failure::usage(vault.masker().mask(&reason)).some_hint(hint_for(&reason, arguments))
        })?;
    let is_whole = rendered.iter().all(|argument| argument.value.is_ok());
    if arguments.json {
        print_json(&document(arguments, rendered, vault.masker()))?;
    } else {
        print_text(&rendered, vault.masker())?;
        if let Some(hint) = rendered.iter().find_map(|one| hint_for(one.value.as_ref().err()?, arguments)) {
            say!("hint: {hint}");
        }
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find_task(dag: &Dag, task_id: &str) -> Result<TaskIndex, Failure> {
    dag.index_of(task_id).ok_or_else(|| {
        let names = dag.tasks.iter().map(|task| task.task_id.as_str());
        Failure::usage(format!("DAG \"{}\" has no task \"{task_id}\"", dag.dag_id))
            .some_hint(suggestion(task_id, names))
    })
}

fn hint_for(reason: &str, arguments: &RenderArguments) -> Option<String> {
    let needs_run = arguments.run.is_none() && reason.contains("there is no run");
    needs_run.then(|| "--run latest takes the results of the newest run".to_owned())
}

fn document(arguments: &RenderArguments, rendered: Vec<RehearsedArgument>, masker: &Masker) -> Value {
    let (mut values, mut errors) = (Map::new(), Map::new());
    for argument in rendered {
        match argument.value {
            Ok(value) => values.insert(argument.name, masker.mask_json(value)),
            Err(reason) => errors.insert(argument.name, masker.mask(&reason).into()),
        };
    }
    json!({
        "dag_id": arguments.dag_id,
        "task_id": arguments.task_id,
        "run_id": arguments.run,
        "arguments": values,
        "errors": errors,
    })
}

fn print_text(rendered: &[RehearsedArgument], masker: &Masker) -> Result<(), Failure> {
    if rendered.is_empty() {
        return print("the task has no arguments");
    }
    for argument in rendered {
        let name = paint(Ink::Strong, &argument.name);
        match &argument.value {
            Err(reason) => {
                print(format_args!("{name}: {} {}", paint(Ink::Bad, "error:"), masker.mask(reason)))?
            }
            Ok(value) => print(format_args!("{name}: {}", shown(masker.mask_json(value.clone()))))?,
        }
    }
    Ok(())
}

/// Text of one line as it is; of several, indented below; other values as JSON.
fn shown(value: Value) -> String {
    let text = match value {
        Value::String(text) => text,
        Value::Array(_) | Value::Object(_) => format!("{value:#}"),
        value => return value.to_string(),
    };
    if !text.trim_end().contains('\n') {
        return text;
    }
    let lines: Vec<String> = text.trim_end().lines().map(|line| format!("  {line}")).collect();
    format!("\n{}", lines.join("\n"))
}
