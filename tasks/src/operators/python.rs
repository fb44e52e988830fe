//! `python`: runs Python, from a file or inline.
//!
//! **What it is given.** The environment variable `ESTEIRA_CONTEXT` names a JSON file: the template variables (`ds`,
//! `ts`, `dag_run`…), `dag_id`, `run_id`, `task_id`, `map_index`, `try_number`, `logical_date`, `params`, and `args`, the
//! task's own argument of that name.
//!
//! **What it gives.** The JSON that it writes to the file that `ESTEIRA_RESULT` names is the result; a file that is not
//! written is no result. What it prints goes to the log only.
//!
//! **Inline `code`** need not touch either file: it finds `context`, `params` and `args` as names, and its result is what
//! `main(context)` returns where it defines `main`, else the value of `result`. `skip("why")` skips the task.
//!
//! A `script` is run as it is, with `__name__ == "__main__"`. For both, exit code 99 skips the task. A script's path is
//! looked up where Esteira runs; the folder in which it then runs is, as for `bash`, one of its own unless `cwd` is given.

use super::bash::{
    ChildArguments, check_child_argument, child_arguments, context_json, end_grace, own_folder, write,
};
use super::support::ensure;
use crate::process;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs Python.
pub(crate) struct Python;

#[derive(Deserialize)]
struct Arguments {
    script: Option<PathBuf>,
    code: Option<String>,
    #[serde(default)]
    args: Value,
    #[serde(default = "interpreter_default")]
    interpreter: String,
    #[serde(flatten)]
    child: ChildArguments,
}

const RUNNER: &str = include_str!("python_runner.py");
/// A larger result belongs into an object store.
const RESULT_BYTES_MAX: u64 = 256 * 1024 * 1024;

fn interpreter_default() -> String {
    "python3".to_owned()
}

#[async_trait]
impl Operator for Python {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Any, Text};
        let mut arguments = vec![
            Argument::optional(
                "code",
                Text,
                "Inline code: finds `context`, `params` and `args`; sets `result` or defines `main(context)`.",
            ),
            Argument::optional(
                "script",
                Text,
                "A Python file to run instead: reads the file ESTEIRA_CONTEXT, writes its result as JSON to ESTEIRA_RESULT.",
            ),
            Argument::optional("args", Any, "Any value, for the code to find under `args` in its context."),
            Argument::optional("interpreter", Text, "The Python to run: a name or a path.")
                .with_default("python3"),
        ];
        arguments.extend(child_arguments());
        Signature {
            name: "python",
            summary: "Runs Python, inline code or a file, with the context and a JSON result.",
            arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let is_blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        match argument {
            "code" | "script" | "interpreter" => ensure(!is_blank, &format!("`{argument}` is empty")),
            _ => check_child_argument(argument, value),
        }
    }

    fn end_grace(&self, arguments: &Value) -> Duration {
        end_grace(arguments)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let skip_codes = arguments.child.skip_codes()?;
        let folder = own_folder()?;
        let what = command_line(context, &arguments, folder.path())?;
        let mut program = arguments.child.program(&arguments.interpreter, what, &folder)?;

        let (context_path, result_path) =
            (folder.path().join("context.json"), folder.path().join("result.json"));
        let class_path = folder.path().join("error_class");
        let mut given = context_json(context);
        given["args"] = arguments.args;
        write(&context_path, given.to_string().as_bytes())?;
        let skip_code = skip_codes.first().copied().unwrap_or(1).to_string();
        program.environment.extend([
            ("ESTEIRA_CONTEXT".to_owned(), context_path.display().to_string()),
            ("ESTEIRA_RESULT".to_owned(), result_path.display().to_string()),
            ("ESTEIRA_ERROR_CLASS".to_owned(), class_path.display().to_string()),
            ("ESTEIRA_SKIP_EXIT_CODE".to_owned(), skip_code),
            // Lines as they come, and in UTF-8 whatever the machine's locale.
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
            ("PYTHONUTF8".to_owned(), "1".to_owned()),
        ]);
        let ended = process::run(context, &program).await?;
        process::judge(ended.status, &skip_codes).map_err(|error| with_class(error, &class_path))?;
        Ok(TaskOutput::returning(read_result(&result_path)?))
    }
}

/// The failure with the class of the exception that the code raised, for `retry_on`.
fn with_class(error: TaskError, path: &Path) -> TaskError {
    match std::fs::read_to_string(path) {
        Ok(class) if !class.is_empty() => error.class(class),
        _ => error,
    }
}

