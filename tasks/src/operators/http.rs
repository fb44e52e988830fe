//! `http`: one HTTP request; the response is the result, as JSON where it is JSON.

use super::support::{ensure, excerpt, optional_duration, or_cancelled};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use indexmap::IndexMap;
use reqwest::{Client, Method, Request, Response, Url};
use serde::Deserialize;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Sends one HTTP request.
pub(crate) struct Http {
    /// Made with the first request: it reads the machine's certificates, which takes a moment.
    clients: OnceLock<Clients>,
}

/// Redirects are a matter of the client.
struct Clients {
    following: Client,
    staying: Client,
}

/// What a request is made of, and which answers count.
#[derive(Deserialize)]
pub(crate) struct Arguments {
    pub(crate) url: String,
    #[serde(default = "method_default")]
    method: String,
    #[serde(default)]
    headers: IndexMap<String, Value>,
    body: Option<String>,
    json: Option<Value>,
    pub(crate) expected_status: Option<Value>,
    #[serde(default, deserialize_with = "optional_duration")]
    timeout: Option<Duration>,
    #[serde(default = "yes")]
    pub(crate) follow_redirects: bool,
    #[serde(default = "response_bytes_max_default")]
    pub(crate) response_bytes_max: u64,
}

fn method_default() -> String {
    "GET".to_owned()
}

fn yes() -> bool {
    true
}

fn response_bytes_max_default() -> u64 {
    16 * 1024 * 1024
}

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("esteira/", env!("CARGO_PKG_VERSION"));
/// More of a response that was not expected is not told in the log.
const EXCERPT_BYTES: usize = 2000;

impl Http {
    /// The operator.
    pub(crate) fn new() -> Self {
        Self { clients: OnceLock::new() }
    }

    /// The client; it is made with the first request.
    pub(crate) fn client(&self, follows_redirects: bool) -> Result<&Client, TaskError> {
        if self.clients.get().is_none() {
            let _ = self.clients.set(Clients::new()?);
        }
        let clients = self.clients.get().ok_or_else(|| TaskError::failed("the HTTP client is gone"))?;
        Ok(if follows_redirects { &clients.following } else { &clients.staying })
    }
}

impl Clients {
    fn new() -> Result<Self, TaskError> {
        // It is an error when it was chosen before, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |redirects| {
            Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(redirects)
                .build()
                .map_err(|error| {
                    TaskError::failed(format!("the HTTP client cannot be made: {}", told(error)))
                })
        };
        Ok(Self {
            following: build(reqwest::redirect::Policy::limited(10))?,
            staying: build(reqwest::redirect::Policy::none())?,
        })
    }
}

