//! `docker`: runs a command in a container (Airflow's `DockerOperator`), on Docker or on Podman's service.
//!
//! The image is pulled if it is not there. What the container writes is in the attempt's log as it comes; its last line of
//! stdout is the result. A cancel stops the container. It carries labels, so that an attempt which follows one that was
//! lost with its engine removes what that left running.

use super::support::{ensure, excerpt, optional_duration, or_cancelled, text_list};
use crate::connectors::Connectors;
use crate::process::{self, Lines, exit_status};
use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters as query;
use bollard::{API_DEFAULT_VERSION, Docker as Engine};
use esteira_operator::{
    Argument, ArgumentKind, Connection, Level, Operator, Signature, TaskContext, TaskError, TaskOutput,
    parse_arguments,
};
use futures::{Stream, StreamExt};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Runs a command in a container.
pub(crate) struct Docker {
    connectors: Connectors,
}

impl Docker {
    /// On registries that connections name.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    image: String,
    #[serde(default)]
    command: Command,
    #[serde(default)]
    entrypoint: Command,
    #[serde(default)]
    environment: IndexMap<String, Value>,
    working_dir: Option<String>,
    user: Option<String>,
    network_mode: Option<String>,
    #[serde(default, deserialize_with = "text_list")]
    volumes: Vec<String>,
    mem_limit: Option<Value>,
    cpus: Option<f64>,
    #[serde(default)]
    force_pull: bool,
    #[serde(default)]
    auto_remove: AutoRemove,
    #[serde(default)]
    xcom_all: bool,
    #[serde(default = "skip_default")]
    skip_on_exit_code: Value,
    #[serde(default, deserialize_with = "optional_duration")]
    kill_after: Option<Duration>,
    docker_url: Option<String>,
    connection: Option<String>,
}

/// A command line: words, or one text that is cut into words as a shell does.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Command {
    #[default]
    None,
    Text(String),
    Words(Vec<Value>),
}

impl Command {
    fn words(&self, argument: &str) -> Result<Option<Vec<String>>, TaskError> {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self {
            Self::None => Ok(None),
            Self::Words(words) => Ok(Some(words.iter().map(plain).collect())),
            Self::Text(text) => shlex::split(text).map(Some).ok_or_else(|| {
                TaskError::fatal(format!("`{argument}` has a quote that is not closed: {text}"))
                    .hint("write it as a list of words: [sh, -c, \"…\"]")
            }),
        }
    }
}

/// When the container is removed: Airflow's words.
#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AutoRemove {
    Never,
    Success,
    #[default]
    Force,
}

/// Airflow's `skip_on_exit_code` of other operators, and ours of `bash`.
fn skip_default() -> Value {
    json!(99)
}

/// How long a container has between SIGTERM and SIGKILL, unless the task says otherwise: Docker's own.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// How long an attempt has beside that: for the engine to do it, and for the last words.
const END_MARGIN: Duration = Duration::from_secs(10);

/// How long the engine may take to answer; an image is pulled in a stream, which has no such limit.
const ANSWER_TIME: u64 = 120;

/// Where the engine listens unless `DOCKER_HOST` or the task says otherwise.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// How many bytes of lines are kept for `xcom_all`.
const LINES_BYTES_MAX: usize = 1024 * 1024;

/// The label with the instance that a container belongs to: the home, the run, the task.
const LABEL: &str = "esteira.instance";

