//! The first turn: goes on with the runs that were under way when the last engine ended.

use super::EngineError;
use super::live::LiveRun;
use super::main_loop::{MainLoop, report_without_result};
use super::turn::{self, Turn};
use crate::command::Actor;
use crate::dag_folder::FolderChange;
use crate::versions::Versions;
use esteira_core::run::{Outcome, Run};
use esteira_core::states::TaskInstanceState;
use esteira_store::RunKey;

impl MainLoop {
    /// Replays the runs that are not over, reports as lost what was running, and loads the DAG folder.
    pub(super) async fn recover(&mut self, first_look: FolderChange) -> Result<(), EngineError> {
        let mut turn = Turn::new(turn::now());
        turn.event("engine.started", None, &Actor::engine(), String::new());
        self.forget_vanished_files(&mut turn, &first_look).await?;
        self.folder_changed(&mut turn, first_look).await?;
        self.load_pools().await?;
        if self.is_serving {
            self.load_backfills().await?;
            self.load_notifications(&mut turn).await?;
        }
        self.load_assets().await?;
        let mut versions = Versions::default();
        // A foreground run minds its own run only: the others wait for a server, rather than be cut off again.
        let unfinished = if self.is_serving { self.reader.unfinished_runs().await? } else { Vec::new() };
        for row in unfinished {
            if let Some(live) = self.replayed(&row, &mut versions).await? {
                self.recover_run(&mut turn, row.run_key, live)?;
                self.arm_deadlines(row.run_key).await?;
            }
        }
        for dag_id in self.runs.dag_ids() {
            self.start_queued_runs(&mut turn, &dag_id)?;
        }
        self.finish(turn).await
    }

    fn recover_run(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        mut live: LiveRun,
    ) -> Result<(), EngineError> {
        let running = running_attempts(&live.run);
        let pending = live.run.pending_effects();
        self.runs.insert(run_key, live);
        self.effects(turn, run_key, pending);
        for (instance, try_number) in running {
            self.report(turn, report_without_result((run_key, instance), try_number, Outcome::Lost))?;
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
        .filter(|(_, live)| {
            matches!(live.state, Some(TaskInstanceState::Running | TaskInstanceState::Restarting))
        })
        .map(|(instance, live)| (instance, live.try_number))
        .collect()
}
