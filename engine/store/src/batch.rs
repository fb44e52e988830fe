//! What one turn of the engine's loop makes durable, all or nothing.

use crate::accounts::AccountChange;
use crate::alerts::AcknowledgementChange;
use crate::assets::AssetChange;
use crate::backfills::BackfillRow;
use crate::expansions::{InstanceLabel, InstancesGone, NewExpansion};
use crate::notifications::NotificationRow;
use crate::pools::PoolChange;
use crate::questions::{NewAnswer, NewQuestion};
use crate::rows::{RunKey, VersionId};
use crate::secrets::SecretChange;
use crate::version_moves::RunMoved;
use crate::xcom::EncodedXcom;
use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::{Instance, InstanceKey};
use esteira_core::states::{RunState, RunType, TriggeredBy};
use jiff::Timestamp;
use std::sync::Arc;

/// What one turn of the engine's loop makes durable. Lists are written in the order of the fields.
#[derive(Debug, Default)]
pub struct Batch {
    /// New contents of DAG files.
    pub versions: Vec<NewVersion>,
    /// DAGs that appeared, changed, vanished, were paused or unpaused: the row as it is now.
    pub dags: Vec<DagChange>,
    /// Files that broke or were mended.
    pub import_errors: Vec<ImportErrorChange>,
    /// Pools that were set or removed.
    pub pools: Vec<PoolChange>,
    /// Variables and connections that were set or removed, in order.
    pub secrets: Vec<SecretChange>,
    /// Users, sessions and tokens that came, changed or went, in order.
    pub accounts: Vec<AccountChange>,
    /// Assets that were named, updated or used, in order.
    pub assets: Vec<AssetChange>,
    /// Alerts that were acknowledged, or are not any more, in order.
    pub acknowledgements: Vec<AcknowledgementChange>,
    /// Backfills as they are now.
    pub backfills: Vec<BackfillRow>,
    /// Runs that were created.
    pub new_runs: Vec<NewRun>,
    /// Runs whose state changed.
    pub runs: Vec<RunUpdate>,
    /// Runs that go on with another version of their DAG; what follows is about the tasks of that.
    pub moved_runs: Vec<RunMoved>,
    /// What mapped tasks are expanded over.
    pub expansions: Vec<NewExpansion>,
    /// Instances that stand for their tasks no more, before those that do.
    pub instances_gone: Vec<InstancesGone>,
    /// Instances that appeared or changed: the row as it is now.
    pub instances: Vec<InstanceUpdate>,
    /// Names of mapped instances.
    pub labels: Vec<InstanceLabel>,
    /// Attempts that ended.
    pub attempts: Vec<NewAttempt>,
    /// Instances whose values are gone: they were cleared.
    pub xcoms_gone: Vec<(RunKey, InstanceKey)>,
    /// Values that were pushed.
    pub xcoms: Vec<(RunKey, InstanceKey, Timestamp, EncodedXcom)>,
    /// What tasks ask people.
    pub questions: Vec<NewQuestion>,
    /// What people have answered, after the questions.
    pub answers: Vec<NewAnswer>,
    /// Callbacks that are to be run, or were, as they are now.
    pub notifications: Vec<NotificationRow>,
    /// Runs that are removed with all that belongs to them, after everything else.
    pub runs_gone: Vec<RunKey>,
    /// DAGs whose rows are removed; none has runs any more.
    pub dags_gone: Vec<DagId>,
    /// What happened, in order.
    pub events: Vec<NewEvent>,
}

impl Batch {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.dags.is_empty()
            && self.import_errors.is_empty()
            && self.backfills.is_empty()
    }
}

/// A row of the audit history to be.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub name: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// The attempt, or 0.
    pub try_number: u32,
    /// Who caused it.
    pub actor: Arc<str>,
    /// By what way it was asked for.
    pub via: TriggeredBy,
    /// What it says beyond its name, as JSON text, or empty.
    pub body: String,
}

/// What an event is about: nothing in particular, a DAG, a run, or an instance.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The DAG.
    pub dag_id: Option<DagId>,
    /// The run.
    pub run: Option<(RunKey, RunId)>,
    /// The task instance.
    pub task: Option<(InstanceKey, TaskId)>,
}

/// A content of a DAG file that was not seen before.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// From [`crate::Writer::next_version_id`].
    pub version_id: VersionId,
    /// The DAG.
    pub dag_id: DagId,
    /// Its number in the DAG.
    pub version_number: i64,
    /// SHA-256 of the source, in hex.
    pub source_hash: String,
    /// The file.
    pub file: String,
    /// The YAML.
    pub source: String,
    /// The DAG as JSON.
    pub definition: String,
    /// When it was seen.
    pub created_at: Timestamp,
}

/// The row of a DAG as it is now.
#[derive(Clone, Debug)]
pub struct DagChange {
    /// The DAG.
    pub dag_id: DagId,
    /// The version that new runs take.
    pub version_id: VersionId,
    /// The file.
    pub file: String,
    /// Whether its schedule starts no runs.
    pub is_paused: bool,
    /// Whether its file is gone.
    pub is_stale: bool,
    /// When its content was last new.
    pub loaded_at: Timestamp,
}

/// A file that broke, or one that was mended or removed.
#[derive(Clone, Debug)]
pub enum ImportErrorChange {
    /// It does not make a DAG.
    Broken {
        /// The file.
        file: String,
        /// When that was found.
        at: Timestamp,
        /// The diagnostics as JSON.
        diagnostics: String,
    },
    /// It does again, or is gone.
    Mended {
        /// The file.
        file: String,
    },
}

/// A run to be.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// From [`crate::Writer::next_run_key`].
    pub run_key: RunKey,
    /// The DAG.
    pub dag_id: DagId,
    /// Its name.
    pub run_id: RunId,
    /// The version it runs on.
    pub version_id: VersionId,
    /// What kind of run it is.
    pub run_type: RunType,
    /// By what way it was asked for.
    pub triggered_by: TriggeredBy,
    /// Who asked for it.
    pub triggering_user: String,
    /// The instant it stands for.
    pub logical_date: Option<Timestamp>,
    /// The start and the end of the data it is about.
    pub data_interval: Option<(Timestamp, Timestamp)>,
    /// When it might begin.
    pub run_after: Timestamp,
    /// When it was created.
    pub queued_at: Timestamp,
    /// What its trigger said, as JSON text.
    pub conf: String,
    /// What a person wrote about it.
    pub note: Option<String>,
    /// The number of the run whose task asked for it.
    pub parent_run_key: Option<RunKey>,
    /// Whether a cancel of that run cancels it too.
    pub is_cancelled_with_parent: bool,
    /// The number of the backfill that it is part of.
    pub backfill_id: Option<i64>,
}

/// A run's state as it is now.
#[derive(Clone, Debug)]
pub struct RunUpdate {
    /// Which run.
    pub run_key: RunKey,
    /// Its state.
    pub state: RunState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// An instance as it is now.
#[derive(Clone, Debug)]
pub struct InstanceUpdate {
    /// Which run.
    pub run_key: RunKey,
    /// Which instance.
    pub instance: InstanceKey,
    /// The task's name.
    pub task_id: TaskId,
    /// Its state, times and numbers.
    pub live: Instance,
}

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// Which run.
    pub run_key: RunKey,
    /// Which instance.
    pub instance: InstanceKey,
    /// Its number.
    pub try_number: u32,
    /// How it ended: `success`, `failed`, `skipped`, `lost`.
    pub outcome: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed, as JSON text.
    pub error: Option<String>,
    /// Its arguments as rendered, as JSON text.
    pub arguments: Option<String>,
}
