//! `esteira backfills`: runs over a range of the past. Through the engine that serves the home.

use super::output::{Table, print, print_json, right, say};
use super::server::{Server, ServerArguments};
use super::{Failure, counted};
use crate::config::Settings;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum BackfillsCommand {
    /// Run a DAG for every date of a range
    Create(CreateArguments),
    /// List backfills, newest first
    List(ListArguments),
    /// Let a backfill start no more runs for the time being
    Pause(ChangeArguments),
    /// Let a paused backfill go on
    Unpause(ChangeArguments),
    /// End a backfill: it starts no more runs, those that are under way go on
    Cancel(ChangeArguments),
}

#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The first logical date
    #[arg(long, value_name = "INSTANT", value_parser = super::times::parse)]
    from: Timestamp,
    /// The last logical date
    #[arg(long, value_name = "INSTANT", value_parser = super::times::parse)]
    to: Timestamp,
    /// Which dates that have a run already are run again
    #[arg(long, value_name = "WHICH", default_value = "none")]
    reprocess: Reprocess,
    /// How many of its runs are under way at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    max_active_runs: u32,
    /// Begin with the last date
    #[arg(long)]
    newest_first: bool,
    /// A JSON object for its runs: params, and whatever else the tasks may read
    #[arg(long, value_name = "JSON", value_parser = object)]
    conf: Option<Map<String, Value>>,
    /// Only say which dates it would run
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Which dates that have a run already are run again.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reprocess {
    /// None of them
    None,
    /// Those whose newest run has failed
    Failed,
    /// Those whose newest run has ended, however
    Completed,
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Only of this DAG
    #[arg(short, long = "dag", value_name = "DAG")]
    dag_id: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ChangeArguments {
    /// The backfill's number
    #[arg(value_name = "NUMBER")]
    id: i64,
    #[command(flatten)]
    server: ServerArguments,
}

const HINT: &str = "esteira serve starts one";

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"))
}

pub(crate) async fn backfills(settings: &Settings, command: BackfillsCommand) -> Result<ExitCode, Failure> {
    match command {
        BackfillsCommand::Create(arguments) => create(settings, arguments).await?,
        BackfillsCommand::List(arguments) => list(settings, &arguments).await?,
        BackfillsCommand::Pause(arguments) => change(settings, &arguments, "pause", "is paused").await?,
        BackfillsCommand::Unpause(arguments) => change(settings, &arguments, "unpause", "goes on").await?,
        BackfillsCommand::Cancel(arguments) => {
            change(settings, &arguments, "cancel", "is cancelled; its runs that are under way go on").await?
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(settings: &Settings, arguments: CreateArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let body = json!({
        "dag_id": arguments.dag_id,
        "from_date": arguments.from,
        "to_date": arguments.to,
        "reprocess_behavior": match arguments.reprocess {
            Reprocess::None => "none",
            Reprocess::Failed => "failed",
            Reprocess::Completed => "completed",
        },
        "max_active_runs": arguments.max_active_runs,
        "run_backwards": arguments.newest_first,
        "dag_run_conf": arguments.conf.unwrap_or_default(),
    });
    if !arguments.dry_run {
        let answer = server.post(&["backfills"], &body).await?;
        if arguments.json {
            return print_json(&answer);
        }
        say!("backfill {} of DAG {} has begun; {HINT_FOLLOW}", answer["id"], arguments.dag_id);
        return Ok(());
    }
    let answer = server.post(&["backfills", "dry_run"], &body).await?;
    if arguments.json {
        return print_json(&answer);
    }
    let runs = answer["backfills"].as_array().map_or(&[][..], Vec::as_slice);
    for run in runs {
        print(run["logical_date"].as_str().unwrap_or_default())?;
    }
    let skipped = answer["skipped"].as_u64().unwrap_or_default();
    say!(
        "would start {}; {} skipped, since they have run",
        counted(runs.len(), "run"),
        counted(skipped as usize, "date")
    );
    Ok(())
}

const HINT_FOLLOW: &str = "esteira backfills list and esteira runs list show how far it is";

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let query = arguments.dag_id.iter().map(|dag_id| ("dag_id", dag_id.clone())).collect::<Vec<_>>();
    let backfills = server.all(&["backfills"], &query, "backfills").await?;
    if arguments.json {
        return print_json(&backfills);
    }
    let mut table = Table::new(&["NUMBER", "DAG", "STATE", "FROM", "TO", "REPROCESS", "AT A TIME"]);
    for backfill in &backfills {
        let text = |key: &str| backfill[key].as_str().unwrap_or_default().to_owned();
        let state = match (backfill["completed_at"].is_null(), backfill["is_paused"] == true) {
            (false, _) => "done",
            (true, true) => "paused",
            (true, false) => "under way",
        };
        table.row(vec![
            right(&backfill["id"]),
            Cell::new(text("dag_id")),
            Cell::new(state),
            Cell::new(text("from_date")),
            Cell::new(text("to_date")),
            Cell::new(text("reprocess_behavior")),
            right(&backfill["max_active_runs"]),
        ]);
    }
    table.print()
}

async fn change(
    settings: &Settings,
    arguments: &ChangeArguments,
    what: &str,
    done: &str,
) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    server.put(&["backfills", &arguments.id.to_string(), what]).await?;
    say!("backfill {} {done}", arguments.id);
    Ok(())
}
