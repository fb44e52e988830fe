//! Whole-program tests: the real binary on homes of its own, and words for what a test waits for.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code)]

use esteira_operator::{EnvironmentConnections, Masker};
use esteira_runtime::home;
use esteira_store::Reader;
use esteira_tasks::connectors::Connectors;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for anything that does happen; only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A home and a DAG folder for one test.
pub(crate) struct World {
    folder: TempDir,
    /// Which services the program speaks to, besides the twins.
    pub(crate) connections: Vec<(String, String)>,
}

impl World {
    /// An empty home; every service is its embedded twin.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dags")).unwrap();
        Self { folder, connections: Vec::new() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn dags(&self) -> PathBuf {
        self.folder.path().join("dags")
    }

    pub(crate) fn write_dag(&self, name: &str, yaml: &str) {
        std::fs::write(self.dags().join(name), yaml).unwrap();
    }

    /// The program on this home, with no setting of whoever runs the test.
    pub(crate) fn esteira(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esteira"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ESTEIRA_")) {
            command.env_remove(name);
        }
        command
            .env("ESTEIRA_HOME", self.home())
            .env("ESTEIRA_DAGS", self.dags())
            .env("USER", "tester")
            .env("NO_COLOR", "1")
            .envs(self.connections.iter().cloned())
            .current_dir(self.folder.path());
        command
    }

    /// Runs a command that must succeed, with this on its standard input.
    pub(crate) fn typed(&self, arguments: &[&str], input: &str) {
        let mut child = self.esteira().args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }

    /// Starts `serve` on a free port and waits until it answers.
    pub(crate) fn serve(&self) -> Server {
        let mut child =
            self.esteira().args(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server did not start:\n{}", said.join("\n"))
            };
            if let Some(rest) = line.strip_prefix("Esteira serves ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            said.push(line);
        };
        // What it says from here on must be read, or it would block when the pipe is full.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Server { child, url }
    }

    /// The history and its summaries.
    pub(crate) async fn reader(&self) -> Reader {
        esteira_store::open_reader(&home::database(&self.home())).await.unwrap()
    }

    /// The services that the program on this home speaks to.
    pub(crate) fn connectors(&self) -> Connectors {
        let source = EnvironmentConnections::from_variables(self.connections.iter().cloned()).unwrap();
        Connectors::new(Arc::new(source), Arc::new(Masker::default()), home::embedded(&self.home()))
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks for a run over REST; its name.
    pub(crate) async fn trigger(&self, dag_id: &str) -> String {
        let url = format!("{}/api/v2/dags/{dag_id}/dagRuns", self.url);
        let response = client().post(url).json(&serde_json::json!({})).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let run: serde_json::Value = response.json().await.unwrap();
        run["dag_run_id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP client.
pub(crate) fn client() -> reqwest::Client {
    // A second installation is refused, which changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Asks until the answer is there. For what can only be asked, such as another process's database.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The mission's own data, where it is present.
pub(crate) fn real_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/AirQualityUCI_Treated.csv");
    let named = std::env::var_os("ESTEIRA_TEST_DATA").map(PathBuf::from);
    named.or(Some(beside)).filter(|path| path.is_file())
}

/// The four services' URLs as the environment gives them; none when one is missing.
pub(crate) fn real_services() -> Option<Vec<(String, String)>> {
    ["KAFKA", "REDIS", "RABBITMQ", "MINIO"]
        .into_iter()
        .map(|name| {
            let name = format!("ESTEIRA_CONN_{name}_DEFAULT");
            std::env::var(&name).ok().map(|url| (name, url))
        })
        .collect()
}

/// Says loudly that a test does not run, and why. In CI that is a failure.
pub(crate) fn skip(test: &str, reason: &str) {
    let line = format!("{test}: {reason}");
    eprintln!("SKIPPED {line}");
    if let Some(file) = std::env::var_os("ESTEIRA_TEST_SKIPS") {
        let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
    assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {line}");
}

/// A small generator of numbers, so that a failure can be played again by its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit` (splitmix64).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
