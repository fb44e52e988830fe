//! `esteira dags list`.

use super::{Knowledge, KnownDag};
use crate::cli::output::{Ink, Mark, Table, print_json, say};
use crate::cli::server::ServerArguments;
use crate::cli::{Failure, times};
use crate::config::Settings;
use clap::Args;
use comfy_table::Cell;
use esteira_store::RunRow;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Only DAGs with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn list(settings: &Settings, arguments: ListArguments) -> Result<(), Failure> {
    let tag = arguments.tag.as_deref();
    let knowledge = Knowledge::gather(settings, &arguments.server, tag).await?;
    let runs = match &knowledge.source {
        Some(source) => {
            source
                .newest_runs(knowledge.dags.iter().map(|known| known.dag.dag_id.to_string()).collect())
                .await?
        }
        None => HashMap::new(),
    };
    let newest = |known: &KnownDag| runs.get(known.dag.dag_id.as_str());
    let now = Timestamp::now();
    if arguments.json {
        let dags: Vec<Value> = knowledge.dags.iter().map(|known| document(known, newest(known))).collect();
        let diagnostics: Vec<_> = knowledge.broken.iter().flat_map(|file| &file.diagnostics).collect();
        return print_json(&json!({ "dags": dags, "import_errors": diagnostics }));
    }
    let mut table =
        Table::new(&["DAG", "STATE", "SCHEDULE", "LAST RUN", "WHEN", "NEXT RUN", "TASKS", "TAGS"]);
    table.can_do_without(&[7, 6, 4]);
    for known in &knowledge.dags {
        table.row(row(known, newest(known), now));
    }
    if !knowledge.dags.is_empty() {
        table.print()?;
    }
    match tag {
        Some(tag) if knowledge.dags.is_empty() => say!("no DAG has the tag {tag}"),
        _ => {}
    }
    for file in &knowledge.broken {
        say!("{} makes no DAG: {}", file.file, file.summary);
    }
    Ok(())
}

fn row(known: &KnownDag, newest: Option<&RunRow>, now: Timestamp) -> Vec<Cell> {
    let (state, when) = match newest {
        Some(run) => (Mark::of_run(run.state).cell(), times::relative(run.queued_at, now)),
        None => (Mark::other("◌", Ink::Quiet, "never").cell(), String::new()),
    };
    vec![
        Cell::new(&known.dag.dag_id),
        mark(known).cell(),
        Cell::new(known.dag.schedule.describe()),
        state,
        Cell::new(when),
        Cell::new(known.next_run_at.map_or_else(|| "-".to_owned(), |at| times::relative(at, now))),
        crate::cli::output::right(known.dag.tasks.len()),
        Cell::new(known.dag.tags.join(", ")),
    ]
}

/// Whether its schedule may start runs.
pub(super) fn mark(known: &KnownDag) -> Mark {
    match known {
        KnownDag { is_gone: true, .. } => Mark::other("✕", Ink::Quiet, "gone"),
        KnownDag { is_paused: true, .. } => Mark::other("‖", Ink::Warning, "paused"),
        _ => Mark::other("✓", Ink::Good, "active"),
    }
}

/// A DAG for programs.
pub(super) fn document(known: &KnownDag, newest: Option<&RunRow>) -> Value {
    let dag = &known.dag;
    json!({
        "dag_id": dag.dag_id,
        "description": dag.description,
        "file": known.file,
        "schedule": dag.schedule.describe(),
        "is_paused": known.is_paused,
        "is_gone": known.is_gone,
        "version_number": known.version_number,
        "owners": dag.owners,
        "tags": dag.tags,
        "tasks": dag.tasks.len(),
        "next_run_at": known.next_run_at,
        "last_run": newest.map(crate::cli::runs::document),
    })
}
