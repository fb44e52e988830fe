//! The local executor: runs attempts in this process, one tokio task each.
//!
//! What it starts, it ends: an attempt that is told to end and does not within the grace is dropped, and every
//! attempt reports exactly once.

use crate::command::Command;
use crate::door::Door;
use crate::engine::to_micros;
use crate::expand;
use crate::handle::LiveDags;
use crate::logs::{LogKey, LogWriter, Logs};
use crate::notice::{Notice, ProgressNotice};
use crate::template_source::RunSource;
use crate::vault::Vault;
use esteira_core::dag::{Dag, Expansion, Task, TaskIndex};
use esteira_core::run::{AttemptError, AttemptErrorKind, Follow, InstanceKey, Outcome, Wait};
use esteira_core::states::RunType;
use esteira_core::template;
use esteira_operator::{
    AfterCommit, Level, Masker, Progress, Registry, TaskContext, TaskError, TaskErrorKind, TaskOutput,
    TaskReporter, Trigger, Waiting,
};
use esteira_store::{EncodedXcom, Reader, RunKey, RunRow};
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, RwLock};
use std::time::Duration;
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
        let expand = start.expansion.clone().filter(|_| instance.map_index >= 0).map(|expansion| {
            Value::Object(expansion.arguments(usize::try_from(instance.map_index).unwrap_or_default()))
        });
        let attempt = Attempt { tools, dag, facts, instance, try_number, cancel, expand, start };
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
    tools: Arc<Tools>,
    dag: Arc<Dag>,
    facts: Arc<RunFacts>,
    instance: InstanceKey,
    try_number: u32,
    cancel: CancellationToken,
    /// What a mapped instance is expanded over, by name.
    expand: Option<Value>,
    start: Start,
}

impl Attempt {
    fn task(&self) -> &Task {
        self.dag.task(self.instance.task)
    }

    fn log_key(&self) -> LogKey {
        LogKey {
            dag_id: self.dag.dag_id.to_string(),
            run_id: self.facts.run_id.to_string(),
            task_id: self.task().task_id.to_string(),
            map_index: self.instance.map_index,
            try_number: self.try_number,
        }
    }

    async fn run(self) -> Report {
        let key = self.log_key();
        let log = Arc::new(Reporter {
            log: self.tools.logs.writer(key.clone(), Arc::clone(&self.tools.masker)),
            notices: self.tools.notices.clone(),
            key: key.clone(),
        });
        let mut report = Report {
            place: (self.facts.run_key, self.instance),
            try_number: self.try_number,
            outcome: Outcome::Success { follow: None },
            xcoms: Vec::new(),
            arguments: None,
            after_commit: None,
            label: None,
            trigger: None,
        };
        // A panic is a bug of an operator; it must not leave an attempt that never reports.
        let result = AssertUnwindSafe(self.execute(Arc::clone(&log), &mut report)).catch_unwind().await;
        let result = result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
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
        let task = self.task();
        let operator = self
            .tools
            .registry
            .operator(&task.operator)
            .ok_or_else(|| TaskError::fatal(format!("there is no operator \"{}\"", task.operator)))?;
        let variables = template::context_variables(&self.template_facts());
        let (arguments, label) = self.render(&variables).await?;
        report.arguments = Some(self.tools.masker.mask_json(abridge(&arguments)).to_string());
        report.label = label.map(|label| self.tools.masker.mask(&label));
        let context = self.context(variables, log);
        let grace = operator.end_grace(&arguments);
        let execution = self.until_cancelled(grace, operator.execute(&context, arguments));
        match task.execution_timeout {
            Some(limit) => self.within(limit, execution).await,
            None => execution.await,
        }
    }

