//! The data API's answers, over the embedded twins in a folder of their own.

use super::{DataState, routes};
use crate::Settings;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use esteira_operator::{EnvironmentConnections, Masker};
use esteira_tasks::cache::Hash;
use esteira_tasks::connectors::Connectors;
use esteira_tasks::objects::NewObject;
use esteira_tasks::queue::QueueMessage;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

/// Embedded services in a temporary folder, but for those that are named.
pub(crate) fn world(variables: &[(&str, &str)]) -> (DataState, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let source = EnvironmentConnections::from_variables(variables).unwrap();
    let connectors = Connectors::new(Arc::new(source), Arc::new(Masker::default()), home.path().to_owned());
    (DataState::new(&connectors, &Settings::default()), home)
}

/// A reading as `store_readings` writes it.
pub(crate) fn hash(date: &str, time: &str, co: &str, no2: &str) -> (String, Hash) {
    let fields = [
        ("date", date),
        ("time", time),
        ("CO", co),
        ("NO2", no2),
        ("Temperature", "13.6"),
        ("Relative_Humidity", "48.9"),
        ("Absolute_Humidity", "0.7578"),
    ];
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (format!("sensor:{date}:{time}"), fields)
}

/// Puts some of everything there.
pub(crate) async fn fill(data: &DataState, count: usize) {
    let hours: Vec<String> = (0..count).map(|hour| format!("{hour:02}.00.00")).collect();
    let hashes: Vec<_> = hours.iter().map(|time| hash("10/03/2004", time, "2.6", "113.0")).collect();
    data.cache().await.unwrap().put_hashes(&hashes, None).await.unwrap();
    let object = |key: String, body: &str| NewObject {
        key,
        content_type: "application/json".into(),
        body: bytes(body),
    };
    let mut objects: Vec<_> = hours
        .iter()
        .map(|time| object(format!("processed/10/03/2004_{time}.json"), r#"{"CO": 2.60}"#))
        .collect();
    objects.push(object("processed/read.me".to_owned(), "no document"));
    objects.push(object("raw/manual__1.ndjson".to_owned(), "{}\n"));
    objects.push(object("secret.json".to_owned(), r#"{"secret": true}"#));
    let store = data.objects().await.unwrap();
    store.ensure_bucket(&data.settings.bucket).await.unwrap();
    store.put_all(&data.settings.bucket, objects, 8, &|_| {}).await.unwrap();
    let messages: Vec<_> = hours.iter().map(|time| message(time)).collect();
    data.queue().await.unwrap().publish(&data.settings.alert_queue, &messages).await.unwrap();
}

fn bytes(text: &str) -> axum::body::Bytes {
    axum::body::Bytes::copy_from_slice(text.as_bytes())
}

fn message(time: &str) -> QueueMessage {
    let body = json!({"message_id": time, "conditions": ["NO2 > 200"], "record": {"time": time}});
    QueueMessage {
        message_id: time.to_owned(),
        content_type: "application/json".to_owned(),
        body: bytes(&body.to_string()),
    }
}

async fn send(router: &Router, method: Method, address: &str) -> Response {
    let request = Request::builder().method(method).uri(address).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn get(router: &Router, address: &str) -> (StatusCode, Value) {
    let response = send(router, Method::GET, address).await;
    let status = response.status();
    (status, serde_json::from_str(&body(response).await).unwrap())
}

async fn filled(count: usize) -> (Router, TempDir) {
    let (data, home) = world(&[]);
    fill(&data, count).await;
    (routes::<DataState>().into_parts().0.with_state(data), home)
}

#[tokio::test]
async fn a_hash_is_found_by_its_key_raw_and_encoded() {
    let (router, _home) = filled(1).await;
    for key in
        ["sensor:10/03/2004:00.00.00", "sensor%3A10%2F03%2F2004%3A00.00.00", "sensor:10%2f03/2004:00%2E00.00"]
    {
        let (status, hash) = get(&router, &format!("/api/cache/{key}")).await;
        assert_eq!((status.as_u16(), &hash["CO"]), (200, &json!("2.6")), "{key}");
    }
    let (status, error) = get(&router, "/api/cache/sensor:1").await;
    assert_eq!((status.as_u16(), error), (404, json!({"error": "Key not found"})));
    // Decoded once: this is another key.
    assert_eq!(get(&router, "/api/cache/sensor:10%252F03%252F2004:00.00.00").await.0, 404);
}

#[tokio::test]
async fn keys_come_in_pages() {
    let (router, _home) = filled(5).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&router, &format!("/api/cache?prefix=sensor:&limit=2{after}")).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", next.replace('/', "%2F"));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    assert_eq!(get(&router, "/api/cache?prefix=other").await.1, json!({"keys": [], "next": null}));
}

#[tokio::test]
async fn a_document_comes_as_it_was_stored() {
    let (router, _home) = filled(1).await;
    for name in ["10/03/2004_00.00.00", "10%2F03%2F2004_00.00.00"] {
        let response = send(&router, Method::GET, &format!("/api/history/{name}")).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(body(response).await, r#"{"CO": 2.60}"#);
    }
    let (status, error) = get(&router, "/api/history/other").await;
    assert_eq!(status, 404);
    assert_eq!(error, json!({"error": "There is no processed/other.json in the bucket air-quality"}));
}

#[tokio::test]
async fn names_come_in_pages_without_prefix_and_suffix() {
    let (router, _home) = filled(3).await;
    let (_, page) = get(&router, "/api/history?limit=2").await;
    assert_eq!(
        page,
        json!({"names": ["10/03/2004_00.00.00", "10/03/2004_01.00.00"], "next": "10/03/2004_01.00.00"})
    );
    let (_, page) = get(&router, "/api/history?limit=2&after=10/03/2004_01.00.00").await;
    assert_eq!(page, json!({"names": ["10/03/2004_02.00.00"], "next": null}));
    let (_, page) = get(&router, "/api/history?prefix=10/03/2004_02").await;
    assert_eq!(page["names"], json!(["10/03/2004_02.00.00"]));
}

#[tokio::test]
async fn a_name_never_leaves_its_prefix() {
    let (router, _home) = filled(1).await;
    for name in [
        "../secret",
        "..%2Fsecret",
        "%2e%2e/secret",
        "a/../../secret",
        "/secret",
        "%2Fsecret",
        "",
        "a%00",
        "./10",
        "..%5Csecret",
    ] {
        let (status, error) = get(&router, &format!("/api/history/{name}")).await;
        assert_eq!(status, 400, "{name}: {error}");
        assert_eq!(get(&router, &format!("/api/cache/{name}")).await.0, 400, "{name}");
    }
    for list in ["/api/history?prefix=../", "/api/history?after=../x", "/api/cache?prefix=/x"] {
        assert_eq!(get(&router, list).await.0, 400, "{list}");
    }
    let long = "x".repeat(1020);
    assert_eq!(get(&router, &format!("/api/history/{long}")).await.0, 400);
    // Two encodings deep it is a strange name, but one inside the prefix.
    assert_eq!(get(&router, "/api/history/%252e%252e%252fsecret").await.0, 404);
}

#[tokio::test]
async fn looking_at_alerts_leaves_them() {
    let (router, _home) = filled(3).await;
    for _ in 0..2 {
        let (_, answer) = get(&router, "/api/alerts").await;
        assert_eq!(answer["alert"]["message_id"], "00.00.00");
    }
    let (_, answer) = get(&router, "/api/alerts?limit=2").await;
    assert_eq!(answer["waiting"], 3);
    assert_eq!(answer["alerts"].as_array().unwrap().len(), 2);
    let (empty, _home) = filled(0).await;
    assert_eq!(get(&empty, "/api/alerts").await.1, json!({"alert": "No alerts in queue"}));
    assert_eq!(get(&empty, "/api/alerts?limit=1").await.1, json!({"alerts": [], "waiting": 0}));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let (router, _home) = filled(1).await;
    let (status, error) = get(&router, "/api/alerts?limt=2").await;
    assert_eq!(status, 400);
    assert_eq!(error["hint"], "This address takes: limit");
    for address in [
        "/api/alerts?limit=0",
        "/api/alerts?limit=1001",
        "/api/cache?limit=x",
        "/api/cache/sensor:1?limit=1",
        "/api/stats?x=1",
    ] {
        assert_eq!(get(&router, address).await.0, 400, "{address}");
    }
}

#[tokio::test]
async fn stats_count_and_name_the_services() {
    let (router, _home) = filled(4).await;
    let (status, stats) = get(&router, "/api/stats").await;
    assert_eq!(status, 200);
    assert_eq!(stats["readings_cached"], 4);
    assert_eq!(stats["objects_processed"], 5);
    assert_eq!(stats["objects_raw"], 1);
    assert_eq!(stats["alerts_waiting"], 4);
    let kafka = json!({
        "service": "Kafka", "connection": "kafka_default", "embedded": true, "address": "embedded",
        "healthy": true, "message": "answers",
    });
    assert_eq!(stats["services"][0], kafka);
    assert_eq!(stats["services"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_service_that_is_down_is_503_with_its_name() {
    // Nothing listens on port 1.
    let (data, _home) = world(&[
        ("ESTEIRA_CONN_REDIS_DEFAULT", "redis://127.0.0.1:1/0"),
        ("ESTEIRA_CONN_MINIO_DEFAULT", "s3://user:hidden@127.0.0.1:1?region=us-east-1&tls=false"),
        ("ESTEIRA_CONN_RABBITMQ_DEFAULT", "amqp://guest:guest@127.0.0.1:1/%2f"),
    ]);
    let router = routes::<DataState>().into_parts().0.with_state(data);
    for (address, service) in
        [("/api/cache/x", "Redis"), ("/api/history/x", "MinIO"), ("/api/alerts", "RabbitMQ")]
    {
        let (status, error) = get(&router, address).await;
        assert_eq!((status.as_u16(), &error["service"]), (503, &json!(service)), "{error}");
        assert!(!error.to_string().contains("hidden"));
    }
    let (status, stats) = get(&router, "/api/stats").await;
    assert_eq!((status.as_u16(), &stats["readings_cached"]), (200, &Value::Null));
    assert_eq!(stats["services"][1]["healthy"], false);
}

#[tokio::test]
async fn what_is_set_up_wrongly_is_503_with_the_services_name_and_a_wrong_name_400() {
    let (mut data, _home) = world(&[
        ("ESTEIRA_CONN_REDIS_DEFAULT", "rediss://127.0.0.1:1/0?ca=/nowhere/ca.pem"),
        ("ESTEIRA_CONN_RABBITMQ_DEFAULT", "redis://127.0.0.1:1"),
    ]);
    let router = routes::<DataState>().into_parts().0.with_state(data.clone());
    for (address, service) in
        [("/api/cache/x", "Redis"), ("/api/cache", "Redis"), ("/api/alerts", "RabbitMQ")]
    {
        let (status, error) = get(&router, address).await;
        assert_eq!((status.as_u16(), &error["service"]), (503, &json!(service)), "{address}: {error}");
    }
    let long = format!("/api/history/{}", "x".repeat(300));
    assert_eq!(get(&router, &long).await.0, 400);
    data.settings.bucket = "No Bucket".to_owned();
    let router = routes::<DataState>().into_parts().0.with_state(data);
    for address in ["/api/history/x", "/api/history", &long] {
        let (status, error) = get(&router, address).await;
        assert_eq!(
            (status.as_u16(), &error["service"]),
            (503, &json!("Embedded object store")),
            "{address}: {error}"
        );
        assert_eq!(error["hint"], "check the connection's URL, and the names in Esteira's settings");
    }
    let (mut data, _home) = world(&[]);
    data.settings.alert_queue = "q".repeat(300);
    let router = routes::<DataState>().into_parts().0.with_state(data);
    for address in ["/api/alerts", "/api/alerts?limit=2"] {
        let (status, error) = get(&router, address).await;
        assert_eq!(
            (status.as_u16(), &error["service"]),
            (503, &json!("Embedded queue")),
            "{address}: {error}"
        );
    }
}
