//! The state machine of a DAG run.
//!
//! ```text
//!   Input ──▶ Run::decide ──▶ changes (made durable as events) + effects (carried out afterwards)
//!                 │
//!                 ▼
//!             Run::apply    the only way state changes; replaying the stored changes through it gives the
//!                           same state, which is how a restart recovers and how an audit checks
//! ```
//!
//! A run that is over may go on with another version of its DAG ([`Run::change_version`]); that too is in the history,
//! and a replay needs the versions that it names.
//!
//! Time comes in as an argument, outcomes come in as [`Input`]s, and a report from an attempt that is no longer
//! current is dropped by its number.

mod apply;
mod callbacks;
mod change;
mod decide;
mod expand;
mod preview;
mod question;
mod rerun;
mod retry;
mod stop;
mod trigger_rule;
mod version;
mod why;

pub use apply::IllegalChange;
pub use callbacks::Call;
pub use change::{
    Afterwards, AttemptError, AttemptErrorKind, Change, Follow, InstanceKey, StopCause, TaskChange, Wait,
};
pub use decide::{Decision, Effect, Input, LOSSES_MAX, Outcome};
pub use preview::AnswerPreview;
pub use question::{Answer, Consequence, Question};
pub use rerun::Selection;
pub use retry::RETRY_DELAY_MAX;
pub use trigger_rule::{Facts, TriggerRule, Verdict};
pub use version::VersionMove;
pub use why::Why;

use crate::dag::{Dag, GroupIndex, TaskIndex};
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The live state of one run.
#[derive(Clone, Debug)]
pub struct Run {
    dag: Arc<Dag>,
    state: RunState,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    stop: Option<StopCause>,
    /// Whether it was over before: then its deadlines count no more.
    has_been_over: bool,
    /// The deadlines that it has missed, by their places in the DAG.
    missed_deadlines: BTreeSet<u32>,
    /// The run's name; it goes into what must differ between runs, such as the jitter of retries.
    run_id: Arc<str>,
    tasks: Vec<TaskState>,
    /// Tasks that only earlier versions of the DAG had. Their numbers come after those of the tasks.
    removed: Vec<version::RemovedTask>,
    /// How many instances are not in a terminal state.
    unfinished: usize,
    /// What may have to be decided anew, since something that it depends on has changed.
    looks: Vec<Look>,
}

/// Something that may have to be decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// All instances of a task that have no state.
    Task(TaskIndex),
    /// One instance.
    One(InstanceKey),
}

/// What is known of the run before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Past {
    /// Nothing.
    #[default]
    Unknown,
    /// It was asked.
    Asked,
    /// The task has to wait for it, for the reason that this sentence gives.
    Forbids(String),
    /// It allows the task to run.
    Allows,
}

/// The live state of one task.
#[derive(Clone, Debug, Default)]
struct TaskState {
    /// The one instance of a task that is not mapped; of a mapped one, until it is expanded.
    whole: Instance,
    /// The instances of a mapped task. Those that it had before it was cleared keep their attempts' numbers here.
    mapped: Vec<Instance>,
    /// How many instances a mapped task has, once it is expanded.
    count: Option<u32>,
    /// How many of its instances have not ended.
    open: usize,
    /// How its direct upstreams ended so far, but for those that its instances look at one by one.
    shared: Upstreams,
    /// How many of the direct upstreams are counted in `shared`, and how many by each instance.
    needed: (u32, u32),
    /// How many of the tasks that a teardown waits for besides its direct upstreams have ended, but for those that its
    /// instances look at one by one.
    between_done: u32,
    /// How many direct upstreams have branched past it.
    passed_over: u32,
    /// How many of its attempts are being ended so that it can be expanded anew.
    folding: u32,
    /// The mapped group that it is in.
    mapped_group: Option<GroupIndex>,
    /// Whether it was asked what it is to be expanded over. Not durable: a restart asks again.
    is_expanding: bool,
    /// What is known of the run before, for a task that depends on it. Not durable: a restart asks again.
    past: Past,
}

