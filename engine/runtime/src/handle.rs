//! The door to the engine: commands in, answers and notices out. Everyone uses it: pages, API and command line.

use crate::accounts::{AccountRequest, Accounts};
use crate::command::{
    AcknowledgeRequest, Actor, AffectedInstance, AnswerEffect, AnswerRequest, BackfillRequest, Command,
    CommandError, PlannedBackfillRun, PoolStatus, PoolUse, Reply, RerunRequest, RunCommand, TriggerRequest,
    WaitingInstance, WaitingPlace, XcomRequest,
};
use crate::dag_folder::LoadedDag;
use crate::engine::BackfillChange;
use crate::logs::Logs;
use crate::notice::Notice;
use crate::vault::{SecretRequest, Vault};
use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::Answer;
use esteira_core::states::RunState;
use esteira_store::{AssetEventRow, BackfillRow, PoolRow, Reader, RunRow};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The DAGs that can be triggered at the moment, by name.
pub(crate) type LiveDags = BTreeMap<DagId, Arc<LoadedDag>>;

/// The door to a running engine. Cloning shares it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) reader: Reader,
    pub(crate) logs: Logs,
    pub(crate) dags: Arc<RwLock<LiveDags>>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended: CancellationToken,
}

impl Handle {
    /// Asks for a run. It is durable when this returns.
    pub async fn trigger(&self, request: TriggerRequest) -> Result<RunRow, CommandError> {
        self.ask(|reply| Command::Trigger(request, reply)).await
    }