#[async_trait]
impl Operator for Docker {
    fn signature(&self) -> Signature {
        Signature {
            name: "docker",
            summary: "Runs a command in a container; its last line of output is the result.",
            arguments: arguments(),
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match (argument, value) {
            ("image", Value::String(image)) => ensure(!image.trim().is_empty(), "`image` is empty"),
            ("mem_limit", value) => bytes(value).map(drop),
            ("skip_on_exit_code", value) => super::bash::skip_codes(value).map(drop),
            ("volumes", Value::Array(volumes)) => {
                volumes.iter().filter_map(Value::as_str).try_for_each(check_volume)
            }
            ("volumes", Value::String(volume)) => check_volume(volume),
            _ => Ok(()),
        }
    }

    fn end_grace(&self, arguments: &Value) -> Duration {
        let said = arguments.get("kill_after");
        let said = said.and_then(|value| esteira_core::spec::duration::from_value(value).ok());
        said.unwrap_or(KILL_AFTER).saturating_add(END_MARGIN)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let skip_codes = super::bash::skip_codes(&arguments.skip_on_exit_code).map_err(TaskError::fatal)?;
        let container = container(context, &arguments)?;
        let credentials = self.credentials(&arguments)?;
        let engine = or_cancelled(context, connect(&arguments)).await?;
        or_cancelled(context, provide_image(context, &engine, &arguments, credentials)).await?;
        remove_leftovers(context, &engine).await?;
        let created = engine.create_container(None::<query::CreateContainerOptions>, container).await;
        let id = created.map_err(|error| told("the container cannot be made", &error))?.id;
        context.info(format!("the container {} of {} begins", short(&id), arguments.image));
        let result = run(context, &engine, &id, &arguments).await;
        let ended = result.and_then(|ended| {
            process::judge(exit_status(ended.code), &skip_codes)?;
            Ok(TaskOutput::returning(ended.result))
        });
        let removes = match arguments.auto_remove {
            AutoRemove::Never => false,
            AutoRemove::Success => ended.is_ok(),
            AutoRemove::Force => true,
        };
        if removes {
            remove(context, &engine, &id).await;
        }
        ended
    }
}

impl Docker {
    /// Name and password for the registry, of the connection that the task names.
    fn credentials(&self, arguments: &Arguments) -> Result<Option<DockerCredentials>, TaskError> {
        let Some(id) = &arguments.connection else { return Ok(None) };
        let connection: Connection = self.connectors.connection("a Docker registry", id)?;
        Ok(Some(DockerCredentials {
            username: connection.username(),
            password: connection.password(),
            serveraddress: connection.url.host_str().map(str::to_owned),
            ..DockerCredentials::default()
        }))
    }
}

fn arguments() -> Vec<Argument> {
    use ArgumentKind::{Any, Boolean, Choice, Duration, Map, Number, Text, TextList};
    let text = |name, help| Argument::optional(name, Text, help);
    vec![
        Argument::required("image", Text, "The image: python:3.13-slim."),
        Argument::optional(
            "command",
            Any,
            "What is run: a list of words, or a text that is cut into words; the image's own if not given.",
        ),
        Argument::optional("entrypoint", Any, "The program before the command, written like it."),
        Argument::optional(
            "environment",
            Map,
            "Environment variables; none of the engine's own are passed on.",
        ),
        text("working_dir", "The folder in the container."),
        text("user", "The user in the container: a name, a number, or 1000:1000."),
        text("network_mode", "The network: bridge, host, none, or one of the engine's."),
        Argument::optional("volumes", TextList, "What is mounted: /here:/there, or /here:/there:ro."),
        Argument::optional("mem_limit", Any, "The most memory: 512m, 2g, or a number of bytes."),
        Argument::optional("cpus", Number, "How many processors it may use: 1.5."),
        Argument::optional("force_pull", Boolean, "Pull the image even if it is there.").with_default(false),
        Argument::optional(
            "auto_remove",
            Choice(&["never", "success", "force"]),
            "When the container is removed: never, when it has succeeded, or always.",
        )
        .with_default("force"),
        Argument::optional("xcom_all", Boolean, "The result is a list of all lines, not the last one.")
            .with_default(false),
        Argument::optional(
            "skip_on_exit_code",
            Any,
            "The exit code, or list of them, that skips the task; null for none.",
        )
        .with_default(99),
        Argument::optional("kill_after", Duration, "How long it has between SIGTERM and SIGKILL.")
            .with_default("10s"),
        text(
            "docker_url",
            "Where the engine listens: unix:///… or tcp://host:2375; DOCKER_HOST if not given.",
        ),
        text(
            "connection",
            "The connection with the registry's user and password: docker://user:password@host.",
        ),
    ]
}

fn container(context: &TaskContext, arguments: &Arguments) -> Result<ContainerCreateBody, TaskError> {
    arguments.volumes.iter().try_for_each(|volume| check_volume(volume)).map_err(TaskError::fatal)?;
    let memory = arguments.mem_limit.as_ref().map(bytes).transpose().map_err(TaskError::fatal)?;
    let host = HostConfig {
        memory,
        nano_cpus: arguments.cpus.map(|cpus| (cpus * 1e9) as i64),
        binds: Some(arguments.volumes.clone()).filter(|volumes| !volumes.is_empty()),
        network_mode: arguments.network_mode.clone(),
        ..HostConfig::default()
    };
    Ok(ContainerCreateBody {
        image: Some(arguments.image.clone()),
        cmd: arguments.command.words("command")?,
        entrypoint: arguments.entrypoint.words("entrypoint")?,
        env: Some(arguments.environment.iter().map(variable).collect()),
        working_dir: arguments.working_dir.clone(),
        user: arguments.user.clone(),
        labels: Some(HashMap::from([(LABEL.to_owned(), instance(context))])),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

fn variable((name, value): (&String, &Value)) -> String {
    match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Null => format!("{name}="),
        other => format!("{name}={other}"),
    }
}

/// The instance, the same for all its attempts and for all engines on its home.
fn instance(context: &TaskContext) -> String {
    let home = context.attempt_mark.split('/').next().unwrap_or_default();
    format!("{home}/{}/{}/{}/{}", context.dag_id, context.run_id, context.task_id, context.map_index)
}

fn check_volume(volume: &str) -> Result<(), String> {
    let parts: Vec<&str> = volume.split(':').collect();
    let is_one =
        matches!(parts.as_slice(), [from, to] | [from, to, _] if !from.is_empty() && to.starts_with('/'));
    ensure(
        is_one,
        &format!("\"{volume}\" is no volume: write /here:/there or name:/there, with :ro to only read"),
    )
}

/// A number of bytes, or a text with a unit.
fn bytes(value: &Value) -> Result<i64, String> {
    let fault = || format!("{value} is no size: write 512m, 2g, or a number of bytes");
    let Some(text) = value.as_str() else { return value.as_i64().filter(|size| *size > 0).ok_or_else(fault) };
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[digits.len()..].trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(fault()),
    };
    let number: i64 = digits.trim().parse().map_err(|_| fault())?;
    number.checked_mul(factor).filter(|size| *size > 0).ok_or_else(fault)
}

async fn connect(arguments: &Arguments) -> Result<Engine, TaskError> {
    let from_environment = || std::env::var("DOCKER_HOST").ok().filter(|url| !url.is_empty());
    let url = arguments.docker_url.clone().or_else(from_environment).unwrap_or_else(|| SOCKET.to_owned());
    let engine = match url.split_once("://") {
        Some(("unix", _)) => Engine::connect_with_unix(&url, ANSWER_TIME, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) => Engine::connect_with_http(&url, ANSWER_TIME, API_DEFAULT_VERSION),
        _ => {
            return Err(TaskError::fatal(format!("\"{url}\" is no address of an engine"))
                .hint("write unix:///var/run/docker.sock or tcp://host:2375"));
        }
    };
    let missing = |error: Error| {
        TaskError::failed(format!("no container engine answers at {url}: {error}"))
            .class("no_engine")
            .hint("is Docker, or podman system service, running there? DOCKER_HOST or docker_url says where")
    };
    engine.map_err(missing)?.negotiate_version().await.map_err(missing)
}

/// Pulls the image if it is not there.
async fn provide_image(
    context: &TaskContext,
    engine: &Engine,
    arguments: &Arguments,
    credentials: Option<DockerCredentials>,
) -> Result<(), TaskError> {
    let image = arguments.image.as_str();
    if !arguments.force_pull {
        match engine.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(told(&format!("the image {image} cannot be looked up"), &error)),
        }
    }
    context.info(format!("pulling {image}"));
    let options = query::CreateImageOptionsBuilder::new().from_image(&with_tag(image)).build();
    let mut pulled = std::pin::pin!(engine.create_image(Some(options), None, credentials));
    while let Some(step) = pulled.next().await {
        step.map_err(|error| {
            told(&format!("the image {image} cannot be pulled"), &error)
                .hint("is its name right, and does its registry want a login? connection names one")
        })?;
    }
    Ok(())
}

/// Without a tag the engine would pull all there are.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// Removes what an attempt before this one left, that was lost with its engine.
async fn remove_leftovers(context: &TaskContext, engine: &Engine) -> Result<(), TaskError> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}={}", instance(context))])]);
    let options = query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = engine.list_containers(Some(options)).await;
    let found = found.map_err(|error| told("the containers cannot be listed", &error))?;
    for container in found {
        let is_running = container.state.is_some_and(|state| state.to_string() == "running");
        let Some(id) = container.id.filter(|_| is_running) else { continue };
        context.warn(format!("the container {} of an earlier attempt still runs: it is removed", short(&id)));
        remove(context, engine, &id).await;
    }
    Ok(())
}

