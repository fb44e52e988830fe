//! The engine that serves a home, asked through its API: what changes something goes this way.

mod answer;
mod patience;
mod wait;

use super::{Failure, person};
use crate::config::Settings;
use answer::Trouble;
use clap::Args;
use esteira_runtime::home::{self, Announcement};
use patience::Patience;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use url::{Host, Url};

/// Which server to ask.
#[derive(Args, Clone)]
pub(crate) struct ServerArguments {
    /// The address of the server to ask [default: the home, or the server that holds it]
    #[arg(
        id = "server",
        long = "server",
        env = "ESTEIRA_SERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    url: Option<String>,
    /// The token to come in with [default: none is needed beside the home]
    #[arg(id = "token", long = "token", env = "ESTEIRA_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

impl ServerArguments {
    /// The address that is named. A variable that is set to nothing names none: so one command can look at the home.
    pub(crate) fn named(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    /// For what only works beside a home: says why, if a server is named.
    pub(crate) fn refuse(&self, command: &str, why: &str) -> Result<(), Failure> {
        let Some(url) = self.named() else { return Ok(()) };
        let failure = Failure::usage(format!("esteira {command} cannot ask the server {url}: {why}"));
        Err(failure.hint("run it beside the home, without --server and with ESTEIRA_SERVER set to nothing"))
    }
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
    /// Whether a server that is away for a while is asked again.
    is_patient: bool,
}

/// How long a server may take to answer; a trigger is one commit.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long it may take to check its whole history.
const CHECK_TIME: Duration = Duration::from_secs(60 * 60);

/// What a server gives at once of a list, at the most.
const PAGE_MAX: usize = 100;

/// How many questions of one command are asked at the same time.
pub(crate) const AT_ONCE: usize = 8;

/// The beginning of a list.
pub(crate) struct List {
    pub(crate) rows: Vec<Value>,
    /// Whether it goes on after these.
    pub(crate) has_more: bool,
}

impl Server {
    /// The server that is named, if one is.
    pub(crate) fn named(arguments: &ServerArguments) -> Result<Option<Self>, Failure> {
        let token = arguments.token.clone().filter(|token| !token.is_empty());
        arguments.named().map(|url| Self::at(url, token)).transpose()
    }

    /// The server that is named, or the one that serves the home. `hint` says what to do when there is none.
    pub(crate) fn find(
        settings: &Settings,
        arguments: &ServerArguments,
        hint: &str,
    ) -> Result<Self, Failure> {
        if let Some(server) = Self::named(arguments)? {
            return Ok(server);
        }
        let token = arguments.token.clone().filter(|token| !token.is_empty());
        // Whoever may read the home may do everything with it anyway.
        Self::at(&announced(settings, hint)?, token.or_else(|| home::read_secret(&settings.home)))
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
        Ok(Self { client, base, address: address.trim_end_matches('/').to_owned(), is_patient: false })
    }

    /// The address, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// From here on, one that is away for a while is asked again: for what goes on for long, and only looks.
    pub(crate) fn be_patient(&mut self) {
        self.is_patient = true;
    }

    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        Ok(self.ask(Method::GET, self.url(path, query), None).await?)
    }

