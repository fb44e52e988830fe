//! What every page of a run shows above its tabs: its state, how it came about, how far it is, and how to end it.

use super::cells::run_key;
use super::runs_table::who;
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{Frame, Section, Visitor};
use crate::json_tree::JsonTree;
use crate::links;
use crate::show::{Elapsed, Instant, Mark};
use crate::{t, tn};
use esteira_core::states::{RunState, TaskInstanceState};
use esteira_store::{RunRow, TaskStateRow};
use jiff::Timestamp;

/// The upper part of a run's pages.
pub(crate) struct RunHead {
    pub(crate) dag_id: String,
    pub(crate) dag_url: String,
    pub(crate) run_id: String,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) tab: &'static str,
    pub(crate) mark: Mark,
    pub(crate) is_over: bool,
    pub(crate) has_failed: bool,
    pub(crate) kind: &'static str,
    pub(crate) who: String,
    pub(crate) version: i64,
    pub(crate) queued: Instant,
    pub(crate) started: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    pub(crate) elapsed: Elapsed,
    pub(crate) logical_date: Option<Instant>,
    pub(crate) interval: Option<(Instant, Instant)>,
    pub(crate) note: Option<String>,
    pub(crate) conf: Option<JsonTree>,
    pub(crate) shares: Vec<Share>,
    pub(crate) cancel_effect: String,
    pub(crate) delete_effect: String,
}

/// How many instances are in a state, and where their part of the bar lies, in thousandths.
pub(crate) struct Share {
    pub(crate) mark: Mark,
    pub(crate) count: u64,
    pub(crate) start: u64,
    pub(crate) width: u64,
}

impl RunHead {
    fn new(run: &RunRow, tasks: &[TaskStateRow], tab: &'static str) -> Self {
        let now = Timestamp::now();
        let instant = |at: Timestamp| Instant::new(at, now);
        let interval = run.data_interval_start.zip(run.data_interval_end).filter(|(start, end)| start != end);
        Self {
            dag_id: run.dag_id.to_string(),
            dag_url: links::dag(run.dag_id.as_str()),
            run_id: run.run_id.to_string(),
            url: links::run(run.dag_id.as_str(), run.run_id.as_str()),
            key: run_key(run),
            tab,
            mark: Mark::of_run(run.state),
            is_over: run.state.is_terminal(),
            has_failed: run.state == RunState::Failed,
            kind: run.run_type.as_str(),
            who: who(run),
            version: run.version_number,
            queued: instant(run.queued_at),
            started: run.started_at.map(instant),
            ended: run.ended_at.map(instant),
            elapsed: Elapsed::between(run.started_at, run.ended_at, now),
            logical_date: run.logical_date.map(instant),
            interval: interval.map(|(start, end)| (instant(start), instant(end))),
            note: run.note.clone(),
            conf: conf(run),
            shares: shares(tasks),
            cancel_effect: cancel_effect(tasks),
            delete_effect: delete_effect(tasks),
        }
    }

    /// Reads the run and its tasks.
    pub(super) async fn read(
        state: &AppState,
        dag_id: &str,
        run_id: &str,
        tab: &'static str,
    ) -> Result<(Self, RunRow, Vec<TaskStateRow>), PageError> {
        let run = super::run::find(state, dag_id, run_id).await?;
        let tasks = state.handle.reader().task_states(run.run_key).await?;
        Ok((Self::new(&run, &tasks, tab), run, tasks))
    }

    /// The frame of a page of this run.
    pub(super) fn frame(&self, visitor: &Visitor, tab: &str) -> Frame {
        let frame = visitor
            .frame(Section::Dags, format!("{} · {}", self.run_id, self.dag_id))
            .crumb("DAGs", "/dags")
            .crumb(self.dag_id.clone(), self.dag_url.clone())
            .events(links::query(&[("dag_id", &self.dag_id), ("run_id", &self.run_id)]));
        if tab.is_empty() {
            return frame.crumb(self.run_id.clone(), "");
        }
        frame.crumb(self.run_id.clone(), self.url.clone()).crumb(tab, "")
    }

    /// `on` for the tab that is open, for templates.
    pub(crate) fn on(&self, tab: &str) -> &'static str {
        if self.tab == tab { "on" } else { "" }
    }
}

fn conf(run: &RunRow) -> Option<JsonTree> {
    let is_empty = run.conf.as_object().is_none_or(serde_json::Map::is_empty);
    (!is_empty).then(|| JsonTree::new(run.conf.clone()))
}

/// The states in the order in which a bar reads best: what is done, what goes on, what is to come, what went wrong.
fn shares(tasks: &[TaskStateRow]) -> Vec<Share> {
    use TaskInstanceState as S;
    let order = [
        Some(S::Success),
        Some(S::Skipped),
        Some(S::Running),
        Some(S::Queued),
        Some(S::Scheduled),
        Some(S::UpForRetry),
        Some(S::Restarting),
        Some(S::UpForReschedule),
        Some(S::Deferred),
        Some(S::AwaitingInput),
        None,
        Some(S::Removed),
        Some(S::UpstreamFailed),
        Some(S::Failed),
    ];
    let total: u64 = tasks.iter().map(|task| task.count).sum();
    let mut before = 0;
    let share = |state: Option<S>| {
        let count = tasks.iter().filter(|task| task.state == state).map(|task| task.count).sum();
        let at = |number: u64| number * 1000 / total.max(1);
        let start = at(before);
        before += count;
        Share { mark: Mark::of_instance(state), count, start, width: at(before) - start }
    };
    order.map(share).into_iter().filter(|share| share.count > 0).collect()
}

/// What cancelling would do, before it is done.
fn cancel_effect(tasks: &[TaskStateRow]) -> String {
    let is_open = |task: &&TaskStateRow| !task.state.is_some_and(TaskInstanceState::is_terminal);
    let count = |rows: &mut dyn Iterator<Item = &TaskStateRow>| rows.map(|task| task.count).sum::<u64>();
    let running = count(&mut tasks.iter().filter(|task| task.state == Some(TaskInstanceState::Running)));
    let waiting = count(&mut tasks.iter().filter(is_open)) - running;
    format!(
        "{} {} {}",
        tn(
            waiting,
            "Skips 1 task instance that did not begin.",
            "Skips {} task instances that did not begin."
        ),
        tn(running, "Tells 1 that is running to end.", "Tells {} that are running to end."),
        t("Marks the run as failed. What succeeded stays.")
    )
}

/// What deleting would do, before it is done.
fn delete_effect(tasks: &[TaskStateRow]) -> String {
    let instances: u64 = tasks.iter().map(|task| task.count).sum();
    format!(
        "{} {}",
        tn(
            instances,
            "Removes the run and its task instance, with values and logs.",
            "Removes the run and its {} task instances, with values and logs."
        ),
        t("The audit history keeps what happened. This cannot be undone.")
    )
}