/// How a container ended by itself.
struct Ended {
    code: i64,
    result: Value,
}

/// Starts a container, tells what it writes, and waits for its end; a cancel stops it.
async fn run(
    context: &TaskContext,
    engine: &Engine,
    id: &str,
    arguments: &Arguments,
) -> Result<Ended, TaskError> {
    let started = engine.start_container(id, None::<query::StartContainerOptions>).await;
    started.map_err(|error| told("the container cannot be started", &error))?;
    let options = query::LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let kept = Kept::new(arguments.xcom_all);
    let telling = tell(context, engine.logs(id, Some(options)), &kept);
    let was_cancelled = {
        let mut telling = std::pin::pin!(telling);
        tokio::select! {
            told = &mut telling => { told?; false }
            () = context.cancel.cancelled() => {
                stop(context, engine, id, arguments.kill_after.unwrap_or(KILL_AFTER)).await;
                // Its last words; the grace of the attempt bounds them.
                let _ = telling.await;
                true
            }
        }
    };
    if was_cancelled {
        return Err(TaskError::cancelled());
    }
    Ok(Ended { code: exit_code(engine, id).await?, result: kept.result() })
}

/// The lines that become the result.
struct Kept {
    keeps_all: bool,
    /// The lines, and how many bytes they have.
    lines: Mutex<(Vec<String>, usize)>,
}

