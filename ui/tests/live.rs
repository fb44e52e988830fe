//! The live events: none is missed, whether it happened before the stream was opened or after.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::body::Body;
use axum::body::Bytes;
use axum::http::Request;
use esteira_tasks::queue::QueueMessage;
use futures::{FutureExt, StreamExt};
use std::time::Duration;
use world::World;

/// Opens the stream and reads until `text` was told of; gives all that was told.
async fn read_until(world: &World, request: Request<Body>, text: &str) -> String {
    let mut stream = world.send(request).await.into_body().into_data_stream();
    let mut told = String::new();
    let read = async {
        while !told.contains(text) {
            let part = stream.next().await.expect("the stream stays open").unwrap();
            told.push_str(&String::from_utf8_lossy(&part));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the event comes");
    told
}

#[tokio::test]
async fn a_stream_begins_where_the_client_left_off() {
    let world = World::new().await;
    world.run("r1").await;
    let missed = Request::get("/api/events?dag_id=pipeline&run_id=r1").header("last-event-id", "0");
    let told = read_until(&world, missed.body(Body::empty()).unwrap(), "\"run.ended\"").await;
    let ids: Vec<i64> = told.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert!(ids.is_sorted() && ids.len() > 8, "{told}");
    assert!(told.contains("\"state\":\"upstream_failed\"") && told.contains("\"glyph\":\"✕\""), "{told}");
    assert!(!told.contains("dag.import_error"), "{told}");
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let world = World::new().await;
    let request = Request::get("/api/events").body(Body::empty()).unwrap();
    let (told, ()) = tokio::join!(read_until(&world, request, "\"run.ended\""), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.run("live").await;
    });
    assert!(told.starts_with("event: hello"), "{told}");
    assert_eq!(told.matches("\"run.created\"").count(), 1);
}

#[tokio::test]
async fn a_position_of_another_history_is_reset_and_what_happens_then_is_told() {
    let world = World::new().await;
    let request = Request::get("/api/events?after=1000000").body(Body::empty()).unwrap();
    let (told, ()) = tokio::join!(read_until(&world, request, "\"run.ended\""), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.run("live").await;
    });
    assert!(told.starts_with("event: hello") && told.contains("event: reset"), "{told}");
    assert!(!told.contains("1000000"), "{told}");
    assert_eq!(told.matches("\"run.created\"").count(), 1);
}

#[tokio::test]
async fn sensors_are_told_of_also_after_the_first_page_went_away_at_once() {
    let world = World::new().await;
    let request = || Request::get("/api/sensors/stream").body(Body::empty()).unwrap();
    drop(world.send(request()).now_or_never());
    let (told, ()) = tokio::join!(read_until(&world, request(), "\"alerts\":1"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let message = QueueMessage {
            message_id: "m".to_owned(),
            content_type: "application/json".to_owned(),
            body: Bytes::from_static(b"{}"),
        };
        let queue = world.connectors.queue("rabbitmq_default").await.unwrap();
        queue.publish("sensor_alert", &[message]).await.unwrap();
    });
    assert!(told.starts_with("event: counts"), "{told}");
}
