//! The local executor: runs attempts in this process, one tokio task each.
//!
//! What it starts, it ends: an attempt that is told to end and does not within the grace is dropped, and every
//! attempt reports exactly once.

use crate::command::Command;
use crate::engine::to_micros;
use crate::execution::{self, Scene};
use crate::expand;
use crate::handle::LiveDags;
use crate::logs::{LogKey, LogWriter, Logs};
use crate::notice::{Notice, ProgressNotice};
use crate::vault::Vault;
use esteira_core::dag::{Dag, Expansion, TaskIndex};
use esteira_core::instant;
use esteira_core::run::{AttemptError, Follow, InstanceKey, Outcome, Question, Wait};
use esteira_core::template;
use esteira_operator::{
    AfterCommit, Level, Masker, Progress, Registry, TaskContext, TaskError, TaskOutput, TaskReporter,
    Trigger, Waiting,
};
use esteira_store::{EncodedXcom, Reader, RunKey, RunRow};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An instance across runs.
pub(crate) type AttemptPlace = (RunKey, InstanceKey);

/// How an attempt ended, for the loop.
pub(crate) struct Report {
    pub(crate) place: AttemptPlace,
    pub(crate) try_number: u32,
    pub(crate) outcome: Outcome,
    pub(crate) xcoms: Vec<EncodedXcom>,
    pub(crate) arguments: Option<String>,
    pub(crate) after_commit: Option<(AfterCommit, LogKey)>,
    /// The name of a mapped instance.
    pub(crate) label: Option<String>,
    /// What is looked at while it waits.
    pub(crate) trigger: Option<Trigger>,
}

/// What the executor tells the loop.
pub(crate) enum Told {
    /// An attempt ended.
    Report(Box<Report>),
    /// What an instance waits for has come.
    GoOn(AttemptPlace),
    /// A notification was tried.
    Notified { notification_id: i64, result: Result<(), AttemptError> },
    /// What a mapped task is expanded over.
    Expansion { run_key: RunKey, task: TaskIndex, result: Result<Expansion, AttemptError> },
}

/// What attempts of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct RunFacts {
    pub(crate) run_key: RunKey,
    pub(crate) run_id: Arc<str>,
    pub(crate) run_type: &'static str,
    pub(crate) logical_date: Option<Timestamp>,
    pub(crate) data_interval: Option<(Timestamp, Timestamp)>,
    pub(crate) start_date: Timestamp,
    pub(crate) conf: Value,
    pub(crate) params: Value,
    pub(crate) asset_events: Value,
}

impl RunFacts {
    /// The facts of a run that the store knows.
    pub(crate) fn of_row(row: &RunRow, params: Value, asset_events: Value) -> Self {
        Self {
            run_key: row.run_key,
            run_id: row.run_id.as_str().into(),
            run_type: row.run_type.as_str(),
            logical_date: row.logical_date,
            data_interval: row.data_interval_start.zip(row.data_interval_end),
            start_date: row.started_at.unwrap_or(row.queued_at),
            conf: row.conf.clone(),
            params,
            asset_events,
        }
    }

    /// What the templates of one attempt see.
    pub(crate) fn for_templates<'a>(
        &'a self,
        dag: &'a Dag,
        instance: InstanceKey,
        try_number: u32,
        expanded_ti_count: Option<u32>,
        expand: Option<&'a Value>,
    ) -> template::RunFacts<'a> {
        template::RunFacts {
            dag_id: dag.dag_id.as_str(),
            run_id: &self.run_id,
            run_type: self.run_type,
            logical_date: self.logical_date,
            data_interval_start: self.data_interval.map(|(start, _)| start),
            data_interval_end: self.data_interval.map(|(_, end)| end),
            start_date: Some(self.start_date),
            conf: &self.conf,
            params: &self.params,
            asset_events: &self.asset_events,
            task_id: dag.task(instance.task).task_id.as_str(),
            map_index: (instance.map_index >= 0).then_some(instance.map_index),
            try_number,
            expanded_ti_count,
            outlets: &dag.task(instance.task).outlets,
            expand,
        }
    }
}

