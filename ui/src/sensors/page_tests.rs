//! The dashboard's pages over an engine and the embedded twins: empty, filled by a run of the shipped pipeline, and
//! asked wrongly.

use super::PIPELINE;
use crate::data_api::tests::hash;
use crate::{AppState, Settings};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use esteira_core::states::{RunState, TriggeredBy};
use esteira_operator::{EnvironmentConnections, Masker, Registry};
use esteira_runtime::home::Home;
use esteira_runtime::{Actor, Engine, Notice, Options, TriggerRequest};
use esteira_store::EventFilter;
use esteira_tasks::connectors::Connectors;
use futures::StreamExt;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

const CSV: &str = "Date;Time;CO;NO2;Temperature;Relative_Humidity;Absolute_Humidity
10/03/2004;18.00.00;2.6;113.0;13.6;48.9;0.7578
11/03/2004;18.00.00;11.9;201.0;;48.8;0.7255
";

struct World {
    engine: Engine,
    connectors: Connectors,
    router: Router,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dags = folder.path().join("dags");
        std::fs::create_dir(&dags).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dags/air_quality_pipeline.yaml");
        std::fs::copy(shipped, dags.join("air_quality_pipeline.yaml")).unwrap();
        std::fs::write(folder.path().join("readings.csv"), CSV).unwrap();
        let masker = Arc::new(Masker::default());
        let source = Arc::new(EnvironmentConnections::default());
        let connectors = Connectors::new(source, Arc::clone(&masker), folder.path().join("embedded"));
        let mut registry = Registry::new();
        esteira_tasks::operators::register_all(&mut registry, &connectors);
        let registry = Arc::new(registry);
        let home = Home::open(&folder.path().join("home")).unwrap();
        let engine = Engine::start(Options::new(home, dags, Arc::clone(&registry), masker)).await.unwrap();
        let (handle, settings) = (engine.handle().clone(), Settings::default());
        let router = crate::router(AppState {
            versions: crate::Versions::new(handle.reader().clone()),
            handle,
            connectors: connectors.clone(),
            registry,
            settings,
            doors: crate::Doors::default(),
            audit: crate::AuditCheck::default(),
        });
        Self { engine, connectors, router, folder }
    }

    async fn send(&self, method: &str, address: &str, body: &str) -> axum::response::Response {
        let request =
            Request::builder().method(method).uri(address).body(Body::from(body.to_owned())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// What a form or a program sends, and what it is answered.
    async fn post(&self, address: &str, kind: &str, body: &str) -> axum::response::Response {
        let request =
            Request::post(address).header(header::CONTENT_TYPE, kind).body(Body::from(body.to_owned()));
        self.router.clone().oneshot(request.unwrap()).await.unwrap()
    }

    async fn json(&self, address: &str) -> Value {
        serde_json::from_str(&self.get(address).await.1).unwrap()
    }

    async fn get(&self, address: &str) -> (StatusCode, String) {
        let response = self.send("GET", address, "").await;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Runs the pipeline over the readings above.
    async fn run(&self) {
        let mut notices = self.engine.handle().subscribe();
        let mut request = TriggerRequest::manual(PIPELINE, Actor::new("test", TriggeredBy::RestApi));
        let source = self.folder.path().join("readings.csv").display().to_string();
        request.conf.insert("source".to_owned(), Value::from(source));
        let run = self.engine.handle().trigger(request).await.unwrap();
        loop {
            let notice = notices.recv().await.unwrap();
            if matches!(&notice, Notice::Event(event) if event.name == "run.ended") {
                break;
            }
        }
        let run = self.engine.handle().reader().run(PIPELINE, run.run_id.as_str()).await.unwrap().unwrap();
        assert_eq!(run.state, RunState::Success);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_teaches() {
    let world = World::new().await;
    let (status, page) = world.get("/sensors").await;
    assert_eq!(status, 200);
    assert!(page.contains("No readings yet") && page.contains("esteira sample -o readings.csv"), "{page}");
    assert!(page.contains("Run air_quality_pipeline"), "{page}");
    assert!(page.contains("embedded twin"), "{page}");
    // There is nothing to choose a period of.
    assert!(!page.contains("data-period") && page.contains("http://localhost:8080/api/v2/dags/"), "{page}");
    assert!(world.get("/sensors/alerts").await.1.contains("No alerts wait"));
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_fills_the_page_and_its_alerts_can_be_taken() {
    let world = World::new().await;
    world.run().await;
    let (_, page) = world.get("/sensors?period=7d").await;
    for expected in
        ["11.9", "119 % of the limit of 10 mg/m³", "over the limit", "▲ 9.3 in 24 h", "11/03/2004 18:00"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    // The last reading has no temperature: the one before is shown, and when it was measured.
    assert!(page.contains("measured 10/03/2004 18:00"), "{page}");
    assert!(page.contains("<span>rejected</span><b>0</b>"), "{page}");
    // The value is over its limit, and the small line is there without a script.
    assert!(
        page.contains("class=\"panel card over\" data-field=\"CO\"") && page.contains("class=\"spark\""),
        "{page}"
    );
    let (_, live) = world.get("/sensors/live").await;
    assert!(live.contains("id=\"sensors-cards\"") && !live.contains("<html"), "{live}");
    let (_, alerts) = world.get("/sensors/alerts").await;
    assert!(alerts.contains("CO 11.9") && alerts.contains("NO₂ 201"), "{alerts}");
    let taken = world.send("POST", "/sensors/alerts/take", "limit=5").await;
    assert_eq!(taken.headers()[header::LOCATION], "/sensors/alerts?taken=1");
    assert!(world.get("/sensors").await.1.contains("No alerts wait"));
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_a_page_that_says_so() {
    let world = World::new().await;
    for address in [
        "/sensors?periode=7d",
        "/sensors?period=1y",
        "/sensors?page=x",
        "/sensors?series=Ozone",
        "/sensors/table?hours=Ozone",
        "/sensors/alerts?limit=0",
        "/sensors/alerts?state=lost",
    ] {
        let (status, page) = world.get(address).await;
        assert_eq!(status, 400, "{address}");
        assert!(page.contains("<html") && page.contains("hint"), "{address}: {page}");
    }
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_counts_at_once_and_again_when_a_run_has_changed_them() {
    let world = World::new().await;
    let response = world.send("GET", "/api/sensors/stream", "").await;
    let mut chunks = response.into_body().into_data_stream();
    let mut told = String::new();
    let mut is_run = false;
    while !told.contains("{\"readings\":2,\"alerts\":1,") {
        told.push_str(std::str::from_utf8(&chunks.next().await.unwrap().unwrap()).unwrap());
        if !is_run {
            assert!(told.starts_with("event: counts\ndata: {\"readings\":0,\"alerts\":0,"), "{told}");
            is_run = true;
            world.run().await;
        }
    }
    assert!(told.contains("event: run"), "{told}");
    assert!(told.contains("event: progress"), "{told}");
    world.engine.stop().await.unwrap();
}

/// A form's type, and a program's.
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_acknowledged_by_a_form_and_the_history_tells_who() {
    let world = World::new().await;
    world.run().await;
    let known = world.json("/api/sensors/alerts").await;
    let message_id = known["alerts"][0]["message_id"].as_str().unwrap().to_owned();
    let (_, page) = world.get("/sensors").await;
    assert!(page.contains("1 open") && page.contains(&format!("value=\"{message_id}\"")), "{page}");

    let form = format!(
        "message_id={message_id}&note=a+%3Cb%3Ejam%3C%2Fb%3E&back=%2Fsensors%2Falerts%3Fstate%3Dopen"
    );
    let done = world.post("/sensors/alerts/acknowledge", FORM, &form).await;
    assert_eq!(done.headers()[header::LOCATION], "/sensors/alerts?state=open&acknowledged=1");
    let (_, open) = world.get("/sensors/alerts?state=open&acknowledged=1").await;
    assert!(open.contains("1 acknowledged") && open.contains("All alerts are acknowledged"), "{open}");
    let (_, seen) = world.get("/sensors/alerts?state=acknowledged").await;
    assert!(seen.contains("anonymous") && seen.contains("a &#60;b&#62;jam"), "{seen}");
    let (_, live) = world.get("/sensors/live").await;
    assert!(
        live.contains("All are acknowledged") && live.contains("data-acknowledged=\"1079028000\""),
        "{live}"
    );
    // The queue is as it was.
    assert_eq!(world.json("/api/alerts?limit=5").await["waiting"], 1);

    let form = format!("message_id={message_id}&reopen=true");
    let reopened = world.post("/sensors/alerts/acknowledge", FORM, &form).await;
    assert_eq!(reopened.headers()[header::LOCATION], "/sensors");
    let filter = EventFilter { name: Some("alert.".to_owned()), ..EventFilter::default() };
    let events = world.engine.handle().reader().events(&filter, 9).await.unwrap().rows;
    let told: Vec<(&str, &str, &str)> =
        events.iter().map(|event| (event.name.as_str(), event.actor.as_str(), event.via.as_str())).collect();
    assert_eq!(told, [("alert.reopened", "anonymous", "ui"), ("alert.acknowledged", "anonymous", "ui")]);
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_leads_elsewhere_or_names_no_alert_is_refused() {
    let world = World::new().await;
    for form in
        ["message_id=a&back=https%3A%2F%2Fexample.org", "message_id=a&colour=red", "note=seen", "message_id="]
    {
        let refused = world.post("/sensors/alerts/acknowledge", FORM, form).await;
        assert!(refused.status().is_client_error(), "{form}: {}", refused.status());
    }
    assert_eq!(world.json("/api/sensors/alerts").await, json!({"alerts": [], "open": 0, "waiting": 0}));
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_see_and_acknowledge_alerts_too() {
    let world = World::new().await;
    world.run().await;
    let mut known = world.json("/api/sensors/alerts").await;
    let body = json!({"message_ids": [known["alerts"][0]["message_id"]], "note": "by a program"}).to_string();
    for (sent, status) in
        [("{\"message_ids\": 1}", 400), ("{}", 400), ("{\"message_ids\": []}", 422), (&body, 200)]
    {
        let answer = world.post("/api/sensors/alerts/acknowledge", JSON, sent).await;
        assert_eq!(answer.status(), status, "{sent}");
    }
    let mut after = world.json("/api/sensors/alerts").await;
    for answer in [&mut known, &mut after] {
        for (name, stable) in [("message_id", "ID"), ("run_id", "RUN"), ("acknowledged_at", "TIME")] {
            let value = &mut answer["alerts"][0][name];
            if !value.is_null() {
                *value = json!(stable);
            }
        }
    }
    insta::assert_json_snapshot!("alerts_for_programs", json!({"before": known, "after": after}));
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_and_the_line_of_a_period_are_as_they_were() {
    let world = World::new().await;
    world.run().await;
    insta::assert_snapshot!("table", world.get("/sensors/table?period=all&series=CO").await.1);
    let mut series = world.json("/api/sensors/series?period=all&series=CO").await;
    series["version"] = json!("VERSION");
    // A day of nothing but noughts says nothing.
    series["fields"]["CO"]["hours"] = json!(series["fields"]["CO"]["hours"][18]);
    insta::assert_json_snapshot!("series", series);
    world.engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_that_a_hash_was_written_over_and_an_alert_acknowledged() {
    let world = World::new().await;
    world.run().await;
    let response = world.send("GET", "/api/sensors/stream", "").await;
    let mut chunks = response.into_body().into_data_stream();
    let mut told = String::new();
    let mut until = async |what: &str| {
        told.clear();
        while !told.contains(what) {
            told.push_str(std::str::from_utf8(&chunks.next().await.unwrap().unwrap()).unwrap());
        }
        told.clone()
    };
    let first = until("\"version\":\"").await;
    let (key, hash) = hash("11/03/2004", "18.00.00", "3.3", "201.0");
    world.connectors.cache("redis_default").await.unwrap().put_hashes(&[(key, hash)], None).await.unwrap();
    let second = until("event: counts").await;
    assert!(second.contains("\"readings\":2,\"alerts\":1,"), "{second}");
    assert_ne!(first, second);
    let body = json!({"message_ids": ["some alert"]}).to_string();
    assert_eq!(world.post("/api/sensors/alerts/acknowledge", JSON, &body).await.status(), 200);
    until("event: alerts").await;
    world.engine.stop().await.unwrap();
}
