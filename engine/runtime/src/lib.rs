//! The runtime: carries out what the core decides.
//!
//! ```text
//!   Handle ─ commands ──▶ ┌──────┐   decide (core) ─▶ commit (store) ─▶ act
//!   attempts ─ reports ─▶ │ loop │                                      │
//!   timers · DAG folder ▶ └──────┘ ◀── attempts started, killed, timers armed, subscribers told
//! ```
//!
//! - [`Engine`] starts everything on a home folder; [`Handle`] is the one door to it, cheap to clone.
//! - [`home`]: the folder that holds all state, and its lock.
//! - [`logs`]: the lines of attempts.
//! - [`links`]: the paths of pages.
//! - [`audit`]: the check that history and summaries agree.
#![warn(missing_docs)]

mod accounts;
pub mod audit;
mod command;
mod dag_folder;
mod door;
mod engine;
mod execution;
mod executor;
mod expand;
mod handle;
pub mod home;
pub mod links;
mod log_index;
mod log_search;
pub mod logs;
mod notice;
mod notifier;
mod preview;
mod rehearsal;
mod template_source;
mod triggerer;
mod vault;
mod versions;

pub use accounts::{
    AccountRequest, Accounts, Credential, NewToken, PASSWORD_LENGTH_MIN, Principal, Secret, User,
    hash_password,
};
pub use command::{
    AcknowledgeRequest, Actor, AffectedInstance, AnswerEffect, AnswerRequest, BackfillRequest, CommandError,
    ParentRun, PlannedBackfillRun, PoolStatus, PoolUse, PoolUser, RerunRequest, TriggerRequest,
    WaitingInstance, WaitingPlace, XcomRequest,
};
pub use dag_folder::{LoadedDag, check_dag_file, dag_files};
pub(crate) use engine::created_body as engine_body;
pub use engine::{
    Engine, EngineError, Options, PARALLELISM, change_account, change_secret, engine_mark, home_mark,
};
pub use handle::Handle;
pub use notice::{Notice, ProgressNotice};
pub use preview::{PREVIEW_MAX, PlannedRun, preview};
pub use rehearsal::{Rehearsal, RehearsedArgument, RehearsedRun};
pub use vault::{KeySource, SecretRequest, StoredConnection, Variable, Vault};
pub(crate) use versions::source_hash;
