//! What a validated DAG is: tasks, their arguments as written, and the edges between them.

mod callback;
mod graph;
mod mapping;
mod param;
mod scopes;

pub use callback::{Callback, CallbackKind, Callbacks, Deadline, DeadlineReference};
pub use graph::{Cycle, Graph};
pub use mapping::{Expansion, Mapping, MappingKind};
pub use param::{ConfError, Param, ParamKind, ParamSchema, Params, check_param};
pub use scopes::Scopes;
pub(crate) use scopes::reachable;

use crate::admission::{WeightRule, weights};
use crate::ids::{DagId, TaskId};
use crate::run::{Follow, TriggerRule};
use crate::schedule::{Schedule, Ticks};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The place of a task in its DAG version: [`Dag::tasks`] in the order of the file. It never leaves a DAG version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIndex(pub u32);

impl TaskIndex {
    /// For looking into a slice.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// A validated DAG. It is made by [`crate::spec::parse`], and cannot hold a cycle or a dangling dependency.
#[derive(Clone, Debug, Serialize)]
pub struct Dag {
    /// Its name.
    pub dag_id: DagId,
    /// One line or more, for people.
    pub description: Option<String>,
    /// Longer documentation, in Markdown.
    pub doc_md: Option<String>,
    /// When it runs by itself.
    pub schedule: Schedule,
    /// No logical date of a scheduled run is before this instant.
    pub start_date: Option<Timestamp>,
    /// No logical date of a scheduled run is after this instant.
    pub end_date: Option<Timestamp>,
    /// Whether it starts its life paused.
    pub is_paused_upon_creation: bool,
    /// How many of its runs may be under way at the same time; the others are queued. Backfills count apart.
    pub max_active_runs: u32,
    /// How many task instances of one run may run at the same time (Airflow 3's meaning).
    pub max_active_tasks: u32,
    /// Into how many instances a mapped task may be expanded.
    pub max_map_length: u32,
    /// What becomes of a run that is due while as many as allowed are under way.
    pub overlap: Overlap,
    /// How long a run may take from its start; then it fails, and what has not ended is skipped.
    pub dagrun_timeout: Option<Duration>,
    /// Whether the first failure ends the run: what runs fails, what waits is skipped.
    pub fail_fast: bool,
    /// After so many failed runs in a row it is paused; 0 for never.
    pub max_consecutive_failed_dag_runs: u32,
    /// What is run when one of its runs has ended.
    pub callbacks: Callbacks,
    /// When its runs are to be over.
    pub deadlines: Vec<Deadline>,
    /// Labels for finding it.
    pub tags: Vec<String>,
    /// Who answers for it: the owners of its tasks, each once.
    pub owners: Vec<String>,
    /// The parameters that a trigger may set, with their defaults.
    pub params: Params,
    /// Its task groups, each after the one that it is in; [`GroupIndex`] points in here.
    pub groups: Vec<Group>,
    /// Its tasks, in the order of the file; [`TaskIndex`] points in here.
    pub tasks: Vec<Task>,
    /// Who waits for whom.
    pub graph: Graph,
    /// What follows from setups and teardowns.
    #[serde(skip)]
    pub scopes: Scopes,
    /// What each task weighs among those that wait, by its rule.
    #[serde(skip)]
    pub weights: Vec<i64>,
}

/// Airflow's `max_active_runs_per_dag`.
pub const MAX_ACTIVE_RUNS: u32 = 16;

/// Airflow's `max_active_tasks_per_dag`.
pub const MAX_ACTIVE_TASKS: u32 = 16;

/// Airflow's `max_map_length`.
pub const MAX_MAP_LENGTH: u32 = 1024;

/// The pool of tasks that name none.
pub const DEFAULT_POOL: &str = "default_pool";

crate::states::labelled! {
    /// What becomes of a run that is due while as many as `max_active_runs` allows are under way.
    Overlap {
        /// It waits.
        Queue = "queue",
        /// It is not started at all; the history says so.
        Skip = "skip",
        /// The oldest run that is under way is cancelled to make room.
        CancelRunning = "cancel_running",
    }
}

fn weights_of(tasks: &[Task], graph: &Graph) -> Vec<i64> {
    let own: Vec<_> = tasks.iter().map(|task| (task.priority_weight, task.weight_rule)).collect();
    weights(graph, &own)
}

impl Dag {
    /// The task at `index`.
    pub fn task(&self, index: TaskIndex) -> &Task {
        &self.tasks[index.get()]
    }

