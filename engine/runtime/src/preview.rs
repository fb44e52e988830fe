//! What a DAG's schedule will start, before it does.

use esteira_core::dag::Dag;
use esteira_core::ids::RunId;
use esteira_core::schedule::Tick;
use esteira_core::states::RunType;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The most runs that one preview lists.
pub const PREVIEW_MAX: usize = 1000;

/// A run that is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// The name that it will have.
    pub run_id: RunId,
    /// When it is due.
    pub run_after: Timestamp,
    /// The instant that it stands for.
    pub logical_date: Timestamp,
    /// The start of the data it is about.
    pub data_interval_start: Timestamp,
    /// The end of the data it is about.
    pub data_interval_end: Timestamp,
    /// Whether it was due before, and starts at once (`missed: last` or `missed: all`).
    pub is_missed: bool,
}

/// The runs, `count` at the most, that start if the DAG is unpaused (or its engine starts) at `from`, oldest first.
/// `last` is when the newest run of its schedule was due. When the next run of a `@continuous` DAG starts depends on how
/// long the one before takes, so it lists only one.
pub fn preview(dag: &Dag, last: Option<Timestamp>, from: Timestamp, count: usize) -> Vec<PlannedRun> {
    let planned = |tick: Tick| PlannedRun {
        run_id: scheduled_run_id(tick),
        run_after: tick.run_after,
        logical_date: tick.logical_date,
        data_interval_start: tick.data_interval.0,
        data_interval_end: tick.data_interval.1,
        is_missed: tick.run_after < from,
    };
    dag.ticks().preview(last, from).take(count.min(PREVIEW_MAX)).map(planned).collect()
}

/// The name of the run that a schedule starts.
pub(crate) fn scheduled_run_id(tick: Tick) -> RunId {
    RunId::from(format!("{}__{}", RunType::Scheduled, iso(tick.run_after)))
}

/// An instant in a run id, as Airflow writes it.
pub(crate) fn iso(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::UTC);
    let fraction = if zoned.subsec_nanosecond() == 0 { "" } else { "%.6f" };
    zoned.strftime(&format!("%Y-%m-%dT%H:%M:%S{fraction}+00:00")).to_string()
}
