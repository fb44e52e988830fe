//! `esteira dags show`: the facts of a DAG, its params, its tasks and its last runs.

use super::{KnownDag, list};
use crate::cli::output::{Facts, Ink, Table, paint, print, print_json, right};
use crate::cli::server::ServerArguments;
use crate::cli::{Failure, runs, times};
use crate::config::Settings;
use clap::Args;
use comfy_table::Cell;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::schedule::{Missed, TimetableKind, When};
use esteira_core::spec::duration;
use esteira_store::{RunFilter, RunRow};
use jiff::Timestamp;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// How many of the last runs are shown.
const RUNS_SHOWN: u32 = 5;

pub(crate) async fn show(settings: &Settings, arguments: &ShowArguments) -> Result<(), Failure> {
    let (known, source) = KnownDag::find(settings, &arguments.server, &arguments.dag_id).await?;
    let filter = RunFilter { dag_id: Some(arguments.dag_id.clone()), ..RunFilter::default() };
    let last_runs = match &source {
        Some(source) => source.runs(&filter, RUNS_SHOWN).await?.rows,
        None => Vec::new(),
    };
    let now = Timestamp::now();
    if arguments.json {
        return print_json(&document(&known, &last_runs));
    }
    print(paint(Ink::Strong, known.dag.dag_id.as_str()))?;
    if let Some(description) = &known.dag.description {
        print(description.trim_end())?;
    }
    print("")?;
    facts(&known, now).print()?;
    if !known.dag.params.is_empty() {
        print("")?;
        params(&known.dag).print()?;
    }
    print("")?;
    tasks(&known.dag).print()?;
    if !last_runs.is_empty() {
        print("")?;
        runs::table(&last_runs, now).print()?;
    }
    Ok(())
}

fn document(known: &KnownDag, last_runs: &[RunRow]) -> Value {
    let dag = &known.dag;
    let names = |indices: &[TaskIndex]| {
        indices.iter().map(|index| dag.task(*index).task_id.clone()).collect::<Vec<_>>()
    };
    let tasks: Vec<Value> = dag
        .indices()
        .map(|index| {
            let task = dag.task(index);
            json!({
                "task_id": task.task_id,
                "operator": task.operator,
                "depends_on": names(dag.graph.upstream(index)),
                "with": task.arguments,
                "retries": task.retry.retries,
                "retry_delay_seconds": task.retry.retry_delay.as_secs_f64(),
                "execution_timeout_seconds": task.execution_timeout.map(|timeout| timeout.as_secs_f64()),
                "owner": task.owner,
            })
        })
        .collect();
    let mut document = list::document(known, last_runs.first());
    document["start_date"] = json!(dag.start_date);
    document["end_date"] = json!(dag.end_date);
    document["timezone"] = json!(dag.schedule.timezone.iana_name());
    document["timetable"] = json!(dag.schedule.timetable);
    document["missed"] = json!(dag.schedule.missed);
    document["params"] = json!(dag.params);
    document["tasks"] = Value::Array(tasks);
    document["last_runs"] = last_runs.iter().map(runs::document).collect();
    document
}

fn facts(known: &KnownDag, now: Timestamp) -> Facts {
    let dag = &known.dag;
    let mut facts = Facts::default();
    facts.add("state", list::mark(known).painted());
    facts.add("file", known.file.clone());
    facts.add_some("version", known.version_number.map(|number| number.to_string()));
    facts.add("schedule", dag.schedule.describe());
    facts.add_some("next run", known.next_run_at.map(|at| times::both(at, now)));
    facts.add_some("starts", dag.start_date.map(times::exact));
    facts.add_some("ends", dag.end_date.map(times::exact));
    if dag.schedule.when != When::Never {
        facts.add("missed runs", missed(dag.schedule.missed));
        facts.add("a run is about", timetable(dag.schedule.timetable));
    }
    facts.add_some("owners", Some(dag.owners.join(", ")));
    facts.add_some("tags", Some(dag.tags.join(", ")));
    facts
}

fn missed(missed: Missed) -> &'static str {
    match missed {
        Missed::Skip => "none starts (missed: skip)",
        Missed::Last => "the newest one starts (missed: last)",
        Missed::All => "all start (missed: all)",
    }
}

fn timetable(timetable: TimetableKind) -> &'static str {
    match timetable {
        TimetableKind::Trigger => "the instant at which it is due (timetable: trigger)",
        TimetableKind::DataInterval => "the time since it was due before (timetable: data_interval)",
    }
}

fn params(dag: &Dag) -> Table {
    let mut table = Table::new(&["PARAM", "TYPE", "DEFAULT", "MEANING"]);
    for (name, param) in &dag.params {
        let default = param.default.as_ref().map_or_else(|| "(must be given)".to_owned(), Value::to_string);
        let choices: Vec<String> = param.choices.iter().map(Value::to_string).collect();
        let choices = (!choices.is_empty()).then(|| format!("one of {}", choices.join(", ")));
        let meaning = param.title.iter().chain(&param.description).chain(&choices).map(String::as_str);
        let meaning = meaning.collect::<Vec<_>>().join("; ");
        table.row(vec![
            Cell::new(name),
            Cell::new(param.kind.as_str()),
            Cell::new(default),
            Cell::new(meaning),
        ]);
    }
    table
}

fn tasks(dag: &Dag) -> Table {
    let mut table = Table::new(&["TASK", "OPERATOR", "AFTER", "RETRIES", "TIMEOUT"]);
    for index in dag.indices() {
        let task = dag.task(index);
        let after: Vec<&str> =
            dag.graph.upstream(index).iter().map(|index| dag.task(*index).task_id.as_str()).collect();
        let retries = match task.retry.retries {
            0 => "0".to_owned(),
            some => format!("{some} after {}", duration::display(task.retry.retry_delay)),
        };
        table.row(vec![
            Cell::new(&task.task_id),
            Cell::new(&task.operator),
            Cell::new(if after.is_empty() { "-".to_owned() } else { after.join(", ") }),
            Cell::new(retries),
            right(task.execution_timeout.map_or_else(|| "-".to_owned(), duration::display)),
        ]);
    }
    table
}