    /// Where the task of this name is.
    pub fn index_of(&self, task_id: &str) -> Option<TaskIndex> {
        self.tasks
            .iter()
            .position(|task| task.task_id.as_str() == task_id)
            .map(|place| TaskIndex(place as u32))
    }

    /// The runs that its schedule asks for.
    pub fn ticks(&self) -> Ticks<'_> {
        Ticks { schedule: &self.schedule, start_date: self.start_date, end_date: self.end_date }
    }

    /// A DAG of these tasks with Airflow's defaults and no schedule.
    pub fn new(dag_id: impl Into<DagId>, tasks: Vec<Task>, graph: Graph) -> Self {
        Self {
            dag_id: dag_id.into(),
            description: None,
            doc_md: None,
            schedule: Schedule::default(),
            start_date: None,
            end_date: None,
            is_paused_upon_creation: false,
            max_active_runs: MAX_ACTIVE_RUNS,
            max_active_tasks: MAX_ACTIVE_TASKS,
            max_map_length: MAX_MAP_LENGTH,
            overlap: Overlap::Queue,
            dagrun_timeout: None,
            fail_fast: false,
            max_consecutive_failed_dag_runs: 0,
            callbacks: Callbacks::new(),
            deadlines: Vec::new(),
            tags: Vec::new(),
            owners: Vec::new(),
            params: Params::new(),
            groups: Vec::new(),
            scopes: Scopes::new(&tasks, &graph),
            weights: weights_of(&tasks, &graph),
            tasks,
            graph,
        }
    }

    /// What the task weighs among those that wait, by its rule.
    pub fn weight(&self, task: TaskIndex) -> i64 {
        self.weights[task.get()]
    }

    /// What a branching task says, with the first tasks of a group instead of the group's name. The error is a name
    /// that this DAG does not have.
    pub fn follow(&self, said: Follow) -> Result<Follow, String> {
        let Follow::Only(names) = said else { return Ok(said) };
        let mut tasks = Vec::with_capacity(names.len());
        for name in names {
            if self.index_of(name.as_str()).is_some() {
                tasks.push(name);
                continue;
            }
            let group = self.groups.iter().position(|group| group.group_id == name.as_str());
            let Some(group) = group else { return Err(name.to_string()) };
            let members = self.members(GroupIndex(group as u32));
            let is_first =
                |task: &TaskIndex| self.graph.upstream(*task).iter().all(|other| !members.contains(other));
            tasks.extend(
                members.iter().filter(|task| is_first(task)).map(|task| self.task(*task).task_id.clone()),
            );
        }
        Ok(Follow::Only(tasks))
    }

    /// The mapped group that a task is in, directly or through the groups that its group is in. There is one at most.
    pub fn mapped_group(&self, task: TaskIndex) -> Option<GroupIndex> {
        let groups = std::iter::successors(self.task(task).group, |inner| self.groups[inner.get()].parent);
        groups.into_iter().find(|group| self.groups[group.get()].mapping.is_some())
    }

    /// What a task is expanded over: its own mapping, or that of its mapped group.
    pub fn mapping(&self, task: TaskIndex) -> Option<&Mapping> {
        let of_group = || self.groups[self.mapped_group(task)?.get()].mapping.as_ref();
        self.task(task).mapping.as_ref().or_else(of_group)
    }

    /// The tasks of a group, those of the groups in it among them.
    pub fn members(&self, group: GroupIndex) -> Vec<TaskIndex> {
        let is_inside = |task: &TaskIndex| {
            let groups =
                std::iter::successors(self.task(*task).group, |inner| self.groups[inner.get()].parent);
            groups.into_iter().any(|outer| outer == group)
        };
        self.indices().filter(is_inside).collect()
    }

    /// Every index, in the order of the file.
    pub fn indices(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.tasks.len() as u32).map(TaskIndex)
    }
}

/// The place of a group in its DAG version: [`Dag::groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupIndex(pub u32);

impl GroupIndex {
    /// For looking into a slice.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// Tasks that belong together: on pages, and as a dependency.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its full name: `outer.inner`.
    pub group_id: String,
    /// One line for people.
    pub tooltip: Option<String>,
    /// The group that it is in.
    pub parent: Option<GroupIndex>,
    /// What its tasks are expanded over together, if they are.
    pub mapping: Option<Mapping>,
}

