//! What can be asked of the engine, and how it refuses.

use crate::accounts::AccountRequest;
use crate::engine::BackfillChange;
use crate::vault::SecretRequest;
use esteira_core::backfill::{Range, Reprocess};
use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::Answer;
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use esteira_store::{AssetEventRow, BackfillRow, PoolRow, RunKey, RunRow};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Who asks, and by what way: it stands in the audit history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The person's or the program's name.
    pub name: Arc<str>,
    /// By what way.
    pub via: TriggeredBy,
}

impl Actor {
    /// Somebody, by some way.
    pub fn new(name: impl Into<Arc<str>>, via: TriggeredBy) -> Self {
        Self { name: name.into(), via }
    }

    /// The engine itself.
    pub fn engine() -> Self {
        Self::new("engine", TriggeredBy::Engine)
    }

    /// The schedule.
    pub fn schedule() -> Self {
        Self::new("schedule", TriggeredBy::Timetable)
    }
}

/// A run that is asked for.
#[derive(Clone, Debug)]
pub struct TriggerRequest {
    /// The DAG.
    pub dag_id: DagId,
    /// The run's name; made from its type and the time when not given.
    pub run_id: Option<RunId>,
    /// What kind of run it is.
    pub run_type: RunType,
    /// The instant it stands for, if it stands for one.
    pub logical_date: Option<Timestamp>,
    /// The start and the end of the data it is about.
    pub data_interval: Option<(Timestamp, Timestamp)>,
    /// When it was due; now if not given.
    pub run_after: Option<Timestamp>,
    /// Params and anything else the tasks may read.
    pub conf: Map<String, Value>,
    /// What a person wrote about it.
    pub note: Option<String>,
    /// The run whose task asks for it.
    pub parent: Option<ParentRun>,
    /// The backfill that it is part of.
    pub backfill_id: Option<i64>,
    /// The updates of assets that it is started for, by asset: an object, or null.
    pub asset_events: Value,
    /// Who asks.
    pub actor: Actor,
}

/// A backfill that is asked for.
#[derive(Clone, Debug)]
pub struct BackfillRequest {
    /// The DAG.
    pub dag_id: DagId,
    /// The logical dates of its runs.
    pub range: Range,
    /// Which dates that have a run already are run again.
    pub reprocess: Reprocess,
    /// How many of its runs are under way at the same time.
    pub max_active_runs: u32,
    /// The conf of its runs.
    pub conf: Map<String, Value>,
    /// Only says what it would run.
    pub dry_run: bool,
    /// Who asks.
    pub actor: Actor,
}

/// A date of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBackfillRun {
    /// The logical date.
    pub logical_date: Timestamp,
    /// The start and the end of the data it is about.
    pub data_interval: (Timestamp, Timestamp),
    /// The state of the newest run that stands for it, if there is one.
    pub newest: Option<RunState>,
    /// Whether it is run.
    pub is_to_run: bool,
}

/// The run whose task asks for another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentRun {
    /// Its number.
    pub run_key: RunKey,
    /// Whether a cancel of it cancels the other run too.
    pub is_cancelled_with_parent: bool,
}

impl TriggerRequest {
    /// A manual run with empty conf.
    pub fn manual(dag_id: impl Into<DagId>, actor: Actor) -> Self {
        Self {
            dag_id: dag_id.into(),
            run_id: None,
            run_type: RunType::Manual,
            logical_date: None,
            data_interval: None,
            run_after: None,
            conf: Map::new(),
            note: None,
            parent: None,
            backfill_id: None,
            asset_events: Value::Null,
            actor,
        }
    }
}

/// Task instances of a run that are to run again, or to get a state.
#[derive(Clone, Debug)]
pub struct RerunRequest {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The tasks to begin with, by name; all tasks if empty.
    pub task_ids: Vec<TaskId>,
    /// Of these, only the instance with this map index, if given.
    pub map_index: Option<i32>,
    /// Also all tasks before them.
    pub upstream: bool,
    /// Also all tasks after them.
    pub downstream: bool,
    /// Of these, only the ones that failed or did not run because of a failure.
    pub only_failed: bool,
    /// Of these, only the ones that are running; with `only_failed`, those too.
    pub only_running: bool,
    /// Clears them on the newest version of the DAG, and not on the one that the run has. Only for a run that is over.
    pub on_latest_version: bool,
    /// The state that they get; none clears them.
    pub mark: Option<TaskInstanceState>,
    /// Only says what would be affected.
    pub dry_run: bool,
    /// Who asks.
    pub actor: Actor,
}

