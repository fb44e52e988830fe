//! `bash`: runs a command in bash (Airflow's `BashOperator`).
//!
//! The command is handed over in a file, not on the command line, which everyone on the machine can read. It runs in a
//! folder of its own that is removed afterwards, unless `cwd` names one. The last line that it writes to stdout is the
//! result; exit code 99 skips the task. How its processes are ended is told in [`crate::process`].

use super::support::{ensure, optional_duration};
use crate::process::{self, KILL_AFTER_DEFAULT, Program};
use async_trait::async_trait;
use esteira_core::spec::duration;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Runs a command in bash.
pub(crate) struct Bash;

#[derive(Deserialize)]
struct Arguments {
    bash_command: String,
    #[serde(flatten)]
    child: ChildArguments,
    #[serde(default)]
    output: Output,
}

/// The arguments of every operator that runs a child process.
#[derive(Deserialize)]
pub(super) struct ChildArguments {
    env: Option<IndexMap<String, Value>>,
    #[serde(default)]
    append_env: bool,
    cwd: Option<PathBuf>,
    #[serde(default = "skip_on_exit_code_default")]
    skip_on_exit_code: Value,
    #[serde(default, deserialize_with = "optional_duration")]
    kill_after: Option<Duration>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Output {
    #[default]
    Text,
    Json,
}

const SKIP_EXIT_CODE: u64 = 99;

/// How long an attempt has beside `kill_after`: to see that all are gone, and to hear their last words.
const END_MARGIN: Duration = Duration::from_secs(5);

fn skip_on_exit_code_default() -> Value {
    Value::from(SKIP_EXIT_CODE)
}

#[async_trait]
impl Operator for Bash {
    fn signature(&self) -> Signature {
        let mut arguments = vec![Argument::required(
            "bash_command",
            ArgumentKind::Text,
            "The command, of one line or many; the last line of its stdout is the result.",
        )];
        arguments.extend(child_arguments());
        arguments.push(
            Argument::optional(
                "output",
                ArgumentKind::Choice(&["text", "json"]),
                "What the last line is taken for: a text, or JSON with its types.",
            )
            .with_default("text"),
        );
        Signature {
            name: "bash",
            summary: "Runs a command in bash; its last line of output is the result.",
            arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "bash_command" => ensure(
                value.as_str().is_some_and(|command| !command.trim().is_empty()),
                "`bash_command` is empty",
            ),
            _ => check_child_argument(argument, value),
        }
    }

    fn end_grace(&self, arguments: &Value) -> Duration {
        end_grace(arguments)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let folder = own_folder()?;
        let script = folder.path().join("command.sh");
        write(&script, arguments.bash_command.as_bytes())?;
        let skip_codes = arguments.child.skip_codes()?;
        let program = arguments.child.program("bash", vec![script.into_os_string()], &folder)?;
        let ended = process::run(context, &program).await?;
        process::judge(ended.status, &skip_codes)?;
        // As in Airflow a command that writes nothing has an empty result.
        let line = ended.last_line.unwrap_or_default();
        let result = match arguments.output {
            Output::Text => Value::from(line.trim_end()),
            Output::Json => serde_json::from_str(&line).map_err(|error| {
                TaskError::failed(format!(
                    "the last line of stdout is not JSON, which `output: json` asks for: {error}"
                ))
            })?,
        };
        Ok(TaskOutput::returning(result))
    }
}

/// The arguments of every operator that runs a child process, for its signature.
pub(super) fn child_arguments() -> [Argument; 5] {
    use ArgumentKind::{Any, Boolean, Duration, Map, Text};
    [
        Argument::optional(
            "env",
            Map,
            "Environment variables. With them the engine's own are not passed on, save PATH, unless `append_env`.",
        ),
        Argument::optional(
            "append_env",
            Boolean,
            "Pass the engine's own variables on as well (never ESTEIRA_CONN_…).",
        )
        .with_default(false),
        Argument::optional(
            "cwd",
            Text,
            "The folder to run in; a folder of its own, removed afterwards, unless said.",
        ),
        Argument::optional(
            "skip_on_exit_code",
            Any,
            "The exit code, or list of them, that skips the task; null for none.",
        )
        .with_default(SKIP_EXIT_CODE),
        Argument::optional("kill_after", Duration, "How long processes have between SIGTERM and SIGKILL.")
            .with_default("5s"),
    ]
}

/// How long an operator that runs a child process has to end it.
pub(super) fn end_grace(arguments: &Value) -> Duration {
    let said = arguments.get("kill_after").and_then(|value| duration::from_value(value).ok());
    said.unwrap_or(KILL_AFTER_DEFAULT).saturating_add(END_MARGIN)
}

/// Checks one of [`child_arguments`].
pub(super) fn check_child_argument(argument: &str, value: &Value) -> Result<(), String> {
    match argument {
        "skip_on_exit_code" => skip_codes(value).map(drop),
        "env" => {
            value.as_object().into_iter().flatten().try_for_each(|(name, value)| check_variable(name, value))
        }
        _ => Ok(()),
    }
}

fn check_variable(name: &str, value: &Value) -> Result<(), String> {
    ensure(
        !name.is_empty() && !name.contains(['=', '\0']),
        "`env` has a variable whose name is empty or holds \"=\"",
    )?;
    match value {
        Value::Array(_) | Value::Object(_) => {
            Err(format!("the variable {name} of `env` is a list or a mapping, not a text"))
        }
        _ => Ok(()),
    }
}

/// The exit codes that skip a task, as `skip_on_exit_code` says them.
pub(super) fn skip_codes(value: &Value) -> Result<Vec<i32>, String> {
    let code = |value: &Value| value.as_i64().and_then(|code| i32::try_from(code).ok());
    let codes = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(code).collect(),
        one => code(one).map(|code| vec![code]),
    };
    codes.ok_or_else(|| "`skip_on_exit_code` is an exit code, a list of them, or null".to_owned())
}

