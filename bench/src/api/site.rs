//! The server as a client sees it.

use crate::process;
use crate::server::Server;
use anyhow::{Context, Result, bail};
use reqwest::Response;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A process that has had less of a core than this for a second is at rest.
const AT_REST: f64 = 0.03;

/// How long the server may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, and how to ask it. Cloning shares the connections.
#[derive(Clone)]
pub(crate) struct Site {
    client: reqwest::Client,
    url: String,
    process: u32,
}

impl Site {
    pub(crate) fn of(server: &Server) -> Result<Self> {
        // The client wants one even where nothing is encrypted; another part of the process may have chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { client, url: server.url(), process: server.process() })
    }

    /// Asks, and reads the answer as it comes. One that is not 200 is an error.
    pub(crate) async fn open(&self, path: &str) -> Result<Response> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await?;
        good(response, path).await
    }

    /// Asks, and reads the answer to its end; how long it is, in bytes.
    pub(crate) async fn length(&self, path: &str) -> Result<usize> {
        Ok(self.open(path).await?.bytes().await?.len())
    }

    /// The same on the wire, compressed as for a browser.
    pub(crate) async fn length_on_wire(&self, path: &str) -> Result<usize> {
        let request = self.client.get(format!("{}{path}", self.url));
        let response = request.header("accept-encoding", "gzip").send().await?;
        Ok(good(response, path).await?.bytes().await?.len())
    }

    /// How long an answer takes, from the question to its end.
    pub(super) async fn time_of(&self, path: &str) -> Result<Duration> {
        let begun = Instant::now();
        self.length(path).await?;
        Ok(begun.elapsed())
    }

    pub(crate) async fn json(&self, path: &str) -> Result<Value> {
        Ok(self.open(path).await?.json().await?)
    }

    /// Asks for a run of this name.
    pub(crate) async fn trigger(&self, dag_id: &str, run_id: &str) -> Result<()> {
        let path = format!("/api/v2/dags/{dag_id}/dagRuns");
        let body = json!({ "dag_run_id": run_id, "conf": {} });
        let response = self.client.post(format!("{}{path}", self.url)).json(&body).send().await?;
        good(response, &path).await?.bytes().await?;
        Ok(())
    }

    /// How many events the history has.
    pub(crate) async fn event_count(&self) -> Result<u64> {
        let answer = self.json("/api/v2/eventLogs?limit=1").await?;
        answer["total_entries"].as_u64().context("the history has no length")
    }

    /// How long the server has had a core, in seconds.
    pub(crate) fn cpu_time(&self) -> Result<f64> {
        process::cpu_time(self.process)
    }

    /// Waits until the server has nothing more to do.
    pub(crate) async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let before = self.cpu_time()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.cpu_time()? - before < AT_REST {
                return Ok(());
            }
        }
        bail!("the server does not come to rest")
    }
}

async fn good(response: Response, path: &str) -> Result<Response> {
    let status = response.status();
    if status != reqwest::StatusCode::OK {
        bail!("{path}: {status}: {}", response.text().await.unwrap_or_default());
    }
    Ok(response)
}