    /// What is there, or nothing.
    pub(crate) async fn look_up(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Option<Value>, Failure> {
        self.found(self.url(path, query)).await
    }

    /// What one of Esteira's own additions says, or nothing.
    pub(crate) async fn own_look_up(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Option<Value>, Failure> {
        let mut url = self.own_url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.found(url).await
    }

    async fn found(&self, url: Url) -> Result<Option<Value>, Failure> {
        match self.ask(Method::GET, url, None).await {
            Ok(found) => Ok(Some(found)),
            Err(trouble) if trouble.is_absence() => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// All that the list of this name has, page by page.
    pub(crate) async fn all(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        name: &str,
    ) -> Result<Vec<Value>, Failure> {
        Ok(self.pages(self.url(path, query), name, usize::MAX).await?.rows)
    }

    /// The first rows of the list of this name.
    pub(crate) async fn first(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        name: &str,
        count: usize,
    ) -> Result<List, Failure> {
        self.pages(self.url(path, query), name, count).await
    }

    /// All that one of Esteira's own lists has, page by page.
    pub(crate) async fn own_list(&self, name: &str) -> Result<Vec<Value>, Failure> {
        Ok(self.pages(self.own_url(&[name]), name, usize::MAX).await?.rows)
    }

    /// The first rows of a list, from cursor to cursor: rows that come or go meanwhile are no matter.
    async fn pages(&self, url: Url, name: &str, count: usize) -> Result<List, Failure> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let limit = PAGE_MAX.min(count - rows.len());
            let mut url = url.clone();
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("limit", &limit.to_string()).append_pair("cursor", &cursor);
            drop(pairs);
            let mut answer = self.ask(Method::GET, url, None).await?;
            if let Value::Array(page) = answer[name].take() {
                rows.extend(page);
            }
            match answer["next_cursor"].as_str() {
                Some(next) if rows.len() < count => cursor = next.to_owned(),
                next => {
                    // The server's page may be longer than asked for: it has one row at least.
                    let has_more = next.is_some() || rows.len() > count;
                    rows.truncate(count);
                    return Ok(List { rows, has_more });
                }
            }
        }
    }

    pub(crate) async fn put(&self, path: &[&str]) -> Result<Value, Failure> {
        Ok(self.ask(Method::PUT, self.url(path, &[]), None).await?)
    }

    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        Ok(self.ask(Method::POST, self.url(path, &[]), Some(body)).await?)
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        Ok(self.ask(Method::DELETE, self.url(path, &[]), None).await?)
    }

    pub(crate) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.patch_with(path, &[], body).await
    }

    pub(crate) async fn patch_with(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Value, Failure> {
        Ok(self.ask(Method::PATCH, self.url(path, query), Some(body)).await?)
    }

    /// Asks for one of Esteira's own additions, which stand beside `/api/v2`.
    pub(crate) async fn own(&self, method: &str, path: &[&str]) -> Result<Value, Failure> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        Ok(self.ask(method, self.own_url(path), None).await?)
    }

    /// The same, with a body.
    pub(crate) async fn own_with(&self, method: &str, path: &[&str], body: &Value) -> Result<Value, Failure> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        Ok(self.ask(method, self.own_url(path), Some(body)).await?)
    }

    /// Has the server check its whole history; that takes as long as it takes.
    pub(crate) async fn verify_audit(&self) -> Result<Value, Failure> {
        let request = self.request(Method::POST, self.own_url(&["audit", "verify"])).timeout(CHECK_TIME);
        Ok(self.send(request).await?)
    }

    /// The run's name as it is, or the newest run's for `latest`.
    pub(crate) async fn run_id(&self, dag_id: &str, run_id: &str) -> Result<String, Failure> {
        if run_id != "latest" {
            return Ok(run_id.to_owned());
        }
        // The newest is the last one that was created, as in the home: a backfill's runs are due long ago.
        let query = [("limit", "1".to_owned()), ("order_by", "-id".to_owned())];
        let answer = self.get_with(&["dags", dag_id, "dagRuns"], &query).await?;
        let newest = answer["dag_runs"][0]["dag_run_id"].as_str().map(str::to_owned);
        newest.ok_or_else(|| Failure::usage(format!("DAG \"{dag_id}\" has no runs yet")))
    }

    async fn ask(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Trouble> {
        let mut patience = Patience::default();
        loop {
            match self.ask_once(method.clone(), url.clone(), body).await {
                Err(trouble) if self.is_patient && patience.bears(&trouble).await => {}
                answer => return answer,
            }
        }
    }

    async fn ask_once(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Trouble> {
        let mut request = self.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Trouble> {
        match request.send().await {
            Ok(response) => answer::read(&self.address, response).await,
            Err(error) => Err(Trouble::unreachable(&self.address, &error)),
        }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        request.header("X-Esteira-Actor", printable(&person())).header("X-Esteira-Via", "cli")
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let path: Vec<&str> = ["v2"].into_iter().chain(path.iter().copied()).collect();
        let mut url = self.own_url(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Names go into the path whole, whatever they hold.
    fn own_url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // An address that takes no path was refused when it was read.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        url
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

/// A person's name as a header may hold it.
fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).collect()
}
