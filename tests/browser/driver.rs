//! The browser: starts Chromium and its driver, and says what a test waits for in it.

use crate::support::skip;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A browser that ends with the test.
pub(crate) struct Browser {
    driver: Child,
    pub(crate) client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium with a window of this width; where there is none, notes that the test is skipped, and why.
    pub(crate) async fn start(test: &str, width: u32) -> Option<Self> {
        match Self::try_start(width).await {
            Ok(browser) => Some(browser),
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    async fn try_start(width: u32) -> Result<Self, String> {
        let named = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        let driver = named("ESTEIRA_TEST_CHROMEDRIVER", "/usr/bin/chromedriver");
        let chromium = named("ESTEIRA_TEST_CHROMIUM", "/usr/bin/chromium");
        for program in [&driver, &chromium] {
            if !std::path::Path::new(program).is_file() {
                return Err(format!("{program} is not there; apt-get install chromium chromium-driver"));
            }
        }
        let mut driver =
            Command::new(driver).arg("--port=0").process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = port_of(lines).expect("chromedriver says its port");
        let profile = tempfile::tempdir().unwrap();
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
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({"goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"}});
        let capabilities = options.as_object().cloned().unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Ok(Self { driver, client, _profile: profile })
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(selector))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Clicks what is there, or comes.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.unwrap();
        element.click().await.unwrap();
    }

    /// What a script returns.
    pub(crate) async fn script(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script gives true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let start = std::time::Instant::now();
        while self.script(script).await != json!(true) {
            assert!(
                start.elapsed() < PATIENCE,
                "{what} did not come; the page says:\n{}",
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn end(self) {
        let _ = self.client.clone().close().await;
    }
}

impl Drop for Browser {
    /// The driver and the browser are one process group: none of them outlives the test, however it ends.
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.driver.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}

/// Long enough for anything that does happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `ChromeDriver was started successfully on port 41234.`
fn port_of(mut lines: impl Iterator<Item = String>) -> Option<u16> {
    let line = lines.find(|line| line.contains("started successfully on port"))?;
    line.rsplit(' ').next()?.trim_end_matches('.').parse().ok()
}