/// An answer to what a task instance asks.
#[derive(Clone, Debug)]
pub struct AnswerRequest {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The options that are chosen.
    pub chosen_options: Vec<String>,
    /// What is filled in besides, by name; what is left out has its default.
    pub params_input: Map<String, Value>,
    /// Who answers.
    pub actor: Actor,
}

/// A value that somebody gives a task instance, as if the instance had pushed it.
#[derive(Clone, Debug)]
pub struct XcomRequest {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Who asks.
    pub actor: Actor,
}

/// Alerts that somebody acknowledges, or takes that back.
#[derive(Clone, Debug)]
pub struct AcknowledgeRequest {
    /// The alerts' own names: those of their messages.
    pub message_ids: Vec<String>,
    /// What they write about them, or nothing.
    pub note: String,
    /// Whether they take it back.
    pub is_withdrawn: bool,
    /// Who asks.
    pub actor: Actor,
}

/// A task instance that a clear or a mark affects, as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedInstance {
    /// The task.
    pub task_id: TaskId,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// Its state before.
    pub state: Option<TaskInstanceState>,
}

/// A pool and how it is used at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// The pool.
    pub pool: PoolRow,
    /// How many of its slots are held.
    pub used: u32,
    /// How many slots the instances that are scheduled wait for.
    pub wanted: u32,
}

/// Who holds slots of a pool and who waits for some, at the moment; of each no more than [`PoolUse::LENGTH_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Those that hold slots.
    pub holders: Vec<PoolUser>,
    /// Those that wait for some, who came first first.
    pub waiters: Vec<PoolUser>,
}

impl PoolUse {
    /// How many are told of at the most.
    pub const LENGTH_MAX: usize = 100;
}

/// A task instance that holds slots of a pool, or waits for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUser {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// How many slots.
    pub pool_slots: u32,
    /// Why it waits, in one sentence; empty for one that holds them.
    pub reason: String,
}

/// What comes of an option of what an instance asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerEffect {
    /// The option.
    pub option: String,
    /// Whether the task that asks fails.
    pub fails: bool,
    /// The tasks after it that may run then, in the order of the file.
    pub goes_on: Vec<TaskId>,
    /// The tasks after it that will not run.
    pub skipped: Vec<TaskId>,
}

/// A task instance that is not running, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingInstance {
    /// The task.
    pub task_id: TaskId,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// Why, in one sentence.
    pub reason: String,
}

/// Of a task, the instance with this map index (-1 where it is not mapped), or the first that waits.
pub type WaitingPlace = (TaskId, Option<i32>);

