//! The first turn: goes on with the runs that were under way when the last engine ended.

use super::EngineError;
use super::live::LiveRun;
use super::main_loop::{MainLoop, report_without_result};
use super::turn::{self, Turn};
use crate::audit;
use crate::command::Actor;
use crate::dag_folder::FolderChange;
use crate::versions::Versions;
use esteira_core::dag::Dag;
use esteira_core::run::{Outcome, Run};
use esteira_core::states::TaskInstanceState;
use esteira_store::RunRow;
use serde_json::{Map, Value};
use std::sync::Arc;

impl MainLoop {
    /// Replays the runs that are not over, reports as lost what was running, and loads the DAG folder.
    pub(super) async fn recover(&mut self, first_look: FolderChange) -> Result<(), EngineError> {
        let mut turn = Turn::new(turn::now());
        turn.event("engine.started", None, &Actor::engine(), String::new());
        self.forget_vanished_files(&mut turn, &first_look).await?;
        self.folder_changed(&mut turn, first_look).await?;
        let mut versions = Versions::default();
        // A foreground run minds its own run only: the others wait for a server, rather than be cut off again.
        let unfinished = if self.is_serving { self.reader.unfinished_runs().await? } else { Vec::new() };
        for row in unfinished {
            let Some(dag) = versions.dag(&self.reader, self.catalog.as_ref(), row.version_id).await? else {
                tracing::error!(dag = %row.dag_id, run = %row.run_id, "the run cannot go on: this Esteira cannot read its DAG version");
                continue;
            };
            self.recover_run(&mut turn, &row, dag).await?;
        }
        self.finish(turn).await
    }

    async fn recover_run(&mut self, turn: &mut Turn, row: &RunRow, dag: Arc<Dag>) -> Result<(), EngineError> {
        let events = self.reader.events_of_run(row.run_key).await?;
        let run = match audit::replay(Arc::clone(&dag), &events) {
            Ok(run) => run,
            Err((seq, problem)) => {
                tracing::error!(dag = %row.dag_id, run = %row.run_id, event = seq, %problem, "the run cannot go on: its history does not fit; esteira audit verify says more");
                return Ok(());
            }
        };
        let conf = row.conf.as_object().cloned().unwrap_or_else(Map::new);
        // The params were checked when the run was created.
        let params = dag.resolve_params(&conf).unwrap_or(Value::Null);
        let running = running_attempts(&run);
        let pending = run.pending_effects();
        self.runs.insert(row.run_key, LiveRun::new(run, row, params));
        self.effects(turn, row.run_key, pending);
        for (instance, try_number) in running {
            self.report(turn, report_without_result((row.run_key, instance), try_number, Outcome::Lost))?;
        }
        Ok(())
    }

    /// DAGs whose file went away while no engine was looking.
    async fn forget_vanished_files(
        &mut self,
        turn: &mut Turn,
        first_look: &FolderChange,
    ) -> Result<(), EngineError> {
        let is_there = |file: &str| first_look.changed.iter().any(|(name, _)| name == file);
        for row in self.reader.dags().await? {
            if !row.is_stale && !is_there(&row.file) {
                self.dag_gone(turn, &row);
            }
        }
        for row in self.reader.import_errors().await? {
            if !is_there(&row.file) {
                turn.batch.import_errors.push(esteira_store::ImportErrorChange::Mended { file: row.file });
            }
        }
        Ok(())
    }
}

fn running_attempts(run: &Run) -> Vec<(esteira_core::run::InstanceKey, u32)> {
    run.instances()
        .filter(|(_, live)| live.state == Some(TaskInstanceState::Running))
        .map(|(instance, live)| (instance, live.try_number))
        .collect()
}