/// What the executor works with.
pub(crate) struct Tools {
    pub(crate) registry: Arc<Registry>,
    pub(crate) reader: Reader,
    pub(crate) logs: Logs,
    pub(crate) masker: Arc<Masker>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) engine_mark: String,
    pub(crate) xcom_size_max: usize,
    pub(crate) commands: mpsc::WeakSender<Command>,
    pub(crate) dags: Arc<RwLock<LiveDags>>,
    /// Where people find the pages: `http://localhost:8080`.
    pub(crate) base_url: String,
}

/// What an attempt is started with besides its place and its number.
pub(crate) struct Start {
    /// What its task is expanded over.
    pub(crate) expansion: Option<Arc<Expansion>>,
    /// What it is told after a wait.
    pub(crate) resumed: Option<Value>,
    /// When it began, before its waits.
    pub(crate) started_at: Timestamp,
    /// Its number without the attempts before it that were lost.
    pub(crate) ask_number: u32,
}

/// Starts and ends attempts.
pub(crate) struct Executor {
    tools: Arc<Tools>,
    reports: mpsc::UnboundedSender<Told>,
    running: HashMap<AttemptPlace, (u32, CancellationToken)>,
    tasks: TaskTracker,
}

impl Executor {
    pub(crate) fn new(tools: Tools, reports: mpsc::UnboundedSender<Told>) -> Self {
        Self { tools: Arc::new(tools), reports, running: HashMap::new(), tasks: TaskTracker::new() }
    }

    /// What it works with.
    pub(crate) fn tools(&self) -> &Arc<Tools> {
        &self.tools
    }

    /// Starts an attempt; it reports when it has ended.
    pub(crate) fn start(
        &mut self,
        dag: Arc<Dag>,
        facts: Arc<RunFacts>,
        instance: InstanceKey,
        try_number: u32,
        start: Start,
    ) {
        let place = (facts.run_key, instance);
        let cancel = CancellationToken::new();
        self.running.insert(place, (try_number, cancel.clone()));
        let tools = Arc::clone(&self.tools);
        let expansion = start.expansion.as_deref();
        let scene = Scene::new(tools, dag, facts, instance, try_number, expansion, cancel);
        let attempt = Attempt { scene, start };
        let reports = self.reports.clone();
        self.tasks.spawn(async move {
            let report = attempt.run().await;
            // The loop is gone only when the engine is: then the attempt counts as lost anyway.
            let _ = reports.send(Told::Report(Box::new(report)));
        });
    }

    /// Finds out what a mapped task is expanded over, and tells it.
    pub(crate) fn expand(&self, dag: Arc<Dag>, facts: Arc<RunFacts>, task: TaskIndex) {
        let (tools, reports) = (Arc::clone(&self.tools), self.reports.clone());
        self.tasks.spawn_blocking(move || {
            let runtime = tokio::runtime::Handle::current();
            let result = expand::expansion(&tools, &dag, &facts, task, runtime);
            let _ = reports.send(Told::Expansion { run_key: facts.run_key, task, result });
        });
    }

    /// Tells an attempt to end; it will report.
    pub(crate) fn kill(&self, place: AttemptPlace, try_number: u32) {
        if let Some((current, cancel)) = self.running.get(&place)
            && *current == try_number
        {
            cancel.cancel();
        }
    }

    /// The attempt has reported.
    pub(crate) fn ended(&mut self, place: AttemptPlace, try_number: u32) {
        if self.running.get(&place).is_some_and(|(current, _)| *current == try_number) {
            self.running.remove(&place);
        }
    }

    /// The attempts that have not reported.
    pub(crate) fn running(&self) -> impl Iterator<Item = (AttemptPlace, u32)> + '_ {
        self.running.iter().map(|(place, (try_number, _))| (*place, *try_number))
    }

    /// Tells all attempts to end.
    pub(crate) fn kill_all(&self) {
        self.running.values().for_each(|(_, cancel)| cancel.cancel());
    }

    /// Runs what an attempt left to be done once its result is durable.
    pub(crate) fn after_commit(&self, after_commit: AfterCommit, key: LogKey) {
        let tools = Arc::clone(&self.tools);
        self.tasks.spawn(async move {
            if let Err(error) = after_commit.await {
                let log = tools.logs.writer(key, Arc::clone(&tools.masker));
                let text = format!("the result is kept, but telling the service so failed: {error}");
                log.line(Level::Warning, "engine", &text, Timestamp::now());
            }
        });
    }

    /// Removes the logs of a run that is gone.
    pub(crate) fn remove_logs(&self, dag_id: String, run_id: String) {
        let logs = self.tools.logs.clone();
        self.tasks.spawn_blocking(move || logs.remove_run(&dag_id, &run_id));
    }

    /// Waits until everything that was started has ended.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// How an execution ended that did not fail.
