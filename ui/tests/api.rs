//! The REST API, against an engine: the shapes as snapshots, the refusals by their status.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod world;

use axum::http::StatusCode;
use insta::{assert_json_snapshot, with_settings};
use serde_json::{Value, json};
use world::{ASKING, World};

/// Compares an answer with its stored shape; times, durations and texts that differ from place to place are left out.
async fn check(world: &World, name: &str, address: &str) {
    let answer = redacted(world.json(address).await);
    with_settings!({ sort_maps => true }, { assert_json_snapshot!(name, answer) });
}

fn redacted(mut value: Value) -> Value {
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| match (key.as_str(), &value) {
            (
                "hash" | "extra" | "message" | "fileloc" | "relative_fileloc" | "file_token" | "filename"
                | "file",
                Value::String(_),
            ) => {
                *value = json!(format!("[{key}]"));
            }
            ("stack_trace", Value::String(_)) => *value = json!("[text]"),
            ("event_log_id", Value::Number(_)) => *value = json!("[number]"),
            ("duration", Value::Number(_)) => *value = json!("[seconds]"),
            (_, Value::String(text)) if is_instant(text) => *value = json!("[instant]"),
            _ => redact(value),
        }),
        _ => {}
    }
}

fn is_instant(text: &str) -> bool {
    text.len() == 27 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

#[tokio::test]
async fn what_there_is_has_airflows_shapes() {
    let world = World::new().await;
    world.run("r1").await;
    let run = "/api/v2/dags/pipeline/dagRuns/r1";
    check(&world, "dags", "/api/v2/dags?dag_id_pattern=pipe").await;
    check(&world, "dag_details", "/api/v2/dags/pipeline/details").await;
    check(&world, "tasks", "/api/v2/dags/pipeline/tasks").await;
    check(&world, "versions", "/api/v2/dags/pipeline/dagVersions").await;
    check(&world, "source", "/api/v2/dagSources/pipeline").await;
    check(&world, "runs", "/api/v2/dags/~/dagRuns").await;
    check(&world, "task_instances", &format!("{run}/taskInstances")).await;
    check(&world, "tries", &format!("{run}/taskInstances/second/tries")).await;
    check(&world, "log", &format!("{run}/taskInstances/first/logs/1")).await;
    check(&world, "xcoms", &format!("{run}/taskInstances/~/xcomEntries")).await;
    check(&world, "xcom", &format!("{run}/taskInstances/first/xcomEntries/return_value")).await;
    check(&world, "event_logs", "/api/v2/eventLogs?dag_id=pipeline&event=run.").await;
    check(&world, "import_errors", "/api/v2/importErrors").await;
    check(&world, "health", "/api/v2/monitor/health").await;
}

#[tokio::test]
async fn a_run_is_asked_for_strictly() {
    let world = World::new().await;
    let runs = "/api/v2/dags/pipeline/dagRuns";
    let (status, answer) =
        world.send_json("POST", runs, json!({ "dag_run_id": "a b", "colour": 1, "conf": [] })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let kinds: Vec<&str> =
        answer["detail"].as_array().unwrap().iter().filter_map(|fault| fault["type"].as_str()).collect();
    assert_eq!(kinds, ["string_pattern_mismatch", "dict_type", "extra_forbidden"]);
    let (status, _) = world.send_json("POST", runs, json!({ "conf": { "limit": "many" } })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, answer) = world.send_json("POST", "/api/v2/dags/none/dagRuns", json!({})).await;
    assert_eq!((status, &answer["detail"]), (StatusCode::NOT_FOUND, &json!("there is no DAG \"none\"")));
    world.run("once").await;
    let (status, _) = world.send_json("POST", runs, json!({ "dag_run_id": "once" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let plain = axum::http::Request::post(runs).body("{}".into()).unwrap();
    assert_eq!(world.send(plain).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn pausing_and_cancelling_are_done_and_told() {
    let world = World::new().await;
    let (status, answer) =
        world.send_json("PATCH", "/api/v2/dags/pipeline", json!({ "is_paused": true })).await;
    assert_eq!((status, &answer["is_paused"]), (StatusCode::OK, &json!(true)));
    let (status, _) = world.send_json("PATCH", "/api/v2/dags/pipeline", json!({ "is_paused": 1 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let body = json!({ "dag_run_id": "w", "conf": { "reason": "x" } });
    let (status, _) = world.send_json("POST", "/api/v2/dags/waiting/dagRuns", body).await;
    assert_eq!(status, StatusCode::OK);
    let run = "/api/v2/dags/waiting/dagRuns/w";
    let (status, _) = world.send_json("PATCH", run, json!({ "state": "success" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "it is under way");
    let (status, _) = world.send_json("PATCH", run, json!({ "state": "queued" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = world.send_json("PATCH", run, json!({ "state": "failed" })).await;
    assert_eq!(status, StatusCode::OK);
    let events = world.json("/api/v2/eventLogs?dag_id=waiting&event_prefix_pattern=run.cancel").await;
    assert_eq!(events["event_logs"][0]["via"], "rest_api");
}

/// The tasks and states of an answer with task instances.
fn told(answer: &Value) -> Vec<String> {
    let instances = answer["task_instances"].as_array().unwrap();
    let tell = |instance: &Value| {
        format!("{} {}", instance["task_id"].as_str().unwrap(), instance["state"].as_str().unwrap_or("none"))
    };
    instances.iter().map(tell).collect()
}

#[tokio::test]
async fn task_instances_are_cleared_and_marked() {
    let world = World::new().await;
    world.run("r1").await;
    let clear = "/api/v2/dags/pipeline/clearTaskInstances";
    let (status, answer) = world.send_json("POST", clear, json!({ "dag_run_id": "r1" })).await;
    assert_eq!(
        (status, told(&answer)),
        (StatusCode::OK, vec!["second failed".into(), "third upstream_failed".into()])
    );
    let run = "/api/v2/dags/pipeline/dagRuns/r1";
    assert_eq!(world.json(run).await["state"], "failed", "a dry run, which is the default, does nothing");

    let task = format!("{run}/taskInstances/second");
    let dry = format!("{task}/dry_run");
    let (status, answer) = world.send_json("PATCH", &dry, json!({ "new_state": "success" })).await;
    assert_eq!((status, told(&answer)), (StatusCode::OK, vec!["second failed".into()]));
    let mark = world.send_json("PATCH", &task, json!({ "new_state": "success" }));
    let (_, ended) = world.until_over("r1", mark).await;
    assert_eq!(ended, "success");
    assert_eq!(world.json(&task).await["state"], "success");

    let body = json!({ "dag_run_id": "r1", "task_ids": ["second"], "dry_run": false, "only_failed": false });
    let (answer, ended) = world.until_over("r1", world.send_json("POST", clear, body)).await;
    // It fails again, but what comes after it was not cleared, and the last tasks decide.
    assert_eq!((told(&answer.1), ended.as_str()), (vec!["second success".into()], "success"));
    let (status, _) = world.send_json("PATCH", run, json!({ "state": "failed" })).await;
    assert_eq!((status, &world.json(run).await["state"]), (StatusCode::OK, &json!("failed")));

    let body = json!({ "only_running": "yes", "task_ids": [1], "note": "why" });
    let (status, answer) = world.send_json("POST", clear, body).await;
    assert_eq!((status, answer["detail"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 4));
    let body = json!({ "dag_run_id": "r1", "task_ids": ["nope"] });
    assert_eq!(world.send_json("POST", clear, body).await.0, StatusCode::NOT_FOUND);
    let (status, _) = world.send_json("PATCH", &task, json!({ "new_state": "running" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn task_instances_are_cleared_in_many_runs() {
    let world = World::new().await;
    for day in 1..4 {
        let at = format!("2026-01-0{day}T00:00:00Z");
        let body = json!({ "dag_run_id": format!("r{day}"), "logical_date": at });
        let trigger = world.send_json("POST", "/api/v2/dags/pipeline/dagRuns", body);
        world.until_over(&format!("r{day}"), trigger).await;
    }
    let clear = "/api/v2/dags/pipeline/clearTaskInstances";
    let runs = |answer: &Value| -> Vec<String> {
        let instances = answer["task_instances"].as_array().unwrap().iter();
        instances
            .map(|it| format!("{} {}", it["dag_run_id"].as_str().unwrap(), it["task_id"].as_str().unwrap()))
            .collect()
    };
    for (reach, expected) in [
        (json!({ "dag_run_id": "r2" }), vec!["r2"]),
        (json!({ "dag_run_id": "r2", "include_past": true }), vec!["r2", "r1"]),
        (json!({ "dag_run_id": "r2", "include_future": true }), vec!["r2", "r3"]),
        (json!({ "dag_run_id": "r2", "include_future": true, "include_past": true }), vec!["r2", "r1", "r3"]),
        (json!({ "start_date": "2026-01-02T00:00:00Z" }), vec!["r2", "r3"]),
        (json!({ "start_date": "2026-01-01T00:00:01Z", "end_date": "2026-01-02T00:00:00Z" }), vec!["r2"]),
        (json!({ "end_date": "2025-01-02T00:00:00Z" }), vec![]),
    ] {
        let mut body = reach.clone();
        body["task_ids"] = json!(["second"]);
        let (status, answer) = world.send_json("POST", clear, body).await;
        let expected: Vec<_> = expected.into_iter().map(|run| format!("{run} second")).collect();
        assert_eq!((status, runs(&answer)), (StatusCode::OK, expected), "{reach}");
    }
    let body = json!({ "dag_run_id": "r1", "include_future": true, "dry_run": false });
    world.until_over("r3", world.send_json("POST", clear, body)).await;
    let tries =
        world.json("/api/v2/dags/pipeline/dagRuns/r3/taskInstances/second").await["try_number"].clone();
    assert_eq!(tries, 2);
    world.run("undated").await;
    let body = json!({ "dag_run_id": "undated", "include_future": true });
    assert_eq!(world.send_json("POST", clear, body).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn variables_are_set_and_a_secrets_value_is_never_told() {
    let world = World::new().await;
    let variables = "/api/v2/variables";
    let body = json!({ "key": "limit", "value": "12", "description": "how many" });
    assert_eq!(world.send_json("POST", variables, body.clone()).await.0, StatusCode::CREATED);
    assert_eq!(world.send_json("POST", variables, body).await.0, StatusCode::CONFLICT);
    let body = json!({ "key": "api_token", "value": "s3cr3t-t0ken" });
    let (_, answer) = world.send_json("POST", variables, body).await;
    assert_eq!(answer["value"], "***");
    let sites = json!({ "key": "sites", "value": { "rome": 1 } });
    world.send_json("POST", variables, sites).await;
    check(&world, "variables", variables).await;
    let (_, answer) = world.send_json("PATCH", "/api/v2/variables/limit", json!({ "value": "13" })).await;
    assert_eq!((&answer["value"], &answer["description"]), (&json!("13"), &json!("how many")));
    let (status, answer) = world.send_json("POST", variables, json!({ "keys": "x" })).await;
    assert_eq!((status, answer["detail"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 3));
    assert_eq!(
        world.send_json("DELETE", "/api/v2/variables/limit", json!({})).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.get("/api/v2/variables/limit").await.0, StatusCode::NOT_FOUND);
    let (_, answer) = world.send_json("POST", "/api/secrets/rotate", json!({})).await;
    assert_eq!(answer["sealed_anew"], 2);
    assert!(!world.get("/api/v2/eventLogs").await.1.contains("s3cr3t"));
}

#[tokio::test]
async fn connections_are_set_in_airflows_fields_and_tried() {
    let world = World::new().await;
    let connections = "/api/v2/connections";
    let body = json!({
        "connection_id": "warehouse", "conn_type": "postgresql", "host": "127.0.0.1", "port": 1, "login": "ana",
        "password": "hunter2pw", "schema": "air", "extra": "{\"sslmode\": \"require\", \"api_token\": \"t0kent0ken\"}",
    });
    assert_eq!(world.send_json("POST", connections, body.clone()).await.0, StatusCode::CREATED);
    assert_eq!(world.send_json("POST", connections, body).await.0, StatusCode::CONFLICT);
    check(&world, "connections", connections).await;
    let one = "/api/v2/connections/warehouse";
    let body = json!({ "connection_id": "warehouse", "conn_type": "postgresql", "host": "localhost" });
    let (_, answer) = world.send_json("PATCH", one, body).await;
    assert_eq!((&answer["host"], &answer["password"]), (&json!("localhost"), &json!("***")));
    // The password that is known stands for ***; nothing listens there.
    let body = json!({
        "connection_id": "warehouse", "conn_type": "sftp", "host": "127.0.0.1", "port": 1, "password": "***",
    });
    let (status, answer) = world.send_json("POST", "/api/v2/connections/test", body).await;
    let refused = json!({ "status": false, "message": "The service at 127.0.0.1:1 refused the connection" });
    assert_eq!((status, answer), (StatusCode::OK, refused));
    let body = json!({ "connection_id": "x", "conn_type": "redis", "port": 70000, "extra": "[]" });
    let (status, answer) = world.send_json("POST", connections, body).await;
    assert_eq!((status, answer["detail"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 2));
    assert_eq!(world.send_json("DELETE", one, json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.send_json("DELETE", one, json!({})).await.0, StatusCode::NOT_FOUND);
    let told = world.get("/api/v2/eventLogs").await.1;
    assert!(
        told.contains("postgresql://ana:***@") && !told.contains("hunter2pw") && !told.contains("t0kent0ken")
    );
}

#[tokio::test]
async fn questions_to_people_have_airflows_shapes_and_are_answered_once() {
    let world = World::with(&[("asking", ASKING)]).await;
    world.until_asked("asking", "r1").await;
    let runs = "/api/v2/dags/asking/dagRuns/r1";
    let one = format!("{runs}/taskInstances/ask/-1/hitlDetails");
    check(&world, "hitl_detail", &one).await;
    let list =
        world.json("/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false&subject_search=MAY").await;
    assert_eq!(
        (list["total_entries"].as_i64(), &list["hitl_details"][0]["subject"]),
        (Some(1), &json!("May <b>it</b> be published?"))
    );
    for query in
        ["state=success", "state=failed", "response_received=true", "task_id=other", "body_search=nothing"]
    {
        let none = world.json(&format!("{runs}/hitlDetails?{query}")).await;
        assert_eq!(none["total_entries"], 0, "{query}");
    }
    let patch = |body: Value| world.send_json("PATCH", &one, body);
    for body in [
        json!({}),
        json!({"chosen_options": []}),
        json!({"chosen_options": ["Sell"]}),
        json!({"chosen_options": ["Wait"], "params_input": {"title": 1}}),
    ] {
        assert_eq!(patch(body.clone()).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    let body = json!({"chosen_options": ["Wait"], "params_input": {"title": "Air"}});
    let ((status, answer), state) = world.until_over("r1", patch(body.clone())).await;
    assert_eq!((status, state.as_str()), (StatusCode::OK, "success"));
    assert_eq!(answer["responded_by"], json!({"id": "anonymous", "name": "anonymous"}));
    assert_eq!(answer["params_input"], json!({"title": "Air", "days": 7}));
    assert_eq!(patch(body).await.0, StatusCode::CONFLICT);
    let tried = world.json(&format!("{one}/tries/1")).await;
    assert_eq!((&tried["response_received"], &tried["chosen_options"]), (&json!(true), &json!(["Wait"])));
    for (query, count) in [("state=success", 1), ("state=failed&state=awaiting_input", 0)] {
        let found = world.json(&format!("{runs}/hitlDetails?{query}")).await;
        // Not by `total_entries`: a count that took long, as on a busy machine, is kept for some seconds.
        assert_eq!(found["hitl_details"].as_array().unwrap().len(), count, "{query}");
    }
    let unknown = world.get(&format!("{runs}/hitlDetails?state=nonsense")).await;
    assert_eq!(unknown.0, StatusCode::UNPROCESSABLE_ENTITY);
    let missing = world.get(&format!("{runs}/taskInstances/nope/-1/hitlDetails")).await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn runs_and_dags_are_counted_tagged_and_removed() {
    let world = World::new().await;
    world.run("r1").await;
    check(&world, "dag_stats", "/api/v2/dagStats?dag_ids=pipeline").await;
    assert_eq!(world.json("/api/v2/dagTags").await, json!({"tags": ["test"], "total_entries": 1}));
    assert_eq!(world.json("/api/v2/dagTags?tag_name_pattern=no").await["total_entries"], 0);
    let run = "/api/v2/dags/pipeline/dagRuns/r1";
    let delete = |address: &'static str| world.send_json("DELETE", address, Value::Null);
    assert_eq!(delete(run).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.get(run).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete(run).await.0, StatusCode::NOT_FOUND);
    let body = json!({"dag_run_id": "w", "conf": {"reason": "x"}});
    assert_eq!(world.send_json("POST", "/api/v2/dags/waiting/dagRuns", body).await.0, StatusCode::OK);
    assert_eq!(delete("/api/v2/dags/waiting/dagRuns/w").await.0, StatusCode::CONFLICT);
    assert_eq!(delete("/api/v2/dags/waiting").await.0, StatusCode::CONFLICT);
    assert_eq!(delete("/api/v2/dags/pipeline").await.0, StatusCode::OK);
    assert_eq!(delete("/api/v2/dags/nope").await.0, StatusCode::NOT_FOUND);
}

/// The names of the rows of a list, under this key.
fn names(answer: &Value, list: &str, key: &str) -> Vec<String> {
    let rows = answer[list].as_array().unwrap_or_else(|| panic!("{answer}"));
    rows.iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_are_narrowed_down_and_ordered_as_airflow_does() {
    let world = World::new().await;
    for run in ["a1", "b2", "c3"] {
        world.run(run).await;
    }
    let runs = "/api/v2/dags/~/dagRuns";
    for (query, expected) in [
        ("", vec!["a1", "b2", "c3"]),
        ("order_by=-id&limit=2", vec!["c3", "b2"]),
        ("order_by=-id&offset=2", vec!["a1"]),
        ("order_by=state,-run_id", vec!["c3", "b2", "a1"]),
        ("run_id_pattern=B", vec!["b2"]),
        ("conf_contains=limit&state=failed&state=running", vec!["a1", "b2", "c3"]),
        ("state=success", vec![]),
        ("run_type=scheduled", vec![]),
        ("dag_id_pattern=pipe%&dag_version=1", vec!["a1", "b2", "c3"]),
        ("triggering_user_name_pattern=nobody", vec![]),
        ("start_date_gte=2020-01-01T00:00:00Z&duration_lt=3600", vec!["a1", "b2", "c3"]),
        ("end_date_lt=2020-01-01T00:00:00Z", vec![]),
    ] {
        let answer = world.json(&format!("{runs}?{query}")).await;
        assert_eq!(names(&answer, "dag_runs", "dag_run_id"), expected, "{query}");
    }
    assert_eq!(world.json(&format!("{runs}?limit=1&state=failed")).await["total_entries"], 3);
    let instances = "/api/v2/dags/pipeline/dagRuns/~/taskInstances";
    for (query, expected) in [
        ("run_id_pattern=a1", vec!["first", "second", "third", "fourth"]),
        ("state=failed&order_by=-run_id", vec!["second", "second", "second"]),
        ("state=none", vec![]),
        ("task_id=third&task_id=fourth&run_id_pattern=a1&order_by=-task_id", vec!["third", "fourth"]),
        ("map_index=0", vec![]),
        ("try_number=1&run_id_pattern=b2&order_by=task_id", vec!["first", "fourth", "second"]),
    ] {
        let answer = world.json(&format!("{instances}?{query}")).await;
        assert_eq!(names(&answer, "task_instances", "task_id"), expected, "{query}");
    }
    for wrong in
        ["order_by=colour", "state=blue", "start_date_gte=today", "updated_at_gte=2020-01-01T00:00:00Z"]
    {
        let status = world.get(&format!("{runs}?{wrong}")).await.0;
        assert!(matches!(status.as_u16(), 400 | 422), "{wrong}: {status}");
    }
    let refused = world.get(&format!("{instances}?pool=default_pool")).await;
    assert_eq!(refused.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.1);
    let body = json!({ "pool": "default_pool" });
    let (_, refused) = world.send_json("POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list", body).await;
    assert!(refused.to_string().contains("There is no such filter"), "{refused}");
    let body = json!({"dag_ids": ["pipeline"], "states": ["failed"], "order_by": "-id", "page_limit": 1, "page_offset": 1});
    let (_, batch) = world.send_json("POST", "/api/v2/dags/~/dagRuns/list", body).await;
    assert_eq!(
        (names(&batch, "dag_runs", "dag_run_id"), &batch["total_entries"]),
        (vec!["b2".to_owned()], &json!(3))
    );
    let body = json!({"dag_run_ids": ["a1", "c3"], "task_ids": ["first"], "state": ["success"]});
    let list = "/api/v2/dags/~/dagRuns/~/taskInstances/list";
    let (_, batch) = world.send_json("POST", list, body).await;
    assert_eq!(names(&batch, "task_instances", "dag_run_id"), ["a1", "c3"]);
    let elsewhere = world.send_json("POST", "/api/v2/dags/pipeline/dagRuns/list", json!({})).await;
    assert_eq!(elsewhere.0, StatusCode::UNPROCESSABLE_ENTITY);
    world.run("list").await;
    assert_eq!(world.json("/api/v2/dags/pipeline/dagRuns/list").await["dag_run_id"], "list");
}

const MAPPED: &str = "dag_id: mapped
tasks:
  each: {operator: bash, expand: {bash_command: [echo one, exit 1]}}
  plain: {operator: empty}
";

#[tokio::test]
async fn mapped_instances_have_addresses_of_their_own() {
    let world = World::with(&[("mapped", MAPPED)]).await;
    let body = json!({"dag_run_id": "m"});
    let trigger = world.send_json("POST", "/api/v2/dags/mapped/dagRuns", body);
    let (_, state) = world.until_over("m", trigger).await;
    assert_eq!(state, "failed");
    let each = "/api/v2/dags/mapped/dagRuns/m/taskInstances/each";
    let list = world.json(&format!("{each}/listMapped?order_by=-map_index")).await;
    let places: Vec<_> =
        list["task_instances"].as_array().unwrap().iter().map(|it| it["map_index"].clone()).collect();
    assert_eq!(places, [json!(1), json!(0)]);
    let plain = world.json("/api/v2/dags/mapped/dagRuns/m/taskInstances/plain/listMapped").await;
    assert_eq!(plain["total_entries"], 0);
    assert_eq!(
        world.get("/api/v2/dags/mapped/dagRuns/m/taskInstances/no/listMapped").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(world.json(&format!("{each}/1")).await["state"], "failed");
    assert_eq!(world.json(&format!("{each}/0/tries")).await["total_entries"], 1);
    assert_eq!(world.json(&format!("{each}/1/tries/1")).await["state"], "failed");
    assert_eq!(world.json(&format!("{each}/tries/1?map_index=0")).await["state"], "success");
    assert_eq!(world.get(&format!("{each}/1/tries/7")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&format!("{each}/9")).await.0, StatusCode::NOT_FOUND);
    let mark = json!({"new_state": "success"});
    let (_, told) = world.send_json("PATCH", &format!("{each}/1/dry_run"), mark.clone()).await;
    assert_eq!(told["total_entries"], 1);
    let second = format!("{each}/1");
    assert_eq!(world.until_over("m", world.send_json("PATCH", &second, mark)).await.1, "success");
    let first = world.json("/api/v2/importErrors/1").await;
    assert_eq!(first["import_error_id"], 1);
    assert_eq!(world.get("/api/v2/importErrors/9").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn waiting_for_a_run_ends_with_its_results() {
    let world = World::new().await;
    let body = json!({"dag_run_id": "w", "conf": {"limit": 4}});
    assert_eq!(world.send_json("POST", "/api/v2/dags/pipeline/dagRuns", body).await.0, StatusCode::OK);
    let wait = "/api/v2/dags/pipeline/dagRuns/w/wait";
    let (status, text) = world.get(&format!("{wait}?interval=1&result=first&result=third")).await;
    assert_eq!(status, StatusCode::OK);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = json!({"state": "failed", "results": {"first": "4", "third": null}});
    assert_eq!(lines.last(), Some(&last));
    // It is over: one line.
    assert_eq!(world.get(&format!("{wait}?interval=0.5")).await.1, "{\"state\":\"failed\"}\n");
    for bad in ["", "?interval=0", "?interval=x"] {
        assert_eq!(world.get(&format!("{wait}{bad}")).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn a_value_is_given_from_outside_once_and_stands_in_the_history() {
    let world = World::new().await;
    world.run("r1").await;
    let entries = "/api/v2/dags/pipeline/dagRuns/r1/taskInstances/third/xcomEntries";
    let post = |body: Value| world.send_json("POST", entries, body);
    let (status, made) = post(json!({"key": "k", "value": {"a": [1]}, "map_index": -1})).await;
    assert_eq!((status, &made["value"]), (StatusCode::CREATED, &json!({"a": [1]})));
    assert_eq!(post(json!({"key": "k", "value": 2})).await.0, StatusCode::CONFLICT);
    assert_eq!(post(json!({"value": 2})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.json(&format!("{entries}/k")).await["value"], json!({"a": [1]}));
    let log = world.json("/api/v2/eventLogs?event=xcom.set").await;
    assert_eq!(log["event_logs"][0]["task_id"], "third");
}

const MAKER: &str = "dag_id: maker\ntasks: {make: {operator: empty, outlets: 's3://lake/a'}}\n";

#[tokio::test]
async fn an_asset_is_made_by_the_dag_that_makes_it() {
    let world = World::with(&[("maker", MAKER)]).await;
    let id = world.json("/api/v2/assets").await["assets"][0]["id"].clone();
    let address = format!("/api/v2/assets/{id}/materialize");
    let (status, run) = world.send_json("POST", &address, json!({"dag_run_id": "m1"})).await;
    assert_eq!((status, &run["dag_id"], &run["dag_run_id"]), (StatusCode::OK, &json!("maker"), &json!("m1")));
    let missing = world.send_json("POST", "/api/v2/assets/99/materialize", json!({})).await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pools_are_made_changed_and_removed() {
    let world = World::new().await;
    let pools = "/api/v2/pools";
    let (status, answer) = world.send_json("POST", pools, json!({ "name": "narrow", "slots": 2 })).await;
    assert_eq!((status, &answer["open_slots"]), (StatusCode::CREATED, &json!(2)));
    assert_eq!(
        world.send_json("POST", pools, json!({ "name": "narrow", "slots": 2 })).await.0,
        StatusCode::CONFLICT
    );
    let one = "/api/v2/pools/narrow";
    let (status, answer) = world.send_json("PATCH", one, json!({ "slots": -1, "description": "any" })).await;
    assert_eq!(
        (status, &answer["slots"], &answer["description"]),
        (StatusCode::OK, &json!(-1), &json!("any"))
    );
    check(&world, "pools", pools).await;
    assert_eq!(world.send_json("DELETE", one, json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.send_json("DELETE", one, json!({})).await.0, StatusCode::NOT_FOUND);
    let default = world.send_json("DELETE", "/api/v2/pools/default_pool", json!({})).await;
    assert_eq!(default.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, answer) = world.send_json("POST", pools, json!({ "slots": -2 })).await;
    assert_eq!((status, answer["detail"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 3));
}

#[tokio::test]
async fn what_is_to_come_and_why_something_waits_is_told() {
    let world = World::new().await;
    let preview = world.json("/api/dags/pipeline/preview?from=2026-01-01T12:00:00Z&count=2").await;
    insta::assert_snapshot!("preview", serde_json::to_string_pretty(&preview).unwrap());
    assert_eq!(world.get("/api/dags/pipeline/preview?from=x").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.get("/api/dags/nope/preview").await.0, StatusCode::NOT_FOUND);
    let body = json!({ "dag_run_id": "w", "conf": { "reason": "x" } });
    world.send_json("POST", "/api/v2/dags/waiting/dagRuns", body).await;
    let waiting = world.json("/api/dags/waiting/dagRuns/w/waiting").await;
    assert_eq!(
        waiting["waiting"],
        json!([{ "task_id": "after", "map_index": -1, "reason": "it waits for \"wait\"" }])
    );
    assert_eq!(world.get("/api/dags/waiting/dagRuns/nope/waiting").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn other_sites_and_unknown_addresses_are_refused() {
    let world = World::new().await;
    let request = axum::http::Request::post("/api/v2/dags/pipeline/dagRuns")
        .header("content-type", "application/json")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(world.send(request.body("{}".into()).unwrap()).await.status(), StatusCode::FORBIDDEN);
    for address in ["/api/v2/nothing", "/api/nothing", "/api/v2"] {
        let (status, text) = world.get(address).await;
        assert!(
            status == StatusCode::NOT_FOUND && text.starts_with("{\"detail\""),
            "{address}: {status} {text}"
        );
    }
    let (status, _) = world.get("/api/v2/dags?limit=x").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = world.send_json("DELETE", "/api/v2/dags", json!({})).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn addresses_and_bodies_that_cannot_be_read_are_told_in_json() {
    let world = World::new().await;
    let log = "/api/v2/dags/d/dagRuns/r/taskInstances/t/logs";
    for (address, place) in [
        ("/api/v2/eventLogs/x".to_owned(), json!(["path", "event_log_id"])),
        ("/api/v2/dags/pipeline/dagVersions/1.5".to_owned(), json!(["path", "version_number"])),
        (format!("{log}/first"), json!(["path", "try_number"])),
        ("/api/v2/dags/%FF".to_owned(), json!(["path", "dag_id"])),
        ("/api/events?after=x".to_owned(), json!(["query", "after"])),
    ] {
        let (status, text) = world.get(&address).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{address}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let fault = &answer["detail"][0];
        assert_eq!(fault["loc"], place, "{address}: {answer}");
        assert!(fault["msg"].is_string() && fault["type"].is_string(), "{address}: {answer}");
    }
    let (status, _) = world.get(&format!("{log}/1")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let large = json!({ "note": "x".repeat(17 << 20) });
    let (status, answer) = world.send_json("POST", "/api/v2/dags/pipeline/dagRuns", large).await;
    assert_eq!(
        (status, &answer["detail"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("the body is larger than 16 MiB"))
    );
    assert!(answer["detail"].is_string(), "{answer}");
}
