//! DAG files that are new, changed, broken or gone: versions, import errors, and the DAGs that can be triggered.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use crate::dag_folder::{FileContent, FolderChange, LoadedDag};
use crate::source_hash;
use crate::versions::Versions;
use esteira_core::dag::Dag;
use esteira_core::ids::DagId;
use esteira_core::spec::{Diagnostic, Severity};
use esteira_store::{DagChange, DagRow, ImportErrorChange, NewVersion};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

impl MainLoop {
    /// Takes in what a look at the folder found.
    pub(super) async fn folder_changed(
        &mut self,
        turn: &mut Turn,
        change: FolderChange,
    ) -> Result<(), EngineError> {
        let known: HashMap<String, DagRow> =
            self.reader.dags().await?.into_iter().map(|row| (row.dag_id.to_string(), row)).collect();
        for file in change.removed {
            self.file_removed(turn, &file, &known);
        }
        // What files let go of comes before what files claim: a DAG may move from one file to another.
        for (file, content) in &change.changed {
            if let FileContent::Good { dag, .. } = content {
                self.other_dags_of_file(turn, file, &dag.dag_id, &known);
            }
        }
        for (file, content) in change.changed {
            match content {
                FileContent::Good { source, dag } => self.file_good(turn, file, source, *dag, &known).await?,
                FileContent::Broken { diagnostics } => {
                    self.file_broken(turn, &file, &diagnostics, &known).await?
                }
            }
        }
        Ok(())
    }

    async fn file_good(
        &mut self,
        turn: &mut Turn,
        file: String,
        source: String,
        dag: Dag,
        known: &HashMap<String, DagRow>,
    ) -> Result<(), EngineError> {
        if let Some(other) = self.dags.get(&dag.dag_id).filter(|other| other.file != file) {
            let diagnostic = taken_name(&file, &dag.dag_id, &other.file);
            return self.file_broken(turn, &file, &[diagnostic], known).await;
        }
        turn.batch.import_errors.push(ImportErrorChange::Mended { file: file.clone() });
        let row = known.get(dag.dag_id.as_str());
        let (version_id, version_number) = self.version_of(turn, &file, source, &dag)?;
        let is_paused = match (self.dags.get(&dag.dag_id), row) {
            (Some(live), _) => live.is_paused,
            (None, Some(row)) => row.is_paused,
            (None, None) => dag.is_paused_upon_creation,
        };
        let loaded =
            LoadedDag { dag: Arc::new(dag), version_id, version_number, file, is_paused, next_tick: None };
        self.put_dag(turn, loaded).await
    }

    /// The version with this content: an old one if the DAG had it before, a new one otherwise.
    fn version_of(
        &mut self,
        turn: &mut Turn,
        file: &str,
        source: String,
        dag: &Dag,
    ) -> Result<(i64, i64), EngineError> {
        let source_hash = source_hash(&source);
        let of_dag = self.versions.entry(dag.dag_id.to_string()).or_default();
        if let Some(found) = of_dag.get(&source_hash) {
            return Ok(*found);
        }
        let version_number = of_dag.values().map(|(_, number)| number).max().unwrap_or(&0) + 1;
        let version_id = self.writer.next_version_id();
        of_dag.insert(source_hash.clone(), (version_id, version_number));
        let definition = serde_json::to_string(dag).map_err(|error| EngineError::Bug(error.to_string()))?;
        let body =
            json!({ "version_number": version_number, "source_hash": source_hash, "file": file }).to_string();
        turn.event("dag.version_added", Some(&dag.dag_id), &Actor::engine(), body);
        turn.batch.versions.push(NewVersion {
            version_id,
            dag_id: dag.dag_id.clone(),
            version_number,
            source_hash,
            file: file.to_owned(),
            source,
            definition,
            created_at: turn.now,
        });
        Ok((version_id, version_number))
    }

    /// A file that does not make a DAG: it is shown, and the last good version stays.
    async fn file_broken(
        &mut self,
        turn: &mut Turn,
        file: &str,
        diagnostics: &[Diagnostic],
        known: &HashMap<String, DagRow>,
    ) -> Result<(), EngineError> {
        let text = serde_json::to_string(diagnostics).map_err(|error| EngineError::Bug(error.to_string()))?;
        turn.event(
            "dag.import_error",
            None,
            &Actor::engine(),
            json!({ "file": file, "faults": diagnostics.len() }).to_string(),
        );
        turn.batch.import_errors.push(ImportErrorChange::Broken {
            file: file.to_owned(),
            at: turn.now,
            diagnostics: text,
        });
        for row in known.values().filter(|row| row.file == file && !row.is_stale) {
            if !self.dags.contains_key(&row.dag_id) {
                self.load_last_good(turn, row).await?;
            }
        }
        Ok(())
    }

    /// The last good version of a DAG whose file was broken when the engine started.
    async fn load_last_good(&mut self, turn: &mut Turn, row: &DagRow) -> Result<(), EngineError> {
        let version = Versions::default().dag(&self.reader, self.catalog.as_ref(), row.version_id).await?;
        let Some(dag) = version else { return Ok(()) };
        let loaded = LoadedDag {
            dag,
            version_id: row.version_id,
            version_number: row.version_number,
            file: row.file.clone(),
            is_paused: row.is_paused,
            next_tick: None,
        };
        self.put_dag(turn, loaded).await
    }

    fn file_removed(&mut self, turn: &mut Turn, file: &str, known: &HashMap<String, DagRow>) {
        turn.batch.import_errors.push(ImportErrorChange::Mended { file: file.to_owned() });
        for row in known.values().filter(|row| row.file == file && !row.is_stale) {
            self.dag_gone(turn, row);
        }
    }

    /// The DAGs that the file held before it was given another `dag_id`.
    fn other_dags_of_file(
        &mut self,
        turn: &mut Turn,
        file: &str,
        dag_id: &DagId,
        known: &HashMap<String, DagRow>,
    ) {
        for row in known.values().filter(|row| row.file == file && row.dag_id != *dag_id && !row.is_stale) {
            self.dag_gone(turn, row);
        }
    }

    pub(super) fn dag_gone(&mut self, turn: &mut Turn, row: &DagRow) {
        let is_paused = self.dags.get(&row.dag_id).map_or(row.is_paused, |live| live.is_paused);
        self.drop_dag(turn, &row.dag_id);
        turn.event(
            "dag.removed",
            Some(&row.dag_id),
            &Actor::engine(),
            json!({ "file": row.file }).to_string(),
        );
        turn.batch.dags.push(DagChange {
            dag_id: row.dag_id.clone(),
            version_id: row.version_id,
            file: row.file.clone(),
            is_paused,
            is_stale: true,
            loaded_at: row.loaded_at,
        });
    }
}

fn taken_name(file: &str, dag_id: &DagId, other: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "duplicate-dag",
        file: file.to_owned(),
        line: 1,
        column: 1,
        length: 0,
        message: format!("dag_id \"{dag_id}\" is taken by {other}"),
        hint: Some("give this DAG another dag_id, or remove one of the two files".to_owned()),
        snippet: None,
    }
}