impl Kept {
    fn new(keeps_all: bool) -> Self {
        Self { keeps_all, lines: Mutex::default() }
    }

    fn take(&self, line: &str) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, bytes) = &mut *kept;
        if !self.keeps_all {
            lines.clear();
        }
        *bytes += line.len();
        if !self.keeps_all || *bytes <= LINES_BYTES_MAX {
            lines.push(line.trim_end().to_owned());
        }
    }

    fn result(self) -> Value {
        let (mut lines, _) = self.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.keeps_all { json!(lines) } else { Value::from(lines.pop().unwrap_or_default()) }
    }
}

/// Tells what a container writes, line by line, until it ends.
async fn tell(
    context: &TaskContext,
    output: impl Stream<Item = Result<LogOutput, Error>>,
    kept: &Kept,
) -> Result<(), TaskError> {
    let stdout = |line: &str| {
        context.reporter.line(Level::Info, "stdout", line);
        kept.take(line);
    };
    let stderr = |line: &str| context.reporter.line(Level::Info, "stderr", line);
    let (mut out, mut err) = (Lines::default(), Lines::default());
    let mut output = std::pin::pin!(output);
    while let Some(piece) = output.next().await {
        match piece.map_err(|error| told("the container's output cannot be read", &error))? {
            LogOutput::StdErr { message } => err.take(&message, &stderr),
            LogOutput::StdOut { message } | LogOutput::Console { message } => out.take(&message, &stdout),
            LogOutput::StdIn { .. } => {}
        }
    }
    out.finish(&stdout);
    err.finish(&stderr);
    Ok(())
}

