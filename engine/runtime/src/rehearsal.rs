//! What a task's arguments would be, without running it: for a run that the history has, or for one that is imagined.

use crate::executor::RunFacts;
use crate::expand;
use crate::template_source::RunSource;
use crate::vault::Vault;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::InstanceKey;
use esteira_core::states::RunType;
use esteira_core::template::{self, MappedValues, PreviousRun, TemplateSource, context_variables};
use esteira_store::{Reader, RunKey, RunRow};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The run that a task is rehearsed for.
pub enum RehearsedRun {
    /// One of the history: templates find its XCom.
    Kept(Reader, Box<RunRow>),
    /// None: its trigger would give this.
    Imagined {
        /// The instant that it would stand for.
        logical_date: Option<Timestamp>,
        /// Its conf.
        conf: Map<String, Value>,
    },
}

/// A task whose arguments are rendered and which is not run.
pub struct Rehearsal {
    /// Its DAG.
    pub dag: Arc<Dag>,
    /// The task.
    pub task: TaskIndex,
    /// Which of its mapped instances, if it is mapped.
    pub map_index: u32,
    /// The run.
    pub run: RehearsedRun,
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsedArgument {
    /// Its name.
    pub name: String,
    /// Its value, or why it has none: one sentence.
    pub value: Result<Value, String>,
}

impl Rehearsal {
    /// Renders each argument by itself, so that one that cannot be rendered hides no other. Secrets are not masked.
    ///
    /// It waits for the database: it is for threads that may. The error is one sentence: there is no such instance.
    pub fn render(
        self,
        vault: &Arc<Vault>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Vec<RehearsedArgument>, String> {
        let facts = self.facts()?;
        let dag = &self.dag;
        let is_mapped = dag.mapping(self.task).is_some();
        let unmapped = InstanceKey::unmapped(self.task);
        let expansion = is_mapped.then(|| {
            let source = self.source(vault, &facts, unmapped, runtime);
            expand::expansion_from(dag, &facts, self.task, source)
        });
        let expansion = expansion.transpose()?;
        if let Some(expansion) = &expansion
            && self.map_index as usize >= expansion.len()
        {
            let message = format!(
                "it is expanded to {} instances, so there is no map index {}",
                expansion.len(),
                self.map_index
            );
            return Err(message);
        }
        let expand =
            expansion.as_ref().map(|expansion| Value::Object(expansion.arguments(self.map_index as usize)));
        let instance = match is_mapped {
            true => {
                InstanceKey { task: self.task, map_index: i32::try_from(self.map_index).unwrap_or(i32::MAX) }
            }
            false => unmapped,
        };
        let count = expansion.as_ref().map(|expansion| u32::try_from(expansion.len()).unwrap_or(u32::MAX));
        let variables = context_variables(&facts.for_templates(dag, instance, 1, count, expand.as_ref()));
        let context = template::Context { variables, source: self.source(vault, &facts, instance, runtime) };
        let task = dag.task(self.task);
        let mut rendered: Vec<RehearsedArgument> = task
            .arguments
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| RehearsedArgument {
                name: name.clone(),
                value: render_one(name, value, &context),
            })
            .collect();
        // What the task itself is expanded over are values, in which templates mean nothing.
        if let (Some(Value::Object(expand)), true) = (expand, task.mapping.is_some()) {
            rendered.retain(|argument| !expand.contains_key(&argument.name));
            rendered
                .extend(expand.into_iter().map(|(name, value)| RehearsedArgument { name, value: Ok(value) }));
        }
        Ok(rendered)
    }

    fn facts(&self) -> Result<RunFacts, String> {
        match &self.run {
            RehearsedRun::Kept(_, row) => {
                let conf = row.conf.as_object().cloned().unwrap_or_default();
                let params = self.dag.resolve_params(&conf).map_err(|error| error.0)?;
                Ok(RunFacts::of_row(row, params, Value::Object(Map::new())))
            }
            RehearsedRun::Imagined { logical_date, conf } => {
                let now = Timestamp::now();
                let about = logical_date.unwrap_or(now);
                Ok(RunFacts {
                    run_key: RunKey::default(),
                    run_id: format!("manual__{about:.0}").into(),
                    run_type: RunType::Manual.as_str(),
                    logical_date: *logical_date,
                    data_interval: logical_date.map(|date| (date, date)),
                    start_date: now,
                    conf: Value::Object(conf.clone()),
                    params: self.dag.resolve_params(conf).map_err(|error| error.0)?,
                    asset_events: Value::Object(Map::new()),
                })
            }
        }
    }

    fn source(
        &self,
        vault: &Arc<Vault>,
        facts: &RunFacts,
        instance: InstanceKey,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<dyn TemplateSource + Send + Sync> {
        match &self.run {
            RehearsedRun::Kept(reader, _) => {
                Arc::new(RunSource::new(reader, vault, &self.dag, facts, instance, runtime.clone()))
            }
            RehearsedRun::Imagined { .. } => Arc::new(NoRun { vault: Arc::clone(vault) }),
        }
    }
}

fn render_one(name: &str, value: &Value, context: &template::Context) -> Result<Value, String> {
    let argument = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
    match template::render(&argument, context) {
        Ok(Value::Object(mut rendered)) => Ok(rendered.remove(name).unwrap_or_default()),
        Ok(other) => Ok(other),
        Err(error) => Err(error.to_string()),
    }
}

/// Where there is no run: variables and connections are there, results of other tasks are not.
struct NoRun {
    vault: Arc<Vault>,
}

const NOTHING_PULLED: &str = "there is no run whose results could be pulled";

impl TemplateSource for NoRun {
    fn pull(&self, _: &str, _: &str, _: Option<i32>) -> Result<Option<Value>, String> {
        Err(NOTHING_PULLED.to_owned())
    }

    fn pull_all(&self, _: &str, _: &str) -> Result<Option<Arc<dyn MappedValues>>, String> {
        Err(NOTHING_PULLED.to_owned())
    }

    fn variable(&self, key: &str) -> Result<Option<String>, String> {
        self.vault.variable(key)
    }

    fn connection(&self, id: &str) -> Result<Option<Value>, String> {
        self.vault.connection_fields(id)
    }

    fn now(&self) -> Option<Timestamp> {
        Some(Timestamp::now())
    }

    fn random(&self) -> Option<[u8; 16]> {
        Some(uuid::Uuid::new_v4().into_bytes())
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, String> {
        Ok(None)
    }
}
