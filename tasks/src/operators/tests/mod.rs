//! Operators as tests run them: on embedded services in a folder of their own.

mod dags;
mod pipeline;

use crate::connectors::Connectors;
use esteira_operator::{
    EnvironmentConnections, Level, Masker, Progress, Registry, TaskContext, TaskError, TaskOutput,
    TaskReporter,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// What an attempt said.
#[derive(Default)]
pub(crate) struct Heard {
    lines: Mutex<Vec<(Level, String, String)>>,
    progress: Mutex<Vec<Progress>>,
}

impl TaskReporter for Heard {
    fn line(&self, level: Level, source: &str, text: &str) {
        self.lines.lock().unwrap().push((level, source.to_owned(), text.to_owned()));
    }

    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }
}

impl Heard {
    /// The texts of one source, in order.
    pub(crate) fn of(&self, source: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.1 == source).map(|line| line.2.clone()).collect()
    }

    /// All that was said.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| format!("{} {}\n", line.0.as_str(), line.2)).collect()
    }
}

/// Operators on embedded services in a folder of their own.
pub(crate) struct Bench {
    pub(crate) connectors: Connectors,
    pub(crate) heard: Arc<Heard>,
    pub(crate) cancel: CancellationToken,
    pub(crate) home: tempfile::TempDir,
    pub(crate) registry: Registry,
    /// What an attempt may push under one key.
    pub(crate) xcom_size_max: usize,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::connected(&[])
    }

    /// On these connections besides.
    pub(crate) fn connected(variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let source = Arc::new(EnvironmentConnections::from_variables(variables).unwrap());
        let connectors = Connectors::new(source, Arc::new(Masker::default()), home.path().to_owned());
        let mut registry = Registry::new();
        super::register_all(&mut registry, &connectors);
        Self {
            connectors,
            heard: Arc::default(),
            cancel: CancellationToken::new(),
            home,
            registry,
            xcom_size_max: 64 * 1024 * 1024,
        }
    }

    pub(crate) fn context(&self, task_id: &str) -> TaskContext {
        TaskContext {
            dag_id: "air".into(),
            run_id: "manual__1".into(),
            task_id: task_id.into(),
            map_index: -1,
            try_number: 1,
            logical_date: None,
            is_latest: true,
            resumed: None,
            started_at: jiff::Timestamp::now(),
            ask_number: 1,
            engine: Arc::new(esteira_operator::NoEngine),
            params: json!({"site": "Roma"}),
            variables: Arc::new(json!({"ds": "2026-01-01", "params": {"site": "Roma"}})),
            // Unlike any other bench's, or one test would end another's processes.
            attempt_mark: format!("{}/{task_id}", self.home.path().file_name().unwrap().to_str().unwrap()),
            xcom_size_max: self.xcom_size_max,
            cancel: self.cancel.clone(),
            reporter: Arc::clone(&self.heard) as Arc<dyn TaskReporter>,
        }
    }

    /// Runs an operator and leaves what is to be done after the commit undone.
    pub(crate) async fn attempt(&self, operator: &str, arguments: Value) -> Result<TaskOutput, TaskError> {
        let operator = self.registry.operator(operator).unwrap();
        operator.execute(&self.context("task"), arguments).await
    }

    /// Runs an operator as the engine does, and gives its result.
    pub(crate) async fn run(&self, operator: &str, arguments: Value) -> Result<Value, TaskError> {
        let output = self.attempt(operator, arguments).await?;
        if let Some(after_commit) = output.after_commit {
            after_commit.await?;
        }
        let result = output.xcom.into_iter().find(|(key, _)| key == TaskOutput::RETURN_VALUE);
        Ok(result.map_or(Value::Null, |(_, value)| value))
    }
}
