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
    /// It is away, or busy with its own start or end.
    Away,
    /// It does not want to, or cannot.
    Refusal,
}

impl Trouble {
    /// It cannot be reached, or does not answer.
    pub(super) fn unreachable(address: &str, error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::silent(address);
        }
        Self::away(address, &innermost(error))
    }

    /// It does not answer.
    pub(super) fn silent(address: &str) -> Self {
        Self::away(address, "it does not answer in time")
    }

    fn away(address: &str, reason: &str) -> Self {
        let failure = Failure::failed(format!("the server {address} cannot be reached: {reason}"))
            .hint("does it run? esteira serve starts one; --server URL names another");
        Self { failure, kind: Kind::Away }
    }

    /// Whether there is nothing of the name that was asked for.
    pub(super) fn is_absence(&self) -> bool {
        self.kind == Kind::Absence
    }

    /// Whether the same may be answered another time.
    pub(super) fn may_pass(&self) -> bool {
        self.kind == Kind::Away
    }

    /// What is wrong, in one sentence.
    pub(super) fn message(&self) -> &str {
        &self.failure.message
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
            let kind = if status == StatusCode::NOT_FOUND { Kind::Absence } else { kind_of(status) };
            Err(Trouble { failure: refusal(status, &value["detail"]), kind })
        }
        Err(_) => {
            let failure = Failure::failed(format!("{address} answers {status}, and not as Esteira does"))
                .hint("is it Esteira that serves there?");
            Err(Trouble { failure, kind: kind_of(status) })
        }
    }
}

/// An engine that is about to stop says so, and a proxy in front says that there is none.
fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Kind::Away,
        _ => Kind::Refusal,
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
