//! Chromium without a window and its driver, started and ended: for the browser tests and for `esteira-bench`.

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser, and the program that drives it.
pub(crate) struct Chromium {
    driver: Child,
    pub(crate) client: Client,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts one with a window of this width. The error says what to install, or what failed.
    pub(crate) async fn start(width: u32) -> Result<Self, String> {
        let named = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        let program = named("ESTEIRA_TEST_CHROMEDRIVER", "/usr/bin/chromedriver");
        let chromium = named("ESTEIRA_TEST_CHROMIUM", "/usr/bin/chromium");
        for program in [&program, &chromium] {
            if !Path::new(program).is_file() {
                return Err(format!("{program} is not there; apt-get install chromium chromium-driver"));
            }
        }
        let failed = |error: &dyn std::fmt::Display| format!("{program} does not start: {error}");
        let mut driver = Command::new(&program)
            .arg("--port=0")
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let output = driver.stdout.take().ok_or_else(|| failed(&"it has no output"))?;
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = port_of(lines).ok_or_else(|| failed(&"it does not say its port"))?;
        let profile = tempfile::tempdir().map_err(|error| failed(&error))?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&chromium, width, profile.path()))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self { driver, client, _profile: profile })
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        let _ = self.client.clone().close().await;
    }
}

fn capabilities(chromium: &str, width: u32, profile: &Path) -> serde_json::Map<String, serde_json::Value> {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        format!("--window-size={width},900"),
        format!("--user-data-dir={}", profile.display()),
    ];
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("goog:chromeOptions".to_owned(), json!({"binary": chromium, "args": arguments}));
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"}));
    capabilities
}

/// `ChromeDriver was started successfully on port 41234.`
fn port_of(mut lines: impl Iterator<Item = String>) -> Option<u16> {
    let line = lines.find(|line| line.contains("started successfully on port"))?;
    line.rsplit(' ').next()?.trim_end_matches('.').parse().ok()
}

impl Drop for Chromium {
    /// The driver and the browser are one process group: none of them outlives the test, however it ends.
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.driver.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}
