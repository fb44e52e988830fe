//! The lists that are not of runs or task instances: narrowed down and ordered as Airflow does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use world::World;

const MAKER: &str = "dag_id: maker
tags: [test, lake]
tasks: {make: {operator: empty, outlets: s3://lake/a}, other: {operator: empty, outlets: s3://lake/b}}
";

/// The texts under `name` of a list's rows, or the rows themselves if they are texts.
fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let rows = answer[list].as_array().unwrap().iter();
    let text = |row: &Value| if row.is_string() { row.clone() } else { row[name].clone() };
    rows.map(text).map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect()
}

/// A list from cursor to cursor, a row at a time, and then from the last back to the first.
async fn turned(world: &World, path: &str, list: &str) -> (Value, Value) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let page = async |cursor: &str| world.json(&format!("{path}{separator}limit=1&cursor={cursor}")).await;
    let rows = |answer: &Value| answer[list].as_array().unwrap().clone();
    let mut answer = page("").await;
    assert_eq!(answer["previous_cursor"], Value::Null, "{path}");
    let mut forth = rows(&answer);
    while let Some(next) = answer["next_cursor"].as_str() {
        answer = page(next).await;
        forth.extend(rows(&answer));
    }
    let mut back = rows(&answer);
    while let Some(previous) = answer["previous_cursor"].as_str() {
        answer = page(previous).await;
        back.splice(0..0, rows(&answer));
    }
    (json!({ list: forth }), json!({ list: back }))
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
        ("dags?dag_id_prefix_pattern=ma|wa", "dags", "dag_id", vec!["maker", "waiting"]),
        ("dagTags?tag_name_pattern=a|e&order_by=-name", "tags", "", vec!["test", "lake"]),
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
        // Airflow gives the tasks of a DAG at once.
        if list == "tasks" {
            continue;
        }
        // The same from cursor to cursor, forth and back.
        let (forth, back) = turned(&world, &format!("/api/v2/{path}"), list).await;
        assert_eq!(names(&forth, list, name), expected, "{path}");
        assert_eq!(names(&back, list, name), expected, "{path}");
    }
    for path in [
        "dags?order_by=colour",
        "dags?tags_match_mode=some",
        "pools?order_by=colour",
        "backfills?order_by=colour",
        "backfills?active=perhaps",
        "dags/pipeline/dagVersions?version_number=x",
        "dags/~/dagRuns?duration_gte=NaN",
        "dags/~/dagRuns?duration_gte=long",
    ] {
        let (status, text) = world.get(&format!("/api/v2/{path}")).await;
        assert!(matches!(status.as_u16(), 400 | 422), "{path}: {status} {text}");
    }
}

const ASKING: &str = "dag_id: asking
tasks:
  many: {operator: bash, expand: {bash_command: [echo a, echo b, echo c]}}
  ask: {operator: approval, depends_on: many, with: {subject: Release}}
";

#[tokio::test]
async fn every_long_list_reads_the_same_from_cursor_to_cursor() {
    let world = World::with(&[("asking", ASKING), ("maker", MAKER)]).await;
    for run_id in ["r1", "r2", "r3"] {
        world.until_asked("asking", run_id).await;
        let made = json!({ "dag_run_id": format!("made_{run_id}") });
        let trigger = world.send_json("POST", "/api/v2/dags/maker/dagRuns", made);
        world.until_over(&format!("made_{run_id}"), trigger).await;
    }
    for (path, list, id) in [
        ("dags/~/dagRuns", "dag_runs", "dag_run_id"),
        ("dags/~/dagRuns?order_by=-start_date&run_id_prefix_pattern=r|made_r2", "dag_runs", "dag_run_id"),
        ("dags/~/dagRuns/~/taskInstances", "task_instances", "id"),
        ("dags/~/dagRuns/~/taskInstances?order_by=state,-end_date&state=success", "task_instances", "id"),
        ("dags/asking/dagRuns/r2/taskInstances/many/listMapped?order_by=-map_index", "task_instances", "id"),
        ("dags/~/dagRuns/~/hitlDetails", "hitl_details", "task_instance"),
        (
            "dags/~/dagRuns/~/hitlDetails?order_by=run_id&subject_search=release",
            "hitl_details",
            "task_instance",
        ),
        ("eventLogs", "event_logs", "event_log_id"),
        ("eventLogs?order_by=dag_id,-event&excluded_events=task.started", "event_logs", "event_log_id"),
        ("eventLogs?after=2020-01-01T00:00:00Z&dag_id=maker", "event_logs", "event_log_id"),
        ("assets/events", "asset_events", "id"),
        ("assets/events?order_by=source_run_id&name_pattern=lake", "asset_events", "id"),
    ] {
        let path = format!("/api/v2/{path}");
        let whole =
            world.json(&format!("{path}{}limit=100", if path.contains('?') { '&' } else { '?' })).await;
        let whole = names(&whole, list, id);
        assert!(whole.len() >= 3, "{path}: {whole:?}");
        let (forth, back) = turned(&world, &path, list).await;
        assert_eq!(names(&forth, list, id), whole, "{path}");
        assert_eq!(names(&back, list, id), whole, "{path}");
    }
}

