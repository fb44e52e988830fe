//! The dashboard's pages over an engine and the embedded twins: empty, filled by a run of the shipped pipeline, and
//! asked wrongly.

use super::PIPELINE;
use crate::{AppState, Settings};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use esteira_core::states::{RunState, TriggeredBy};
use esteira_operator::{EnvironmentConnections, Masker, Registry};
use esteira_runtime::home::Home;
use esteira_runtime::{Actor, Engine, Notice, Options, TriggerRequest};
use esteira_tasks::connectors::Connectors;
use futures::StreamExt;
use serde_json::Value;
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
            connectors,
            registry,
            settings,
            doors: crate::Doors::default(),
        });
        Self { engine, router, folder }
    }

    async fn send(&self, method: &str, address: &str, body: &str) -> axum::response::Response {
        let request =
            Request::builder().method(method).uri(address).body(Body::from(body.to_owned())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
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
    assert!(page.contains("No readings yet") && page.contains("esteira demo"), "{page}");
    assert!(page.contains("Run air_quality_pipeline"), "{page}");
    assert!(page.contains("embedded twin"), "{page}");
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
    for address in ["/sensors?periode=7d", "/sensors?period=1y", "/sensors?page=x", "/sensors/alerts?limit=0"]
    {
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
    while !told.contains("{\"readings\":2,\"alerts\":1}") {
        told.push_str(std::str::from_utf8(&chunks.next().await.unwrap().unwrap()).unwrap());
        if !is_run {
            assert!(told.starts_with("event: counts\ndata: {\"readings\":0,\"alerts\":0}"), "{told}");
            is_run = true;
            world.run().await;
        }
    }
    assert!(told.contains("event: run"), "{told}");
    assert!(told.contains("event: progress"), "{told}");
    world.engine.stop().await.unwrap();
}