/// The live state of one task instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// None until its upstreams allow or forbid it.
    pub state: Option<TaskInstanceState>,
    /// The number of the newest attempt; 0 before the first.
    pub try_number: u32,
    /// Attempts that failed by the task's own fault, since it was last cleared.
    pub failures: u32,
    /// Attempts that were lost with the engine.
    pub losses: u32,
    /// When the next attempt is due, while up for retry.
    pub retry_at: Option<Timestamp>,
    /// When the newest attempt was allowed to run.
    pub scheduled_at: Option<Timestamp>,
    /// When the newest attempt began.
    pub started_at: Option<Timestamp>,
    /// When the newest attempt ended, or the instance without one.
    pub ended_at: Option<Timestamp>,
    /// How those of its direct upstreams ended that are in the same mapped group, and so have an instance for it.
    pub upstream: Upstreams,
    /// How many of the tasks in the same mapped group that a teardown waits for besides its direct upstreams have ended.
    pub between_done: u32,
    /// How many of these upstreams have branched past it.
    pub passed_over: u32,
    /// What it said about the tasks after it, when it succeeded.
    pub follow: Option<Follow>,
    /// What happens to it once its attempt, which was told to end, has ended.
    pub afterwards: Option<Afterwards>,
    /// What its attempt waits for without a slot, or was waiting for when it goes on.
    pub wait: Option<Wait>,
    /// Whether its attempt goes on under its own number when it starts: it has only waited.
    pub goes_on: bool,
}

/// How direct upstreams ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    /// How their instances ended.
    pub counts: UpstreamCounts,
    /// How many of the tasks have ended, with all their instances.
    pub tasks_done: u32,
}

/// How instances ended so far; each end adds one, so that a rule costs O(1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamCounts {
    /// Succeeded.
    pub success: u32,
    /// Failed.
    pub failed: u32,
    /// Not run because of their own upstreams.
    pub upstream_failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// No longer in the DAG.
    pub removed: u32,
}

impl UpstreamCounts {
    /// One more has ended in this state, or, with -1, one less.
    fn count(&mut self, state: TaskInstanceState, by: i32) {
        let count = match state {
            TaskInstanceState::Success => &mut self.success,
            TaskInstanceState::Failed => &mut self.failed,
            TaskInstanceState::UpstreamFailed => &mut self.upstream_failed,
            TaskInstanceState::Skipped => &mut self.skipped,
            TaskInstanceState::Removed => &mut self.removed,
            _ => return,
        };
        *count = count.saturating_add_signed(by);
    }
}

impl Run {
    /// A run that has just been created: queued, nothing looked at.
    pub fn new(dag: Arc<Dag>, run_id: impl Into<Arc<str>>) -> Self {
        let mut tasks: Vec<TaskState> = dag
            .indices()
            .map(|task| TaskState { open: 1, mapped_group: dag.mapped_group(task), ..TaskState::default() })
            .collect();
        for task in dag.indices() {
            let group = tasks[task.get()].mapped_group;
            let is_one_by_one =
                |upstream: &&TaskIndex| group.is_some() && tasks[upstream.get()].mapped_group == group;
            let upstream = dag.graph.upstream(task);
            let one_by_one = upstream.iter().filter(is_one_by_one).count();
            tasks[task.get()].needed = ((upstream.len() - one_by_one) as u32, one_by_one as u32);
        }
        Self {
            unfinished: tasks.len(),
            dag,
            state: RunState::Queued,
            started_at: None,
            ended_at: None,
            stop: None,
            has_been_over: false,
            missed_deadlines: BTreeSet::new(),
            run_id: run_id.into(),
            tasks,
            removed: Vec::new(),
            looks: Vec::new(),
        }
    }

    /// The DAG version it runs on.
    pub fn dag(&self) -> &Arc<Dag> {
        &self.dag
    }

    /// Its state.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// When it began.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// Why it is to end before its time, if it is.
    pub fn stop_cause(&self) -> Option<StopCause> {
        self.stop
    }