/// Whether a task's attempts may be followed by another, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How often a failed attempt is followed by another.
    pub retries: u32,
    /// How long after a failed attempt the next one starts.
    pub retry_delay: Duration,
    /// By how much the delay grows with each failure; 0 and 1 keep it as it is.
    pub exponential_backoff: f64,
    /// The longest delay.
    pub max_retry_delay: Option<Duration>,
    /// Only failures of these classes are followed by another attempt, if not empty.
    pub retry_on: Vec<FailureClass>,
    /// Failures of these classes are not, whatever `retry_on` says.
    pub never_retry_on: Vec<FailureClass>,
}

/// What tells one failure from another: the exit code of a process, or the error's class (`timed_out`, `ValueError`,
/// `http_503`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FailureClass {
    /// The exit code of a process.
    ExitCode(i32),
    /// The class of an error.
    Error(String),
}

/// A node of a DAG.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Its name, with the names of its groups before it: `group.task`.
    pub task_id: TaskId,
    /// The name of the code that it runs.
    pub operator: String,
    /// `with:` as written: strings may hold templates.
    pub arguments: Value,
    /// Whether any string under `with:` holds a template.
    pub has_templates: bool,
    /// The group that it is in.
    pub group: Option<GroupIndex>,
    /// What it is expanded over, if it is mapped.
    pub mapping: Option<Mapping>,
    /// The name of each of its mapped instances, as a template.
    pub map_index_template: Option<String>,
    /// When it runs, as its direct upstreams end.
    pub trigger_rule: TriggerRule,
    /// Whether it may be tried again.
    #[serde(flatten)]
    pub retry: RetryPolicy,
    /// How long one attempt may take.
    pub execution_timeout: Option<Duration>,
    /// The pool that it takes slots of.
    pub pool: String,
    /// How many slots it takes.
    pub pool_slots: u32,
    /// How urgent it is; more is sooner.
    pub priority_weight: i64,
    /// How the weights of others count into its own.
    pub weight_rule: WeightRule,
    /// How many of its instances may run at the same time, over all runs of the DAG.
    pub max_active_tis_per_dag: Option<u32>,
    /// How many of its instances may run at the same time in one run.
    pub max_active_tis_per_dagrun: Option<u32>,
    /// Whether it waits until it has succeeded, or was skipped, in the run before (by logical date).
    pub depends_on_past: bool,
    /// Whether it waits, besides, until the tasks directly after it have in the run before.
    pub wait_for_downstream: bool,
    /// Whether it prepares something for the tasks after it.
    pub is_setup: bool,
    /// Whether it tidies up what setups upstream of it have prepared.
    pub is_teardown: bool,
    /// Whether the run fails when this teardown does.
    pub on_failure_fail_dagrun: bool,
    /// The assets that are up to date once it has succeeded.
    pub outlets: Vec<String>,
    /// What is run when something has happened to it.
    pub callbacks: Callbacks,
    /// Who answers for it.
    pub owner: String,
    /// One line or more, for people.
    pub doc_md: Option<String>,
}

impl Task {
    /// A task with Airflow's defaults.
    pub fn new(task_id: impl Into<TaskId>, operator: impl Into<String>) -> Self {
        Self {
            task_id: task_id.into(),
            operator: operator.into(),
            arguments: Value::Object(serde_json::Map::new()),
            has_templates: false,
            group: None,
            mapping: None,
            map_index_template: None,
            trigger_rule: TriggerRule::AllSuccess,
            retry: RetryPolicy::default(),
            execution_timeout: None,
            pool: DEFAULT_POOL.to_owned(),
            pool_slots: 1,
            priority_weight: 1,
            weight_rule: WeightRule::Downstream,
            max_active_tis_per_dag: None,
            max_active_tis_per_dagrun: None,
            depends_on_past: false,
            wait_for_downstream: false,
            is_setup: false,
            is_teardown: false,
            on_failure_fail_dagrun: false,
            outlets: Vec::new(),
            callbacks: Callbacks::new(),
            owner: "esteira".to_owned(),
            doc_md: None,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 0,
            // Airflow's default: five minutes between an attempt and the next.
            retry_delay: Duration::from_secs(300),
            exponential_backoff: 0.0,
            max_retry_delay: None,
            retry_on: Vec::new(),
            never_retry_on: Vec::new(),
        }
    }
}