impl ChildArguments {
    /// The exit codes that skip the task.
    pub(super) fn skip_codes(&self) -> Result<Vec<i32>, TaskError> {
        skip_codes(&self.skip_on_exit_code).map_err(TaskError::fatal)
    }

    /// The program to be run under these arguments.
    pub(super) fn program(
        &self,
        program: impl Into<std::ffi::OsString>,
        arguments: Vec<std::ffi::OsString>,
        own_folder: &TempDir,
    ) -> Result<Program, TaskError> {
        let mut environment = Vec::new();
        for (name, value) in self.env.iter().flatten() {
            check_variable(name, value).map_err(TaskError::fatal)?;
            match value {
                Value::Null => {}
                Value::String(text) => environment.push((name.clone(), text.clone())),
                other => environment.push((name.clone(), other.to_string())),
            }
        }
        Ok(Program {
            program: program.into(),
            arguments,
            environment,
            inherits_environment: self.env.is_none() || self.append_env,
            folder: self.cwd.clone().unwrap_or_else(|| own_folder.path().to_owned()),
            kill_after: self.kill_after.unwrap_or(KILL_AFTER_DEFAULT),
        })
    }
}

/// A folder that only this user can read, removed with the value.
pub(super) fn own_folder() -> Result<TempDir, TaskError> {
    tempfile::Builder::new().prefix("esteira-task-").tempdir().map_err(|error| {
        TaskError::failed(format!(
            "cannot make a folder for the task in {}: {error}",
            std::env::temp_dir().display()
        ))
    })
}

/// Writes a file into the task's folder.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), TaskError> {
    std::fs::write(path, content)
        .map_err(|error| TaskError::failed(format!("cannot write {}: {error}", path.display())))
}

/// The attempt's whole context for a child, as JSON: the template variables, and the attempt's own ids over them.
pub(super) fn context_json(context: &TaskContext) -> Value {
    let mut json = match &*context.variables {
        Value::Object(variables) => variables.clone(),
        _ => serde_json::Map::new(),
    };
    let own = json!({
        "dag_id": context.dag_id,
        "run_id": context.run_id,
        "task_id": context.task_id,
        "map_index": context.map_index,
        "try_number": context.try_number,
        "logical_date": context.logical_date,
        "params": context.params,
    });
    if let Value::Object(own) = own {
        json.extend(own);
    }
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::TaskErrorKind;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn the_last_line_is_the_result() {
        let bench = Bench::new();
        let table = [
            (json!({"bash_command": "echo one\necho 'two  '"}), json!("two")),
            (json!({"bash_command": "true"}), json!("")),
            (json!({"bash_command": "echo '{\"a\": [1]}'", "output": "json"}), json!({"a": [1]})),
            (json!({"bash_command": "echo $A$B", "env": {"A": "x", "B": 5}}), json!("x5")),
            (json!({"bash_command": "pwd", "cwd": "/"}), json!("/")),
            (json!({"bash_command": "ls"}), json!("command.sh")),
            (json!({"bash_command": "echo ${HOME-none}", "env": {"A": "x"}}), json!("none")),
            (
                json!({"bash_command": "echo ${CARGO_MANIFEST_DIR+set}", "env": {"A": "x"}, "append_env": true}),
                json!("set"),
            ),
        ];
        for (arguments, expected) in table {
            assert_eq!(bench.run("bash", arguments.clone()).await.unwrap(), expected, "{arguments}");
        }
    }

    #[tokio::test]
    async fn exit_codes_skip_or_fail() {
        let bench = Bench::new();
        let table = [
            (json!({"bash_command": "exit 99"}), TaskErrorKind::Skipped),
            (json!({"bash_command": "exit 99", "skip_on_exit_code": null}), TaskErrorKind::Failed),
            (json!({"bash_command": "exit 5", "skip_on_exit_code": [4, 5]}), TaskErrorKind::Skipped),
            (json!({"bash_command": "no-such-command"}), TaskErrorKind::Failed),
            (json!({"bash_command": "echo x", "output": "json"}), TaskErrorKind::Failed),
            (json!({"bash_command": "true", "env": {"A": []}}), TaskErrorKind::Fatal),
            (json!({"bash_command": "true", "skip_on_exit_code": "x"}), TaskErrorKind::Fatal),
        ];
        for (arguments, kind) in table {
            assert_eq!(bench.run("bash", arguments.clone()).await.unwrap_err().kind, kind, "{arguments}");
        }
        assert!(
            bench.heard.of("stderr").iter().any(|line| line.contains("no-such-command: command not found"))
        );
    }

    #[test]
    fn the_time_to_end_follows_kill_after() {
        let bench = Bench::new();
        for operator in ["bash", "python"] {
            let operator = bench.registry.operator(operator).unwrap();
            let table = [(json!({}), 10), (json!({"kill_after": "60s"}), 65), (json!({"kill_after": 1}), 6)];
            for (arguments, seconds) in table {
                assert_eq!(operator.end_grace(&arguments).as_secs(), seconds, "{arguments}");
            }
        }
    }

    #[tokio::test]
    async fn the_command_is_not_on_the_command_line() {
        let bench = Bench::new();
        let command = "tr '\\0' ' ' < /proc/$$/cmdline # hunter2";
        let Value::String(line) = bench.run("bash", json!({"bash_command": command})).await.unwrap() else {
            panic!()
        };
        assert!(line.starts_with("bash ") && !line.contains("hunter2"), "{line}");
    }
}