#[async_trait]
impl Operator for Http {
    fn signature(&self) -> Signature {
        Signature {
            name: "http",
            summary: "Sends one HTTP request; the response is the result, as JSON where it is JSON.",
            arguments: signature_arguments(),
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        check_argument(argument, value)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let expected = Expected::parse(arguments.expected_status.as_ref().unwrap_or(&Value::Null));
        let expected = expected.map_err(TaskError::fatal)?;
        let client = self.client(arguments.follow_redirects)?;
        let request = request(client, &arguments)?;
        let place = place(request.method(), request.url());
        let started = Instant::now();
        let answer = or_cancelled(context, answer(client, request, arguments.response_bytes_max)).await?;
        let Answer { status, is_json, body } = answer;
        context.info(format!(
            "{place} answered {status} with {} bytes in {:?}",
            body.len(),
            started.elapsed()
        ));
        if !expected.holds(status) {
            context.error(format!(
                "the response was: {}",
                excerpt(&String::from_utf8_lossy(&body), EXCERPT_BYTES)
            ));
            return Err(TaskError::failed(format!(
                "{place} answered {status}, and {} was expected",
                expected.describe()
            ))
            .class(format!("http_{status}"))
            .hint("the beginning of the response is in the attempt's log"));
        }
        Ok(TaskOutput::returning(result(context, &body, is_json)).with("status", Value::from(status)))
    }
}

/// A check of a literal argument of a request.
pub(crate) fn check_argument(argument: &str, value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default();
    match argument {
        "url" => parse_url(text).map(drop),
        "method" => parse_method(text).map(drop),
        "expected_status" => Expected::parse(value).map(drop),
        "response_bytes_max" => {
            ensure(value.as_u64().is_some_and(|max| max > 0), "`response_bytes_max` is above 0")
        }
        _ => Ok(()),
    }
}

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it says that it is JSON.
    pub(crate) is_json: bool,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the response.
pub(crate) async fn answer(client: &Client, request: Request, bytes_max: u64) -> Result<Answer, TaskError> {
    let place = place(request.method(), request.url());
    let response = client.execute(request).await.map_err(|error| failed(&place, error))?;
    let (status, is_json) = (response.status().as_u16(), says_json(&response));
    let body = read_body(response, bytes_max, &place).await?;
    Ok(Answer { status, is_json, body })
}

/// The arguments that describe a request and its answer.
pub(crate) fn signature_arguments() -> Vec<Argument> {
    use ArgumentKind::{Any, Boolean, Duration, Integer, Map, Text};
    vec![
        Argument::required("url", Text, "Where to: http:// or https://."),
        Argument::optional("method", Text, "The method.").with_default("GET"),
        Argument::optional("headers", Map, "Headers to be sent."),
        Argument::optional("body", Text, "The body, as text; instead of `json`."),
        Argument::optional("json", Any, "The body, as JSON; instead of `body`."),
        Argument::optional(
            "expected_status",
            Any,
            "The status that is a success: 200, \"2xx\", or a list of such; 200 to 299 unless said.",
        ),
        Argument::optional("timeout", Duration, "How long the whole exchange may take.").with_default("30s"),
        Argument::optional("follow_redirects", Boolean, "Go where redirects point to, ten times at most.")
            .with_default(true),
        Argument::optional("response_bytes_max", Integer, "A longer response is a failure.")
            .with_default(response_bytes_max_default()),
    ]
}

fn parse_url(text: &str) -> Result<Url, String> {
    // The text is not repeated: it may hold a password.
    let url = Url::parse(text).map_err(|error| format!("`url` is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("`url` begins with {other}: and not with http:// or https://")),
    }
}

fn parse_method(text: &str) -> Result<Method, String> {
    let is_method = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    ensure(is_method, "`method` is a method such as GET or POST")?;
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| format!("{text} is no method"))
}

/// Method and place for messages: never user name, password or query, which may hold secrets.
pub(crate) fn place(method: &Method, url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{method} {}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// The request that the arguments describe.
pub(crate) fn request(client: &Client, arguments: &Arguments) -> Result<Request, TaskError> {
    let url = parse_url(&arguments.url).map_err(TaskError::fatal)?;
    let method = parse_method(&arguments.method).map_err(TaskError::fatal)?;
    let mut builder = client.request(method, url).timeout(arguments.timeout.unwrap_or(TIMEOUT_DEFAULT));
    for (name, value) in &arguments.headers {
        builder = match value {
            Value::Null => builder,
            Value::String(text) => builder.header(name, text),
            Value::Number(_) | Value::Bool(_) => builder.header(name, value.to_string()),
            _ => {
                return Err(TaskError::fatal(format!(
                    "the header {name} is a list or a mapping, not a text"
                )));
            }
        };
    }
    builder = match (&arguments.body, &arguments.json) {
        (Some(_), Some(_)) => return Err(TaskError::fatal("`http` takes either `body` or `json`")),
        (Some(body), None) => builder.body(body.clone()),
        (None, Some(json)) => builder.json(json),
        (None, None) => builder,
    };
    builder.build().map_err(|error| TaskError::fatal(format!("the request cannot be made: {}", told(error))))
}

fn says_json(response: &Response) -> bool {
    let header = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type =
        header.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

async fn read_body(mut response: Response, bytes_max: u64, place: &str) -> Result<Vec<u8>, TaskError> {
    let too_long = || {
        TaskError::failed(format!("{place} answered with more than {bytes_max} bytes"))
            .hint("raise `response_bytes_max`, or fetch large things into the object store")
    };
    if response.content_length().is_some_and(|length| length > bytes_max) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(place, error))? {
        if (body.len() + chunk.len()) as u64 > bytes_max {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn result(context: &TaskContext, body: &[u8], is_json: bool) -> Value {
    if is_json {
        match serde_json::from_slice(body) {
            Ok(value) => return value,
            Err(error) if !body.is_empty() => {
                context.warn(format!("the response says that it is JSON and is not: {error}"))
            }
            Err(_) => return Value::Null,
        }
    }
    Value::from(String::from_utf8_lossy(body))
}

fn failed(place: &str, error: reqwest::Error) -> TaskError {
    let what = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "could not be spoken to"
    };
    TaskError::failed(format!("{place} {what}: {}", told(error)))
        .class("http_unreachable")
        .hint("is the address right, and the service up?")
}

/// The error with its causes, without the URL.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Which statuses are a success.
pub(crate) struct Expected(Vec<(u16, u16)>);

impl Expected {
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let values = match value {
            Value::Null => return Ok(Self(vec![(200, 299)])),
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let ranges: Option<Vec<_>> = values.iter().map(range).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Self).ok_or_else(|| {
            "`expected_status` is a status from 100 to 599, a class from \"1xx\" to \"5xx\", or a list of them"
                .to_owned()
        })
    }

    pub(crate) fn holds(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    fn describe(&self) -> String {
        let range =
            |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{}xx", from / 100) };
        self.0.iter().map(range).collect::<Vec<_>>().join(" or ")
    }
}

fn range(value: &Value) -> Option<(u16, u16)> {
    let valid = |status: &u16| (100..=599).contains(status);
    match value {
        Value::Number(number) => number
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .filter(valid)
            .map(|status| (status, status)),
        Value::String(text) => match text.to_ascii_lowercase().strip_suffix("xx") {
            Some("1") => Some((100, 199)),
            Some("2") => Some((200, 299)),
            Some("3") => Some((300, 399)),
            Some("4") => Some((400, 499)),
            Some("5") => Some((500, 599)),
            Some(_) => None,
            None => text.parse().ok().filter(valid).map(|status| (status, status)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::tests::Bench;
    use esteira_operator::TaskErrorKind;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every request with the same response; gives the address.
    async fn serve(head: &'static str, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let body = body.replace(
                    "ECHO",
                    String::from_utf8_lossy(&request[..read]).lines().last().unwrap_or_default(),
                );
                let response = format!(
                    "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(response.as_bytes()).await;
            }
        });
        format!("http://user:hunter2@{address}/path?token=hunter2")
    }

    #[tokio::test]
    async fn responses_are_results() {
        let bench = Bench::new();
        let url = serve("200 OK\r\ncontent-type: application/json; charset=utf-8", "{\"a\": [1, 2.5]}").await;
        assert_eq!(bench.run("http", json!({"url": url})).await.unwrap(), json!({"a": [1, 2.5]}));
        let url = serve("201 Created\r\ncontent-type: text/plain", "ECHO").await;
        let posted = bench
            .run("http", json!({"url": url, "method": "post", "json": {"n": 1}, "headers": {"x-a": "b"}}));
        assert_eq!(posted.await.unwrap(), json!("{\"n\":1}"));
        assert!(!bench.heard.text().contains("hunter2"), "{}", bench.heard.text());
    }

    #[tokio::test]
    async fn other_statuses_and_long_responses_fail() {
        let bench = Bench::new();
        let url = serve("404 Not Found\r\ncontent-type: text/plain", "no such thing").await;
        let error = bench.run("http", json!({"url": url})).await.unwrap_err();
        assert!(error.message.contains("answered 404, and 2xx was expected"), "{error}");
        assert!(!error.message.contains("hunter2") && bench.heard.text().contains("no such thing"));
        assert_eq!(
            bench.run("http", json!({"url": url, "expected_status": [200, "4xx"]})).await.unwrap(),
            json!("no such thing")
        );
        let error = bench
            .run("http", json!({"url": url, "expected_status": 404, "response_bytes_max": 5}))
            .await
            .unwrap_err();
        assert!(error.message.contains("more than 5 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_service_that_is_down_is_named_without_secrets() {
        let bench = Bench::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://user:hunter2@{address}/x?token=hunter2");
        let error = bench.run("http", json!({"url": url, "timeout": "1s"})).await.unwrap_err();
        assert!(error.message.contains("did not answer in time"), "{error}");
        drop(listener);
        let error = bench.run("http", json!({"url": url})).await.unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Failed);
        assert!(error.message.contains(&format!("GET http://{address}/x cannot be reached")), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn arguments_are_checked() {
        assert!(parse_url("ftp://x").is_err() && parse_url("x").is_err() && parse_method("G T").is_err());
        for bad in [
            json!("abc"),
            json!(999),
            json!([]),
            json!({}),
            json!("999xx"),
            json!("0xx"),
            json!("6xx"),
            json!("xx"),
            json!([200, "+2xx"]),
        ] {
            let fault = Expected::parse(&bad).err().unwrap();
            assert!(fault.contains("a class from \"1xx\" to \"5xx\""), "{bad}: {fault}");
        }
        let expected = Expected::parse(&json!(["5XX", 204])).unwrap();
        assert!([500, 599, 204].into_iter().all(|status| expected.holds(status)) && !expected.holds(200));
    }
}
