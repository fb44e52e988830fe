//! The audited history and its summaries in SQLite: one [`Writer`], many [`Reader`]s. The only crate of the engine
//! that knows SQL.
//!
//! A [`Batch`] is committed in one transaction, with one sync to disk; what it holds is either all there or not at
//! all. The summaries (`dag_run`, `task_instance`, `attempt`) are a cache of the events: see migrations/.
#![warn(missing_docs)]

mod accounts;
mod alerts;
mod assets;
mod backfills;
mod batch;
mod error;
mod expansions;
mod keyring;
mod notifications;
mod open;
mod pools;
mod questions;
mod read;
mod removals;
mod rows;
mod secrets;
mod version_moves;
mod write;
mod xcom;

pub use accounts::{AccountChange, ApiTokenRow, SessionRow, UserRow};
pub use alerts::{AcknowledgementChange, AcknowledgementRow};
pub use assets::{AssetChange, AssetEventRow, AssetRow};
pub use backfills::BackfillRow;
pub use batch::{
    Batch, DagChange, ImportErrorChange, InstanceUpdate, NewAttempt, NewEvent, NewRun, NewVersion, RunUpdate,
    Subject,
};
pub use error::StoreError;
pub use expansions::{InstanceLabel, InstancesGone, NewExpansion};
pub use keyring::{Keyring, KeyringError};
pub use notifications::NotificationRow;
pub use open::{open_reader, open_writer};
pub use pools::{PoolChange, PoolRow};
pub use questions::{NewAnswer, NewQuestion, QuestionRow};
pub use read::{
    AssetEventColumn, AttemptKey, Bound, Column, Counting, EventColumn, EventFilter, FirstFailure, GridCell,
    InstanceColumn, List, Listing, Page, Pattern, Place, QuestionColumn, Reader, RunColumn, RunFilter,
    RunSnapshot, RunStats, Searched, TaskStateRow,
};
pub use rows::{
    AttemptRow, DagHead, DagRow, EventRow, ImportErrorRow, RunKey, RunRow, TaskInstanceRow, VersionId,
    VersionRow, XcomRow,
};
pub use secrets::{ConnectionRow, SecretChange, VariableRow};
pub use version_moves::RunMoved;
pub use write::Writer;
pub use xcom::{EncodedXcom, XCOM_SIZE_MAX, XcomError};
