//! The engine that serves a home, asked through its API: what changes something goes this way.

use super::{Failure, person};
use crate::config::Settings;
use clap::Args;
use esteira_runtime::home::{self, Announcement};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use url::{Host, Url};

/// Which server to ask.
#[derive(Args, Clone)]
pub(crate) struct ServerArguments {
    /// The address of the server [default: the one that serves the home]
    #[arg(
        id = "server",
        long = "server",
        env = "ESTEIRA_SERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) url: Option<String>,
    /// The token to come in with [default: none is needed for the home's own server]
    #[arg(id = "token", long = "token", env = "ESTEIRA_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

impl fmt::Debug for ServerArguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ServerArguments({:?})", self.url)
    }
}

/// A server that is asked for something.
pub(crate) struct Server {
    client: reqwest::Client,
    base: Url,
    address: String,
}

/// How long a server may take to answer; a trigger is one commit.
const ANSWER_TIME: Duration = Duration::from_secs(30);

impl Server {
    /// The server that is named, or the one that serves the home. `hint` says what to do when there is none.
    pub(crate) fn find(
        settings: &Settings,
        arguments: &ServerArguments,
        hint: &str,
    ) -> Result<Self, Failure> {
        let token = arguments.token.clone().filter(|token| !token.is_empty());
        match &arguments.url {
            Some(url) => Self::at(url, token),
            // Whoever may read the home may do everything with it anyway.
            None => {
                Self::at(&announced(settings, hint)?, token.or_else(|| home::read_secret(&settings.home)))
            }
        }
    }

    fn at(address: &str, token: Option<String>) -> Result<Self, Failure> {
        let bad = |reason: String| {
            Failure::usage(format!("the server's address \"{address}\" is no URL: {reason}"))
                .hint("for example --server http://127.0.0.1:8080")
        };
        let base = Url::parse(address).map_err(|error| bad(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(bad("it does not begin with http:// or https://".to_owned()));
        }
        // Another part of the process may have chosen already: then that choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client =
            reqwest::Client::builder().timeout(ANSWER_TIME).default_headers(authorization(token.as_deref())?);
        if is_loopback(&base) {
            // What a proxy calls loopback is another machine.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| Failure::failed(format!("no HTTP client: {error}")))?;
        Ok(Self { client, base, address: address.trim_end_matches('/').to_owned() })
    }

    /// The address, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn get_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.ask_url(Method::GET, url, None).await
    }

    pub(crate) async fn put(&self, path: &[&str]) -> Result<Value, Failure> {
        self.ask(Method::PUT, path, None).await
    }

    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks for one of Esteira's own additions, which stand beside `/api/v2`.
    pub(crate) async fn own(&self, method: &str, path: &[&str]) -> Result<Value, Failure> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        self.ask_url(method, self.own_url(path), None).await
    }

    /// The same, with a body.
    pub(crate) async fn own_with(&self, method: &str, path: &[&str], body: &Value) -> Result<Value, Failure> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        self.ask_url(method, self.own_url(path), Some(body)).await
    }

    /// All that one of Esteira's own lists has, page by page.
    pub(crate) async fn own_list(&self, name: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        loop {
            let mut url = self.own_url(&[name]);
            let offset = all.len().to_string();
            url.query_pairs_mut().append_pair("limit", "100").append_pair("offset", &offset);
            let mut answer = self.ask_url(Method::GET, url, None).await?;
            let Value::Array(page) = answer[name].take() else { return Ok(all) };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    fn own_url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        url
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    pub(crate) async fn patch_with(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.ask_url(Method::PATCH, url, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// The run's name as it is, or the newest run's for `latest`.
    pub(crate) async fn run_id(&self, dag_id: &str, run_id: &str) -> Result<String, Failure> {
        if run_id != "latest" {
            return Ok(run_id.to_owned());
        }
        let mut url = self.url(&["dags", dag_id, "dagRuns"])?;
        url.query_pairs_mut().append_pair("limit", "1").append_pair("order_by", "-run_after");
        let answer = self.ask_url(Method::GET, url, None).await?;
        let newest = answer["dag_runs"][0]["dag_run_id"].as_str().map(str::to_owned);
        newest.ok_or_else(|| Failure::usage(format!("DAG \"{dag_id}\" has no runs yet")))
    }

    async fn ask(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value, Failure> {
        self.ask_url(method, self.url(path)?, body).await
    }

    async fn ask_url(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self
            .client
            .request(method, url)
            .header("X-Esteira-Actor", printable(&person()))
            .header("X-Esteira-Via", "cli");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.answer(response).await
    }

    /// Names go into the path whole, whatever they hold.
    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(["api", "v2"]).extend(path),
            Err(()) => {
                return Err(Failure::usage(format!(
                    "the server's address \"{}\" takes no path",
                    self.address
                )));
            }
        };
        Ok(url)
    }

    async fn answer(&self, response: Response) -> Result<Value, Failure> {
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let value: Result<Value, _> = serde_json::from_str(&text);
        match value {
            Ok(value) if status.is_success() => Ok(value),
            Ok(value) => Err(refusal(status, &value["detail"])),
            Err(_) => {
                Err(Failure::failed(format!("{} answers {status}, and not as Esteira does", self.address))
                    .hint("is it Esteira that serves there?"))
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let reason = match error {
            error if error.is_timeout() => "it does not answer in time".to_owned(),
            error => innermost(error),
        };
        Failure::failed(format!("the server {} cannot be reached: {reason}", self.address))
            .hint("does it run? esteira serve starts one; --server URL names another")
    }
}

/// The header that lets a caller with this token in.
fn authorization(token: Option<&str>) -> Result<HeaderMap, Failure> {
    let Some(token) = token else { return Ok(HeaderMap::new()) };
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
        Failure::usage("the token has letters that no token has").hint("esteira tokens create makes one")
    })?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The address of the engine that serves the home.
fn announced(settings: &Settings, hint: &str) -> Result<String, Failure> {
    let home = settings.home.display();
    match home::running_engine(&settings.home) {
        Some(Announcement { url: Some(url), .. }) => Ok(url),
        Some(Announcement { pid, url: None }) => {
            Err(Failure::usage(format!("the engine of the home {home} (process {pid}) serves no API"))
                .hint("it runs one DAG in the foreground, or has only just started: try again in a moment"))
        }
        None => Err(Failure::usage(format!("no engine serves the home {home}")).hint(hint)),
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

/// A person's name as a header may hold it.
fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).collect()
}
