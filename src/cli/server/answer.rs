//! What a server answers, and why there is no answer.

use crate::cli::Failure;
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// Why a server did not do what it was asked.
#[derive(Debug)]
pub(super) struct Trouble {
    failure: Failure,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There is nothing of that name.
    Absence,
    /// It does not want to, or cannot.
    Refusal,
}

impl Trouble {
    /// It cannot be reached, or does not answer.
    pub(super) fn unreachable(address: &str, error: &reqwest::Error) -> Self {
        let reason = match error {
            error if error.is_timeout() => "it does not answer in time".to_owned(),
            error => innermost(error),
        };
        let failure = Failure::failed(format!("the server {address} cannot be reached: {reason}"))
            .hint("does it run? esteira serve starts one; --server URL names another");
        Self { failure, kind: Kind::Refusal }
    }

    /// Whether there is nothing of the name that was asked for.
    pub(super) fn is_absence(&self) -> bool {
        self.kind == Kind::Absence
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        trouble.failure
    }
}

/// The JSON of an answer, or what stands against it.
pub(super) async fn read(address: &str, response: Response) -> Result<Value, Trouble> {
    let status = response.status();
    let text = response.text().await.map_err(|error| Trouble::unreachable(address, &error))?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if status.is_success() => Ok(value),
        Ok(value) => {
            let kind = if status == StatusCode::NOT_FOUND { Kind::Absence } else { Kind::Refusal };
            Err(Trouble { failure: refusal(status, &value["detail"]), kind })
        }
        Err(_) => {
            let failure = Failure::failed(format!("{address} answers {status}, and not as Esteira does"))
                .hint("is it Esteira that serves there?");
            Err(Trouble { failure, kind: Kind::Refusal })
        }
    }
}

/// What the server says against it, in its own words.
fn refusal(status: StatusCode, detail: &Value) -> Failure {
    let message = match detail {
        Value::String(message) => message.clone(),
        Value::Array(faults) => {
            let messages = faults.iter().map(|fault| fault["msg"].as_str().unwrap_or("refused").to_owned());
            messages.collect::<Vec<_>>().join("; ")
        }
        Value::Null => format!("the server answers {status}"),
        other => other.to_string(),
    };
    let is_about_runs = ["DAG ", "run ", "task "].iter().any(|word| message.contains(word));
    let failure = if status.is_client_error() { Failure::usage(message) } else { Failure::failed(message) };
    match status {
        StatusCode::NOT_FOUND if is_about_runs => {
            failure.hint("esteira dags list names the DAGs, esteira runs list the runs")
        }
        StatusCode::UNAUTHORIZED => failure.hint(
            "give a token with --token or ESTEIRA_TOKEN; on the server, esteira tokens create makes one",
        ),
        StatusCode::FORBIDDEN => failure.hint("esteira users set NAME --role ROLE gives a user another role"),
        _ => failure,
    }
}

/// The cause at the bottom: "Connection refused" says more than "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