fn command_line(
    context: &TaskContext,
    arguments: &Arguments,
    folder: &Path,
) -> Result<Vec<OsString>, TaskError> {
    match (&arguments.code, &arguments.script) {
        (Some(code), None) => {
            let (runner, path) = (folder.join("runner.py"), folder.join("code.py"));
            write(&runner, RUNNER.as_bytes())?;
            write(&path, code.as_bytes())?;
            Ok(vec![runner.into(), path.into(), format!("<code of task {}>", context.task_id).into()])
        }
        (None, Some(script)) => {
            let absolute = std::path::absolute(script).unwrap_or_else(|_| script.clone());
            if !absolute.is_file() {
                return Err(TaskError::failed(format!("there is no Python file {}", absolute.display()))
                    .hint("a `script` that is not an absolute path is looked up in the folder where Esteira runs"));
            }
            Ok(vec![absolute.into()])
        }
        _ => Err(TaskError::fatal("`python` takes either `code` or `script`")
            .hint("give the task exactly one of them")),
    }
}

fn read_result(path: &Path) -> Result<Value, TaskError> {
    let unreadable = |error: std::io::Error| {
        TaskError::failed(format!("cannot read the result file {}: {error}", path.display()))
    };
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(unreadable(error)),
    };
    if size > RESULT_BYTES_MAX {
        return Err(TaskError::failed(format!(
            "the result has {size} bytes, and {RESULT_BYTES_MAX} is the most"
        ))
        .hint("put it into the object store, and return its name"));
    }
    let content = std::fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(&content).map_err(|error| {
        TaskError::failed(format!("what was written to ESTEIRA_RESULT is not JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::TaskErrorKind;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn inline_code_gives_what_it_sets_or_returns() {
        let bench = Bench::new();
        let table = [
            (
                json!({"code": "result = [params['site'], args['n'] + 1, context['ds'], context['task_id']]", "args": {"n": 1}}),
                json!(["Roma", 2, "2026-01-01", "task"]),
            ),
            (
                json!({"code": "def main(context):\n    print('é')\n    return {'try': context['try_number']}"}),
                json!({"try": 1}),
            ),
            (json!({"code": "print('nothing')"}), Value::Null),
            (json!({"code": "import os; result = os.environ['A']", "env": {"A": "x"}}), json!("x")),
        ];
        for (arguments, expected) in table {
            assert_eq!(
                bench.run("python", arguments.clone()).await.unwrap(),
                expected,
                "{arguments}\n{}",
                bench.heard.text()
            );
        }
        assert_eq!(bench.heard.of("stdout"), ["é", "nothing"]);
    }

    #[tokio::test]
    async fn a_script_uses_the_files() {
        let bench = Bench::new();
        let path = bench.home.path().join("script.py");
        let script = "import json, os\ncontext = json.load(open(os.environ['ESTEIRA_CONTEXT']))\n\
                      json.dump(context['args'], open(os.environ['ESTEIRA_RESULT'], 'w'))\n";
        std::fs::write(&path, script).unwrap();
        assert_eq!(
            bench.run("python", json!({"script": path, "args": [1, null]})).await.unwrap(),
            json!([1, null])
        );
        std::fs::write(&path, "import os; open(os.environ['ESTEIRA_RESULT'], 'w').write('{')").unwrap();
        assert!(bench.run("python", json!({"script": path})).await.unwrap_err().message.contains("not JSON"));
    }

    #[tokio::test]
    async fn a_failure_tells_the_class_of_the_exception_and_the_exit_code() {
        let bench = Bench::new();
        let error = bench.run("python", json!({"code": "raise ValueError('bad')"})).await.unwrap_err();
        assert_eq!((error.class.as_deref(), error.exit_code), (Some("ValueError"), Some(1)));
        let error = bench.run("python", json!({"code": "import sys; sys.exit(4)"})).await.unwrap_err();
        assert_eq!((error.class, error.exit_code), (None, Some(4)));
    }

    #[tokio::test]
    async fn faults_are_told_with_the_codes_own_lines() {
        let bench = Bench::new();
        let table = [
            (json!({"code": "x = 1\nraise ValueError('bad')"}), TaskErrorKind::Failed),
            (json!({"code": "skip('nothing to do')"}), TaskErrorKind::Skipped),
            (json!({"code": "import sys; sys.exit(4)"}), TaskErrorKind::Failed),
            (json!({"code": "result = float('nan')"}), TaskErrorKind::Failed),
            (json!({"code": "x", "script": "y"}), TaskErrorKind::Fatal),
            (json!({}), TaskErrorKind::Fatal),
            (json!({"script": "/no/such.py"}), TaskErrorKind::Failed),
            (json!({"code": "x", "interpreter": "no-such-python"}), TaskErrorKind::Failed),
        ];
        for (arguments, kind) in table {
            assert_eq!(bench.run("python", arguments.clone()).await.unwrap_err().kind, kind, "{arguments}");
        }
        let told = bench.heard.of("stderr").join("\n");
        assert!(
            told.contains("File \"<code of task task>\", line 2") && told.contains("raise ValueError('bad')"),
            "{told}"
        );
        assert!(!told.contains("runner.py"), "{told}");
        assert!(told.contains("the result is no JSON value"), "{told}");
    }
}
