//! What a validated DAG is: tasks, their arguments as written, and the edges between them.

mod graph;

pub use graph::{Cycle, Graph};

use crate::ids::{DagId, TaskId};
use crate::schedule::Schedule;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// No scheduled run is due before this instant.
    pub start_date: Option<Timestamp>,
    /// No scheduled run is due after this instant.
    pub end_date: Option<Timestamp>,
    /// Whether ticks missed while it was paused or the engine was down are made up for.
    pub catchup: bool,
    /// Whether it starts its life paused.
    pub is_paused_upon_creation: bool,
    /// Labels for finding it.
    pub tags: Vec<String>,
    /// Who answers for it: the owners of its tasks, each once.
    pub owners: Vec<String>,
    /// The parameters that a trigger may set, with their defaults.
    pub params: IndexMap<String, Param>,
    /// Its tasks, in the order of the file; [`TaskIndex`] points in here.
    pub tasks: Vec<Task>,
    /// Who waits for whom.
    pub graph: Graph,
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

    /// Every index, in the order of the file.
    pub fn indices(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.tasks.len() as u32).map(TaskIndex)
    }
}

/// A node of a DAG.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Its name.
    pub task_id: TaskId,
    /// The name of the code that it runs.
    pub operator: String,
    /// `with:` as written: strings may hold templates.
    pub arguments: Value,
    /// Whether any string under `with:` holds a template.
    pub has_templates: bool,
    /// How often a failed attempt is followed by another.
    pub retries: u32,
    /// How long after a failed attempt the next one starts.
    pub retry_delay: Duration,
    /// How long one attempt may take.
    pub execution_timeout: Option<Duration>,
    /// Who answers for it.
    pub owner: String,
    /// One line or more, for people.
    pub doc_md: Option<String>,
}

/// A parameter that a trigger may set in its conf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    /// What values it takes.
    pub kind: ParamKind,
    /// The value when the trigger gives none; a param without one must be given.
    pub default: Option<Value>,
    /// A label for forms.
    pub title: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// The only values allowed, if not empty.
    pub choices: Vec<Value>,
}

/// The type of a [`Param`], in the words of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// A mapping.
    Object,
    /// Anything.
    Any,
}

impl ParamKind {
    /// The name as it is written in YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Any => "any",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Array, Self::Object, Self::Any]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether `value` is of this kind.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }
}

/// A conf that a DAG does not take, in one sentence for whoever triggered it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfError(pub String);

impl Dag {
    /// The params of a run: the defaults, with `conf` over them. A conf key that is no param stays in conf and is
    /// no error (Airflow's rule); a param of the wrong type, outside its choices, or missing is one.
    pub fn resolve_params(&self, conf: &serde_json::Map<String, Value>) -> Result<Value, ConfError> {
        let mut params = serde_json::Map::new();
        for (name, param) in &self.params {
            let given = conf.get(name).or(param.default.as_ref());
            let value = given
                .ok_or_else(|| ConfError(format!("param \"{name}\" has no default and was not given")))?;
            if conf.contains_key(name) {
                check_param(name, param, value)?;
            }
            params.insert(name.clone(), value.clone());
        }
        Ok(Value::Object(params))
    }
}

/// Whether `value` may be the value of `param`; the error is one sentence.
pub fn check_param(name: &str, param: &Param, value: &Value) -> Result<(), ConfError> {
    if !param.kind.accepts(value) {
        return Err(ConfError(format!("param \"{name}\" takes {}, not {value}", param.kind.as_str())));
    }
    if !param.choices.is_empty() && !param.choices.contains(value) {
        let choices: Vec<_> = param.choices.iter().map(Value::to_string).collect();
        return Err(ConfError(format!("param \"{name}\" takes one of {}, not {value}", choices.join(", "))));
    }
    Ok(())
}
