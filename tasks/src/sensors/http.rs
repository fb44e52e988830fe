//! `http_sensor`: waits until an address answers as it should.

use super::{Look, Looked, SensorKind};
use crate::operators::http::{
    Answer, Arguments as RequestArguments, Expected, Http, answer, check_argument, place, request,
    signature_arguments,
};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskErrorKind, TaskOutput, parse_arguments,
};
use reqwest::{Client, Request};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Waits for an answer (Airflow's `HttpSensor`).
pub(crate) struct HttpSensor {
    http: Http,
}

impl HttpSensor {
    /// The sensor.
    pub(crate) fn new() -> Self {
        Self { http: Http::new() }
    }
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(flatten)]
    request: RequestArguments,
    contains: Option<String>,
    json_pointer: Option<String>,
    equals: Option<Value>,
}

#[async_trait]
impl SensorKind for HttpSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Any, Text};
        // The time-out of one request is fixed: `timeout` is that of the sensor.
        let mut arguments: Vec<Argument> =
            signature_arguments().into_iter().filter(|argument| argument.name != "timeout").collect();
        arguments.extend([
            Argument::optional("contains", Text, "A text that the answer has to contain."),
            Argument::optional(
                "json_pointer",
                Text,
                "The place of a value in an answer in JSON, which has to be there: /job/state.",
            ),
            Argument::optional("equals", Any, "What the value at `json_pointer` has to be."),
        ]);
        Signature {
            name: "http_sensor",
            summary: "Waits until an address answers as it should; the answer is the result.",
            arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match (argument, value.as_str()) {
            ("json_pointer", Some(pointer)) if !pointer.starts_with('/') => {
                Err("`json_pointer` begins with a slash: /job/state".to_owned())
            }
            _ => check_argument(argument, value),
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        if arguments.equals.is_some() && arguments.json_pointer.is_none() {
            return Err(TaskError::fatal("`equals` needs a `json_pointer`: the place of the value"));
        }
        let expected = arguments.request.expected_status.as_ref().unwrap_or(&Value::Null);
        let expected = Expected::parse(expected).map_err(TaskError::fatal)?;
        let client = self.http.client(arguments.request.follow_redirects)?.clone();
        let request = request(&client, &arguments.request)?;
        Ok(Arc::new(HttpLook { client, request, expected, arguments }))
    }
}

struct HttpLook {
    client: Client,
    request: Request,
    expected: Expected,
    arguments: Arguments,
}

#[async_trait]
impl Look for HttpLook {
    fn what(&self) -> String {
        format!("a good answer to {}", place(self.request.method(), self.request.url()))
    }

    /// A server that cannot be reached is one that is not there yet.
    async fn look(&self) -> Result<Looked, TaskError> {
        let request =
            self.request.try_clone().ok_or_else(|| TaskError::fatal("the request cannot be sent twice"))?;
        match answer(&self.client, request, self.arguments.request.response_bytes_max).await {
            Ok(answer) => Ok(self.found(&answer)),
            Err(error)
                if error.kind == TaskErrorKind::Failed
                    && error.class.as_deref() == Some("http_unreachable") =>
            {
                Ok(Looked::NotYet)
            }
            Err(error) => Err(error),
        }
    }
}

impl HttpLook {
    fn found(&self, answer: &Answer) -> Looked {
        let text = String::from_utf8_lossy(&answer.body);
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let Arguments { contains, json_pointer, equals, .. } = &self.arguments;
        let has_text = contains.as_ref().is_none_or(|part| text.contains(part.as_str()));
        let has_value = json_pointer.as_ref().is_none_or(|pointer| {
            let value = json.as_ref().and_then(|json| json.pointer(pointer));
            value.is_some_and(|value| equals.as_ref().is_none_or(|wanted| wanted == value))
        });
        if !self.expected.holds(answer.status) || !has_text || !has_value {
            return Looked::NotYet;
        }
        let result = json.filter(|_| answer.is_json).unwrap_or_else(|| Value::from(text));
        Looked::here(TaskOutput::returning(result).with("status", Value::from(answer.status)))
    }
}
