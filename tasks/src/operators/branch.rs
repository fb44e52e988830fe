//! `branch` and `branch_python`: choose which of the tasks directly after this one go on; the others are skipped
//! (Airflow's `BaseBranchOperator` and `BranchPythonOperator`).
//!
//! A choice is the full name of a task or a group, a list of such, or null for none of them.

use super::python::Python;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Follow, Operator, Signature, TaskContext, TaskError, TaskOutput,
};
use serde_json::Value;
use std::time::Duration;

/// Chooses by a template.
pub(crate) struct Branch;

/// Chooses by the result of Python code.
pub(crate) struct BranchPython;

#[async_trait]
impl Operator for Branch {
    fn signature(&self) -> Signature {
        Signature {
            name: "branch",
            summary: "Chooses which of the tasks directly after it go on; the others are skipped.",
            arguments: vec![Argument::required(
                "follow",
                ArgumentKind::Any,
                "The task or group that goes on, a list of them, or null for none; usually a template.",
            )],
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        choose(context, arguments.get("follow").cloned().unwrap_or_default())
    }
}

#[async_trait]
impl Operator for BranchPython {
    fn signature(&self) -> Signature {
        Signature {
            name: "branch_python",
            summary: "Runs Python whose result is the task or group that goes on, a list of them, or None.",
            arguments: Python.signature().arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        Python.check(argument, value)
    }

    fn end_grace(&self, arguments: &Value) -> Duration {
        Python.end_grace(arguments)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let output = Python.execute(context, arguments).await?;
        choose(context, output.into_return_value())
    }
}

fn choose(context: &TaskContext, choice: Value) -> Result<TaskOutput, TaskError> {
    let names: Option<Vec<&str>> = match &choice {
        Value::Null => Some(Vec::new()),
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let Some(names) = names else {
        return Err(TaskError::fatal(format!(
            "a branch is a task's name, a list of names or null, not {choice}"
        )));
    };
    match names.as_slice() {
        [] => context.info("none of the tasks after this one goes on"),
        names => context.info(format!("going on with {}", names.join(", "))),
    }
    let follow = match names.as_slice() {
        [] => Follow::Nothing,
        names => Follow::Only(names.iter().map(|name| (*name).into()).collect()),
    };
    Ok(TaskOutput::returning(choice).following(follow))
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::{Follow, TaskErrorKind};
    use serde_json::json;

    #[tokio::test]
    async fn a_choice_is_a_name_a_list_or_nothing() {
        let bench = Bench::new();
        let only = |names: &[&str]| Some(Follow::Only(names.iter().map(|name| (*name).into()).collect()));
        let table = [
            ("branch", json!({"follow": "a"}), only(&["a"])),
            ("branch", json!({"follow": ["a", "b"]}), only(&["a", "b"])),
            ("branch", json!({"follow": null}), Some(Follow::Nothing)),
            ("branch", json!({"follow": []}), Some(Follow::Nothing)),
            (
                "branch_python",
                json!({"code": "result = 'a' if params['site'] == 'Roma' else 'b'"}),
                only(&["a"]),
            ),
            ("branch_python", json!({"code": "result = None"}), Some(Follow::Nothing)),
        ];
        for (operator, arguments, expected) in table {
            let output = bench.attempt(operator, arguments.clone()).await.unwrap();
            assert_eq!(output.follow, expected, "{arguments}");
        }
        let error = bench.run("branch", json!({"follow": 3})).await.unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Fatal);
    }
}
