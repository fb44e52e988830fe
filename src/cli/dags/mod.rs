//! `esteira dags`: what there is to run.

mod drawing;
mod graph;
mod list;
mod pause;
mod preview;
mod show;
mod webhook;

use super::folder::{self, CheckedFile};
use super::{Failure, history, suggestion};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::Subcommand;
use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec::{self, Source};
use esteira_store::{DagRow, Reader};
use jiff::Timestamp;
use std::collections::HashMap;
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum DagsCommand {
    /// List the DAGs with their schedules and their last runs
    List(list::ListArguments),
    /// Show a DAG: its facts, its params, its tasks, its last runs
    Show(show::ShowArguments),
    /// Draw a DAG as text, or write it for Graphviz or Mermaid
    Graph(graph::GraphArguments),
    /// List the runs that the schedule of a DAG will start
    Preview(preview::PreviewArguments),
    /// Make a secret with which others can start runs of a DAG, or take it away
    Webhook(webhook::WebhookArguments),
    /// Pause a DAG: its schedule starts no runs
    Pause(pause::PauseArguments),
    /// Let the schedule of a DAG start runs again
    Unpause(pause::PauseArguments),
}

pub(crate) async fn dags(settings: &Settings, command: DagsCommand) -> Result<ExitCode, Failure> {
    match command {
        DagsCommand::List(arguments) => list::list(settings, arguments).await?,
        DagsCommand::Show(arguments) => show::show(settings, &arguments).await?,
        DagsCommand::Graph(arguments) => graph::graph(settings, &arguments).await?,
        DagsCommand::Preview(arguments) => preview::preview_runs(settings, &arguments).await?,
        DagsCommand::Webhook(arguments) => webhook::webhook(settings, &arguments).await?,
        DagsCommand::Pause(arguments) => pause::set_paused(settings, &arguments, true).await?,
        DagsCommand::Unpause(arguments) => pause::set_paused(settings, &arguments, false).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A DAG: from its file, from the history, or from both.
pub(crate) struct KnownDag {
    pub(crate) dag: Dag,
    file: String,
    is_paused: bool,
    /// Only in the history: its file is not in the DAG folder.
    is_gone: bool,
    /// The version that new runs take, if an engine has seen one.
    version_number: Option<i64>,
    /// When the newest run of its schedule was due.
    last_scheduled: Option<Timestamp>,
}

impl KnownDag {
    /// When its schedule starts the next run, provided that an engine serves then.
    fn next_run_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_paused || self.is_gone {
            return None;
        }
        self.dag.ticks().resume(self.last_scheduled, now).map(|tick| tick.run_after.max(now))
    }
}

/// Everything known about DAGs: the files of the DAG folder, and the history if there is one.
pub(crate) struct Knowledge {
    /// By name.
    dags: Vec<KnownDag>,
    /// Files with faults.
    broken: Vec<CheckedFile>,
    reader: Option<Reader>,
}

impl Knowledge {
    pub(crate) async fn gather(settings: &Settings) -> Result<Self, Failure> {
        let catalog = Parts::new(settings).registry;
        let reader = history::open_if_any(settings).await?;
        let files = match folder::check_dag_folder(settings, catalog.as_ref()) {
            // An empty folder is no fault while the history knows DAGs.
            Err(failure) if reader.is_none() || settings.dags_were_chosen => return Err(failure),
            files => files.unwrap_or_default(),
        };
        let mut rows = HashMap::new();
        if let Some(reader) = &reader {
            let all = reader.dags().await.map_err(history::failure)?;
            rows.extend(all.into_iter().map(|row| (row.dag_id.to_string(), row)));
        }
        let (good, broken): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.dag.is_some());
        let mut dags: Vec<KnownDag> =
            good.into_iter().filter_map(|file| known(file, |dag_id| rows.remove(dag_id))).collect();
        if let Some(reader) = &reader {
            for row in rows.into_values() {
                dags.extend(from_history(reader, row, catalog.as_ref()).await?);
            }
            for known in &mut dags {
                let last = reader.last_scheduled(known.dag.dag_id.as_str()).await;
                known.last_scheduled = last.map_err(history::failure)?;
            }
        }
        if dags.is_empty() && broken.is_empty() {
            return Err(Failure::usage(format!("there is no DAG folder {}", settings.dags.display()))
                .hint("name one with --dags DIR, or make it: mkdir dags"));
        }
        dags.sort_by(|one, other| one.dag.dag_id.cmp(&other.dag.dag_id));
        Ok(Self { dags, broken, reader })
    }

    /// The DAG of this name, or why there is none.
    pub(crate) fn find(&self, dag_id: &str) -> Result<&KnownDag, Failure> {
        if let Some(known) = self.dags.iter().find(|known| known.dag.dag_id.as_str() == dag_id) {
            return Ok(known);
        }
        let failure = Failure::usage(format!("there is no DAG \"{dag_id}\""));
        if self.broken.is_empty() {
            return Err(failure
                .some_hint(suggestion(dag_id, self.dags.iter().map(|known| known.dag.dag_id.as_str()))));
        }
        let files: Vec<&str> = self.broken.iter().map(|file| file.file.as_str()).collect();
        Err(failure.hint(format!("some files have faults: esteira validate {}", files.join(" "))))
    }
}

fn known(file: CheckedFile, row: impl FnOnce(&str) -> Option<DagRow>) -> Option<KnownDag> {
    let dag = file.dag?;
    let row = row(dag.dag_id.as_str());
    Some(KnownDag {
        is_paused: row.as_ref().map_or(dag.is_paused_upon_creation, |row| row.is_paused),
        version_number: row.map(|row| row.version_number),
        file: file.file,
        is_gone: false,
        last_scheduled: None,
        dag,
    })
}

/// A DAG that an engine has seen and that the DAG folder does not hold.
async fn from_history(
    reader: &Reader,
    row: DagRow,
    catalog: &dyn Catalog,
) -> Result<Option<KnownDag>, Failure> {
    let Some(version) = reader.version_by_id(row.version_id).await.map_err(history::failure)? else {
        return Ok(None);
    };
    let parsed = spec::parse(Source { name: &version.file, text: &version.source }, catalog);
    Ok(parsed.dag.map(|dag| KnownDag {
        dag,
        is_gone: row.is_stale || !std::path::Path::new(&row.file).exists(),
        file: row.file,
        is_paused: row.is_paused,
        version_number: Some(row.version_number),
        last_scheduled: None,
    }))
}
