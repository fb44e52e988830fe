//! `esteira dags preview`: what the schedule of a DAG will start.

use super::KnownDag;
use crate::cli::output::{Table, print, print_json};
use crate::cli::server::{Server, ServerArguments};
use crate::cli::source::{Fields, Source};
use crate::cli::{Failure, history, times};
use crate::config::Settings;
use clap::Args;
use comfy_table::Cell;
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
    #[command(flatten)]
    server: ServerArguments,
}

/// What is foretold.
struct Forecast {
    dag_id: String,
    schedule: String,
    is_paused: bool,
    from: Timestamp,
    runs: Vec<PlannedRun>,
}

pub(crate) async fn preview_runs(settings: &Settings, arguments: &PreviewArguments) -> Result<(), Failure> {
    let forecast = match Server::named(&arguments.server)? {
        Some(server) => asked(server, arguments).await?,
        None => computed(settings, arguments).await?,
    };
    let Forecast { dag_id, schedule, is_paused, from, runs } = forecast;
    if arguments.json {
        return print_json(&json!({
            "dag_id": dag_id,
            "schedule": schedule,
            "is_paused": is_paused,
            "from": from,
            "runs": runs,
        }));
    }
    let state = if is_paused { "once it is unpaused" } else { "while an engine serves" };
    if runs.is_empty() {
        return print(format!("{dag_id}: its schedule ({schedule}) starts no run"));
    }
    print(format!("{dag_id}: {schedule}; from {} on, {state}:", times::exact(from)))?;
    print("")?;
    table(&runs).print()?;
    if schedule.starts_with(CONTINUOUS) {
        print("then again, each time the run before has ended")?;
    }
    Ok(())
}

/// How a schedule is described that starts a run whenever the one before has ended.
const CONTINUOUS: &str = "@continuous";

async fn computed(settings: &Settings, arguments: &PreviewArguments) -> Result<Forecast, Failure> {
    let (known, _) = KnownDag::find(settings, &arguments.server, &arguments.dag_id).await?;
    let last = match history::open_if_any(settings).await? {
        Some(reader) => reader.last_scheduled(&arguments.dag_id).await.map_err(history::failure)?,
        None => None,
    };
    let from = arguments.from.unwrap_or_else(Timestamp::now);
    Ok(Forecast {
        dag_id: known.dag.dag_id.to_string(),
        schedule: known.dag.schedule.describe(),
        is_paused: known.is_paused,
        from,
        runs: preview(&known.dag, last, from, arguments.count as usize),
    })
}

async fn asked(server: Server, arguments: &PreviewArguments) -> Result<Forecast, Failure> {
    let dag_id = arguments.dag_id.as_str();
    let mut query = vec![("count", arguments.count.to_string())];
    query.extend(arguments.from.map(|from| ("from", from.to_string())));
    let Some(answer) = server.own_look_up(&["dags", dag_id, "preview"], &query).await? else {
        Source::Server(Box::new(server)).check_dag(dag_id).await?;
        return Err(Failure::usage(format!("the file of DAG \"{dag_id}\" is gone: it starts no run")));
    };
    let fields = Fields(&answer);
    Ok(Forecast {
        dag_id: dag_id.to_owned(),
        schedule: fields.text("schedule")?.to_owned(),
        is_paused: fields.flag("is_paused")?,
        from: fields.instant("from")?,
        runs: serde_json::from_value(answer["runs"].clone())
            .map_err(|error| Failure::failed(format!("the server's answer cannot be read: {error}")))?,
    })
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
