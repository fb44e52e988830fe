//! `esteira runs clear` and `esteira runs mark`: task instances run again, or get a state. Through the engine that serves
//! the home.

use crate::cli::output::{Mark, Table, print, print_json, say};
use crate::cli::server::{Server, ServerArguments};
use crate::cli::{Failure, counted};
use crate::config::Settings;
use clap::{Args, ValueEnum};
use comfy_table::Cell;
use esteira_core::states::TaskInstanceState;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Args, Debug)]
pub(crate) struct ClearArguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Only those that failed, or did not run because of a failure
    #[arg(long)]
    only_failed: bool,
    /// Only those that are running; with --only-failed, those too
    #[arg(long)]
    only_running: bool,
    /// On the newest version of the DAG, and not on the one that the run has
    #[arg(long)]
    latest_version: bool,
    /// Only say what would be cleared
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct MarkArguments {
    #[command(flatten)]
    chosen: Chosen,
    /// The state that they get
    #[arg(long = "as", value_name = "STATE")]
    state: State,
    /// Only say what would be marked
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Which task instances.
#[derive(Args, Debug)]
struct Chosen {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    /// The tasks; without any, the whole run
    #[arg(value_name = "TASK")]
    task_ids: Vec<String>,
    /// Of one task, only the mapped instance with this number
    #[arg(long, value_name = "N")]
    map_index: Option<u32>,
    /// Also the tasks before them
    #[arg(long)]
    upstream: bool,
    /// Also the tasks after them
    #[arg(long)]
    downstream: bool,
    /// The same in all runs with an earlier logical date
    #[arg(long)]
    past: bool,
    /// The same in all runs with a later logical date
    #[arg(long)]
    future: bool,
}

impl Chosen {
    fn query(&self) -> Vec<(&'static str, String)> {
        self.map_index.iter().map(|map_index| ("map_index", map_index.to_string())).collect()
    }

    /// As the API wants them: nothing for all tasks.
    fn task_ids(&self) -> Value {
        match (self.task_ids.as_slice(), self.map_index) {
            ([], _) => Value::Null,
            ([only], Some(map_index)) => json!([[only, map_index]]),
            (names, _) => json!(names),
        }
    }
}

/// The states that a person can give.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// As if it had succeeded; what failed after it for its sake runs
    Success,
    /// As if it had failed
    Failed,
    /// As if there had been nothing to do; only for tasks
    Skipped,
}

pub(crate) async fn clear(settings: &Settings, arguments: &ClearArguments) -> Result<(), Failure> {
    let chosen = &arguments.chosen;
    let server =
        Server::find(settings, &arguments.server, "esteira serve starts one, and goes on with the run")?;
    let run_id = server.run_id(&chosen.dag_id, &chosen.run_id).await?;
    let body = json!({
        "dag_run_id": run_id,
        "task_ids": chosen.task_ids(),
        "dry_run": arguments.dry_run,
        "only_failed": arguments.only_failed,
        "only_running": arguments.only_running,
        "include_upstream": chosen.upstream,
        "include_downstream": chosen.downstream,
        "include_past": chosen.past,
        "include_future": chosen.future,
        "run_on_latest_version": arguments.latest_version,
    });
    let answer = server.post(&["dags", &chosen.dag_id, "clearTaskInstances"], &body).await?;
    if arguments.json {
        return print_json(&answer);
    }
    let (count, runs) = table(&answer)?;
    let instances = counted(count, "task instance");
    match (count, runs, arguments.dry_run) {
        (0, ..) => say!("there is nothing to clear in run {}/{run_id}", chosen.dag_id),
        (_, 2.., true) => say!("would clear {instances} in {}", counted(runs, "run")),
        (_, 2.., false) => say!("{instances} cleared: {} of {} go on", counted(runs, "run"), chosen.dag_id),
        (_, _, true) => say!("would clear {instances}"),
        (_, _, false) => say!("{instances} cleared: run {}/{run_id} goes on", chosen.dag_id),
    }
    Ok(())
}

pub(crate) async fn mark(settings: &Settings, arguments: &MarkArguments) -> Result<(), Failure> {
    let chosen = &arguments.chosen;
    let server =
        Server::find(settings, &arguments.server, "esteira serve starts one, and goes on with the run")?;
    let run_id = server.run_id(&chosen.dag_id, &chosen.run_id).await?;
    let state = match arguments.state {
        State::Success => "success",
        State::Failed => "failed",
        State::Skipped => "skipped",
    };
    if chosen.task_ids.is_empty() {
        return mark_run(&server, chosen, &run_id, arguments, state).await;
    }
    let body = json!({
        "new_state": state,
        "include_upstream": chosen.upstream,
        "include_downstream": chosen.downstream,
        "include_past": chosen.past,
        "include_future": chosen.future,
    });
    for task_id in &chosen.task_ids {
        let mut path = vec!["dags", &chosen.dag_id, "dagRuns", &run_id, "taskInstances", task_id];
        if arguments.dry_run {
            path.push("dry_run");
        }
        let answer = server.patch_with(&path, &chosen.query(), &body).await?;
        let (count, _) = table(&answer)?;
        let verb = if arguments.dry_run { "would be marked" } else { "marked" };
        say!("{} {verb} as {state}", counted(count, "task instance"));
    }
    Ok(())
}

async fn mark_run(
    server: &Server,
    chosen: &Chosen,
    run_id: &str,
    arguments: &MarkArguments,
    state: &str,
) -> Result<(), Failure> {
    if matches!(arguments.state, State::Skipped) {
        return Err(Failure::usage("a run can be marked as success or failed, and not as skipped")
            .hint("name tasks to mark those as skipped"));
    }
    if chosen.past || chosen.future {
        return Err(Failure::usage("--past and --future are for tasks: a run is marked by itself"));
    }
    let name = format!("{}/{run_id}", chosen.dag_id);
    if arguments.dry_run {
        return print(format!("run {name} would be marked as {state}; its task instances stay as they are"));
    }
    server.patch(&["dags", &chosen.dag_id, "dagRuns", run_id], &json!({ "state": state })).await?;
    say!("run {name} is marked as {state}; its task instances stay as they are");
    Ok(())
}

/// Shows the task instances of an answer as they were, and says how many they are, in how many runs.
fn table(answer: &Value) -> Result<(usize, usize), Failure> {
    let instances = answer["task_instances"].as_array().map_or(&[][..], Vec::as_slice);
    let run_of = |instance: &Value| instance["dag_run_id"].as_str().unwrap_or_default().to_owned();
    let runs = instances.iter().map(run_of).collect::<BTreeSet<_>>().len();
    if instances.is_empty() {
        return Ok((0, 0));
    }
    let columns: &[&str] =
        if runs > 1 { &["RUN", "TASK", "STATE BEFORE"] } else { &["TASK", "STATE BEFORE"] };
    let mut table = Table::new(columns);
    for instance in instances {
        let task_id = instance["task_id"].as_str().unwrap_or_default();
        let name = match instance["map_index"].as_i64() {
            Some(map_index) if map_index >= 0 => format!("{task_id}[{map_index}]"),
            _ => task_id.to_owned(),
        };
        let state = instance["state"].as_str().and_then(TaskInstanceState::from_label);
        let run = (runs > 1).then(|| Cell::new(run_of(instance)));
        table.row(run.into_iter().chain([Cell::new(name), Mark::of_instance(state).cell()]).collect());
    }
    table.print()?;
    Ok((instances.len(), runs))
}
