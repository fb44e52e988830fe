//! `esteira runs`: what has run, what runs, and an end to it.

mod cancel;
mod list;
mod rerun;
mod show;

use super::output::{Mark, Table, right};
use super::{Failure, times};
use crate::config::Settings;
use clap::Subcommand;
use comfy_table::Cell;
use esteira_store::RunRow;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum RunsCommand {
    /// List runs, newest first
    List(list::ListArguments),
    /// Show a run: its tasks with states, attempts, durations and errors
    Show(show::ShowArguments),
    /// Cancel a run: what has not begun is skipped, what runs is told to end
    Cancel(cancel::CancelArguments),
    /// Run task instances again: as if they had never run, but for their attempts, which are kept
    Clear(rerun::ClearArguments),
    /// Give task instances, or a run that is over, another state
    Mark(rerun::MarkArguments),
}

pub(crate) async fn runs(settings: &Settings, command: RunsCommand) -> Result<ExitCode, Failure> {
    match command {
        RunsCommand::List(arguments) => list::list(settings, arguments).await?,
        RunsCommand::Show(arguments) => show::show(settings, &arguments).await?,
        RunsCommand::Cancel(arguments) => cancel::cancel(settings, &arguments).await?,
        RunsCommand::Clear(arguments) => rerun::clear(settings, &arguments).await?,
        RunsCommand::Mark(arguments) => rerun::mark(settings, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A run for programs: the keys are stable.
pub(crate) fn document(run: &RunRow) -> Value {
    json!({
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": run.state,
        "run_type": run.run_type,
        "version_number": run.version_number,
        "triggered_by": run.triggered_by,
        "triggering_user": run.triggering_user,
        "logical_date": run.logical_date,
        "data_interval_start": run.data_interval_start,
        "data_interval_end": run.data_interval_end,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "duration_seconds": times::seconds(run.started_at, run.ended_at),
        "conf": run.conf,
        "note": run.note,
    })
}

/// Runs as a table.
pub(crate) fn table(runs: &[RunRow], now: Timestamp) -> Table {
    let mut table = Table::new(&["DAG", "RUN", "STATE", "STARTED", "WHEN", "DURATION", "BY"]);
    table.can_do_without(&[3, 6, 5, 4]);
    for run in runs {
        let at = run.started_at.unwrap_or(run.queued_at);
        table.row(vec![
            Cell::new(&run.dag_id),
            Cell::new(&run.run_id),
            Mark::of_run(run.state).cell(),
            Cell::new(times::exact(at)),
            Cell::new(times::relative(at, now)),
            right(times::elapsed(run.started_at, run.ended_at, now)),
            Cell::new(by(run)),
        ]);
    }
    table
}

/// Who asked for a run, and by what way.
fn by(run: &RunRow) -> String {
    match run.triggering_user.as_str() {
        user if user == run.triggered_by.as_str() || user == "schedule" => user.to_owned(),
        user => format!("{user} ({})", run.triggered_by),
    }
}