#[tokio::test]
async fn a_cursor_tells_what_it_is_good_for() {
    let world = World::new().await;
    for run_id in ["r1", "r2"] {
        world.run(run_id).await;
    }
    let runs = "/api/v2/dags/~/dagRuns";
    let first = world.json(&format!("{runs}?limit=1&cursor=&order_by=-id")).await;
    assert_eq!((&first["total_entries"], &first["total_entries_limit"]), (&json!(2), &json!(10_000)));
    let cursor = first["next_cursor"].as_str().unwrap();
    for wrong in [
        format!("{runs}?cursor=nonsense"),
        format!("{runs}?cursor={cursor}"),
        format!("/api/v2/eventLogs?order_by=-id&cursor={cursor}x"),
    ] {
        let (status, text) = world.get(&wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {text}");
        assert!(text.contains("begin with an empty one"), "{text}");
    }
    // A list that is not read by cursors says nothing of them.
    assert_eq!(world.json(&format!("{runs}?limit=1")).await.get("next_cursor"), None);
}

#[tokio::test]
async fn the_history_is_narrowed_down() {
    let world = World::new().await;
    world.run("r1").await;
    let total = async |query: &str| {
        let answer = world.json(&format!("/api/v2/eventLogs?{query}")).await;
        answer["total_entries"].as_u64().unwrap()
    };
    let all = total("").await;
    let of_run = total("run_id=r1").await;
    assert!(of_run > 4 && of_run < all);
    assert_eq!(total("run_id=r1&run_id=r2").await, of_run);
    let created = total("event=run.created").await;
    assert_eq!(created, 1);
    assert_eq!(total("included_events=run.created&event_pattern=RUN").await, created);
    assert_eq!(total("excluded_events=run.created").await, all - created);
    assert_eq!(
        total("event_prefix_pattern=run.|dag.").await + total("event_prefix_pattern=task.").await,
        all - total("event_prefix_pattern=engine.").await - total("event_prefix_pattern=import").await
    );
    assert_eq!(total("event=run.").await, 0);
    assert!(total("owner=engine").await > 0);
    assert_eq!(total("owner_pattern=nobody").await, 0);
    assert_eq!(total("before=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(total("after=2020-01-01T00:00:00%2B00:00").await, all);
    assert!(total("try_number=1&task_id=first").await > 0);
    assert_eq!(total("map_index=7").await, 0);
}

#[tokio::test]
async fn a_body_of_filters_is_as_strict_as_a_query() {
    let world = World::new().await;
    world.run("r1").await;
    let path = "/api/v2/dags/~/dagRuns/list";
    let (status, answer) = world.send_json("POST", path, json!({ "states": ["failed"], "cursor": "" })).await;
    assert_eq!((status, &answer["total_entries"]), (StatusCode::OK, &json!(1)), "{answer}");
    let (status, answer) = world.send_json("POST", path, json!({ "colour": "red" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
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

#[tokio::test]
async fn who_asks_again_is_told_that_nothing_has_changed() {
    let world = World::new().await;
    let ask = async |address: &str, known: &str| {
        let request = Request::get(address).header(header::IF_NONE_MATCH, known);
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let runs = "/api/v2/dags/~/dagRuns";
    let first = ask(runs, "\"other\"").await;
    assert_eq!(first.status(), StatusCode::OK);
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let again = ask(runs, &tag).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[header::ETAG].to_str().unwrap(), tag);
    let body = axum::body::to_bytes(again.into_body(), 1_000).await.unwrap();
    assert!(body.is_empty());
    world.run("r1").await;
    let changed = ask(runs, &tag).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()[header::ETAG].to_str().unwrap(), tag);
    assert_eq!(ask("/api/v2/dags/nope", "*").await.status(), StatusCode::NOT_FOUND);
}
