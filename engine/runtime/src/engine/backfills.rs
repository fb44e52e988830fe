//! Backfills: runs over a range of the past, as many at a time as each says. They have a limit of their own, and their task
//! instances come after those of the DAG's other runs, so that these never wait for them.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use super::{EngineError, to_micros};
use crate::command::{Actor, BackfillRequest, CommandError, PlannedBackfillRun, TriggerRequest};
use crate::dag_folder::LoadedDag;
use crate::preview::iso;
use esteira_core::ids::{DagId, RunId};
use esteira_core::schedule::{Tick, When};
use esteira_core::states::{RunState, RunType, TriggeredBy};
use esteira_store::BackfillRow;
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// The most runs that one backfill may have.
const RUNS_MAX: usize = 100_000;

/// How many dates one turn looks at: a long range is spread over turns.
const DATES_PER_TURN: usize = 100;

/// The backfills that are not done, by number.
pub(super) type Backfills = BTreeMap<i64, BackfillRow>;

impl MainLoop {
    pub(super) async fn load_backfills(&mut self) -> Result<(), EngineError> {
        for row in self.reader.backfills(None).await? {
            self.last_backfill_id = self.last_backfill_id.max(row.backfill_id);
            if row.completed_at.is_none() {
                self.backfills.insert(row.backfill_id, row);
            }
        }
        Ok(())
    }

    /// Says which runs a backfill would have; creates it unless that was all that was asked.
    pub(super) async fn create_backfill(
        &mut self,
        turn: &mut Turn,
        request: BackfillRequest,
    ) -> Result<(Option<BackfillRow>, Vec<PlannedBackfillRun>), Stop> {
        let Some(loaded) = self.dags.get(&request.dag_id).cloned() else {
            return Err(self.why_not_loaded(&request.dag_id).await?.into());
        };
        let invalid = |message: &str| Stop::from(CommandError::Invalid(message.to_owned()));
        if !matches!(loaded.dag.schedule.when, When::Lines(_)) {
            return Err(invalid("the DAG has no schedule that says which dates a range has"));
        }
        if request.range.to < request.range.from {
            return Err(invalid("the last date of the range is before its first"));
        }
        loaded.dag.resolve_params(&request.conf).map_err(|error| CommandError::Invalid(error.0))?;
        let planned = self.planned(&loaded, &request).await?;
        if request.dry_run {
            return Ok((None, planned));
        }
        if !planned.iter().any(|run| run.is_to_run) {
            return Err(invalid("the range has no date that would be run"));
        }
        self.last_backfill_id += 1;
        let row = BackfillRow {
            backfill_id: self.last_backfill_id,
            dag_id: request.dag_id.clone(),
            range: request.range,
            reprocess: request.reprocess,
            max_active_runs: request.max_active_runs.max(1),
            conf: serde_json::Value::Object(request.conf),
            is_paused: false,
            last_date: None,
            created_at: turn.now,
            completed_at: None,
        };
        turn.event("backfill.created", Some(&row.dag_id), &request.actor, body(&row));
        turn.batch.backfills.push(row.clone());
        self.backfills.insert(row.backfill_id, row.clone());
        Ok((Some(row), planned))
    }

    /// The dates of a backfill, and what becomes of each.
    async fn planned(
        &self,
        loaded: &LoadedDag,
        request: &BackfillRequest,
    ) -> Result<Vec<PlannedBackfillRun>, Stop> {
        let mut planned = Vec::new();
        for tick in request.range.all(&loaded.dag) {
            if planned.len() == RUNS_MAX {
                let message = format!("the range has more than {RUNS_MAX} dates: backfill it in parts");
                return Err(CommandError::Invalid(message).into());
            }
            let newest = self.newest_at(&request.dag_id, tick).await?;
            planned.push(PlannedBackfillRun {
                logical_date: tick.logical_date,
                data_interval: tick.data_interval,
                newest,
                is_to_run: request.reprocess.runs(newest),
            });
        }
        Ok(planned)
    }

    /// The state of the newest run that stands for the same instant.
    async fn newest_at(&self, dag_id: &DagId, tick: Tick) -> Result<Option<RunState>, EngineError> {
        let live = self
            .runs
            .of_dag(dag_id)
            .filter(|(_, live)| live.facts.logical_date == Some(to_micros(tick.logical_date)))
            .map(|(_, live)| live.run.state())
            .last();
        if live.is_some() {
            return Ok(live);
        }
        let stored = self.reader.run_at(dag_id.as_str(), tick.logical_date).await?;
        Ok(stored.map(|run| run.state))
    }

