//! A person in a real browser: triggers a run from its page and watches it end, without a reload. Headless Chromium,
//! driven over WebDriver.
#![allow(clippy::unwrap_used)]

mod support;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{World, skip};

/// A browser that ends with the test.
struct Browser {
    driver: Child,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium; none, with the reason, where there is none.
    async fn start(width: u32) -> Result<Self, String> {
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

    async fn text(&self, selector: &str) -> String {
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

    async fn click(&self, selector: &str) {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.unwrap();
        element.click().await.unwrap();
    }

    async fn script(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script gives true.
    async fn until(&self, what: &str, script: &str) {
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

    async fn end(self) {
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

const PATIENCE: Duration = Duration::from_secs(30);

/// `ChromeDriver was started successfully on port 41234.`
fn port_of(mut lines: impl Iterator<Item = String>) -> Option<u16> {
    let line = lines.find(|line| line.contains("started successfully on port"))?;
    line.rsplit(' ').next()?.trim_end_matches('.').parse().ok()
}

/// The DAG that the tests run: one task waits for a file, so that a person sees it running.
fn dag(gate: &std::path::Path) -> String {
    format!(
        "dag_id: demo_dag\ndescription: A DAG for the browser\nparams:\n  name: {{type: string, default: world}}\ntasks:\n  \
         greet: {{operator: bash, with: {{bash_command: \"echo 'Hello, {{{{ params.name }}}}'\"}}}}\n  \
         wait: {{operator: bash, depends_on: greet, with: {{bash_command: \"until [ -e {} ]; do sleep 0.05; done\"}}}}\n  \
         end: {{operator: empty, depends_on: wait}}\n",
        gate.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_triggered_from_its_page_and_watched_to_its_end() {
    let browser = match Browser::start(1_280).await {
        Ok(browser) => browser,
        Err(reason) => return skip("a_run_is_triggered_from_its_page_and_watched_to_its_end", &reason),
    };
    let world = World::new();
    let gate = world.home().with_file_name("gate");
    world.write_dag("demo_dag.yaml", &dag(&gate));
    let server = world.serve();

    browser.client.goto(&format!("{}/dags", server.url)).await.unwrap();
    assert!(browser.text("main").await.contains("A DAG for the browser"));
    browser.client.goto(&format!("{}/dags/demo_dag/trigger", server.url)).await.unwrap();
    let name = browser.client.find(Locator::Css("main input[name$=name]")).await.unwrap();
    name.clear().await.unwrap();
    name.send_keys("Ana").await.unwrap();
    browser.click("form button.main[type=submit]").await;

    // On the run's page from here on; the mark is gone if the page is ever loaded again.
    browser.until("the run's page", "return location.pathname.includes('/runs/')").await;
    browser.script("window.mark = 'not reloaded'").await;
    let running = "return [...document.querySelectorAll('table.tasks tr')].some(row => \
        row.textContent.includes('wait') && row.querySelector('[data-s=running]') !== null)";
    browser.until("the task that waits", running).await;
    std::fs::write(&gate, "").unwrap();
    let ended = "return document.querySelector('.head [data-s=success]') !== null && \
        document.querySelectorAll('table.tasks td [data-s=success]').length >= 3";
    browser.until("the end of the run", ended).await;
    assert_eq!(browser.script("return window.mark").await, json!("not reloaded"));

    let run = world.reader().await.runs(&Default::default(), 1).await.unwrap().rows.remove(0);
    assert_eq!(run.conf, json!({"name": "Ana"}));
    let task = format!("{}/dags/demo_dag/runs/{}/tasks/greet", server.url, run.run_id);
    browser.client.goto(&task).await.unwrap();
    browser.until("the log", "return document.body.textContent.includes('Hello, Ana')").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_signs_in_sees_no_buttons_that_would_be_refused_and_signs_out() {
    let browser = match Browser::start(1_280).await {
        Ok(browser) => browser,
        Err(reason) => {
            return skip("a_viewer_signs_in_sees_no_buttons_that_would_be_refused_and_signs_out", &reason);
        }
    };
    let world = World::new();
    world.write_dag("demo_dag.yaml", "dag_id: demo_dag\ntasks: {greet: {operator: empty}}\n");
    for (name, role) in [("maria", "admin"), ("victor", "viewer")] {
        world.typed(&["users", "create", name, "--role", role], "correct horse\n");
    }
    let server = world.serve();
    for (name, may) in [("victor", false), ("maria", true)] {
        browser.client.goto(&format!("{}/dags/demo_dag", server.url)).await.unwrap();
        for (field, text) in [("username", name), ("password", "correct horse")] {
            let selector = format!("input[name={field}]");
            let input = browser.client.wait().for_element(Locator::Css(&selector)).await.unwrap();
            input.send_keys(text).await.unwrap();
        }
        browser.click("button[type=submit]").await;
        // The page that was wanted before.
        browser.until("the page", "return location.pathname === '/dags/demo_dag'").await;
        assert!(browser.text(".rail .who").await.contains(name));
        let trigger = browser.script("return document.querySelector('a[href$=\"/trigger\"]') !== null").await;
        assert_eq!(trigger, json!(may), "{name}");
        // Live events come with the cookie alone.
        browser
            .until(
                "live events",
                "return document.querySelector('[data-live-indicator]').dataset.state === 'on'",
            )
            .await;
        browser.client.goto(&format!("{}/docs", server.url)).await.unwrap();
        browser
            .until("the API's page", "return document.body.textContent.includes('/api/v2/dags/{dag_id}')")
            .await;
        browser.client.goto(&format!("{}/dags", server.url)).await.unwrap();
        browser.click(".rail .who button").await;
        browser.until("the page to sign in", "return location.pathname === '/login'").await;
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_without_a_fault_at_desk_and_phone_width() {
    for width in [1_280, 390] {
        let browser = match Browser::start(width).await {
            Ok(browser) => browser,
            Err(reason) => return skip("every_page_opens_without_a_fault_at_desk_and_phone_width", &reason),
        };
        let world = World::new();
        let gate = world.home().with_file_name("gate");
        std::fs::write(&gate, "").unwrap();
        world.write_dag("demo_dag.yaml", &dag(&gate));
        world.write_dag("broken.yaml", "dag_id: broken\ntasks: {a: {operator: bush}}\n");
        let server = world.serve();
        let run_id = server.trigger("demo_dag").await;
        let run = format!("/dags/demo_dag/runs/{run_id}");
        let pages = [
            "/".to_owned(),
            "/dags".to_owned(),
            "/dags/demo_dag".to_owned(),
            "/dags/demo_dag/graph".to_owned(),
            "/dags/demo_dag/runs".to_owned(),
            "/dags/demo_dag/source".to_owned(),
            "/dags/demo_dag/audit".to_owned(),
            "/dags/demo_dag/trigger".to_owned(),
            run.clone(),
            format!("{run}/graph"),
            format!("{run}/tasks/greet"),
            "/runs".to_owned(),
            "/audit".to_owned(),
            "/import-errors".to_owned(),
            "/sensors".to_owned(),
        ];
        for page in pages {
            browser.client.goto(&format!("{}{page}", server.url)).await.unwrap();
            let status =
                browser.script("return performance.getEntriesByType('navigation')[0].responseStatus").await;
            assert_eq!(status, json!(200), "{page}");
            let overflow = browser.script("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(
                overflow.as_i64().unwrap() <= 1,
                "{page} is wider than a window of {width}: by {overflow}"
            );
            let strange = browser
                .script("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))")
                .await;
            assert_eq!(strange, json!([]), "{page} asks another host");
        }
        browser.end().await;
    }
}