/// The exit code of a container whose output has ended: it has ended too, or is about to.
async fn exit_code(engine: &Engine, id: &str) -> Result<i64, TaskError> {
    loop {
        let found = engine.inspect_container(id, None::<query::InspectContainerOptions>).await;
        let found = found.map_err(|error| told("the container is gone", &error))?;
        let state = found.state.unwrap_or_default();
        if state.running != Some(true) {
            return match state.error.filter(|error| !error.is_empty()) {
                Some(error) => {
                    Err(TaskError::failed(format!("the container ended: {}", excerpt(&error, 500))))
                }
                None => Ok(state.exit_code.unwrap_or_default()),
            };
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn stop(context: &TaskContext, engine: &Engine, id: &str, kill_after: Duration) {
    let seconds = i32::try_from(kill_after.as_secs()).unwrap_or(i32::MAX);
    let options = query::StopContainerOptionsBuilder::new().t(seconds).build();
    if let Err(error) = engine.stop_container(id, Some(options)).await {
        context.warn(format!("the container {} cannot be stopped: {error}", short(id)));
    }
}

async fn remove(context: &TaskContext, engine: &Engine, id: &str) {
    let options = query::RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    if let Err(error) = engine.remove_container(id, Some(options)).await {
        context.warn(format!("the container {} cannot be removed: {error}", short(id)));
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn told(what: &str, error: &Error) -> TaskError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            let message = format!("{what}: {}", excerpt(message.trim(), 500));
            // What the engine finds wrong with the request is wrong the next time too.
            let is_request = (400..500).contains(status_code) && *status_code != 409;
            let error = if is_request { TaskError::fatal(message) } else { TaskError::failed(message) };
            error.class(format!("http_{status_code}"))
        }
        other => TaskError::failed(format!("{what}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::tests::Bench;
    use esteira_operator::TaskErrorKind;

    #[test]
    fn sizes_volumes_and_names_are_read() {
        for (text, size) in [("512m", 512 << 20), ("2G", 2 << 30), ("1kb", 1024), ("100", 100), ("7b", 7)] {
            assert_eq!(bytes(&json!(text)), Ok(size), "{text}");
        }
        assert_eq!(bytes(&json!(4096)), Ok(4096));
        for wrong in [json!("5x"), json!(""), json!("m"), json!(-1), json!("99999999999g"), json!([])] {
            assert!(bytes(&wrong).is_err(), "{wrong}");
        }
        assert!(["/a:/b", "/a:/b:ro", "data:/b"].iter().all(|volume| check_volume(volume).is_ok()));
        assert!(["/a", "/a:b", ":/b", "/a:/b:ro:x"].iter().all(|volume| check_volume(volume).is_err()));
        for (image, whole) in [
            ("python", "python:latest"),
            ("host:5000/python", "host:5000/python:latest"),
            ("python:3.13", "python:3.13"),
            ("python@sha256:00", "python@sha256:00"),
        ] {
            assert_eq!(with_tag(image), whole);
        }
        let words = |text: &str| Command::Text(text.to_owned()).words("command");
        assert_eq!(words("sh -c 'echo a b'").unwrap().unwrap(), ["sh", "-c", "echo a b"]);
        assert!(words("sh -c 'echo").is_err());
    }

    #[tokio::test]
    async fn where_no_engine_answers_that_is_said() {
        let bench = Bench::new();
        for url in ["unix:///no/such/socket", "tcp://127.0.0.1:1", "docker.sock"] {
            let error = bench.run("docker", json!({"image": "x", "docker_url": url})).await.unwrap_err();
            assert!(error.message.contains(url) && error.hint.is_some(), "{}", error.message);
        }
    }

    /// Where a container engine listens, and an image with a shell that it has; none, which is said, where there is no
    /// engine. That is no failure even in CI: not every machine lets containers run.
    fn engine() -> Option<[String; 2]> {
        let found =
            ["ESTEIRA_TEST_DOCKER_HOST", "ESTEIRA_TEST_DOCKER_IMAGE"].map(|name| std::env::var(name).ok());
        let [Some(url), Some(image)] = found else {
            eprintln!("NOT TRIED: the operator docker (no container engine; scripts/containers says why)");
            return None;
        };
        Some([url, image])
    }

    fn with(engine: &[String; 2], script: &str, more: Value) -> Value {
        let [url, image] = engine;
        let mut arguments = json!({
            "docker_url": url, "image": image, "network_mode": "none", "command": ["/bin/sh", "-c", script],
        });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    }

    async fn containers(engine: &[String; 2], bench: &Bench) -> usize {
        let engine = Engine::connect_with_unix(&engine[0], ANSWER_TIME, API_DEFAULT_VERSION).unwrap();
        let engine = engine.negotiate_version().await.unwrap();
        let label = format!("{LABEL}={}", instance(&bench.context("task")));
        let filters = HashMap::from([("label", vec![label])]);
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        engine.list_containers(Some(options)).await.unwrap().len()
    }

    #[tokio::test]
    async fn a_container_runs_tells_and_is_gone() {
        let Some(engine) = engine() else { return };
        let bench = Bench::new();
        let table = [
            ("echo one; echo two; echo err >&2", json!({}), json!("two")),
            ("echo one; echo two", json!({"xcom_all": true}), json!(["one", "two"])),
            ("echo $A-$B; ", json!({"environment": {"A": "x", "B": 5}}), json!("x-5")),
            ("pwd", json!({"working_dir": "/bin"}), json!("/bin")),
            ("true", json!({}), json!("")),
        ];
        for (script, more, expected) in table {
            let result = bench.run("docker", with(&engine, script, more)).await;
            assert_eq!(result.unwrap(), expected, "{script}");
        }
        assert_eq!(bench.heard.of("stderr"), ["err"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "from here").unwrap();
        let volume = format!("{}:/there:ro", folder.path().display());
        let read = with(&engine, "cat /there/file", json!({"volumes": volume}));
        assert_eq!(bench.run("docker", read).await.unwrap(), json!("from here"));
        assert_eq!(containers(&engine, &bench).await, 0);
    }

    #[tokio::test]
    async fn exit_codes_and_what_the_engine_refuses_are_told_apart() {
        let Some(engine) = engine() else { return };
        let bench = Bench::new();
        let failed = |script: &'static str, more: Value| {
            let (bench, arguments) = (&bench, with(&engine, script, more));
            async move { bench.run("docker", arguments).await.unwrap_err() }
        };
        let error = failed("exit 3", json!({})).await;
        assert_eq!((error.kind, error.exit_code), (TaskErrorKind::Failed, Some(3)));
        assert_eq!(failed("exit 99", json!({})).await.kind, TaskErrorKind::Skipped);
        let error = failed("exit 99", json!({"skip_on_exit_code": null, "auto_remove": "success"})).await;
        assert_eq!(error.exit_code, Some(99));
        assert_eq!(containers(&engine, &bench).await, 1);
        let error = failed("true", json!({"command": ["/no/such/program"]})).await;
        assert!(error.message.contains("cannot be started"), "{}", error.message);
        let error = failed("true", json!({"image": "localhost/no-such-image:1"})).await;
        assert!(error.message.contains("cannot be pulled"), "{}", error.message);
    }

    /// Waits until containers have written so many lines; a test whose container does not begin fails soon.
    async fn said(bench: &Bench, lines: usize) {
        for _ in 0..1_500 {
            if bench.heard.of("stdout").len() >= lines {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bench.cancel.cancel();
    }

    #[tokio::test]
    async fn a_cancel_stops_the_container_and_leftovers_are_removed() {
        let Some(engine) = engine() else { return };
        let bench = Bench::new();
        let sleeps =
            with(&engine, "echo began; sleep 600", json!({"kill_after": "1s", "auto_remove": "never"}));
        let begun = async {
            said(&bench, 1).await;
            bench.cancel.cancel();
        };
        let (error, ()) = tokio::join!(bench.run("docker", sleeps.clone()), begun);
        let error = error.unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Cancelled, "{}", error.message);
        assert_eq!(containers(&engine, &bench).await, 1);

        // An attempt whose engine dies leaves its container running.
        let operator = bench.registry.operator("docker").unwrap();
        let mut context = bench.context("task");
        context.cancel = tokio_util::sync::CancellationToken::new();
        let lost = tokio::spawn(async move { operator.execute(&context, sleeps).await });
        said(&bench, 2).await;
        lost.abort();
        let mut context = bench.context("task");
        context.cancel = tokio_util::sync::CancellationToken::new();
        let operator = bench.registry.operator("docker").unwrap();
        operator.execute(&context, with(&engine, "echo again", json!({}))).await.unwrap();
        assert!(bench.heard.text().contains("of an earlier attempt still runs"), "{}", bench.heard.text());
    }
}
