//! The OpenAPI document: whole, unique in its names, and the same until somebody means to change it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use std::collections::BTreeSet;
use world::World;

#[test]
fn the_document_is_as_it_was() {
    insta::assert_json_snapshot!("document", esteira_ui::openapi_document());
}

#[test]
fn every_route_for_programs_is_in_the_document_under_a_name_of_its_own() {
    let document = esteira_ui::openapi_document();
    let mut names = BTreeSet::new();
    for (method, path, _) in esteira_ui::route_table() {
        let is_for_programs =
            ["/api/", "/auth/", "/hooks/", "/openapi"].iter().any(|prefix| path.starts_with(prefix));
        let operation = &document["paths"][path.replace("{*", "{")][method.to_ascii_lowercase()];
        let name = operation["operationId"].as_str();
        assert_eq!(name.is_some(), is_for_programs, "{method} {path}");
        if let Some(name) = name {
            assert!(names.insert(name.to_owned()), "{name} is the name of two routes");
        }
    }
    assert!(names.len() > 100, "{}", names.len());
}

#[test]
#[should_panic(expected = "answers otherwise than the document says")]
fn an_answer_that_breaks_the_document_is_noticed() {
    let body = r#"{"version": "1", "git_version": null, "colour": "red"}"#;
    world::openapi::check(&Method::GET, "/api/v2/version", StatusCode::OK, body);
}

#[tokio::test]
async fn document_and_page_are_served_and_the_page_needs_nobody_else() {
    let world = World::new().await;
    assert_eq!(world.json("/openapi.json").await, esteira_ui::openapi_document());
    let (status, page) = world.get("/docs/index.html").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("<style>"), "the policy forbids them: {page}");
    for file in page.split(['"', '\'']).filter(|word| word.starts_with("./")) {
        let request = Request::get(format!("/docs/{}", &file[2..])).body(Body::empty()).unwrap();
        assert_eq!(world.send(request).await.status(), StatusCode::OK, "{file}");
    }
    assert_eq!(world.get("/docs/nothing.js").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_history_is_verified_over_the_api() {
    let world = World::new().await;
    world.run("one").await;
    let (status, answer) = world.send_json("POST", "/api/audit/verify", json!({})).await;
    assert_eq!((status, &answer["problem"], &answer["runs"]), (StatusCode::OK, &json!(null), &json!(1)));
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_take_is_told() {
    let world = World::new().await;
    let (status, text) = world.get("/api/v2/dags/~/dagRuns?stat=failed").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["detail"][0]["loc"], json!(["query", "stat"]));
    assert!(answer["detail"][0]["msg"].as_str().unwrap().contains("run_id_pattern"), "{text}");
    let (status, text) = world.get("/api/v2/version?x=1").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
}
