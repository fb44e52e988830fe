//! `esteira audit`: who did what, and whether the history is as it was written.

use super::output::{Ink, Table, paint, print, print_json, right, say};
use super::server::ServerArguments;
use super::source::Source;
use super::{Failure, counted, grouped, history, times};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_runtime::audit::{self, Verification};
use esteira_store::{EventFilter, EventRow};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// List events, newest first
    List(ListArguments),
    /// Check that no event was altered, and that every run is what its events say; exit code 1 names the first row
    /// that does not fit
    Verify(VerifyArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Only about this DAG
    #[arg(long, short, value_name = "DAG")]
    dag: Option<String>,
    /// Only about this run of the DAG; `latest` is the newest
    #[arg(long, short, value_name = "RUN", requires = "dag")]
    run: Option<String>,
    /// Only about this task
    #[arg(long, short, value_name = "TASK")]
    task: Option<String>,
    /// Only events whose name begins so: task. or run.created
    #[arg(long, short, value_name = "NAME")]
    event: Option<String>,
    /// Only caused by this person or part
    #[arg(long, short, value_name = "NAME")]
    actor: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn audit(settings: &Settings, command: AuditCommand) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::List(arguments) => {
            list(&Source::open(settings, &arguments.server).await?, arguments).await
        }
        AuditCommand::Verify(arguments) => {
            verify(settings, &Source::open(settings, &arguments.server).await?, arguments.json).await
        }
    }
}

async fn list(source: &Source, arguments: ListArguments) -> Result<ExitCode, Failure> {
    let run = match (&arguments.dag, &arguments.run) {
        (Some(dag_id), Some(run_id)) => Some(source.run(dag_id, run_id).await?),
        (Some(dag_id), None) => {
            source.check_dag(dag_id).await?;
            None
        }
        _ => None,
    };
    let filter = EventFilter {
        dag_id: arguments.dag,
        task_id: arguments.task,
        name: arguments.event,
        actor: arguments.actor,
        ..EventFilter::default()
    };
    let page = source.events(filter, run.as_ref(), arguments.limit).await?;
    if arguments.json {
        let events: Vec<Value> = page.rows.iter().map(document).collect();
        print_json(&json!({ "events": events, "has_more": page.has_more }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.rows.is_empty() {
        say!("no such events");
        return Ok(ExitCode::SUCCESS);
    }
    table(&page.rows, run.is_some()).print()?;
    if page.has_more {
        say!("there are older ones; --limit N shows more of them");
    }
    Ok(ExitCode::SUCCESS)
}

/// An event for programs: what its hash covers, the hash, and the body as JSON.
fn document(event: &EventRow) -> Value {
    json!({
        "seq": event.seq,
        "at": event.at,
        "event": event.name,
        "dag_id": event.dag_id,
        "run_id": event.run_id,
        "task_id": event.task_id,
        "map_index": event.map_index,
        "try_number": event.try_number,
        "actor": event.actor,
        "via": event.via,
        "body": serde_json::from_str(&event.body).unwrap_or(Value::Null),
        "hash": event.hash,
    })
}

/// Within one run, its name is not said again in every row.
fn table(events: &[EventRow], is_of_one_run: bool) -> Table {
    let mut table = Table::new(&["NO.", "AT", "EVENT", "ABOUT", "BY"]);
    for event in events {
        let said = if is_of_one_run { 2 } else { 0 };
        let parts = [&event.dag_id, &event.run_id, &event.task_id];
        let about: Vec<&str> =
            parts.into_iter().skip(said).map(String::as_str).filter(|part| !part.is_empty()).collect();
        let attempt =
            if event.try_number > 1 { format!(" attempt {}", event.try_number) } else { String::new() };
        let by = if event.actor == event.via {
            event.actor.clone()
        } else {
            format!("{} ({})", event.actor, event.via)
        };
        table.row(vec![
            right(event.seq),
            Cell::new(times::exact(event.at)),
            Cell::new(&event.name),
            Cell::new(format!("{}{attempt}", about.join("/"))),
            Cell::new(by),
        ]);
    }
    table
}

/// Checks the history of the home itself, or has a server check its own.
async fn verify(settings: &Settings, source: &Source, is_json: bool) -> Result<ExitCode, Failure> {
    let verification = match source {
        Source::Home { reader, .. } => {
            let registry = Parts::new(settings).registry;
            audit::verify(reader, registry.as_ref()).await.map_err(history::failure)?
        }
        Source::Server(server) => {
            let found = server.verify_audit().await?;
            serde_json::from_value(found).map_err(|error| {
                Failure::failed(format!("{} answers no check of the history: {error}", server.address()))
            })?
        }
    };
    if is_json {
        print_json(&verification)?
    } else {
        print_verification(&verification)?
    }
    Ok(if verification.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print_verification(verification: &Verification) -> Result<(), Failure> {
    match &verification.problem {
        None => print(format_args!(
            "{}: {} events in an unbroken chain, {} replayed to what their rows say",
            paint(Ink::Good, "the history fits"),
            grouped(verification.events),
            counted(usize::try_from(verification.runs).unwrap_or(usize::MAX), "run")
        )),
        Some(problem) => {
            print(format_args!("{}: {}: {}", paint(Ink::Bad, "does not fit"), problem.row, problem.message))?;
            say!("hint: somebody or something changed the database by another way than the engine's");
            Ok(())
        }
    }
}