    /// The arguments, and the name of a mapped instance.
    async fn render(&self, variables: &Value) -> Result<(Value, Option<String>), TaskError> {
        let task = self.task();
        if !task.has_templates && task.map_index_template.is_none() {
            return Ok((self.with_expanded(task.arguments.clone()), None));
        }
        let runtime = tokio::runtime::Handle::current();
        let source = RunSource::new(
            &self.tools.reader,
            &self.tools.vault,
            &self.dag,
            &self.facts,
            self.instance,
            runtime,
        );
        let context = template::Context { variables: variables.clone(), source: Arc::new(source) };
        let (dag, index) = (Arc::clone(&self.dag), self.instance.task);
        // Rendering reads XCom as it goes, which waits for the database: not on a thread that runs other attempts.
        let rendered = tokio::task::spawn_blocking(move || {
            let task = dag.task(index);
            let arguments = template::render(&task.arguments, &context)?;
            let label = task.map_index_template.as_ref().map(|text| {
                template::render(&Value::from(text.as_str()), &context).map(|label| match label {
                    Value::String(label) => label,
                    other => other.to_string(),
                })
            });
            Ok((arguments, label.transpose()?))
        });
        match rendered.await {
            Ok(Ok((arguments, label))) => Ok((self.with_expanded(arguments), label)),
            Ok(Err(error)) => {
                let error: template::TemplateError = error;
                Err(TaskError::fatal(format!("the arguments cannot be rendered: {error}"))
                    .hint("look at the templates under the task's with:"))
            }
            Err(panic) => Err(TaskError::fatal(format!("rendering the arguments stopped: {panic}"))),
        }
    }

    /// The arguments with those that the task itself is expanded over. They are values, in which templates mean nothing.
    fn with_expanded(&self, mut arguments: Value) -> Value {
        let expanded = self.expand.as_ref().filter(|_| self.task().mapping.is_some());
        if let (Some(Value::Object(expanded)), Value::Object(arguments)) = (expanded, &mut arguments) {
            arguments.extend(expanded.clone());
        }
        arguments
    }

