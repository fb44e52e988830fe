//! The dashboard of sensors: read by mouse and by keyboard, live, and by everybody.

use crate::driver::Browser;
use crate::looks::UNREADABLE;
use crate::support::World;
use esteira_store::EventFilter;
use esteira_tasks::cache::Hash;
use esteira_tasks::connectors::Connectors;
use esteira_tasks::queue::QueueMessage;
use fantoccini::Locator;
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::key::Key;
use serde_json::json;

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
    let Some(browser) =
        Browser::start("the_dashboard_is_zoomed_read_and_its_views_are_addresses", 1_280).await
    else {
        return;
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
    let Some(browser) =
        Browser::start("the_dashboard_is_live_and_its_alerts_are_acknowledged_in_place", 1_280).await
    else {
        return;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_light_and_can_be_read_by_everybody() {
    for width in [1_280, 390] {
        let Some(browser) =
            Browser::start("the_dashboard_is_light_and_can_be_read_by_everybody", width).await
        else {
            return;
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
        for theme in ["light", "dark"] {
            browser.open_dashboard(&format!("{}/sensors?period=all&theme={theme}", server.url)).await;
            assert_eq!(browser.script(UNREADABLE).await, json!([]), "{theme} {width}");
            browser.looks_right(&format!("the dashboard, {theme}"), width).await;
            for state in ["open", "acknowledged"] {
                let page = format!("{}/sensors/alerts?state={state}&theme={theme}", server.url);
                browser.visit(&page, width).await;
                assert_eq!(browser.script(UNREADABLE).await, json!([]), "alerts, {state}, {theme} {width}");
            }
        }
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_speaks_portuguese() {
    let Some(browser) = Browser::start("the_dashboard_speaks_portuguese", 390).await else { return };
    let world = World::new();
    let server = world.serve();
    // Before there are readings, and with them.
    browser.client.goto(&format!("{}/sensors", server.url)).await.unwrap();
    browser.script("document.cookie = 'language=pt-BR'").await;
    browser.visit(&format!("{}/sensors", server.url), 390).await;
    assert!(browser.text("main").await.contains("Ainda não há leituras"));
    fill(&world.connectors()).await;
    browser.open_dashboard(&format!("{}/sensors?period=all", server.url)).await;
    browser.looks_right("the dashboard in Portuguese", 390).await;
    let told = browser.text(".chart[data-field=CO] [data-readout]").await;
    assert!(told.starts_with("mediana 2,") && told.ends_with(" · máx. 11,9"), "{told}");
    let said = browser.script("return document.querySelector('.chart[data-field=CO] svg').ariaLabel").await;
    assert!(said.as_str().unwrap().contains("1 acima do limite de 10"), "{said}");
    let axis = "return [...document.querySelectorAll('.chart[data-field=CO] .plot-label')].map(({ textContent }) => textContent)";
    let axis = browser.script(axis).await.to_string();
    assert!(!axis.contains('.'), "{axis}");
    browser.press(".chart[data-field=Temperature] svg", &String::from(char::from(Key::Left))).await;
    let read = browser.script("return document.querySelector('[data-announce]').textContent").await;
    assert_eq!(read, json!("20/03/2004 23:00: Temperatura 23,0 °C"));
    browser.end().await;
}
