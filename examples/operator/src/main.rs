//! Esteira with an operator of one's own: `mean`, the mean of a list of numbers.
//!
//!     cargo run -- operators show mean
//!     cargo run -- run mean_example

use async_trait::async_trait;
use esteira::operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

fn main() -> ExitCode {
    esteira::run_with(|outside| {
        outside.registry.register(Mean);
    })
}

/// The operator. One value of it serves all attempts, at the same time.
struct Mean;

/// Its arguments, as they are once their templates are rendered.
#[derive(Deserialize)]
struct Arguments {
    numbers: Vec<f64>,
    #[serde(default = "digits_default")]
    digits: u32,
}

fn digits_default() -> u32 {
    2
}

#[async_trait]
impl Operator for Mean {
    // What `validate` checks, what `operators show` prints, and what the JSON Schema is made of.
    fn signature(&self) -> Signature {
        Signature {
            name: "mean",
            summary: "The mean of a list of numbers.",
            arguments: vec![
                Argument::required("numbers", ArgumentKind::List, "The numbers."),
                Argument::optional("digits", ArgumentKind::Integer, "How many digits after the point it has.")
                    .with_default(digits_default()),
            ],
        }
    }

    // A check of what is written in the file, before anything runs. What a template gives is checked below.
    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match (argument, value.as_u64()) {
            ("digits", Some(digits)) if digits > 15 => Err("`digits` is 15 at the most".to_owned()),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        if arguments.numbers.is_empty() {
            // Another attempt would fail the same way, so there is none.
            return Err(TaskError::fatal("there are no numbers").hint("what does the task before it give?"));
        }
        let mean = arguments.numbers.iter().sum::<f64>() / arguments.numbers.len() as f64;
        let scale = 10_f64.powi(arguments.digits as i32);
        context.info(format!("the mean of {} numbers", arguments.numbers.len()));
        Ok(TaskOutput::returning(json!((mean * scale).round() / scale)))
    }
}