    /// Asks a run to end: what has not begun is skipped, what runs is told to end. Durable when this returns; the
    /// run is over once its attempts are.
    pub async fn cancel(&self, dag_id: DagId, run_id: RunId, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::Run(RunCommand::Cancel { dag_id, run_id, actor, reply })).await
    }

    /// Clears or marks task instances of a run, which goes on if it was over; gives them as they were before. Clearing
    /// an attempt that is under way ends it first.
    pub async fn rerun(&self, request: RerunRequest) -> Result<Vec<AffectedInstance>, CommandError> {
        self.ask(|reply| Command::Run(RunCommand::Rerun { request, reply })).await
    }

    /// Gives a task instance a value that it has not pushed.
    pub async fn set_xcom(&self, request: XcomRequest) -> Result<(), CommandError> {
        self.ask(|reply| Command::Run(RunCommand::SetXcom { request, reply })).await
    }

    /// Removes a run that is not under way, with its values and logs. The history keeps what happened.
    pub async fn delete_run(&self, dag_id: DagId, run_id: RunId, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::Run(RunCommand::DeleteRun { dag_id, run_id, actor, reply })).await
    }

    /// Removes a DAG with all its runs, of which none may be under way; gives how many these were. One whose file is
    /// still there begins anew.
    pub async fn delete_dag(&self, dag_id: DagId, actor: Actor) -> Result<usize, CommandError> {
        self.ask(|reply| Command::DeleteDag { dag_id, actor, reply }).await
    }

    /// Answers what a task instance asks people; gives the answer as it is kept.
    pub async fn answer(&self, request: AnswerRequest) -> Result<Answer, CommandError> {
        self.ask(|reply| Command::Run(RunCommand::Answer { request, reply })).await
    }

    /// Gives a run another end, without a change to its task instances. One that is under way can only be cancelled.
    pub async fn mark_run(
        &self,
        dag_id: DagId,
        run_id: RunId,
        state: RunState,
        actor: Actor,
    ) -> Result<(), CommandError> {
        self.ask(|reply| Command::Run(RunCommand::MarkRun { dag_id, run_id, state, actor, reply })).await
    }

    /// Says what a backfill would run; creates it unless that was all that was asked.
    pub async fn create_backfill(
        &self,
        request: BackfillRequest,
    ) -> Result<(Option<BackfillRow>, Vec<PlannedBackfillRun>), CommandError> {
        self.ask(|reply| Command::CreateBackfill(request, reply)).await
    }

    /// Lets a backfill start runs, or not.
    pub async fn set_backfill_paused(
        &self,
        backfill_id: i64,
        is_paused: bool,
        actor: Actor,
    ) -> Result<BackfillRow, CommandError> {
        let change = if is_paused { BackfillChange::Pause } else { BackfillChange::Unpause };
        self.ask(|reply| Command::ChangeBackfill { backfill_id, change, actor, reply }).await
    }

    /// Ends a backfill: it starts no more runs; those that are under way go on.
    pub async fn cancel_backfill(&self, backfill_id: i64, actor: Actor) -> Result<BackfillRow, CommandError> {
        let change = BackfillChange::Cancel;
        self.ask(|reply| Command::ChangeBackfill { backfill_id, change, actor, reply }).await
    }

    /// Says that an asset was updated; the DAGs that are run for it hear of it.
    pub async fn update_asset(
        &self,
        uri: String,
        extra: serde_json::Map<String, serde_json::Value>,
        actor: Actor,
    ) -> Result<AssetEventRow, CommandError> {
        self.ask(|reply| Command::UpdateAsset { uri, extra, actor, reply }).await
    }

    /// Gives the webhook of a DAG a new secret, of which only the SHA-256 (in hex) is kept; or takes the webhook away.
    pub async fn set_webhook(
        &self,
        dag_id: DagId,
        secret_hash: Option<String>,
        actor: Actor,
    ) -> Result<(), CommandError> {
        self.ask(|reply| Command::SetWebhook { dag_id, secret_hash, actor, reply }).await
    }

    /// Acknowledges alerts, or takes that back; gives how many that changed.
    pub async fn acknowledge_alerts(&self, request: AcknowledgeRequest) -> Result<usize, CommandError> {
        self.ask(|reply| Command::AcknowledgeAlerts { request, reply }).await
    }

    /// Tells the history that somebody has taken alerts out of a queue.
    pub async fn tell_alerts_taken(
        &self,
        queue: String,
        count: usize,
        actor: Actor,
    ) -> Result<(), CommandError> {
        self.ask(|reply| Command::TellAlertsTaken { queue, count, actor, reply }).await
    }

    /// Makes a pool, or changes it.
    pub async fn set_pool(&self, pool: PoolRow, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::SetPool { pool, actor, reply }).await
    }

    /// Removes a pool. What holds slots of it goes on; what waits for one waits until there is such a pool again.
    pub async fn remove_pool(&self, name: String, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemovePool { name, actor, reply }).await
    }

    /// Every pool, and how it is used at the moment.
    pub async fn pools(&self) -> Result<Vec<PoolStatus>, CommandError> {
        self.ask(Command::Pools).await
    }

    /// Who holds slots of a pool, and who waits for some.
    pub async fn pool_use(&self, name: String) -> Result<PoolUse, CommandError> {
        self.ask(|reply| Command::PoolUse(name, reply)).await
    }

    /// Why each task instance of a run that has not ended is not running.
    pub async fn why_waiting(
        &self,
        dag_id: DagId,
        run_id: RunId,
    ) -> Result<Vec<WaitingInstance>, CommandError> {
        self.ask(|reply| Command::Run(RunCommand::WhyWaiting { dag_id, run_id, reply })).await
    }

    /// What comes of each option of what a task instance asks (-1: of a task that is not mapped); an error if it asks
    /// nothing. Of very many options nothing is said.
    pub async fn preview_answer(
        &self,
        dag_id: DagId,
        run_id: RunId,
        instance: (TaskId, i32),
    ) -> Result<Vec<AnswerEffect>, CommandError> {
        self.ask(|reply| Command::Run(RunCommand::PreviewAnswer { dag_id, run_id, instance, reply })).await
    }

    /// Why one task instance (-1: of a task that is not mapped) is not running; none if it runs, or is over.
    pub async fn why_instance_waits(
        &self,
        dag_id: DagId,
        run_id: RunId,
        instance: (TaskId, i32),
    ) -> Result<Option<String>, CommandError> {
        let place = (instance.0, Some(instance.1));
        Ok(self.why_these_wait(dag_id, run_id, vec![place]).await?.pop().flatten())
    }

    /// Why these task instances of a run are not running, in the order in which they are named; none for one that runs, is over or
    /// is not there. It costs as much as is asked for, however large the run is.
    pub async fn why_these_wait(
        &self,
        dag_id: DagId,
        run_id: RunId,
        places: Vec<WaitingPlace>,
    ) -> Result<Vec<Option<String>>, CommandError> {
        self.ask(|reply| Command::Run(RunCommand::WhyTheseWait { dag_id, run_id, places, reply })).await
    }

    /// Changes a variable or a connection, or seals all of them with the newest key; says how many were changed. Durable
    /// when this returns, and seen by every attempt from then on.
    pub async fn change_secret(&self, request: SecretRequest, actor: Actor) -> Result<usize, CommandError> {
        self.ask(|reply| Command::ChangeSecret { request, actor, reply }).await
    }

    /// Changes users, sessions or tokens, or tells the history of a refusal. Durable when this returns, and in force from
    /// then on.
    pub async fn change_account(&self, request: AccountRequest, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::ChangeAccount { request, actor, reply }).await
    }

    /// Users, sessions and tokens.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// Variables and connections, opened.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Lets a DAG's schedule start runs, or not. Doing it twice is no error.
    pub async fn set_paused(&self, dag_id: DagId, is_paused: bool, actor: Actor) -> Result<(), CommandError> {
        self.ask(|reply| Command::SetPaused { dag_id, is_paused, actor, reply }).await
    }

    /// Whether the loop takes turns: it answers within `patience`. A disk that is full holds it up.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ask(Command::Ping)).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Everything that happens from now on. A subscriber that falls behind is told that it missed some.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Waits until the engine has ended, for whatever reason.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The history and its summaries.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The lines of attempts.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The DAGs that can be triggered at the moment, by name.
    pub fn dags(&self) -> Vec<Arc<LoadedDag>> {
        self.dags.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The DAG of this name, as its file is at the moment.
    pub fn dag(&self, dag_id: &str) -> Option<Arc<LoadedDag>> {
        self.dags.read().unwrap_or_else(PoisonError::into_inner).get(&DagId::from(dag_id)).cloned()
    }

    /// When this engine started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| CommandError::Stopping)?;
        answer.await.map_err(|_| CommandError::Stopping)?
    }
}