enum Ended {
    Succeeded(Option<Follow>, Option<AfterCommit>),
    Waits(Wait, Option<Trigger>),
}

/// One attempt.
struct Attempt {
    scene: Scene,
    start: Start,
}

impl Attempt {
    async fn run(self) -> Report {
        let (key, tools) = (self.scene.log_key(), &self.scene.tools);
        let log = Arc::new(Reporter {
            log: tools.logs.writer(key.clone(), Arc::clone(&tools.masker)),
            notices: tools.notices.clone(),
            key: key.clone(),
        });
        let mut report = Report {
            place: (self.scene.facts.run_key, self.scene.instance),
            try_number: self.scene.try_number,
            outcome: Outcome::Success { follow: None },
            xcoms: Vec::new(),
            arguments: None,
            after_commit: None,
            label: None,
            trigger: None,
        };
        let result = execution::unpanicked(self.execute(Arc::clone(&log), &mut report)).await;
        match result.and_then(|output| self.encode(output, &mut report.xcoms)) {
            Ok(Ended::Waits(wait, trigger)) => {
                report.outcome = Outcome::Waits(wait);
                report.trigger = trigger;
            }
            Ok(Ended::Succeeded(follow, after_commit)) => {
                report.outcome = Outcome::Success { follow };
                report.after_commit = after_commit.map(|future| (future, key));
            }
            Err(error) => {
                report.xcoms.clear();
                report.outcome = self.failure(&log, error);
            }
        }
        report
    }

    async fn execute(&self, log: Arc<Reporter>, report: &mut Report) -> Result<TaskOutput, TaskError> {
        let (scene, task) = (&self.scene, self.scene.task());
        let operator = scene.operator(&task.operator)?;
        let variables = scene.variables();
        let (arguments, label) = self.render(&variables).await?;
        report.arguments = Some(scene.tools.masker.mask_json(abridge(&arguments)).to_string());
        report.label = label.map(|label| scene.tools.masker.mask(&label));
        let context = self.context(variables, log);
        let grace = operator.end_grace(&arguments);
        let execution =
            execution::until_cancelled(&scene.cancel, grace, operator.execute(&context, arguments));
        execution::within(&scene.cancel, task.execution_timeout, execution).await
    }

    /// The arguments, and the name of a mapped instance.
    async fn render(&self, variables: &Value) -> Result<(Value, Option<String>), TaskError> {
        let task = self.scene.task();
        if !task.has_templates && task.map_index_template.is_none() {
            return Ok((self.with_expanded(task.arguments.clone()), None));
        }
        let context = self.scene.template_context(variables.clone());
        let (dag, index) = (Arc::clone(&self.scene.dag), self.scene.instance.task);
        let (arguments, label) = execution::rendered(move || {
            let task = dag.task(index);
            let arguments = template::render(&task.arguments, &context)?;
            let label = task.map_index_template.as_ref().map(|text| {
                template::render(&Value::from(text.as_str()), &context).map(|label| match label {
                    Value::String(label) => label,
                    other => other.to_string(),
                })
            });
            Ok((arguments, label.transpose()?))
        })
        .await?;
        Ok((self.with_expanded(arguments), label))
    }

    /// The arguments with those that the task itself is expanded over. They are values, in which templates mean nothing.
    fn with_expanded(&self, mut arguments: Value) -> Value {
        let expanded = self.scene.expand.as_ref().filter(|_| self.scene.task().mapping.is_some());
        if let (Some(Value::Object(expanded)), Value::Object(arguments)) = (expanded, &mut arguments) {
            arguments.extend(expanded.clone());
        }
        arguments
    }

    fn context(&self, variables: Value, log: Arc<Reporter>) -> TaskContext {
        let (scene, start) = (&self.scene, &self.start);
        let (run_key, instance) = (scene.facts.run_key, scene.instance);
        let mark = format!("{run_key}.{}.{}.{}", instance.task.0, instance.map_index, scene.try_number);
        TaskContext {
            resumed: start.resumed.clone(),
            started_at: start.started_at,
            ask_number: start.ask_number,
            ..scene.context(variables, &mark, log)
        }
    }

