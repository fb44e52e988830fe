//! A small world for tests of the web: an engine on a home of its own, a folder of DAGs, and the router.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod openapi;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use esteira_operator::{EnvironmentConnections, Masker, Registry};
use esteira_runtime::home::{self, Home};
use esteira_runtime::{Engine, Notice, Options};
use esteira_tasks::connectors::Connectors;
use esteira_ui::{AppState, Doors, Settings};
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tower::ServiceExt;

const PIPELINE: &str = "dag_id: pipeline
description: Two commands <and> a failure
schedule: \"0 9 * * *\"
start_date: 2024-01-01
tags: [test]
default_args: {owner: maria, retries: 0}
params:
  limit: {type: integer, default: 10, title: Row limit}
  mode: {type: string, enum: [fast, thorough], default: fast}
tasks:
  first: {operator: bash, with: {bash_command: 'echo \"<b>hello</b>\"; echo {{ params.limit }}'}}
  second: {operator: bash, depends_on: [first], with: {bash_command: 'echo broken >&2; exit 3'}}
  third: {operator: empty, depends_on: [second]}
  fourth: {operator: empty, depends_on: [first]}
";

/// A task that asks people, with a form.
pub(crate) const ASKING: &str = r#"
dag_id: asking
tasks:
  ask:
    operator: hitl
    with:
      subject: May <b>it</b> be published?
      body: "line one\nline two"
      options: [Publish, Wait]
      response_timeout: 1h
      defaults: Wait
      params:
        title: {type: string, minLength: 3, title: The title}
        days: {type: integer, default: 7, description: For how long}
"#;

const WAITING: &str = "dag_id: waiting
schedule: null
params: {reason: {type: string}}
tasks:
  wait: {operator: bash, with: {bash_command: sleep 60}}
  after: {operator: empty, depends_on: [wait]}
";

const BROKEN: &str = "dag_id: broken
tasks:
  a: {operator: bahs}
";

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) router: Router,
    pub(crate) connectors: Connectors,
    _folder: TempDir,
}

impl World {
    /// An engine with three files: one that fails half-way, one that waits, one that is broken.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with other files besides.
    pub(crate) async fn with(besides: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dags = folder.path().join("dags");
        std::fs::create_dir(&dags).unwrap();
        let files = [("pipeline", PIPELINE), ("waiting", WAITING), ("broken", BROKEN)];
        for (name, text) in files.iter().chain(besides) {
            std::fs::write(dags.join(format!("{name}.yaml")), text).unwrap();
        }
        let root = folder.path().join("home");
        let home = Home::open(&root).unwrap();
        let masker = Arc::new(Masker::default());
        let source = Arc::new(EnvironmentConnections::default());
        let connectors = Connectors::new(source, Arc::clone(&masker), home::embedded(&root));
        let mut registry = Registry::new();
        esteira_tasks::operators::register_all(&mut registry, &connectors);
        let registry = Arc::new(registry);
        let mut options = Options::new(home, dags, Arc::clone(&registry), masker);
        options.is_serving = false;
        let engine = Engine::start(options).await.unwrap();
        let state = AppState {
            handle: engine.handle().clone(),
            connectors: connectors.clone(),
            versions: esteira_ui::Versions::new(engine.handle().reader().clone()),
            registry,
            settings: Settings::default(),
            doors: Doors::default(),
            audit: esteira_ui::AuditCheck::default(),
        };
        Self { router: esteira_ui::router(state), engine, connectors, _folder: folder }
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A page or an answer as text.
    pub(crate) async fn get(&self, address: &str) -> (StatusCode, String) {
        let response = self.send(Request::get(address).body(Body::empty()).unwrap()).await;
        let is_json =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let (status, text) = read(response).await;
        if is_json {
            check(&Method::GET, address, status, &text);
        }
        (status, text)
    }

    /// An answer as JSON.
    pub(crate) async fn json(&self, address: &str) -> Value {
        let (status, text) = self.get(address).await;
        assert_eq!(status, StatusCode::OK, "{address}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends JSON.
    pub(crate) async fn send_json(&self, method: &str, address: &str, body: Value) -> (StatusCode, Value) {
        let request =
            Request::builder().method(method).uri(address).header(header::CONTENT_TYPE, "application/json");
        let response = self.send(request.body(Body::from(body.to_string())).unwrap()).await;
        let (status, text) = read(response).await;
        if status != StatusCode::NO_CONTENT {
            check(&method.parse().unwrap(), address, status, &text);
        }
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Sends a form, and gives the status, where it leads and the page.
    pub(crate) async fn submit(&self, address: &str, form: &str) -> (StatusCode, String, String) {
        let request =
            Request::post(address).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = self.send(request.body(Body::from(form.to_owned())).unwrap()).await;
        let place = response
            .headers()
            .get(header::LOCATION)
            .and_then(|place| place.to_str().ok())
            .unwrap_or_default();
        let place = place.to_owned();
        let (status, text) = read(response).await;
        (status, place, text)
    }

    /// Starts a run of `pipeline` with this name and waits until it is over.
    pub(crate) async fn run(&self, run_id: &str) {
        let notices = self.engine.handle().subscribe();
        let body = serde_json::json!({ "dag_run_id": run_id, "conf": { "limit": 3 }, "note": "why <not>" });
        let (status, answer) = self.send_json("POST", "/api/v2/dags/pipeline/dagRuns", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        ended(notices, run_id).await;
    }

    /// Triggers a DAG, and waits until one of its tasks asks something.
    pub(crate) async fn until_asked(&self, dag_id: &str, run_id: &str) {
        self.until_asked_by(1, dag_id, run_id).await;
    }

    /// Starts a run, and waits until this many of its instances ask.
    pub(crate) async fn until_asked_by(&self, count: u32, dag_id: &str, run_id: &str) {
        let mut notices = self.engine.handle().subscribe();
        let body = serde_json::json!({ "dag_run_id": run_id });
        let (status, answer) = self.send_json("POST", &format!("/api/v2/dags/{dag_id}/dagRuns"), body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let mut asked = 0;
        while asked < count {
            if let Notice::Event(event) = notices.recv().await.unwrap()
                && event.name == "task.rescheduled"
            {
                asked += 1;
            }
        }
    }

    /// A page once it says this; looked at after each event.
    pub(crate) async fn until_said(&self, address: &str, text: &str) -> String {
        let mut notices = self.engine.handle().subscribe();
        loop {
            let (_, page) = self.get(address).await;
            if page.contains(text) {
                return page;
            }
            notices.recv().await.unwrap();
        }
    }

    /// Does something to a run, and waits until the run is over; gives what was answered and the run's state.
    pub(crate) async fn until_over<T>(&self, run_id: &str, act: impl Future<Output = T>) -> (T, String) {
        let notices = self.engine.handle().subscribe();
        let answer = act.await;
        (answer, ended(notices, run_id).await)
    }
}

/// Waits for the end of a run, and gives its state.
async fn ended(mut notices: Receiver<Notice>, run_id: &str) -> String {
    loop {
        let Notice::Event(event) = notices.recv().await.unwrap() else { continue };
        if event.name == "run.ended" && event.run_id == run_id {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            return body["state"].as_str().unwrap().to_owned();
        }
    }
}

/// Holds an answer to the OpenAPI document.
fn check(method: &Method, address: &str, status: StatusCode, text: &str) {
    let path = address.split('?').next().unwrap_or_default();
    openapi::check(method, path, status, text);
}

async fn read(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}