    /// Pauses a backfill, lets it go on, or ends it: its runs that are under way go on.
    pub(super) async fn change_backfill(
        &mut self,
        turn: &mut Turn,
        backfill_id: i64,
        change: BackfillChange,
        actor: &Actor,
    ) -> Result<BackfillRow, Stop> {
        let Some(row) = self.backfills.get_mut(&backfill_id) else {
            let known = self.reader.backfill(backfill_id).await?;
            return Err(match known {
                Some(_) => CommandError::BackfillIsOver(backfill_id),
                None => CommandError::UnknownBackfill(backfill_id),
            }
            .into());
        };
        let name = match change {
            BackfillChange::Pause => "backfill.paused",
            BackfillChange::Unpause => "backfill.unpaused",
            BackfillChange::Cancel => "backfill.cancelled",
        };
        row.is_paused = matches!(change, BackfillChange::Pause);
        if matches!(change, BackfillChange::Cancel) {
            row.completed_at = Some(turn.now);
        }
        let row = row.clone();
        if row.completed_at.is_some() {
            self.backfills.remove(&backfill_id);
        }
        turn.event(name, Some(&row.dag_id), actor, json!({ "backfill_id": backfill_id }).to_string());
        turn.batch.backfills.push(row.clone());
        Ok(row)
    }

    /// Starts runs of backfills as far as there is room.
    pub(super) async fn go_on_with_backfills(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        let open: Vec<i64> =
            self.backfills.values().filter(|row| !row.is_paused).map(|row| row.backfill_id).collect();
        for backfill_id in open {
            self.go_on_with_backfill(turn, backfill_id).await?;
        }
        Ok(())
    }

    async fn go_on_with_backfill(&mut self, turn: &mut Turn, backfill_id: i64) -> Result<(), EngineError> {
        let Some(mut row) = self.backfills.get(&backfill_id).cloned() else { return Ok(()) };
        // A DAG whose file is gone for the time being waits for it.
        let Some(loaded) = self.dags.get(&row.dag_id).cloned() else { return Ok(()) };
        let mut has_changed = false;
        for _ in 0..DATES_PER_TURN {
            if self.active_runs_of(&row) >= row.max_active_runs as usize {
                break;
            }
            has_changed = true;
            let Some(tick) = row.range.next(&loaded.dag, row.last_date) else {
                row.completed_at = Some(turn.now);
                let body = json!({ "backfill_id": backfill_id }).to_string();
                turn.event("backfill.completed", Some(&row.dag_id), &Actor::engine(), body);
                break;
            };
            row.last_date = Some(tick.logical_date);
            let newest = self.newest_at(&row.dag_id, tick).await?;
            if row.reprocess.runs(newest) {
                self.start_backfill_run(turn, &loaded, &row, tick).await?;
            }
        }
        if has_changed {
            turn.batch.backfills.push(row.clone());
        }
        match row.completed_at {
            Some(_) => self.backfills.remove(&backfill_id),
            None => self.backfills.insert(backfill_id, row),
        };
        Ok(())
    }

    fn active_runs_of(&self, row: &BackfillRow) -> usize {
        let is_its = |live: &super::live::LiveRun| live.row.backfill_id == Some(row.backfill_id);
        self.runs
            .of_dag(&row.dag_id)
            .filter(|(_, live)| is_its(live) && !live.run.state().is_terminal())
            .count()
    }

    async fn start_backfill_run(
        &mut self,
        turn: &mut Turn,
        loaded: &LoadedDag,
        row: &BackfillRow,
        tick: Tick,
    ) -> Result<(), EngineError> {
        let mut run_id = RunId::from(format!("{}__{}", RunType::Backfill, iso(tick.logical_date)));
        if self.is_taken(&turn.batch.new_runs, &row.dag_id, &run_id).await? {
            // Every backfill has a number of its own.
            run_id = RunId::from(format!("{run_id}__{}", row.backfill_id));
        }
        let actor = Actor::new(format!("backfill {}", row.backfill_id), TriggeredBy::Backfill);
        let mut request = TriggerRequest::manual(row.dag_id.clone(), actor);
        request.run_type = RunType::Backfill;
        request.logical_date = Some(tick.logical_date);
        request.data_interval = Some(tick.data_interval);
        request.run_after = Some(tick.run_after);
        request.conf = row.conf.as_object().cloned().unwrap_or_else(Map::new);
        request.backfill_id = Some(row.backfill_id);
        if let Err(error) = self.create_run(turn, loaded, request, run_id) {
            let body = json!({ "backfill_id": row.backfill_id, "error": error.to_string() }).to_string();
            turn.event("backfill.run_failed", Some(&row.dag_id), &Actor::engine(), body);
        }
        Ok(())
    }
}

/// What may be done with a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackfillChange {
    Pause,
    Unpause,
    Cancel,
}

/// What the history keeps of a backfill's creation.
fn body(row: &BackfillRow) -> String {
    json!({
        "backfill_id": row.backfill_id,
        "from_date": row.range.from.as_microsecond(),
        "to_date": row.range.to.as_microsecond(),
        "is_newest_first": row.range.is_newest_first,
        "reprocess": row.reprocess,
        "max_active_runs": row.max_active_runs,
        "conf": row.conf,
    })
    .to_string()
}
