//! Clearing and marking: task instances of a run, live or over, run again or get a state.

use super::EngineError;
use super::assets::by_asset;
use super::commands::Stop;
use super::latest_version::NextVersion;
use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::audit;
use crate::command::{Actor, AffectedInstance, CommandError, RerunRequest};
use crate::versions::Versions;
use esteira_core::catalog::Catalog;
use esteira_core::ids::{DagId, RunId};
use esteira_core::run::{Input, InstanceKey, Run, Selection};
use esteira_core::states::{RunState, TaskInstanceState};
use esteira_store::{Reader, RunKey, RunRow};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

impl MainLoop {
    pub(super) async fn rerun(
        &mut self,
        turn: &mut Turn,
        request: &RerunRequest,
    ) -> Result<Vec<AffectedInstance>, Stop> {
        check_mark(request)?;
        let run_key = self.bring_to_life(&request.dag_id, &request.run_id).await?;
        let affected = self.rerun_in(turn, run_key, request).await;
        if !turn.touched_runs.contains(&run_key) {
            self.lay_to_rest(run_key);
        }
        affected
    }

    async fn rerun_in(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        request: &RerunRequest,
    ) -> Result<Vec<AffectedInstance>, Stop> {
        let moves = request.on_latest_version && request.mark.is_none();
        let next = if moves { self.next_version(run_key, &request.dag_id).await? } else { None };
        let unknown = || CommandError::RunCannotGoOn(request.run_id.to_string());
        let live = self.runs.get(run_key).ok_or_else(unknown)?;
        let run = next.as_ref().map_or(&live.run, |next| &next.run);
        let mut instances = chosen(run, request)?;
        instances.extend(next.iter().flat_map(NextVersion::instances_without_state));
        let affected = instances.iter().map(|key| affected(run, *key)).collect();
        if request.dry_run || instances.is_empty() {
            return Ok(affected);
        }
        if let Some(next) = next {
            self.move_run(turn, run_key, next, &request.actor);
        }
        let instances = instances.into_iter().collect();
        let input = match request.mark {
            Some(state) => Input::Mark { instances, state },
            None => Input::Clear { instances },
        };
        self.decide(turn, run_key, input, &request.actor)?;
        self.start_queued_runs(turn, &request.dag_id)?;
        Ok(affected)
    }

    pub(super) async fn mark_run(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        run_id: &RunId,
        state: RunState,
        actor: &Actor,
    ) -> Result<(), Stop> {
        if !state.is_terminal() {
            return Err(CommandError::Invalid("a run can be marked as success or failed".to_owned()).into());
        }
        let run_key = self.bring_to_life(dag_id, run_id).await?;
        let is_over = self.runs.get(run_key).is_some_and(|live| live.run.state().is_terminal());
        if !is_over {
            return Err(CommandError::RunIsUnderWay(run_id.to_string()).into());
        }
        self.decide(turn, run_key, Input::MarkRun { state }, actor)?;
        if !turn.touched_runs.contains(&run_key) {
            self.lay_to_rest(run_key);
        }
        Ok(())
    }

    /// The run in memory: one that is over is replayed from its history.
    async fn bring_to_life(&mut self, dag_id: &DagId, run_id: &RunId) -> Result<RunKey, Stop> {
        if let Some(run_key) = self.runs.key_of(dag_id, run_id) {
            return Ok(run_key);
        }
        let row = self.reader.run(dag_id.as_str(), run_id.as_str()).await?.ok_or_else(|| {
            CommandError::UnknownRun { dag_id: dag_id.to_string(), run_id: run_id.to_string() }
        })?;
        let live = match self.resting.take(row.run_key) {
            Some(live) => Some(live),
            None if row.state.is_terminal() => self.replayed(&row, &mut Versions::default()).await?,
            None => None,
        };
        let live = live.ok_or_else(|| CommandError::RunCannotGoOn(run_id.to_string()))?;
        self.runs.insert(row.run_key, live);
        Ok(row.run_key)
    }

    /// Puts a run aside that is over and that nothing has changed in.
    fn lay_to_rest(&mut self, run_key: RunKey) {
        if self.runs.get(run_key).is_some_and(|live| live.run.state().is_terminal())
            && let Some(live) = self.runs.remove(run_key)
        {
            self.resting.keep(run_key, live);
        }
    }

