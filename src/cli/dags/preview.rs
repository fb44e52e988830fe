//! `esteira dags preview`: what the schedule of a DAG will start.

use super::Knowledge;
use crate::cli::output::{Table, print, print_json};
use crate::cli::{Failure, times};
use crate::config::Settings;
use clap::Args;
use comfy_table::Cell;
use esteira_core::schedule::When;
use esteira_runtime::{PREVIEW_MAX, PlannedRun, preview};
use jiff::Timestamp;
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct PreviewArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// As if it were unpaused, or its engine started, at that instant; now if not given
    #[arg(long, value_name = "INSTANT", value_parser = times::parse)]
    from: Option<Timestamp>,
    /// How many runs, at the most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=PREVIEW_MAX as i64))]
    count: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) async fn preview_runs(settings: &Settings, arguments: &PreviewArguments) -> Result<(), Failure> {
    let knowledge = Knowledge::gather(settings).await?;
    let known = knowledge.find(&arguments.dag_id)?;
    let from = arguments.from.unwrap_or_else(Timestamp::now);
    let runs = preview(&known.dag, known.last_scheduled, from, arguments.count as usize);
    if arguments.json {
        return print_json(&json!({
            "dag_id": known.dag.dag_id,
            "schedule": known.dag.schedule.describe(),
            "is_paused": known.is_paused,
            "from": from,
            "runs": runs,
        }));
    }
    let schedule = known.dag.schedule.describe();
    let state = if known.is_paused { "once it is unpaused" } else { "while an engine serves" };
    if runs.is_empty() {
        return print(format!("{}: its schedule ({schedule}) starts no run", known.dag.dag_id));
    }
    print(format!("{}: {schedule}; from {} on, {state}:", known.dag.dag_id, times::exact(from)))?;
    print("")?;
    table(&runs).print()?;
    if known.dag.schedule.when == When::Continuous {
        print("then again, each time the run before has ended")?;
    }
    Ok(())
}

fn table(runs: &[PlannedRun]) -> Table {
    let mut table = Table::new(&["DUE", "LOGICAL DATE", "DATA INTERVAL", "RUN"]);
    for run in runs {
        let due = if run.is_missed { "at once (missed)".to_owned() } else { times::exact(run.run_after) };
        let interval = if run.data_interval_start == run.data_interval_end {
            "-".to_owned()
        } else {
            format!("{} to {}", times::exact(run.data_interval_start), times::exact(run.data_interval_end))
        };
        table.row(vec![
            Cell::new(due),
            Cell::new(times::exact(run.logical_date)),
            Cell::new(interval),
            Cell::new(&run.run_id),
        ]);
    }
    table
}
