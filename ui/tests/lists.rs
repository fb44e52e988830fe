//! The lists that are not of runs or task instances: narrowed down and ordered as Airflow does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::http::StatusCode;
use serde_json::{Value, json};
use world::World;

const MAKER: &str = "dag_id: maker
tags: [test, lake]
tasks: {make: {operator: empty, outlets: s3://lake/a}, other: {operator: empty, outlets: s3://lake/b}}
";

/// The texts under `name` of a list's rows.
fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let rows = answer[list].as_array().unwrap().iter();
    rows.map(|row| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned)).collect()
}

#[tokio::test]
async fn every_list_is_narrowed_down_and_ordered() {
    let world =
        World::with(&[("maker", MAKER), ("worse", "dag_id: worse\ntasks: {a: {operator: bahs}}\n")]).await;
    world.run("r1").await;
    for (name, slots) in [("narrow", 1), ("wide", 9)] {
        let body = json!({ "name": name, "slots": slots });
        assert_eq!(world.send_json("POST", "/api/v2/pools", body).await.0, StatusCode::CREATED);
    }
    for (key, description) in [("alpha", "z"), ("beta", "a")] {
        let body = json!({ "key": key, "value": "1", "description": description });
        assert_eq!(world.send_json("POST", "/api/v2/variables", body).await.0, StatusCode::CREATED);
        let body = json!({ "connection_id": key, "conn_type": "redis", "host": "localhost", "description": description });
        assert_eq!(world.send_json("POST", "/api/v2/connections", body).await.0, StatusCode::CREATED);
    }
    let xcoms = "dags/pipeline/dagRuns/r1/taskInstances/~/xcomEntries";
    for (path, list, name, expected) in [
        ("dags?order_by=-dag_id", "dags", "dag_id", vec!["waiting", "pipeline", "maker"]),
        ("dags?tags=test", "dags", "dag_id", vec!["maker", "pipeline"]),
        ("dags?tags=test&tags=lake&tags_match_mode=all", "dags", "dag_id", vec!["maker"]),
        ("dags?owners=maria", "dags", "dag_id", vec!["pipeline"]),
        ("dags?dag_display_name_pattern=%25MAK%25", "dags", "dag_id", vec!["maker"]),
        ("dags?has_import_errors=true", "dags", "dag_id", vec![]),
        ("pools?order_by=-slots", "pools", "name", vec!["default_pool", "wide", "narrow"]),
        ("pools?pool_name_pattern=arr", "pools", "name", vec!["narrow"]),
        ("variables?order_by=description", "variables", "key", vec!["beta", "alpha"]),
        ("variables?variable_key_pattern=ALP", "variables", "key", vec!["alpha"]),
        ("connections?order_by=-conn_id", "connections", "connection_id", vec!["beta", "alpha"]),
        ("connections?connection_id_pattern=bet", "connections", "connection_id", vec!["beta"]),
        ("assets?order_by=-uri", "assets", "uri", vec!["s3://lake/b", "s3://lake/a"]),
        ("assets?dag_ids=maker&name_pattern=/a", "assets", "uri", vec!["s3://lake/a"]),
        ("assets?dag_ids=pipeline", "assets", "uri", vec![]),
        ("importErrors?order_by=-filename", "import_errors", "import_error_id", vec!["2", "1"]),
        ("importErrors?filename_pattern=wors", "import_errors", "import_error_id", vec!["2"]),
        ("dags/pipeline/dagVersions?version_number=2", "dag_versions", "version_number", vec![]),
        (
            "dags/pipeline/tasks?order_by=-task_id",
            "tasks",
            "task_id",
            vec!["third", "second", "fourth", "first"],
        ),
        (&format!("{xcoms}?xcom_key_pattern=RETURN"), "xcom_entries", "task_id", vec!["first"]),
        (&format!("{xcoms}?xcom_key=nothing"), "xcom_entries", "task_id", vec![]),
    ] {
        let answer = world.json(&format!("/api/v2/{path}")).await;
        let found = names(&answer, list, name);
        assert_eq!(found, expected, "{path}");
        assert_eq!(answer["total_entries"], json!(expected.len()), "{path}");
    }
    for path in [
        "dags?order_by=colour",
        "dags?tags_match_mode=some",
        "pools?order_by=colour",
        "backfills?order_by=colour",
        "backfills?active=perhaps",
        "dags/pipeline/dagVersions?version_number=x",
    ] {
        let (status, text) = world.get(&format!("/api/v2/{path}")).await;
        assert!(matches!(status.as_u16(), 400 | 422), "{path}: {status} {text}");
    }
}

#[tokio::test]
async fn backfills_are_those_that_are_over_if_asked_so() {
    let daily = "dag_id: daily\nschedule: '@daily'\nstart_date: 2025-12-01\ntasks: {a: {operator: empty}}\n";
    let world = World::with(&[("daily", daily)]).await;
    // Of one date each, which is run at once: they start no more.
    for day in [1, 2] {
        let at = format!("2026-01-0{day}T00:00:00Z");
        let body = json!({ "dag_id": "daily", "from_date": at, "to_date": at });
        let (status, answer) = world.send_json("POST", "/api/v2/backfills", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let ids = async |query: &str| {
        names(&world.json(&format!("/api/v2/backfills?{query}")).await, "backfills", "id")
    };
    assert!(ids("active=true").await.is_empty());
    assert_eq!(ids("active=false").await, ["2", "1"]);
    assert_eq!(ids("order_by=from_date").await, ["1", "2"]);
    assert_eq!(ids("dag_id=waiting").await, [""; 0]);
}
