//! Commands: what people and programs ask of the engine.

use super::EngineError;
use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::turn::{Act, Turn};
use crate::command::{Actor, Command, CommandError, Reply, RunCommand, TriggerRequest};
use crate::dag_folder::LoadedDag;
use crate::preview::iso;
use esteira_core::ids::{DagId, RunId, is_valid_run_id};
use esteira_core::run::{Input, Run};
use esteira_core::states::RunState;
use esteira_store::{AssetChange, NewRun, RunKey, RunRow, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a command was not carried out: refused, or a fault of the engine.
pub(super) enum Stop {
    Refused(CommandError),
    Fault(EngineError),
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Self {
        Self::Refused(error)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Fault(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(CommandError::Store(error.to_string()))
    }
}

impl MainLoop {
    pub(super) async fn command(&mut self, turn: &mut Turn, command: Command) -> Result<(), EngineError> {
        match command {
            Command::Trigger(request, reply) => {
                let answer = self.trigger(turn, request).await;
                respond(turn, reply, answer)
            }
            Command::Run(command) => self.run_command(turn, command).await,
            Command::Ping(reply) => respond(turn, reply, Ok(())),
            Command::DeleteDag { dag_id, actor, reply } => {
                let answer = self.delete_dag(turn, &dag_id, &actor).await;
                respond(turn, reply, answer)
            }
            Command::CreateBackfill(request, reply) => {
                let answer = self.create_backfill(turn, request).await;
                respond(turn, reply, answer)
            }
            Command::ChangeBackfill { backfill_id, change, actor, reply } => {
                let answer = self.change_backfill(turn, backfill_id, change, &actor).await;
                respond(turn, reply, answer)
            }
            Command::UpdateAsset { uri, extra, actor, reply } => {
                let answer = self.asset_updated_outside(turn, uri, extra, &actor).await;
                respond(turn, reply, answer)
            }
            Command::SetWebhook { dag_id, secret_hash, actor, reply } => {
                let answer = self.set_webhook(turn, &dag_id, secret_hash, &actor).await;
                respond(turn, reply, answer)
            }
            Command::ChangeAccount { request, actor, reply } => {
                let answer = self.change_account(turn, &request, &actor);
                respond(turn, reply, answer)
            }
            Command::ChangeSecret { request, actor, reply } => {
                let answer = self.change_secret(turn, &request, &actor);
                respond(turn, reply, answer)
            }
            Command::AcknowledgeAlerts { request, reply } => {
                let answer = self.acknowledge_alerts(turn, &request).await;
                respond(turn, reply, answer)
            }
            Command::TellAlertsTaken { queue, count, actor, reply } => {
                let body = json!({ "queue": queue, "count": count }).to_string();
                turn.event("alert.taken", None, &actor, body);
                respond(turn, reply, Ok(()))
            }
            Command::SetPool { pool, actor, reply } => {
                let answer = self.set_pool(turn, pool, &actor).await;
                respond(turn, reply, answer)
            }
            Command::RemovePool { name, actor, reply } => {
                let answer = self.remove_pool(turn, &name, &actor).await;
                respond(turn, reply, answer)
            }
            Command::Pools(reply) => {
                let answer = self.pools().await;
                respond(turn, reply, answer)
            }
            Command::PoolUse(name, reply) => {
                let answer = self.pool_use(&name).await;
                respond(turn, reply, answer)
            }
            Command::SetPaused { dag_id, is_paused, actor, reply } => {
                let answer = self.set_paused(turn, &dag_id, is_paused, &actor).await;
                respond(turn, reply, answer)
            }
        }
    }

    async fn run_command(&mut self, turn: &mut Turn, command: RunCommand) -> Result<(), EngineError> {
        match command {
            RunCommand::Cancel { dag_id, run_id, actor, reply } => {
                let answer = self.cancel(turn, &dag_id, &run_id, &actor).await;
                respond(turn, reply, answer)
            }
            RunCommand::Rerun { request, reply } if self.is_told_beside(&request) => {
                self.tell_beside(request, reply);
                Ok(())
            }
            RunCommand::Rerun { request, reply } => {
                let answer = self.rerun(turn, &request).await;
                respond(turn, reply, answer)
            }
            RunCommand::SetXcom { request, reply } => {
                let answer = self.set_xcom(turn, &request).await;
                respond(turn, reply, answer)
            }
            RunCommand::DeleteRun { dag_id, run_id, actor, reply } => {
                let answer = self.delete_run(turn, &dag_id, &run_id, &actor).await;
                respond(turn, reply, answer)
            }
            RunCommand::Answer { request, reply } => {
                let answer = self.answer(turn, &request).await;
                respond(turn, reply, answer)
            }
            RunCommand::PreviewAnswer { dag_id, run_id, instance, reply } => {
                let answer = self.preview_answer(turn.now, &dag_id, &run_id, &instance).await;
                respond(turn, reply, answer)
            }
            RunCommand::MarkRun { dag_id, run_id, state, actor, reply } => {
                let answer = self.mark_run(turn, &dag_id, &run_id, state, &actor).await;
                respond(turn, reply, answer)
            }
            RunCommand::WhyWaiting { dag_id, run_id, reply } => {
                let answer = self.why_waiting(&dag_id, &run_id).await;
                respond(turn, reply, answer)
            }
            RunCommand::WhyTheseWait { dag_id, run_id, places, reply } => {
                let answer = self.why_these_wait(&dag_id, &run_id, &places).await;
                respond(turn, reply, answer)
            }
        }
    }

    async fn trigger(&mut self, turn: &mut Turn, request: TriggerRequest) -> Result<RunRow, Stop> {
        let Some(loaded) = self.dags.get(&request.dag_id).cloned() else {
            return Err(self.why_not_loaded(&request.dag_id).await?.into());
        };
        let run_id = match &request.run_id {
            Some(run_id) if is_valid_run_id(run_id.as_str()) => run_id.clone(),
            Some(run_id) => return Err(invalid_run_id(run_id).into()),
            None => self.generate_run_id(turn, &request),
        };
        if self.is_taken(&turn.batch.new_runs, &request.dag_id, &run_id).await? {
            let (dag_id, run_id) = (request.dag_id.to_string(), run_id.to_string());
            return Err(CommandError::RunExists { dag_id, run_id }.into());
        }
        Ok(self.create_run(turn, &loaded, request, run_id)?)
    }

    /// Whether the DAG has a run of this name: in the database, or among those that this turn creates.
    pub(super) async fn is_taken(
        &self,
        new_runs: &[NewRun],
        dag_id: &DagId,
        run_id: &RunId,
    ) -> Result<bool, StoreError> {
        let is_new = is_among(new_runs, dag_id, run_id);
        Ok(is_new || self.reader.run(dag_id.as_str(), run_id.as_str()).await?.is_some())
    }

    /// Creates a run and starts it. The caller has seen to it that the name is free.
    pub(super) fn create_run(
        &mut self,
        turn: &mut Turn,
        loaded: &LoadedDag,
        request: TriggerRequest,
        run_id: RunId,
    ) -> Result<RunRow, CommandError> {
        let params =
            loaded.dag.resolve_params(&request.conf).map_err(|error| CommandError::Invalid(error.0))?;
        let row = self.new_row(turn, loaded, &request, run_id);
        turn.run_event(
            "run.created",
            &row.dag_id,
            (row.run_key, row.run_id.clone()),
            &request.actor,
            created_body(&row),
        );
        turn.batch.new_runs.push(new_run(&row));
        let run = Run::new(Arc::clone(&loaded.dag), row.run_id.as_str());
        let live = LiveRun::new(run, &row, params, request.asset_events);
        // Every instance has a row from the start, also those that wait for others.
        turn.touched_instances.extend(live.run.instances().map(|(instance, _)| (row.run_key, instance)));
        self.runs.insert(row.run_key, live);
        self.start_queued_runs(turn, &row.dag_id).map_err(|error| CommandError::Store(error.to_string()))?;
        let live = self.runs.get(row.run_key).map(|live| (live.run.state(), live.run.started_at()));
        let (state, started_at) = live.unwrap_or((RunState::Queued, None));
        Ok(RunRow { state, started_at, ..row })
    }

    fn new_row(
        &mut self,
        turn: &Turn,
        loaded: &LoadedDag,
        request: &TriggerRequest,
        run_id: RunId,
    ) -> RunRow {
        RunRow {
            run_key: self.writer.next_run_key(),
            dag_id: request.dag_id.clone(),
            run_id,
            version_id: loaded.version_id,
            version_number: loaded.version_number,
            state: RunState::Queued,
            run_type: request.run_type,
            triggered_by: request.actor.via,
            triggering_user: request.actor.name.to_string(),
            logical_date: request.logical_date.map(super::to_micros),
            data_interval_start: request.data_interval.map(|(start, _)| super::to_micros(start)),
            data_interval_end: request.data_interval.map(|(_, end)| super::to_micros(end)),
            run_after: request.run_after.or(request.logical_date).map_or(turn.now, super::to_micros),
            queued_at: turn.now,
            started_at: None,
            ended_at: None,
            conf: Value::Object(request.conf.clone()),
            note: request.note.clone(),
            parent_run_key: request.parent.map(|parent| parent.run_key),
            is_cancelled_with_parent: request.parent.is_some_and(|parent| parent.is_cancelled_with_parent),
            backfill_id: request.backfill_id,
        }
    }

    /// `<run type>__<instant>`; the next free microsecond when two come in the same one.
    fn generate_run_id(&self, turn: &Turn, request: &TriggerRequest) -> RunId {
        let mut at = request.logical_date.unwrap_or(turn.now);
        loop {
            let run_id = RunId::from(format!("{}__{}", request.run_type, iso(at)));
            let is_taken = is_among(&turn.batch.new_runs, &request.dag_id, &run_id)
                || self.runs.key_of(&request.dag_id, &run_id).is_some();
            if !is_taken || request.logical_date.is_some() {
                return run_id;
            }
            at = at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(at);
        }
    }

    pub(super) async fn why_not_loaded(&self, dag_id: &DagId) -> Result<CommandError, Stop> {
        let known = self.reader.dag(dag_id.as_str()).await?;
        Ok(match known {
            Some(_) => CommandError::Stale(dag_id.to_string()),
            None => CommandError::UnknownDag(dag_id.to_string()),
        })
    }

    async fn cancel(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        run_id: &RunId,
        actor: &Actor,
    ) -> Result<(), Stop> {
        if let Some(run_key) = self.runs.key_of(dag_id, run_id) {
            return Ok(self.cancel_with_children(turn, run_key, actor)?);
        }
        Err(match self.reader.run(dag_id.as_str(), run_id.as_str()).await? {
            Some(run) if !run.state.is_terminal() => CommandError::RunCannotGoOn(run_id.to_string()).into(),
            Some(run) => {
                CommandError::RunIsOver { run_id: run_id.to_string(), state: run.state.to_string() }.into()
            }
            None => {
                CommandError::UnknownRun { dag_id: dag_id.to_string(), run_id: run_id.to_string() }.into()
            }
        })
    }

    /// Cancels a run, and the runs that its tasks have asked for, unless they are to go on without it.
    fn cancel_with_children(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        actor: &Actor,
    ) -> Result<(), EngineError> {
        let mut open = vec![run_key];
        while let Some(run_key) = open.pop() {
            self.decide(turn, run_key, Input::Cancel, actor)?;
            open.extend(self.runs.cancelled_with(run_key));
        }
        Ok(())
    }

    async fn set_webhook(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        secret_hash: Option<String>,
        actor: &Actor,
    ) -> Result<(), Stop> {
        if !self.dags.contains_key(dag_id) {
            return Err(self.why_not_loaded(dag_id).await?.into());
        }
        let name = if secret_hash.is_some() { "webhook.set" } else { "webhook.removed" };
        turn.event(name, Some(dag_id), actor, String::new());
        let change = AssetChange::Webhook { dag_id: dag_id.clone(), secret_hash, at: turn.now };
        turn.batch.assets.push(change);
        Ok(())
    }

    async fn set_paused(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        is_paused: bool,
        actor: &Actor,
    ) -> Result<(), Stop> {
        let Some(loaded) = self.dags.get(dag_id).cloned() else {
            return Err(self.why_not_loaded(dag_id).await?.into());
        };
        if loaded.is_paused == is_paused {
            return Ok(());
        }
        turn.event(if is_paused { "dag.paused" } else { "dag.unpaused" }, Some(dag_id), actor, String::new());
        Ok(self.put_dag(turn, LoadedDag { is_paused, ..(*loaded).clone() }).await?)
    }
}

/// Answers once the turn is durable: a success is told only then.
fn respond<T: Send + 'static>(
    turn: &mut Turn,
    reply: Reply<T>,
    answer: Result<T, Stop>,
) -> Result<(), EngineError> {
    let answer = match answer {
        Ok(value) => Ok(value),
        Err(Stop::Refused(error)) => Err(error),
        Err(Stop::Fault(error)) => return Err(error),
    };
    // Whoever asked may be gone by now; what was decided stands.
    turn.acts.push(Act::Reply(Box::new(move || drop(reply.send(answer)))));
    Ok(())
}

fn is_among(new_runs: &[NewRun], dag_id: &DagId, run_id: &RunId) -> bool {
    new_runs.iter().any(|run| run.dag_id == *dag_id && run.run_id == *run_id)
}

fn invalid_run_id(run_id: &RunId) -> CommandError {
    CommandError::Invalid(format!(
        "\"{run_id}\" cannot name a run: letters, digits and _ . ~ : + - are allowed, 250 at the most"
    ))
}

/// What the history keeps of a run's creation: enough to make its row again.
pub(crate) fn created_body(row: &RunRow) -> String {
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    let mut body = json!({
        "version_id": row.version_id,
        "version_number": row.version_number,
        "run_type": row.run_type,
        "triggered_by": row.triggered_by,
        "triggering_user": row.triggering_user,
        "logical_date": micros(row.logical_date),
        "data_interval_start": micros(row.data_interval_start),
        "data_interval_end": micros(row.data_interval_end),
        "run_after": row.run_after.as_microsecond(),
        "conf": row.conf,
    });
    if let Some(parent) = row.parent_run_key {
        body["parent"] = json!({ "run_key": parent, "is_cancelled_with": row.is_cancelled_with_parent });
    }
    if let Some(backfill_id) = row.backfill_id {
        body["backfill_id"] = json!(backfill_id);
    }
    body.to_string()
}

fn new_run(row: &RunRow) -> NewRun {
    NewRun {
        run_key: row.run_key,
        dag_id: row.dag_id.clone(),
        run_id: row.run_id.clone(),
        version_id: row.version_id,
        run_type: row.run_type,
        triggered_by: row.triggered_by,
        triggering_user: row.triggering_user.clone(),
        logical_date: row.logical_date,
        data_interval: row.data_interval_start.zip(row.data_interval_end),
        run_after: row.run_after,
        queued_at: row.queued_at,
        conf: row.conf.to_string(),
        note: row.note.clone(),
        parent_run_key: row.parent_run_key,
        is_cancelled_with_parent: row.is_cancelled_with_parent,
        backfill_id: row.backfill_id,
    }
}
