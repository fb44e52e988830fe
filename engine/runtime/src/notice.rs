//! What subscribers are told: committed events as they happen, and progress that is not kept.

use esteira_store::EventRow;
use serde::Serialize;
use std::sync::Arc;

/// Something that a subscriber may want to show.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An event, durable by now.
    Event(Arc<EventRow>),
    /// How far an attempt has come.
    Progress(Arc<ProgressNotice>),
}

/// How far an attempt has come.
#[derive(Clone, Debug, Serialize)]
pub struct ProgressNotice {
    /// The DAG.
    pub dag_id: String,
    /// The run.
    pub run_id: String,
    /// The task.
    pub task_id: String,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// The attempt.
    pub try_number: u32,
    /// How many are done.
    pub done: u64,
    /// How many there will be, where that is known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: &'static str,
}