    fn template_facts(&self) -> template::RunFacts<'_> {
        let expansion = self.start.expansion.as_ref().filter(|_| self.instance.map_index >= 0);
        let count = expansion.map(|expansion| u32::try_from(expansion.len()).unwrap_or(u32::MAX));
        self.facts.for_templates(&self.dag, self.instance, self.try_number, count, self.expand.as_ref())
    }

    fn context(&self, variables: Value, log: Arc<Reporter>) -> TaskContext {
        let (run_key, instance) = (self.facts.run_key, self.instance);
        TaskContext {
            dag_id: self.dag.dag_id.to_string(),
            run_id: self.facts.run_id.to_string(),
            task_id: self.task().task_id.to_string(),
            map_index: instance.map_index,
            try_number: self.try_number,
            logical_date: self.facts.logical_date.map(|at| at.to_string()),
            is_latest: self.is_latest(),
            params: self.facts.params.clone(),
            variables: Arc::new(variables),
            attempt_mark: format!(
                "{}/{run_key}.{}.{}.{}",
                self.tools.engine_mark, instance.task.0, instance.map_index, self.try_number
            ),
            xcom_size_max: self.tools.xcom_size_max,
            resumed: self.start.resumed.clone(),
            started_at: self.start.started_at,
            ask_number: self.start.ask_number,
            engine: Arc::new(Door {
                reader: self.tools.reader.clone(),
                commands: self.tools.commands.clone(),
                dags: Arc::clone(&self.tools.dags),
                run_key,
                name: format!("{}/{}/{}", self.dag.dag_id, self.facts.run_id, self.task().task_id),
            }),
            cancel: self.cancel.clone(),
            reporter: log,
        }
    }

    /// Whether no later tick of the schedule has come since the one that the run is for (Airflow's `latest_only`).
    fn is_latest(&self) -> bool {
        let is_by_schedule = self.facts.run_type == RunType::Scheduled.as_str()
            || self.facts.run_type == RunType::Backfill.as_str();
        let tick = self.facts.data_interval.map(|(_, end)| end).filter(|_| is_by_schedule);
        let next = tick.and_then(|tick| self.dag.ticks().after(tick));
        next.is_none_or(|next| next.run_after > Timestamp::now())
    }

    /// Lets the execution go on until it ends or the run is cancelled; after a cancel it has the grace to end.
    async fn until_cancelled(
        &self,
        grace: Duration,
        execution: impl Future<Output = Result<TaskOutput, TaskError>>,
    ) -> Result<TaskOutput, TaskError> {
        tokio::pin!(execution);
        tokio::select! {
            biased;
            result = &mut execution => return result,
            () = self.cancel.cancelled() => {}
        }
        tokio::time::timeout(grace, execution).await.unwrap_or_else(|_| Err(TaskError::cancelled()))
    }

    /// Lets a cancellable execution go on for so long; then it is cancelled.
    async fn within(
        &self,
        limit: Duration,
        execution: impl Future<Output = Result<TaskOutput, TaskError>>,
    ) -> Result<TaskOutput, TaskError> {
        tokio::pin!(execution);
        if let Ok(result) = tokio::time::timeout(limit, &mut execution).await {
            return result;
        }
        let was_cancelled = self.cancel.is_cancelled();
        self.cancel.cancel();
        let result = execution.await;
        if was_cancelled {
            return result;
        }
        let limit = esteira_core::spec::duration::display(limit);
        Err(TaskError::new(
            TaskErrorKind::TimedOut,
            format!("it took longer than its execution_timeout of {limit}"),
        ))
    }

    fn encode(&self, output: TaskOutput, xcoms: &mut Vec<EncodedXcom>) -> Result<Ended, TaskError> {
        if let Some(wait) = output.wait {
            let trigger = wait.trigger.clone();
            return Ok(Ended::Waits(self.wait(wait), trigger));
        }
        let follow = output.follow.map(|said| self.dag.follow(said)).transpose().map_err(|name| {
            TaskError::fatal(format!("the branch \"{name}\" is no task and no group of this DAG"))
                .hint("a branch is named in full, with the groups that it is in: group.task")
        })?;
        for (key, value) in &output.xcom {
            let encoded = EncodedXcom::encode(key, value, self.tools.xcom_size_max).map_err(|error| {
                TaskError::fatal(error.to_string())
                    .hint("push less, or put it into an object store and push its name; xcom_size_max sets the limit")
            })?;
            xcoms.push(encoded);
        }
        Ok(Ended::Succeeded(follow, output.after_commit))
    }

    fn wait(&self, wait: Waiting) -> Wait {
        let longest = SignedDuration::try_from(wait.at_most).unwrap_or(SignedDuration::MAX);
        Wait {
            until: to_micros(Timestamp::now().checked_add(longest).unwrap_or(Timestamp::MAX)),
            run: wait.run.map(|(dag_id, run_id)| (dag_id.into(), run_id.into())),
            is_watched: wait.trigger.is_some(),
            reason: self.tools.masker.mask(&wait.reason),
            state: wait.state,
        }
    }

    fn failure(&self, log: &Reporter, error: TaskError) -> Outcome {
        let message = self.tools.masker.mask(&error.message);
        let hint = error.hint.map(|hint| self.tools.masker.mask(&hint));
        let kind = match error.kind {
            TaskErrorKind::Skipped => {
                log.line(Level::Info, "engine", &format!("skipped: {message}"));
                return Outcome::Skipped { reason: message };
            }
            TaskErrorKind::Failed => AttemptErrorKind::Failed,
            TaskErrorKind::Fatal => AttemptErrorKind::Fatal,
            TaskErrorKind::TimedOut => AttemptErrorKind::TimedOut,
            TaskErrorKind::Cancelled => AttemptErrorKind::Cancelled,
        };
        log.line(Level::Error, "engine", &message);
        if let Some(hint) = &hint {
            log.line(Level::Error, "engine", &format!("hint: {hint}"));
        }
        let (exit_code, class) = (error.exit_code, error.class);
        Outcome::Failed(AttemptError { kind, message, hint, exit_code, class })
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> TaskError {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    TaskError::failed(format!("the operator stopped by a bug of its own: {}", text.unwrap_or_default()))
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