    fn encode(&self, output: TaskOutput, xcoms: &mut Vec<EncodedXcom>) -> Result<Ended, TaskError> {
        if let Some(wait) = output.wait {
            let trigger = wait.trigger.clone();
            return Ok(Ended::Waits(self.wait(wait), trigger));
        }
        let follow = output.follow.map(|said| self.scene.dag.follow(said)).transpose().map_err(|name| {
            TaskError::fatal(format!("the branch \"{name}\" is no task and no group of this DAG"))
                .hint("a branch is named in full, with the groups that it is in: group.task")
        })?;
        for (key, value) in &output.xcom {
            let encoded = EncodedXcom::encode(key, value, self.scene.tools.xcom_size_max).map_err(|error| {
                TaskError::fatal(error.to_string())
                    .hint("push less, or put it into an object store and push its name; xcom_size_max sets the limit")
            })?;
            xcoms.push(encoded);
        }
        Ok(Ended::Succeeded(follow, output.after_commit))
    }

    fn wait(&self, wait: Waiting) -> Wait {
        Wait {
            until: to_micros(instant::later(Timestamp::now(), wait.at_most)),
            run: wait.run.map(|(dag_id, run_id)| (dag_id.into(), run_id.into())),
            is_watched: wait.trigger.is_some(),
            reason: self.scene.tools.masker.mask(&wait.reason),
            state: wait.state,
            question: wait.question.map(|question| Box::new(self.masked(question))),
            answer: None,
        }
    }

    fn masked(&self, question: Question) -> Question {
        let masker = &self.scene.tools.masker;
        let masked = serde_json::to_value(&question).map(|value| masker.mask_json(value));
        masked.and_then(serde_json::from_value).unwrap_or(question)
    }

    fn failure(&self, log: &Reporter, error: TaskError) -> Outcome {
        match execution::ended_with(error, &self.scene.tools.masker) {
            Ok(reason) => {
                log.line(Level::Info, "engine", &format!("skipped: {reason}"));
                Outcome::Skipped { reason }
            }
            Err(error) => {
                log.line(Level::Error, "engine", &error.message);
                if let Some(hint) = &error.hint {
                    log.line(Level::Error, "engine", &format!("hint: {hint}"));
                }
                Outcome::Failed(error)
            }
        }
    }
}

/// The longest text and the longest list of rendered arguments that the history keeps.
const ABRIDGE_TEXT: usize = 4_096;
const ABRIDGE_ITEMS: usize = 20;

/// Rendered arguments as the history keeps them: long texts and lists are cut, and say so.
fn abridge(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > ABRIDGE_TEXT => {
            let cut: String = text.chars().take(ABRIDGE_TEXT).collect();
            Value::String(format!("{cut}… ({} bytes in all)", text.len()))
        }
        Value::Array(items) if items.len() > ABRIDGE_ITEMS => {
            let mut kept: Vec<Value> = items.iter().take(ABRIDGE_ITEMS).map(abridge).collect();
            kept.push(Value::String(format!("… ({} items in all)", items.len())));
            Value::Array(kept)
        }
        Value::Array(items) => items.iter().map(abridge).collect(),
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.clone(), abridge(field))).collect(),
        other => other.clone(),
    }
}

/// Where an attempt's lines and progress go.
struct Reporter {
    log: LogWriter,
    notices: broadcast::Sender<Notice>,
    key: LogKey,
}

impl TaskReporter for Reporter {
    fn line(&self, level: Level, source: &str, text: &str) {
        self.log.line(level, source, text, Timestamp::now());
    }

    fn progress(&self, progress: Progress) {
        // Nobody listening is no fault.
        let _ = self.notices.send(Notice::Progress(Arc::new(ProgressNotice {
            dag_id: self.key.dag_id.clone(),
            run_id: self.key.run_id.clone(),
            task_id: self.key.task_id.clone(),
            map_index: self.key.map_index,
            try_number: self.key.try_number,
            done: progress.done,
            total: progress.total,
            unit: progress.unit,
        })));
    }
}