    /// A run as its history tells it; none, with an error in the log, when it cannot be read.
    pub(super) async fn replayed(
        &self,
        row: &RunRow,
        versions: &mut Versions,
    ) -> Result<Option<LiveRun>, EngineError> {
        replayed(&self.reader, self.catalog.as_ref(), row, versions).await
    }
}

/// A run as its history tells it; none, with an error in the log, when it cannot be read.
pub(super) async fn replayed(
    reader: &Reader,
    catalog: &(dyn Catalog + Sync),
    row: &RunRow,
    versions: &mut Versions,
) -> Result<Option<LiveRun>, EngineError> {
    let events = reader.events_of_run(row.run_key).await?;
    let dags = versions.of_run(reader, catalog, &events).await?;
    let Some(dag) = dags.get(&row.version_id).cloned() else {
        tracing::error!(dag = %row.dag_id, run = %row.run_id, "the run cannot go on: this Esteira cannot read its DAG version");
        return Ok(None);
    };
    let conf = row.conf.as_object().cloned().unwrap_or_else(Map::new);
    // The params were checked when the run was created.
    let params = dag.resolve_params(&conf).unwrap_or(Value::Null);
    let run_id = row.run_id.clone();
    // A long history takes its time, in which others want to be served.
    let replay = tokio::task::spawn_blocking(move || audit::replay(&dags, run_id.as_str(), &events));
    match replay.await.map_err(|panic| EngineError::Bug(panic.to_string()))? {
        Ok(run) => {
            let events = reader.asset_events_of_run(row.run_key).await?;
            let mut live = LiveRun::new(run, row, params, by_asset(&events));
            let expansions = reader.expansions(row.run_key).await?;
            live.expansions = expansions.into_iter().map(|(owner, it)| (owner, Arc::new(it))).collect();
            Ok(Some(live))
        }
        Err((seq, problem)) => {
            tracing::error!(dag = %row.dag_id, run = %row.run_id, event = seq, %problem, "the run cannot go on: its history does not fit; esteira audit verify says more");
            Ok(None)
        }
    }
}

/// What a request would touch in a run, as it stands.
pub(super) fn touched_by(run: &Run, request: &RerunRequest) -> Result<Vec<AffectedInstance>, CommandError> {
    Ok(chosen(run, request)?.into_iter().map(|key| affected(run, key)).collect())
}

/// Refuses a state that nobody gives by hand.
pub(super) fn check_mark(request: &RerunRequest) -> Result<(), CommandError> {
    if request.mark.is_none_or(may_be_marked) {
        return Ok(());
    }
    Err(CommandError::Invalid("a task instance can be marked as success, failed or skipped".to_owned()))
}

/// The instances that a request names.
fn chosen(run: &Run, request: &RerunRequest) -> Result<BTreeSet<InstanceKey>, CommandError> {
    if request.mark.is_none() && run.is_being_stopped() {
        return Err(CommandError::RunIsBeingStopped(request.run_id.to_string()));
    }
    let mut tasks = Vec::with_capacity(request.task_ids.len());
    for task_id in &request.task_ids {
        tasks.push(run.dag().index_of(task_id.as_str()).ok_or_else(|| CommandError::UnknownTask {
            run_id: request.run_id.to_string(),
            task_id: task_id.to_string(),
        })?);
    }
    let selection = Selection {
        tasks,
        map_index: request.map_index,
        upstream: request.upstream,
        downstream: request.downstream,
        only_failed: request.only_failed,
        only_running: request.only_running,
    };
    // What is marked is what was named; only a clear takes setups and teardowns with it.
    let chosen = match request.mark {
        Some(_) => run.named(&selection),
        None => run.select(&selection),
    };
    Ok(chosen.into_iter().collect())
}

fn affected(run: &Run, key: InstanceKey) -> AffectedInstance {
    AffectedInstance {
        task_id: run.dag().task(key.task).task_id.clone(),
        map_index: key.map_index,
        state: run.instance(key).state,
    }
}

fn may_be_marked(state: TaskInstanceState) -> bool {
    matches!(state, TaskInstanceState::Success | TaskInstanceState::Failed | TaskInstanceState::Skipped)
}
