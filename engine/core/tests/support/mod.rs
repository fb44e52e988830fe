//! What the tests of this crate share: a catalog of a few operators.

use esteira_core::catalog::{Argument, ArgumentKind, Catalog, Signature};
use esteira_core::spec::{Parsed, Source, parse};
use serde_json::Value;

/// Four operators, with an argument of every kind among them.
pub(crate) struct TestCatalog {
    signatures: Vec<Signature>,
}

impl Default for TestCatalog {
    fn default() -> Self {
        let signatures = vec![
            Signature { name: "empty", summary: "does nothing", arguments: vec![] },
            Signature {
                name: "bash",
                summary: "runs a command",
                arguments: vec![
                    Argument::required("command", ArgumentKind::Text, "the command"),
                    Argument::optional("env", ArgumentKind::Map, "environment variables"),
                    Argument::optional("grace", ArgumentKind::Duration, "how long it may take to end"),
                ],
            },
            Signature {
                name: "kafka_consume",
                summary: "reads messages",
                arguments: vec![
                    Argument::required("topic", ArgumentKind::Text, "the topic"),
                    Argument::optional("until", ArgumentKind::Any, "where to stop"),
                    Argument::optional("messages", ArgumentKind::Integer, "how many"),
                    Argument::optional(
                        "format",
                        ArgumentKind::Choice(&["json", "text"]),
                        "how messages are read",
                    ),
                    Argument::optional("columns", ArgumentKind::List, "which columns"),
                    Argument::optional("commit", ArgumentKind::Boolean, "whether offsets are committed"),
                ],
            },
            Signature {
                name: "rabbitmq_alert",
                summary: "sends alerts",
                arguments: vec![
                    Argument::required("records", ArgumentKind::List, "the records"),
                    Argument::required("when", ArgumentKind::Text, "the condition"),
                    Argument::optional("queue", ArgumentKind::Text, "the queue"),
                ],
            },
        ];
        Self { signatures }
    }
}

impl Catalog for TestCatalog {
    fn signature(&self, operator: &str) -> Option<&Signature> {
        self.signatures.iter().find(|signature| signature.name == operator)
    }

    fn names(&self) -> Vec<&str> {
        self.signatures.iter().map(|signature| signature.name).collect()
    }

    fn check(&self, operator: &str, argument: &str, value: &Value) -> Result<(), String> {
        match (operator, argument, value.as_str()) {
            ("rabbitmq_alert", "when", Some(text)) if text.ends_with('>') => {
                Err(format!("the condition {text:?} ends where a number should stand"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads `text` as the file `dags/example.yaml`.
pub(crate) fn read(text: &str) -> Parsed {
    parse(Source { name: "dags/example.yaml", text }, &TestCatalog::default())
}

/// All faults of `text`, as people see them.
#[allow(dead_code, reason = "each test program uses its own part of this")]
pub(crate) fn faults(text: &str) -> String {
    let parsed = read(text);
    let rendered: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.render()).collect();
    let outcome = if parsed.dag.is_some() { "a DAG" } else { "no DAG" };
    format!("{}\n\n=> {outcome}", rendered.join("\n\n"))
}
