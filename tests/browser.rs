//! A person in a real browser: triggers a run from its page and watches it end, without a reload; reads the dashboard of
//! sensors by mouse and by keyboard. Headless Chromium, driven over WebDriver.
#![allow(clippy::unwrap_used)]

mod support;

use esteira_store::EventFilter;
use esteira_tasks::cache::Hash;
use esteira_tasks::connectors::Connectors;
use esteira_tasks::queue::QueueMessage;
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::key::Key;
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

/// A reading as the pipeline writes it, so many hours after the beginning of March 2004. CO is above its limit once.
fn reading(hour: u32, co: f64) -> (String, Hash) {
    let (date, time) = (format!("{:02}/03/2004", 1 + hour / 24), format!("{:02}.00.00", hour % 24));
    let wave = f64::from(hour % 24);
    let fields = [
        ("date", date.clone()),
        ("time", time.clone()),
        ("CO", co.to_string()),
        ("NO2", (100.0 + wave).to_string()),
        ("Temperature", wave.to_string()),
        ("Relative_Humidity", (50.0 + wave).to_string()),
        ("Absolute_Humidity", "0.75".to_owned()),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (format!("sensor:{date}:{time}"), fields)
}

/// How many hours of readings there are, and the one that is above the limit.
const HOURS: u32 = 480;
const PEAK: u32 = 300;

/// Fills the cache, and puts the alert of the peak into the queue.
async fn fill(connectors: &Connectors) {
    let co = |hour| if hour == PEAK { 11.9 } else { 1.0 + f64::from(hour % 24) / 10.0 };
    let hashes: Vec<_> = (0..HOURS).map(|hour| reading(hour, co(hour))).collect();
    connectors.cache("redis_default").await.unwrap().put_hashes(&hashes, None).await.unwrap();
    let record = json!({"date": "13/03/2004", "time": "12.00.00", "CO": 11.9});
    let body =
        json!({"message_id": "peak", "conditions": ["CO > 10"], "record": record, "text": "ALERT CO > 10"});
    let message = QueueMessage {
        message_id: "peak".to_owned(),
        content_type: "application/json".to_owned(),
        body: body.to_string().into(),
    };
    connectors.queue("rabbitmq_default").await.unwrap().publish("sensor_alert", &[message]).await.unwrap();
}

/// What a person sees of the dashboard once its charts are there.
const DRAWN: &str = "return document.documentElement.dataset.charts === 'drawn'";

impl Browser {
    /// Opens an address of the dashboard, and waits for its charts.
    async fn open_dashboard(&self, address: &str) {
        self.client.goto(address).await.unwrap();
        self.until("the charts", DRAWN).await;
    }

    /// Drags over the chart of a quantity, from one share of its width to another.
    async fn drag(&self, field: &str, from: f64, to: f64) {
        let place = format!(
            "const box = document.querySelector('.chart[data-field={field}] svg').getBoundingClientRect(); \
             return [box.left, box.top + box.height / 2, box.width].map(Math.round)"
        );
        let place = self.script(&place).await;
        let number = |index: usize| place[index].as_f64().unwrap();
        let x = |share: f64| number(0) + number(2) * share;
        let moved = |share| PointerAction::MoveTo { duration: None, x: x(share), y: number(1) };
        let mouse = MouseActions::new("mouse".to_owned())
            .then(moved(from))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(moved((from + to) / 2.0))
            .then(moved(to))
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        self.client.perform_actions(mouse).await.unwrap();
    }

    async fn press(&self, selector: &str, keys: &str) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    async fn search(&self) -> String {
        self.script("return location.search").await.as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_zoomed_read_and_its_views_are_addresses() {
    let browser = match Browser::start(1_280).await {
        Ok(browser) => browser,
        Err(reason) => return skip("the_dashboard_is_zoomed_read_and_its_views_are_addresses", &reason),
    };
    let world = World::new();
    let server = world.serve();
    fill(&world.connectors()).await;
    let page = format!("{}/sensors?period=all", server.url);
    browser.open_dashboard(&page).await;
    let shown = "return document.querySelector('[data-shown]').textContent";
    let all = browser.script(shown).await;

    // A drag zooms every chart and the table, and is an address that shows the same again.
    browser.drag("CO", 0.55, 0.75).await;
    browser.until("the zoom", "return location.search.startsWith('?from=2004-03-')").await;
    browser
        .until(
            "the rows of the zoom",
            "return /^1\\d\\d in this/.test(document.querySelector('#readings .muted').textContent)",
        )
        .await;
    browser
        .until(
            "one peak",
            "return document.querySelectorAll('.chart[data-field=CO] .plot-mark').length === 1",
        )
        .await;
    let (zoomed, address) = (browser.script(shown).await, browser.search().await);
    browser.open_dashboard(&format!("{}/sensors{address}", server.url)).await;
    assert_eq!(browser.script(shown).await, zoomed);
    assert_ne!(zoomed, all);

    // By keyboard: the last value, the one before, zoom, and back.
    browser.press(".chart[data-field=NO2] svg", &String::from(char::from(Key::Left))).await;
    browser.press(".chart[data-field=NO2] svg", &String::from(char::from(Key::Left))).await;
    let read = browser.script("return document.querySelector('[data-announce]').textContent").await;
    assert!(read.as_str().unwrap().contains("NO₂ 1") && read.as_str().unwrap().contains("2004"), "{read}");
    let readouts =
        browser.script("return [...document.querySelectorAll('.chart [data-readout] b')].length").await;
    assert_eq!(readouts, json!(5), "the cursor is on every chart");
    browser.press(".chart[data-field=NO2] svg", "+").await;
    browser
        .until(
            "a closer look",
            &format!("return document.querySelector('[data-shown]').textContent !== {zoomed}"),
        )
        .await;
    browser.press(".chart[data-field=NO2] svg", &String::from(char::from(Key::Escape)).repeat(2)).await;
    browser.until("the period before", "return location.search.includes('period=28d')").await;

    // One chart alone, as an address; going back shows all.
    browser.click("[data-only=CO]").await;
    browser
        .until(
            "one chart",
            "return document.querySelectorAll('.chart[data-unit]:not([hidden])').length === 1",
        )
        .await;
    assert!(browser.search().await.contains("series=CO"));
    browser.client.back().await.unwrap();
    browser
        .until(
            "all charts",
            "return document.querySelectorAll('.chart[data-unit]:not([hidden])').length === 5",
        )
        .await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_live_and_its_alerts_are_acknowledged_in_place() {
    let browser = match Browser::start(1_280).await {
        Ok(browser) => browser,
        Err(reason) => {
            return skip("the_dashboard_is_live_and_its_alerts_are_acknowledged_in_place", &reason);
        }
    };
    let world = World::new();
    let server = world.serve();
    let connectors = world.connectors();
    browser.client.goto(&format!("{}/sensors", server.url)).await.unwrap();
    assert!(browser.text("main").await.contains("No readings yet"));
    // The page fills by itself.
    fill(&connectors).await;
    browser.until("the charts of what has come", DRAWN).await;
    browser.script("window.mark = 'not reloaded'").await;

    // What is written over shows, and what is new moves the period along.
    let cache = connectors.cache("redis_default").await.unwrap();
    cache.put_hashes(&[reading(HOURS - 1, 7.7)], None).await.unwrap();
    browser
        .until("the value", "return document.querySelector('#sensors-cards b').textContent === '7.7'")
        .await;
    cache.put_hashes(&[reading(HOURS, 12.3)], None).await.unwrap();
    browser
        .until(
            "the next value",
            "return document.querySelector('#sensors-cards .over b')?.textContent === '12.3'",
        )
        .await;
    browser
        .until(
            "its row",
            "return document.querySelector('#readings tbody .over')?.textContent.includes('12.3')",
        )
        .await;

    browser.click("[data-acknowledge] .ack").await;
    browser
        .until(
            "who has seen it",
            "return document.querySelector('#sensors-alerts .by')?.textContent.startsWith('anonymous')",
        )
        .await;
    browser
        .until(
            "its mark",
            "return document.querySelectorAll('.chart[data-field=CO] .plot-mark.seen').length === 1",
        )
        .await;
    assert_eq!(browser.script("return window.mark").await, json!("not reloaded"));
    let filter = EventFilter { name: Some("alert.acknowledged".to_owned()), ..EventFilter::default() };
    let events = world.reader().await.events(&filter, 9).await.unwrap().rows;
    assert_eq!(events.len(), 1);
    assert!(events[0].body.contains("\"peak\""), "{}", events[0].body);
    browser.end().await;
}

/// Texts whose contrast with what is behind them is less than AA asks for, and things to press without a name.
const UNREADABLE: &str = r"
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const colour = (text) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found;
  }
  return [255, 255, 255, 255];
};
const faults = [];
for (const element of document.querySelectorAll('main *')) {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.closest('svg, :disabled, .visually-hidden')) continue;
  const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!says) continue;
  const [one, other] = [light(colour(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < 4.5) faults.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
}
for (const element of document.querySelectorAll('main :is(a, button, input, select, svg[tabindex], svg[role])')) {
  const name = element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.[0]?.textContent.trim();
  if (element.type !== 'hidden' && element.checkVisibility() && !name) faults.push(`no name: ${element.outerHTML.slice(0, 80)}`);
}
return faults";

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_light_and_can_be_read_by_everybody() {
    for width in [1_280, 390] {
        let browser = match Browser::start(width).await {
            Ok(browser) => browser,
            Err(reason) => return skip("the_dashboard_is_light_and_can_be_read_by_everybody", &reason),
        };
        let world = World::new();
        let server = world.serve();
        fill(&world.connectors()).await;
        browser.open_dashboard(&format!("{}/sensors", server.url)).await;
        // The browser has seen nothing yet, so that all of it is sent; readings apart.
        let weight = "const { encodedBodySize } = performance.getEntriesByType('navigation')[0]; \
            return performance.getEntriesByType('resource').filter(({ name }) => !name.includes('/api/')) \
                .reduce((sum, entry) => sum + entry.encodedBodySize, encodedBodySize)";
        let bytes = browser.script(weight).await.as_u64().unwrap();
        assert!((20_000..150_000).contains(&bytes), "the page weighs {bytes} bytes");
        let strange = "return performance.getEntriesByType('resource').map(({ name }) => name) \
            .filter((name) => !name.startsWith(location.origin))";
        assert_eq!(browser.script(strange).await, json!([]));
        for theme in ["light", "dark"] {
            browser.open_dashboard(&format!("{}/sensors?period=all&theme={theme}", server.url)).await;
            assert_eq!(browser.script(UNREADABLE).await, json!([]), "{theme} {width}");
            let overflow = browser.script("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 1, "wider than {width} by {overflow}");
            browser.client.goto(&format!("{}/sensors/alerts?theme={theme}", server.url)).await.unwrap();
            assert_eq!(browser.script(UNREADABLE).await, json!([]), "alerts, {theme} {width}");
        }
        browser.end().await;
    }
}