    /// The deadlines that count for it still, by their places in the DAG: it was never over, and has not missed them.
    pub fn open_deadlines(&self) -> impl Iterator<Item = u32> {
        let count = if self.has_been_over || self.state.is_terminal() { 0 } else { self.dag.deadlines.len() };
        (0..count as u32).filter(|deadline| !self.missed_deadlines.contains(deadline))
    }

    /// The state of one instance.
    pub fn instance(&self, key: InstanceKey) -> &Instance {
        let task = &self.tasks[key.task.get()];
        if key.map_index < 0 { &task.whole } else { &task.mapped[key.map_index as usize] }
    }

    /// Whether there is such an instance at the moment: a mapped task has one with map index -1 until it is expanded.
    pub fn has_instance(&self, key: InstanceKey) -> bool {
        let Some(task) = self.tasks.get(key.task.get()) else { return false };
        match (task.count, u32::try_from(key.map_index)) {
            (None, Err(_)) => key.map_index == -1,
            (Some(count), Ok(map_index)) => map_index < count,
            _ => false,
        }
    }

    /// All instances with their keys: the tasks in the order of the file.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceKey, &Instance)> {
        self.dag.indices().flat_map(|task| self.keys_of(task)).map(|key| (key, self.instance(key)))
    }

    /// The instances of one task.
    pub fn keys_of(&self, task: TaskIndex) -> impl Iterator<Item = InstanceKey> + use<> {
        let range = match self.tasks[task.get()].count {
            None => -1..0,
            Some(count) => 0..i32::try_from(count).unwrap_or(i32::MAX),
        };
        range.map(move |map_index| InstanceKey { task, map_index })
    }

    /// How many instances a mapped task has, if it is expanded.
    pub fn expanded_to(&self, task: TaskIndex) -> Option<u32> {
        self.tasks[task.get()].count
    }

    /// The state that a task has with all its instances; none until they have all ended.
    pub fn task_state(&self, task: TaskIndex) -> Option<TaskInstanceState> {
        use TaskInstanceState as S;
        let live = &self.tasks[task.get()];
        if live.open > 0 {
            return None;
        }
        if live.count.is_none() {
            return live.whole.state;
        }
        let states = || self.keys_of(task).filter_map(|key| self.instance(key).state);
        let order = [S::Failed, S::UpstreamFailed, S::Success, S::Skipped];
        order.into_iter().find(|wanted| states().any(|state| state == *wanted)).or(Some(S::Removed))
    }

    /// Whether the instances of `task` look at those of its direct upstream one by one, each at the one with its own map
    /// index: both are in the same mapped group.
    fn is_one_by_one(&self, upstream: TaskIndex, task: TaskIndex) -> bool {
        let group = self.tasks[task.get()].mapped_group;
        group.is_some() && self.tasks[upstream.get()].mapped_group == group
    }

    /// The state that an instance sees another task in, none until that has ended: of a task in its own mapped group, the
    /// state of the instance with its own map index.
    fn state_seen(&self, other: TaskIndex, key: InstanceKey) -> Option<TaskInstanceState> {
        if key.map_index < 0 || !self.is_one_by_one(other, key.task) {
            return self.task_state(other);
        }
        let map_index = if self.expanded_to(other).is_some() { key.map_index } else { -1 };
        self.instance(InstanceKey { task: other, map_index }).state.filter(|state| state.is_terminal())
    }

    /// The tasks that are expanded together with this one: those of its mapped group, or itself.
    fn expanded_with(&self, task: TaskIndex) -> Vec<TaskIndex> {
        match self.tasks[task.get()].mapped_group {
            None => vec![task],
            group => {
                self.dag.indices().filter(|other| self.tasks[other.get()].mapped_group == group).collect()
            }
        }
    }

    fn instance_mut(&mut self, key: InstanceKey) -> &mut Instance {
        let task = &mut self.tasks[key.task.get()];
        if key.map_index < 0 { &mut task.whole } else { &mut task.mapped[key.map_index as usize] }
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