/// Why the engine refuses what was asked; each text is for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// 404 in the API.
    #[error("there is no DAG \"{0}\"")]
    UnknownDag(String),
    /// 404 in the API.
    #[error("DAG \"{dag_id}\" has no run \"{run_id}\"")]
    UnknownRun {
        /// The DAG.
        dag_id: String,
        /// The run.
        run_id: String,
    },
    /// 404 in the API.
    #[error("run \"{run_id}\" has no task \"{task_id}\"")]
    UnknownTask {
        /// The run.
        run_id: String,
        /// The task.
        task_id: String,
    },
    /// 404 in the API.
    #[error("there is no pool \"{0}\"")]
    UnknownPool(String),
    /// 404 in the API.
    #[error("there is no variable \"{0}\" in the store")]
    UnknownVariable(String),
    /// 404 in the API.
    #[error("there is no connection \"{0}\" in the store")]
    UnknownConnection(String),
    /// 404 in the API.
    #[error("there is no user \"{0}\"")]
    UnknownUser(String),
    /// 404 in the API.
    #[error("there is no token \"{0}\"")]
    UnknownToken(String),
    /// 409 in the API.
    #[error("there is a user \"{0}\" already")]
    UserExists(String),
    /// 409 in the API.
    #[error("\"{0}\" is the last admin: make somebody else one before")]
    LastAdmin(String),
    /// 404 in the API.
    #[error("there is no backfill {0}")]
    UnknownBackfill(i64),
    /// 409 in the API.
    #[error("the task \"{task_id}\" of run \"{run_id}\" asks nothing at the moment")]
    NotAsked {
        /// The task.
        task_id: String,
        /// The run.
        run_id: String,
    },
    /// 409 in the API.
    #[error("the task \"{task_id}\" has a value \"{key}\" already")]
    XcomExists {
        /// The task.
        task_id: String,
        /// The key.
        key: String,
    },
    /// 409 in the API.
    #[error("the backfill {0} is over already")]
    BackfillIsOver(i64),
    /// 409 in the API.
    #[error("run \"{0}\" is still under way: cancel it first, or mark its tasks")]
    RunIsUnderWay(String),
    /// 409 in the API.
    #[error(
        "run \"{0}\" is still under way, and goes on with the version that it has: wait until it has ended, or cancel it"
    )]
    RunKeepsItsVersion(String),
    /// 409 in the API.
    #[error("run \"{0}\" is being stopped: wait until it has ended, then clear its tasks")]
    RunIsBeingStopped(String),
    /// 409 in the API.
    #[error("DAG \"{dag_id}\" already has a run \"{run_id}\"")]
    RunExists {
        /// The DAG.
        dag_id: String,
        /// The run.
        run_id: String,
    },
    /// 409 in the API.
    #[error("run \"{run_id}\" is already {state}")]
    RunIsOver {
        /// The run.
        run_id: String,
        /// Its state.
        state: String,
    },
    /// 409 in the API.
    #[error(
        "run \"{0}\" is not under way in this engine, though it has not ended: its DAG version or its history cannot be \
         read (esteira audit verify says more)"
    )]
    RunCannotGoOn(String),
    /// 422 in the API.
    #[error("{0}")]
    Invalid(String),
    /// 409 in the API.
    #[error("the file of DAG \"{0}\" is gone; put it back, or trigger another DAG")]
    Stale(String),
    /// 503 in the API.
    #[error("the engine is stopping")]
    Stopping,
    /// 503 in the API.
    #[error("{0}")]
    Store(String),
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// What the loop is asked to do.
pub(crate) enum Command {
    Trigger(TriggerRequest, Reply<RunRow>),
    Run(RunCommand),
    Ping(Reply<()>),
    DeleteDag { dag_id: DagId, actor: Actor, reply: Reply<usize> },
    CreateBackfill(BackfillRequest, Reply<(Option<BackfillRow>, Vec<PlannedBackfillRun>)>),
    ChangeBackfill { backfill_id: i64, change: BackfillChange, actor: Actor, reply: Reply<BackfillRow> },
    UpdateAsset { uri: String, extra: Map<String, Value>, actor: Actor, reply: Reply<AssetEventRow> },
    SetWebhook { dag_id: DagId, secret_hash: Option<String>, actor: Actor, reply: Reply<()> },
    ChangeAccount { request: AccountRequest, actor: Actor, reply: Reply<()> },
    ChangeSecret { request: SecretRequest, actor: Actor, reply: Reply<usize> },
    AcknowledgeAlerts { request: AcknowledgeRequest, reply: Reply<usize> },
    TellAlertsTaken { queue: String, count: usize, actor: Actor, reply: Reply<()> },
    SetPool { pool: PoolRow, actor: Actor, reply: Reply<()> },
    RemovePool { name: String, actor: Actor, reply: Reply<()> },
    Pools(Reply<Vec<PoolStatus>>),
    PoolUse(String, Reply<PoolUse>),
    SetPaused { dag_id: DagId, is_paused: bool, actor: Actor, reply: Reply<()> },
}

/// What the loop is asked to do with a run that there is.
pub(crate) enum RunCommand {
    Cancel {
        dag_id: DagId,
        run_id: RunId,
        actor: Actor,
        reply: Reply<()>,
    },
    Rerun {
        request: RerunRequest,
        reply: Reply<Vec<AffectedInstance>>,
    },
    SetXcom {
        request: XcomRequest,
        reply: Reply<()>,
    },
    DeleteRun {
        dag_id: DagId,
        run_id: RunId,
        actor: Actor,
        reply: Reply<()>,
    },
    Answer {
        request: AnswerRequest,
        reply: Reply<Answer>,
    },
    PreviewAnswer {
        dag_id: DagId,
        run_id: RunId,
        instance: (TaskId, i32),
        reply: Reply<Vec<AnswerEffect>>,
    },
    MarkRun {
        dag_id: DagId,
        run_id: RunId,
        state: RunState,
        actor: Actor,
        reply: Reply<()>,
    },
    WhyWaiting {
        dag_id: DagId,
        run_id: RunId,
        reply: Reply<Vec<WaitingInstance>>,
    },
    WhyTheseWait {
        dag_id: DagId,
        run_id: RunId,
        places: Vec<WaitingPlace>,
        reply: Reply<Vec<Option<String>>>,
    },
}
