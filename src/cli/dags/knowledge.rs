//! Everything known about DAGs: from the files of the DAG folder and the history of the home, or from a server.

use super::elsewhere;
use crate::cli::folder::{self, CheckedFile};
use crate::cli::server::{Server, ServerArguments};
use crate::cli::source::Source;
use crate::cli::{Failure, counted, history, suggestion};
use crate::config::Settings;
use crate::wiring::Parts;
use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec;
use esteira_store::{DagRow, Reader};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

/// A DAG: from its file, from the history, or from both; or as a server has it.
pub(crate) struct KnownDag {
    pub(crate) dag: Dag,
    pub(super) file: String,
    pub(super) is_paused: bool,
    /// Its file is not in the DAG folder.
    pub(super) is_gone: bool,
    /// The version that new runs take, if an engine has seen one.
    pub(super) version_number: Option<i64>,
    /// When its schedule starts the next run, provided that an engine serves then.
    pub(super) next_run_at: Option<Timestamp>,
}

/// A file that makes no DAG.
pub(super) struct BrokenFile {
    pub(super) file: String,
    /// For programs.
    pub(super) diagnostics: Vec<Value>,
    /// For people, in one line.
    pub(super) summary: String,
}

/// The DAGs, and where their runs are.
pub(crate) struct Knowledge {
    /// By name.
    pub(super) dags: Vec<KnownDag>,
    /// Files with faults.
    pub(super) broken: Vec<BrokenFile>,
    /// None in a home without a history.
    pub(super) source: Option<Source>,
}

impl Knowledge {
    /// All DAGs, of the server that is named or else of the home; with this tag, if there is one.
    pub(super) async fn gather(
        settings: &Settings,
        arguments: &ServerArguments,
        tag: Option<&str>,
    ) -> Result<Self, Failure> {
        if let Some(server) = Server::named(arguments)? {
            let (dags, broken) = elsewhere::all(&server, Parts::new(settings).registry.as_ref(), tag).await?;
            return Ok(Self { dags, broken, source: Some(Source::Server(Box::new(server))) });
        }
        let mut knowledge = Self::of_home(settings).await?;
        knowledge.dags.retain(|known| tag.is_none_or(|tag| known.dag.tags.iter().any(|other| other == tag)));
        Ok(knowledge)
    }

    async fn of_home(settings: &Settings) -> Result<Self, Failure> {
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
        }
        if dags.is_empty() && broken.is_empty() {
            return Err(Failure::usage(format!("there is no DAG folder {}", settings.dags.display()))
                .hint("name one with --dags DIR, or make it: mkdir dags"));
        }
        look_ahead(&mut dags, reader.as_ref()).await?;
        dags.sort_by(|one, other| one.dag.dag_id.cmp(&other.dag.dag_id));
        let broken = broken.iter().map(broken_file).collect();
        Ok(Self { dags, broken, source: reader.map(|reader| Source::home(settings, reader)) })
    }

    /// Why there is no DAG of this name.
    fn unknown(&self, dag_id: &str) -> Failure {
        let failure = Failure::usage(format!("there is no DAG \"{dag_id}\""));
        if self.broken.is_empty() {
            let names = self.dags.iter().map(|known| known.dag.dag_id.as_str());
            return failure.some_hint(suggestion(dag_id, names));
        }
        let files: Vec<&str> = self.broken.iter().map(|file| file.file.as_str()).collect();
        failure.hint(format!("some files have faults: esteira validate {}", files.join(" ")))
    }
}

impl KnownDag {
    /// The DAG of this name, of the server that is named or else of the home, and where its runs are.
    pub(crate) async fn find(
        settings: &Settings,
        arguments: &ServerArguments,
        dag_id: &str,
    ) -> Result<(Self, Option<Source>), Failure> {
        if let Some(server) = Server::named(arguments)? {
            let found = elsewhere::one(&server, Parts::new(settings).registry.as_ref(), dag_id).await?;
            let source = Source::Server(Box::new(server));
            return match found {
                Some(known) => Ok((known, Some(source))),
                None => Err(source.unknown_dag(dag_id).await?),
            };
        }
        let mut knowledge = Knowledge::of_home(settings).await?;
        match knowledge.dags.iter().position(|known| known.dag.dag_id.as_str() == dag_id) {
            Some(place) => Ok((knowledge.dags.swap_remove(place), knowledge.source)),
            None => Err(knowledge.unknown(dag_id)),
        }
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
        next_run_at: None,
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
    let parsed = spec::parse(spec::Source { name: &version.file, text: &version.source }, catalog);
    Ok(parsed.dag.map(|dag| KnownDag {
        dag,
        is_gone: row.is_stale || !std::path::Path::new(&row.file).exists(),
        file: row.file,
        is_paused: row.is_paused,
        version_number: Some(row.version_number),
        next_run_at: None,
    }))
}

/// Finds out when their schedules start the next runs.
async fn look_ahead(dags: &mut [KnownDag], reader: Option<&Reader>) -> Result<(), Failure> {
    let now = Timestamp::now();
    for known in dags.iter_mut().filter(|known| !known.is_paused && !known.is_gone) {
        let last = match reader {
            Some(reader) => {
                reader.last_scheduled(known.dag.dag_id.as_str()).await.map_err(history::failure)?
            }
            None => None,
        };
        known.next_run_at = known.dag.ticks().resume(last, now).map(|tick| tick.run_after.max(now));
    }
    Ok(())
}

fn broken_file(file: &CheckedFile) -> BrokenFile {
    let faults = counted(file.diagnostics.len(), "fault");
    BrokenFile {
        file: file.file.clone(),
        diagnostics: file.diagnostics.iter().map(|diagnostic| json!(diagnostic)).collect(),
        summary: format!("{faults}; esteira validate {}", file.file),
    }
}
