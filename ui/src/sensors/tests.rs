//! The dashboard's answers to programs, over the embedded twins.

use super::{Dashboard, data_routes};
use crate::data_api::DataState;
use crate::data_api::tests::{hash, world};
use axum::body::Body;
use axum::http::{Request, header};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

async fn filled() -> (Router, DataState, TempDir) {
    let (data, home) = world(&[]);
    let hashes = [
        hash("10/03/2004", "18.00.00", "2.6", "113"),
        hash("11/03/2004", "18.00.00", "11.5", ""),
        hash("12/03/2004", "19.00.00", "1.1", "201.5"),
        hash("someday", "sometime", "1", "1"),
    ];
    data.cache().await.unwrap().put_hashes(&hashes, None).await.unwrap();
    let dashboard = Extension(Arc::new(Dashboard::default()));
    (data_routes::<DataState>().into_parts().0.layer(dashboard).with_state(data.clone()), data, home)
}

async fn get(router: &Router, address: &str, known: &str) -> Response {
    let request = Request::builder().uri(address).header(header::IF_NONE_MATCH, known);
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn body(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn readings_come_as_columns_of_a_period() {
    let (router, _data, _home) = filled().await;
    let all = body(get(&router, "/api/sensors/readings", "").await).await;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["time"], json!([1_078_941_600, 1_079_028_000, 1_079_118_000]));
    assert_eq!((&all["CO"], &all["NO2"]), (&json!([2.6, 11.5, 1.1]), &json!([113, null, 201.5])));
    for (query, count) in [
        ("period=24h", 1),
        ("period=7d", 3),
        ("from=2004-03-11", 2),
        ("to=1078941600", 1),
        ("from=2005-01-01", 0),
    ] {
        let part = body(get(&router, &format!("/api/sensors/readings?{query}"), "").await).await;
        let part: Value = serde_json::from_str(&part).unwrap();
        assert_eq!(part["time"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(get(&router, "/api/sensors/readings?period=1y", "").await.status(), 400);
    assert_eq!(get(&router, "/api/sensors/readings?form=1", "").await.status(), 400);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let (router, data, _home) = filled().await;
    let first = get(&router, "/api/sensors/readings", "").await;
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(get(&router, "/api/sensors/readings", &tag).await.status(), 304);
    assert_eq!(get(&router, "/api/sensors/readings?period=24h", &tag).await.status(), 200);
    let new = hash("13/03/2004", "19.00.00", "1.1", "201.5");
    data.cache().await.unwrap().put_hashes(&[new], None).await.unwrap();
    let fresh = super::snapshot::Snapshots::default().get(&data).await.unwrap();
    assert_eq!((fresh.readings.len(), fresh.unreadable), (4, 1));
    assert!(!tag.contains(&format!("{:016x}", fresh.version)));
}

#[tokio::test]
async fn series_of_a_period_are_told_once() {
    let (router, _data, _home) = filled().await;
    let response = get(&router, "/api/sensors/series?period=7d&series=NO2,CO", "").await;
    let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
    let told: Value = serde_json::from_str(&body(response).await).unwrap();
    let co = &told["fields"]["CO"];
    assert_eq!(co["value"], json!([2.6, 11.5, 1.1]));
    assert_eq!((&co["over"], &co["high"], &co["median"]), (&json!(1), &json!(11.5), &json!(2.6)));
    assert_eq!((&told["fields"]["NO2"]["count"], told["fields"].as_object().unwrap().len()), (&json!(2), 2));
    assert_eq!(get(&router, "/api/sensors/series?period=7d&series=NO2,CO", &tag).await.status(), 304);
    for bad in ["series=O3", "points=1", "period=1y", "limit=1"] {
        assert_eq!(get(&router, &format!("/api/sensors/series?{bad}"), "").await.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn exports_are_files() {
    let (router, _data, _home) = filled().await;
    let response = get(&router, "/api/sensors/export?period=24h", "").await;
    assert_eq!(
        response.headers()[header::CONTENT_DISPOSITION],
        "attachment; filename=\"air-quality_2004-03-12_2004-03-12.csv\""
    );
    assert_eq!(
        body(response).await,
        "time,CO,NO2,Temperature,Relative_Humidity,Absolute_Humidity\n2004-03-12T19:00:00,1.1,201.5,13.6,48.9,0.7578\n"
    );
    let json = body(get(&router, "/api/sensors/export?format=json", "").await).await;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[1]["NO2"], Value::Null);
    assert_eq!(get(&router, "/api/sensors/export?format=xlsx", "").await.status(), 400);
}

#[tokio::test]
async fn a_cache_that_is_down_is_503() {
    let (data, _home) = world(&[("ESTEIRA_CONN_REDIS_DEFAULT", "redis://127.0.0.1:1/0")]);
    let dashboard = Extension(Arc::new(Dashboard::default()));
    let router: Router = data_routes::<DataState>().into_parts().0.layer(dashboard).with_state(data);
    let response = get(&router, "/api/sensors/readings", "").await;
    assert_eq!(response.status(), 503);
    assert!(body(response).await.contains("\"service\":\"Redis\""));
}
