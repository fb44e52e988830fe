//! The definition of a DAG version as the store keeps it: what pages and lists need of it. The store gives JSON,
//! since a version may be older than this program.

use esteira_core::admission::WeightRule;
use esteira_core::dag::{CallbackKind, DeadlineReference};
use esteira_core::run::TriggerRule;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// A DAG version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Definition {
    pub(crate) description: Option<String>,
    pub(crate) doc_md: Option<String>,
    pub(crate) schedule: Schedule,
    pub(crate) start_date: Option<jiff::Timestamp>,
    pub(crate) end_date: Option<jiff::Timestamp>,
    pub(crate) tags: Vec<String>,
    pub(crate) owners: Vec<String>,
    pub(crate) params: Map<String, Value>,
    pub(crate) groups: Vec<Group>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) graph: Edges,
    pub(crate) max_active_runs: Option<u32>,
    pub(crate) max_active_tasks: Option<u32>,
    pub(crate) max_consecutive_failed_dag_runs: Option<u32>,
    pub(crate) dagrun_timeout: Option<Duration>,
    pub(crate) fail_fast: bool,
    /// What becomes of a run that is due while as many as allowed are under way.
    pub(crate) overlap: String,
    pub(crate) callbacks: Callbacks,
    pub(crate) deadlines: Vec<Deadline>,
}

/// What is run when something has happened.
pub(crate) type Callbacks = BTreeMap<CallbackKind, Vec<Callback>>;

/// What is run then.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Callback {
    pub(crate) operator: String,
}

/// When a run is to be over.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Deadline {
    /// What it is counted from.
    pub(crate) reference: DeadlineReference,
    /// How long after that it is.
    pub(crate) interval: Duration,
    pub(crate) callbacks: Vec<Callback>,
}

/// A group of tasks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    pub(crate) group_id: String,
}

/// A task of a DAG version.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Task {
    pub(crate) task_id: String,
    pub(crate) operator: String,
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) exponential_backoff: f64,
    pub(crate) trigger_rule: TriggerRule,
    pub(crate) pool: String,
    pub(crate) pool_slots: u32,
    pub(crate) priority_weight: i64,
    pub(crate) weight_rule: WeightRule,
    pub(crate) execution_timeout: Option<Duration>,
    pub(crate) owner: String,
    pub(crate) doc_md: Option<String>,
    /// The place of its group.
    pub(crate) group: Option<usize>,
    /// The assets that it updates.
    pub(crate) outlets: Vec<String>,
    pub(crate) callbacks: Callbacks,
}

/// What a version says nothing of has Airflow's defaults.
impl Default for Task {
    fn default() -> Self {
        let plain = esteira_core::dag::Task::new("", "");
        Self {
            task_id: String::new(),
            operator: String::new(),
            retries: plain.retry.retries,
            retry_delay: plain.retry.retry_delay,
            exponential_backoff: plain.retry.exponential_backoff,
            trigger_rule: plain.trigger_rule,
            pool: plain.pool,
            pool_slots: plain.pool_slots,
            priority_weight: plain.priority_weight,
            weight_rule: plain.weight_rule,
            execution_timeout: None,
            owner: plain.owner,
            doc_md: None,
            group: None,
            callbacks: Callbacks::new(),
            outlets: Vec::new(),
        }
    }
}

/// Who waits for whom, by the places of tasks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Edges {
    pub(crate) upstream: Vec<Vec<usize>>,
}

/// When a DAG runs by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Schedule {
    /// The lines as they are written; none for a DAG that only runs when it is triggered.
    pub(crate) when: Vec<String>,
    pub(crate) timezone: String,
    pub(crate) missed: String,
    /// The condition on assets, as JSON.
    pub(crate) assets: Option<Value>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { when: Vec::new(), timezone: "UTC".to_owned(), missed: "skip".to_owned(), assets: None }
    }
}

impl Definition {
    /// Reads the JSON text. What this program does not know is left out: a page shows what it can.
    pub(crate) fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_else(|error| {
            tracing::warn!(%error, "a stored DAG definition could not be read");
            Self::default()
        })
    }

    /// The names of the tasks that `task` waits for.
    pub(crate) fn upstream_of(&self, task: usize) -> impl Iterator<Item = &str> {
        let places = self.graph.upstream.get(task).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.tasks.get(*place)).map(|task| task.task_id.as_str())
    }

    /// The names of the tasks that wait for `task`.
    pub(crate) fn downstream_of(&self, task: usize) -> impl Iterator<Item = &str> {
        let waits = move |(place, upstream): (usize, &Vec<usize>)| upstream.contains(&task).then_some(place);
        let places = self.graph.upstream.iter().enumerate().filter_map(waits);
        places.filter_map(|place| self.tasks.get(place)).map(|task| task.task_id.as_str())
    }

    /// The task of this name.
    pub(crate) fn task(&self, task_id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.task_id == task_id)
    }
}

impl Schedule {
    /// As it is written in the DAG; none when there is none.
    pub(crate) fn text(&self) -> Option<String> {
        let is_interval = |line: &String| line.starts_with("every ") || line.as_str() == "@once";
        let has_zone = self.timezone != "UTC" && !self.when.iter().all(is_interval);
        let zone = if has_zone { format!(" ({})", self.timezone) } else { String::new() };
        let times = (!self.when.is_empty()).then(|| format!("{}{zone}", self.when.join("; ")));
        let assets = self.assets.as_ref().map(|condition| format!("assets: {}", condition_text(condition)));
        let parts: Vec<String> = times.into_iter().chain(assets).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The assets that a condition names, in its order.
pub(crate) fn assets_of(condition: &Value) -> Vec<String> {
    let own = condition["asset"].as_str().map(str::to_owned);
    let parts = ["all", "any"].into_iter().filter_map(|key| condition[key].as_array()).flatten();
    own.into_iter().chain(parts.flat_map(assets_of)).collect()
}

/// `a and (b or c)`.
fn condition_text(condition: &Value) -> String {
    if let Some(uri) = condition["asset"].as_str() {
        return uri.to_owned();
    }
    let (key, joint) = if condition["all"].is_array() { ("all", " and ") } else { ("any", " or ") };
    let parts = condition[key].as_array().map_or(&[][..], Vec::as_slice).iter();
    let nested = |part: &Value| {
        let text = condition_text(part);
        if part["asset"].is_string() { text } else { format!("({text})") }
    };
    parts.map(nested).collect::<Vec<_>>().join(joint)
}
