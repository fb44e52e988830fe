//! `short_circuit` and `short_circuit_python`: go on only if a condition holds (Airflow's `ShortCircuitOperator`).
//!
//! Where it does not, everything after the task is skipped, whatever trigger rules it has; or, with
//! `ignore_downstream_trigger_rules: false`, only what is directly after it, and the rest by its own rules.

use super::python::Python;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Follow, Operator, Signature, TaskContext, TaskError, TaskOutput,
};
use serde_json::Value;
use std::time::Duration;

/// Decides by a template.
pub(crate) struct ShortCircuit;

/// Decides by the result of Python code.
pub(crate) struct ShortCircuitPython;

const IGNORE: &str = "ignore_downstream_trigger_rules";

fn ignore_argument() -> Argument {
    let help = "Skip everything after the task; false skips only what is directly after it.";
    Argument::optional(IGNORE, ArgumentKind::Boolean, help).with_default(true)
}

#[async_trait]
impl Operator for ShortCircuit {
    fn signature(&self) -> Signature {
        let help = "What must hold: false, null, 0, nothing at all, and the text \"false\" do not.";
        Signature {
            name: "short_circuit",
            summary: "Goes on only if a condition holds; otherwise skips what comes after it.",
            arguments: vec![Argument::required("condition", ArgumentKind::Any, help), ignore_argument()],
        }
    }

    async fn execute(&self, context: &TaskContext, mut arguments: Value) -> Result<TaskOutput, TaskError> {
        let ignores = take_ignore(&mut arguments);
        decide(context, arguments.get("condition").cloned().unwrap_or_default(), ignores)
    }
}

#[async_trait]
impl Operator for ShortCircuitPython {
    fn signature(&self) -> Signature {
        let mut arguments = Python.signature().arguments;
        arguments.push(ignore_argument());
        Signature {
            name: "short_circuit_python",
            summary: "Runs Python, and goes on only if its result is true; otherwise skips what comes after it.",
            arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        if argument == IGNORE { Ok(()) } else { Python.check(argument, value) }
    }

    fn end_grace(&self, arguments: &Value) -> Duration {
        Python.end_grace(arguments)
    }

    async fn execute(&self, context: &TaskContext, mut arguments: Value) -> Result<TaskOutput, TaskError> {
        let ignores = take_ignore(&mut arguments);
        let output = Python.execute(context, arguments).await?;
        decide(context, output.into_return_value(), ignores)
    }
}

fn take_ignore(arguments: &mut Value) -> bool {
    let taken = arguments.as_object_mut().and_then(|arguments| arguments.shift_remove(IGNORE));
    taken.and_then(|value| value.as_bool()).unwrap_or(true)
}

fn decide(context: &TaskContext, condition: Value, ignores: bool) -> Result<TaskOutput, TaskError> {
    let holds = holds(&condition);
    let output = TaskOutput::returning(condition);
    if holds {
        return Ok(output);
    }
    context.info("the condition does not hold: what comes after this task is skipped");
    Ok(output.following(if ignores { Follow::NothingAfter } else { Follow::Nothing }))
}

/// Python's rule, but for the text "false", which is what a template inside a longer text makes of false.
fn holds(condition: &Value) -> bool {
    match condition {
        Value::Null => false,
        Value::Bool(holds) => *holds,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("false"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::Follow;
    use serde_json::json;

    #[tokio::test]
    async fn what_does_not_hold_stops_what_comes_after() {
        let bench = Bench::new();
        for condition in
            [json!(false), json!(null), json!(0), json!(""), json!("False"), json!([]), json!({})]
        {
            let output = bench.attempt("short_circuit", json!({"condition": condition})).await.unwrap();
            assert_eq!(output.follow, Some(Follow::NothingAfter), "{condition}");
        }
        for condition in [json!(true), json!(-1), json!("no"), json!([0])] {
            let output = bench.attempt("short_circuit", json!({"condition": condition})).await.unwrap();
            assert_eq!(output.follow, None, "{condition}");
        }
        let direct = json!({"code": "result = 1 > 2", "ignore_downstream_trigger_rules": false});
        let output = bench.attempt("short_circuit_python", direct).await.unwrap();
        assert_eq!(output.follow, Some(Follow::Nothing));
    }
}
