//! The DAG folder: files are read, checked and watched.

use esteira_core::dag::Dag;
use esteira_store::VersionId;
use jiff::Timestamp;
use std::sync::Arc;

/// A DAG as its file is at the moment.
#[derive(Clone, Debug)]
pub struct LoadedDag {
    /// The definition.
    pub dag: Arc<Dag>,
    /// The version in the history.
    pub version_id: VersionId,
    /// The version's number in the DAG, from 1.
    pub version_number: i64,
    /// The file, as people know it.
    pub file: String,
    /// Whether its schedule starts no runs.
    pub is_paused: bool,
    /// When its schedule starts the next run, if it does.
    pub next_run_at: Option<Timestamp>,
}
