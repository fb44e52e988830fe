//! A world for engine tests: a home and a DAG folder of its own, operators that do what a test says, and ways to wait
//! for what happens without sleeping.

use async_trait::async_trait;
use esteira_core::ids::RunId;
use esteira_core::states::TriggeredBy;
use esteira_operator::{
    Argument, ArgumentKind, Masker, Operator, Poke, Poked, Question, Registry, Signature, TaskContext,
    TaskError, TaskOutput, Trigger, Waiting, parse_arguments,
};
use esteira_runtime::home::Home;
use esteira_runtime::{
    Actor, CommandError, Engine, Handle, Notice, Options, RerunRequest, TriggerRequest, audit,
};
use esteira_store::{AttemptKey, AttemptRow, EventRow, RunRow, TaskInstanceRow};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

/// Long enough for anything that does happen; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A home, a DAG folder, and an engine on them.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) masker: Arc<Masker>,
    pub(crate) xcom_size_max: usize,
    engine: Option<Engine>,
}

impl World {
    /// A world with one DAG file, `dag.yaml`, and a running engine.
    pub(crate) async fn with(yaml: &str) -> Self {
        let mut world = Self::asleep();
        world.write("dag.yaml", yaml);
        world.start().await;
        world
    }

    /// A world whose engine is not started yet.
    pub(crate) fn asleep() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dags")).unwrap();
        Self { folder, masker: Arc::default(), xcom_size_max: 1024 * 1024, engine: None }
    }

    pub(crate) async fn start(&mut self) {
        let home = Home::open(&self.home()).unwrap();
        let mut options = Options::new(home, self.dags(), Arc::new(registry()), Arc::clone(&self.masker));
        options.xcom_size_max = self.xcom_size_max;
        self.engine = Some(Engine::start(options).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        self.engine.take().unwrap().stop().await.unwrap();
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn dags(&self) -> PathBuf {
        self.folder.path().join("dags")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, yaml: &str) {
        std::fs::write(self.dags().join(name), yaml).unwrap();
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.engine.as_ref().unwrap().handle()
    }

    /// Triggers DAG `d` and waits for the run's end.
    pub(crate) async fn run(&self, conf: Value) -> RunRow {
        let notices = self.handle().subscribe();
        let run = self.trigger(conf).await.unwrap();
        self.ended(notices, &run.run_id).await
    }

    pub(crate) async fn trigger(&self, conf: Value) -> Result<RunRow, CommandError> {
        let mut request = TriggerRequest::manual("d", tester());
        request.conf = conf.as_object().cloned().unwrap_or_else(Map::new);
        self.handle().trigger(request).await
    }

    pub(crate) async fn cancel(&self, run_id: &RunId) -> Result<(), CommandError> {
        self.handle().cancel("d".into(), run_id.clone(), tester()).await
    }

    /// Waits for the end of a run.
    pub(crate) async fn ended(&self, notices: Receiver<Notice>, run_id: &RunId) -> RunRow {
        wait_for(notices, |event| event.name == "run.ended" && event.run_id == run_id.as_str()).await;
        self.handle().reader().run("d", run_id.as_str()).await.unwrap().unwrap()
    }

    pub(crate) async fn instances(&self, run: &RunRow) -> Vec<TaskInstanceRow> {
        self.handle().reader().instances(run.run_key).await.unwrap()
    }

    /// `task state attempt` for each task of a run.
    pub(crate) async fn states(&self, run: &RunRow) -> Vec<String> {
        let describe = |row: &TaskInstanceRow| {
            format!("{} {} {}", row.task_id, row.state.map_or("none", |state| state.as_str()), row.try_number)
        };
        self.instances(run).await.iter().map(describe).collect()
    }

    /// `task[map index] state attempt`, and the name of the instance if it has one.
    pub(crate) async fn mapped_states(&self, run: &RunRow) -> Vec<String> {
        let rows = self.instances(run).await;
        let tell = |row: &TaskInstanceRow| {
            let place = if row.map_index < 0 { String::new() } else { format!("[{}]", row.map_index) };
            let label = row.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
            format!(
                "{}{place} {} {}{label}",
                row.task_id,
                row.state.map_or("none", |state| state.as_str()),
                row.try_number
            )
        };
        rows.iter().map(tell).collect()
    }

    /// Carries out a rerun and waits until its run is over again.
    pub(crate) async fn again(&self, request: RerunRequest) -> RunRow {
        let notices = self.handle().subscribe();
        let run_id = request.run_id.clone();
        self.handle().rerun(request).await.unwrap();
        self.ended(notices, &run_id).await
    }

    /// The audit check finds nothing.
    pub(crate) async fn is_sound(&self) {
        let check = audit::verify(self.handle().reader(), &registry()).await.unwrap();
        assert_eq!(check.problem, None);
    }

    pub(crate) async fn attempts(&self, run: &RunRow, task_id: &str) -> Vec<AttemptRow> {
        let row = self.handle().reader().instance(run.run_key, task_id, -1).await.unwrap().unwrap();
        let key = AttemptKey { run_key: run.run_key, task_index: row.task_index, map_index: -1 };
        self.handle().reader().attempts(key).await.unwrap()
    }

    pub(crate) async fn xcom(&self, run: &RunRow, task_id: &str) -> Option<Value> {
        self.handle().reader().xcom_value(run.run_key, task_id, -1, "return_value").await.unwrap()
    }
}

/// Whoever tests.
pub(crate) fn tester() -> Actor {
    Actor::new("tester", TriggeredBy::Cli)
}

/// Clears tasks of a run; all if none is named.
pub(crate) fn rerun(run: &RunRow, task_ids: &[&str]) -> RerunRequest {
    RerunRequest {
        dag_id: "d".into(),
        run_id: run.run_id.clone(),
        task_ids: task_ids.iter().map(|task_id| (*task_id).into()).collect(),
        map_index: None,
        upstream: false,
        downstream: false,
        only_failed: false,
        only_running: false,
        on_latest_version: false,
        mark: None,
        dry_run: false,
        actor: tester(),
    }
}

/// Waits for an event.
pub(crate) async fn wait_for(
    mut notices: Receiver<Notice>,
    wanted: impl Fn(&EventRow) -> bool,
) -> Arc<EventRow> {
    let waiting = async {
        loop {
            match notices.recv().await.expect("the engine lives and the test keeps up") {
                Notice::Event(event) if wanted(&event) => return event,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the event comes")
}

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register(Act).register(WatchFile).register(WriteLine).register(Ask);
    registry
}

/// A sensor of the tests: waits for a file, looking every 5 ms.
struct WatchFile;

/// Its look. When it is dropped, it says so in a file beside.
struct FileLook(PathBuf);

#[async_trait]
impl Poke for FileLook {
    async fn poke(&self) -> Poked {
        if self.0.exists() { Poked::GoOn } else { Poked::NotYet }
    }
}

impl Drop for FileLook {
    fn drop(&mut self) {
        // The folder may be gone with its test.
        let _ = std::fs::write(self.0.with_extension("dropped"), "");
    }
}

#[async_trait]
impl Operator for WatchFile {
    fn signature(&self) -> Signature {
        let arguments = vec![
            Argument::required("path", ArgumentKind::Text, "for a test"),
            Argument::optional("timeout_ms", ArgumentKind::Integer, "for a test"),
        ];
        Signature { name: "watch_file", summary: "waits for a file", arguments }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let path = PathBuf::from(arguments["path"].as_str().unwrap());
        if path.exists() {
            return Ok(TaskOutput::returning(json!("here")));
        }
        let limit = Duration::from_millis(arguments["timeout_ms"].as_u64().unwrap_or(60_000));
        let waited = Duration::try_from(jiff::Timestamp::now().duration_since(context.started_at));
        let left = limit.saturating_sub(waited.unwrap_or_default());
        if left.is_zero() {
            return Err(TaskError::failed("it did not come"));
        }
        let trigger = Trigger {
            poke_interval: Duration::from_millis(5),
            growth: 1.0,
            interval_max: Duration::from_secs(1),
            poke: Arc::new(FileLook(path)),
        };
        let wait = Waiting { trigger: Some(trigger), ..Waiting::at_most(left, "it waits for the file") };
        Ok(TaskOutput::waiting(wait))
    }
}

/// Asks people, and pushes what it is told.
struct Ask;

#[async_trait]
impl Operator for Ask {
    fn signature(&self) -> Signature {
        let arguments = vec![
            Argument::required("subject", ArgumentKind::Text, "for a test"),
            Argument::optional("timeout_ms", ArgumentKind::Integer, "for a test"),
        ];
        Signature { name: "ask", summary: "asks people", arguments }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        if let Some(told) = &context.resumed {
            return Ok(TaskOutput::returning(told.clone()));
        }
        let question = Question {
            subject: arguments["subject"].as_str().unwrap().to_owned(),
            options: vec!["yes".to_owned(), "no".to_owned()],
            params: Map::from_iter([("days".to_owned(), json!({"type": "integer", "default": 1}))]),
            ..Question::default()
        };
        let longest = arguments["timeout_ms"].as_u64().map_or(Duration::MAX, Duration::from_millis);
        Ok(TaskOutput::waiting(Waiting::for_answer(question, longest)))
    }
}

/// A notifier of the tests: adds a line to a file, if another file is there.
struct WriteLine;

#[async_trait]
impl Operator for WriteLine {
    fn signature(&self) -> Signature {
        let arguments = vec![
            Argument::required("file", ArgumentKind::Text, "for a test"),
            Argument::required("text", ArgumentKind::Text, "for a test"),
            Argument::optional("needs", ArgumentKind::Text, "for a test"),
            Argument::optional("waits_for", ArgumentKind::Text, "for a test"),
        ];
        Signature { name: "write_line", summary: "adds a line to a file", arguments }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let argument = |name: &str| arguments[name].as_str().map(str::to_owned);
        context.info(format!("writes {}", arguments["text"]));
        if let Some(path) = argument("waits_for") {
            wait_for_file(Path::new(&path), context).await?;
        }
        if argument("needs").is_some_and(|path| !Path::new(&path).exists()) {
            return Err(TaskError::failed("what it needs is not there: hunter2"));
        }
        let mut file =
            std::fs::File::options().create(true).append(true).open(argument("file").unwrap()).unwrap();
        std::io::Write::write_all(&mut file, format!("{}\n", argument("text").unwrap()).as_bytes()).unwrap();
        Ok(TaskOutput::default())
    }
}

/// The operator of the tests: does what its arguments say.
struct Act;

#[derive(Deserialize)]
struct ActArguments {
    #[serde(default)]
    push: Value,
    fail: Option<String>,
    fatal: Option<String>,
    skip: Option<String>,
    panic: Option<String>,
    say: Option<String>,
    /// Fails in attempts before this one.
    succeed_from: Option<u32>,
    /// Waits until the file is there, or until it is told to end.
    wait_for_file: Option<PathBuf>,
    /// Writes the attempt's number into this file.
    touch: Option<PathBuf>,
    /// Writes into this file after the result is durable.
    after_commit: Option<PathBuf>,
}

#[async_trait]
impl Operator for Act {
    fn signature(&self) -> Signature {
        let any = [
            "push",
            "fail",
            "fatal",
            "skip",
            "panic",
            "say",
            "succeed_from",
            "wait_for_file",
            "touch",
            "after_commit",
        ];
        let arguments = any.map(|name| Argument::optional(name, ArgumentKind::Any, "for a test"));
        Signature { name: "act", summary: "does what a test says", arguments: arguments.into() }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments = if arguments.is_null() { json!({}) } else { arguments };
        let act: ActArguments = parse_arguments(arguments)?;
        if let Some(text) = &act.say {
            context.info(text);
        }
        if let Some(path) = &act.touch {
            std::fs::write(path, context.try_number.to_string()).unwrap();
        }
        if let Some(path) = &act.wait_for_file {
            wait_for_file(path, context).await?;
        }
        if let Some(text) = act.panic {
            panic!("{text}");
        }
        if act.succeed_from.is_some_and(|from| context.try_number < from) {
            return Err(TaskError::failed("not yet"));
        }
        match (act.fail, act.fatal, act.skip) {
            (Some(text), _, _) => return Err(TaskError::failed(text).hint("try harder")),
            (_, Some(text), _) => return Err(TaskError::fatal(text)),
            (_, _, Some(text)) => return Err(TaskError::skipped(text)),
            _ => {}
        }
        let output = TaskOutput::returning(act.push);
        Ok(match act.after_commit {
            Some(path) => output.then(async move {
                std::fs::write(path, "committed").unwrap();
                Ok(())
            }),
            None => output,
        })
    }
}

/// A file is how a test speaks to an attempt of an engine that it kills.
async fn wait_for_file(path: &Path, context: &TaskContext) -> Result<(), TaskError> {
    while !path.exists() {
        tokio::select! {
            () = context.cancel.cancelled() => return Err(TaskError::cancelled()),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    Ok(())
}
