//! The table of runs that the runs page and the runs tab of a DAG share.

use super::cells::run_key;
use crate::show::{Elapsed, Instant, Mark};
use crate::{links, t};
use esteira_core::states::{RunState, RunType};
use esteira_store::RunRow;
use jiff::Timestamp;

/// How many rows a page has.
pub(super) const PAGE_LENGTH: u32 = 50;

/// A row of the table.
pub(crate) struct RunLine {
    pub(crate) key: String,
    pub(crate) run_id: String,
    pub(crate) url: String,
    pub(crate) dag_id: String,
    pub(crate) dag_url: String,
    pub(crate) mark: Mark,
    pub(crate) kind: &'static str,
    pub(crate) who: String,
    pub(crate) queued: Instant,
    pub(crate) elapsed: Elapsed,
    pub(crate) version: i64,
    pub(crate) note: String,
}

impl RunLine {
    pub(super) fn new(run: &RunRow, now: Timestamp) -> Self {
        Self {
            key: run_key(run),
            url: links::run(run.dag_id.as_str(), run.run_id.as_str()),
            run_id: run.run_id.to_string(),
            dag_url: links::dag(run.dag_id.as_str()),
            dag_id: run.dag_id.to_string(),
            mark: Mark::of_run(run.state),
            kind: kind_word(run.run_type),
            who: who(run),
            queued: Instant::new(run.queued_at, now),
            elapsed: Elapsed::between(run.started_at, run.ended_at, now),
            version: run.version_number,
            note: run.note.clone().unwrap_or_default(),
        }
    }
}

/// What people call a kind of run.
pub(crate) fn kind_word(kind: RunType) -> &'static str {
    match kind {
        RunType::Scheduled => t("scheduled"),
        RunType::Manual => t("manual"),
        RunType::Backfill => t("backfill"),
        RunType::AssetTriggered => t("asset triggered"),
        RunType::OperatorTriggered => t("triggered by a task"),
    }
}

/// Who asked for a run and by what way: `admin, CLI`.
pub(super) fn who(run: &RunRow) -> String {
    use esteira_core::states::TriggeredBy as By;
    let way = match run.triggered_by {
        By::Cli => "CLI",
        By::RestApi => "API",
        By::Ui => "web",
        By::Timetable | By::Engine | By::Operator | By::Asset | By::Backfill => {
            return run.triggering_user.clone();
        }
    };
    format!("{}, {way}", run.triggering_user)
}

/// The states to filter by, each with its address and whether it is chosen.
pub(crate) struct StateChoice {
    pub(crate) mark: Mark,
    pub(crate) url: String,
    pub(crate) is_on: bool,
}

/// The choices of states for a list at `path`, which keep its other filters.
pub(super) fn state_choices(path: &str, others: &[(&str, &str)], chosen: &str) -> Vec<StateChoice> {
    let choice = |state: &RunState| {
        let is_on = chosen == state.as_str();
        let value = if is_on { "" } else { state.as_str() };
        let pairs: Vec<(&str, &str)> = others.iter().copied().chain([("state", value)]).collect();
        StateChoice { mark: Mark::of_run(*state), url: links::with_query(path, &pairs), is_on }
    };
    RunState::ALL.iter().map(choice).collect()
}

/// The states that a filter names; none for all.
pub(super) fn states(chosen: &str) -> Vec<RunState> {
    RunState::from_label(chosen).into_iter().collect()
}

/// Where the next page begins: after the last row, if there is more.
pub(super) fn older(
    page: &esteira_store::Page<RunRow>,
    path: &str,
    filters: &[(&str, &str)],
) -> Option<String> {
    let key = page.rows.last().filter(|_| page.has_more)?.run_key.to_string();
    let pairs: Vec<(&str, &str)> = filters.iter().copied().chain([("before", key.as_str())]).collect();
    Some(links::with_query(path, &pairs))
}
