//! `redis`: one command to Redis, or several in turn; the answer is the result.

use super::support::{ensure, or_cancelled, redis_default};
use crate::connectors::Connectors;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::Value;

/// Runs commands.
pub(crate) struct Redis {
    connectors: Connectors,
}

impl Redis {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    command: Option<Vec<Value>>,
    commands: Option<Vec<Vec<Value>>>,
    #[serde(default = "redis_default")]
    connection: String,
}

#[async_trait]
impl Operator for Redis {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "redis",
            summary: "Sends one command to Redis, or several in turn; the answer is the result.",
            arguments: vec![
                Argument::optional(
                    "command",
                    List,
                    "The command and its arguments: [SET, last_run, \"{{ run_id }}\"].",
                ),
                Argument::optional(
                    "commands",
                    List,
                    "Several of them, each a list; the result is the list of the answers.",
                ),
                Argument::optional("connection", Text, "The connection to Redis.")
                    .with_default(redis_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let parts = |value: &Value| value.as_array().is_some_and(|parts| !parts.is_empty());
        match argument {
            "command" => ensure(parts(value), "`command` is a list: the command, then its arguments"),
            "commands" => {
                let are_lists = value.as_array().is_some_and(|commands| commands.iter().all(parts));
                ensure(are_lists, "`commands` is a list of lists: each a command, then its arguments")
            }
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let (commands, is_one) = match (arguments.command, arguments.commands) {
            (Some(command), None) => (vec![command], true),
            (None, Some(commands)) => (commands, false),
            _ => return Err(TaskError::fatal("`redis` takes either `command` or `commands`")),
        };
        let cache = self.connectors.cache(&arguments.connection).await?;
        let mut answers = Vec::with_capacity(commands.len());
        for command in &commands {
            let parts: Vec<String> = command.iter().map(part).collect();
            let Some(name) = parts.first() else { return Err(TaskError::fatal("a command is empty")) };
            let answer = or_cancelled(context, cache.command(&parts)).await?;
            // What follows the name may be anything, a password of AUTH too: none of it goes to the log.
            context.info(format!("{name} is done"));
            answers.push(answer);
        }
        let result = if is_one { answers.pop().unwrap_or_default() } else { Value::Array(answers) };
        Ok(TaskOutput::returning(result))
    }
}

/// Text as it is; lists and mappings as JSON.
fn part(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use serde_json::json;

    #[tokio::test]
    async fn commands_go_to_the_twin_and_what_it_does_not_know_is_told() {
        let bench = Bench::new();
        let commands =
            json!([["HSET", "h", "a", 1, "b", [2]], ["HGETALL", "h"], ["EXISTS", "h", "i"], ["DEL", "h"]]);
        let answers = bench.run("redis", json!({ "commands": commands })).await.unwrap();
        assert_eq!(answers, json!([2, {"a": "1", "b": "[2]"}, 1, 1]));
        assert_eq!(bench.run("redis", json!({"command": ["hget", "h", "a"]})).await.unwrap(), json!(null));
        let error = bench.run("redis", json!({"command": ["SET", "x", "1"]})).await.unwrap_err();
        assert!(error.message.contains("has no command SET"), "{error}");
        assert_eq!(
            bench.heard.of("task"),
            ["HSET is done", "HGETALL is done", "EXISTS is done", "DEL is done", "hget is done"]
        );
        assert!(bench.run("redis", json!({})).await.is_err());
    }
}
