//! What goes through the engine that serves the home.

use crate::world::{World, until};
use std::process::Stdio;
use std::time::Duration;

const SLOW: &str = r#"dag_id: slow
params:
  seconds: {type: number, default: 30}
tasks:
  wait:
    operator: bash
    with: {bash_command: 'echo began; sleep "$SECONDS_TO_WAIT"; echo done', env: {SECONDS_TO_WAIT: "{{ params.seconds }}"}}
  after: {operator: empty, depends_on: [wait]}
"#;

fn state(world: &World, run_id: &str) -> String {
    world.json(&format!("runs show slow {run_id} --json"))["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_is_triggered_followed_and_cancelled() {
    let world = World::with(&[("slow.yaml", SLOW)]);
    let server = world.serve();
    let plain = |line: &str| world.run(line).plain().replace(&server.url, "[server]");

    insta::assert_snapshot!("triggered", plain("trigger slow --run-id one --param seconds=0.5 --wait"));
    let run = world.json("runs show slow one --json");
    assert_eq!((run["triggered_by"].as_str(), run["triggering_user"].as_str()), (Some("cli"), Some("ana")));

    assert_eq!(world.run("trigger slow --run-id two").code, 0);
    until("the task begins", || world.run("logs slow two wait").data.contains("began"));
    insta::assert_snapshot!("cancelled", plain("runs cancel slow two"));
    until("the run ends", || state(&world, "two") == "failed");
    insta::assert_snapshot!("cancelled_run", plain("runs show slow two"));

    assert_eq!(world.run("trigger slow --run-id three --param seconds=1").code, 0);
    let followed = world.run("logs slow three wait --follow");
    assert_eq!((followed.code, followed.data.lines().count()), (0, 2), "{}", followed.data);

    insta::assert_snapshot!("paused", plain("dags pause slow"));
    assert_eq!(world.json("dags show slow --json")["is_paused"], true);
    assert_eq!(world.run("dags unpause slow").code, 0);
    assert_eq!(world.json("dags show slow --json")["is_paused"], false);

    let lines = [
        "trigger slow --run-id one",
        "trigger slow --run-id a/b",
        "trigger slow --param seconds=x",
        "trigger nope",
        "dags pause nope",
        "runs cancel slow nope",
    ];
    let all: Vec<String> = lines.iter().map(|line| format!("$ esteira {line}\n{}", plain(line))).collect();
    insta::assert_snapshot!("refused", all.join("\n\n"));
}

const ASKING: &str = r#"dag_id: asking
tasks:
  ask:
    operator: approval
    with: {subject: May it be published?, params: {days: {type: integer, maximum: 9, default: 1}}}
  after: {operator: empty, depends_on: [ask]}
"#;

#[test]
fn what_a_task_asks_is_listed_and_answered() {
    let world = World::with(&[("asking.yaml", ASKING)]);
    let _server = world.serve();
    assert_eq!(world.run("actions list").talk.trim(), "nothing waits for an answer");
    assert_eq!(world.run("trigger asking --run-id one").code, 0);
    until("it asks", || world.run("actions list").data.contains("May it"));
    let lines = [
        "actions list",
        "actions respond asking one ask Maybe",
        "actions respond asking one ask Approve -p days=10",
        "actions respond asking one after Approve",
        "actions respond asking one ask Approve -p days=3",
        "actions respond asking one ask Approve",
        "actions list --all",
    ];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    insta::assert_snapshot!("actions", all.join("\n\n"));
    until("the run ends", || world.json("runs show asking one --json")["state"] == "success");
    let result = world.json("xcom get asking one ask");
    assert_eq!(
        (&result["responded_by_user"]["name"], &result["params_input"]["days"]),
        (&"ana".into(), &3.into())
    );
}

const FLAKY: &str = r#"dag_id: flaky
schedule: "30 2 * * *"
timezone: Europe/Rome
timetable: data_interval
start_date: 2026-03-28
missed: last
is_paused_upon_creation: true
tasks:
  prepare: {operator: empty}
  work:
    operator: bash
    depends_on: [prepare]
    pool: narrow
    with: {bash_command: 'test -e "$GATE"', env: {GATE: "{{ params.gate }}"}}
  after: {operator: empty, depends_on: [work]}
params: {gate: {type: string}}
"#;

#[test]
fn a_run_waits_for_its_pool_fails_is_cleared_and_marked_and_the_schedule_is_foretold() {
    let world = World::with(&[("flaky.yaml", FLAKY)]);
    let server = world.serve();
    let plain = |line: &str| {
        format!("$ esteira {line}\n{}", world.run(line).plain().replace(&server.url, "[server]"))
    };
    let state = || world.json("runs show flaky one --json")["state"].as_str().unwrap().to_owned();

    let gate = world.path("gate");
    assert_eq!(world.run(&format!("trigger flaky --run-id one --param gate={}", gate.display())).code, 0);
    let mut told = vec![plain("pools list"), plain("pools set narrow 2 --description few")];
    until("the run fails", || state() == "failed");
    told.push(plain("pools list"));
    told.push(plain("runs clear flaky one --only-failed --dry-run"));
    std::fs::write(&gate, "").unwrap();
    told.push(plain("runs clear flaky one --only-failed"));
    until("the run succeeds", || state() == "success");
    told.push(plain("runs mark flaky one work --as failed --dry-run"));
    told.push(plain("runs mark flaky one --as failed"));
    told.push(plain("runs mark flaky one --as skipped"));
    told.push(plain("runs clear flaky one nope"));
    told.push(plain("runs clear flaky one --past"));
    for day in ["2026-03-01", "2026-03-02"] {
        let trigger =
            format!("trigger flaky --run-id of-{day} --logical-date {day} --param gate={}", gate.display());
        assert_eq!(world.run(&trigger).code, 0);
        until("the run succeeds", || {
            world.json(&format!("runs show flaky of-{day} --json"))["state"] == "success"
        });
    }
    told.push(plain("runs clear flaky of-2026-03-02 after --past --dry-run"));
    told.push(plain("runs clear flaky of-2026-03-02 --only-running"));
    let mended = FLAKY.replace("  after:", "  again: {operator: empty}\n  after:");
    world.write("dags/flaky.yaml", mended.as_bytes());
    let newest = "runs clear flaky one after --latest-version --dry-run";
    until("the new version is there", || world.run(newest).plain().contains("again"));
    told.push(plain(newest));
    told.push(plain("runs clear flaky one after --latest-version"));
    until("the run succeeds", || state() == "success");
    told.push(plain("runs mark flaky one --as failed"));
    told.push(plain("pools remove narrow"));
    told.push(plain("pools remove default_pool"));
    told.push(plain("dags preview flaky --from 2026-03-28T12:00:00Z --count 3"));
    told.push(plain("dags preview flaky --from 2026-03-28T12:00:00Z --count 1 --json"));
    told.push(plain("dags preview flaky --from noon"));
    insta::assert_snapshot!("rerun_and_pools", told.join("\n\n"));
    assert_eq!(state(), "failed");
}

const PARENT: &str = r#"dag_id: parent
tasks:
  start:
    operator: trigger_dag
    with: {trigger_dag_id: slow, wait_for_completion: true, conf: {seconds: "{{ params.seconds }}"}}
  alone:
    operator: trigger_dag
    with: {trigger_dag_id: slow, trigger_run_id: "alone_{{ run_id }}", cancel_with_parent: false, conf: {seconds: 0.5}}
params: {seconds: 30}
"#;

#[test]
fn a_run_waits_for_the_one_that_it_starts_and_takes_it_along_when_it_is_cancelled() {
    let world = World::with(&[("slow.yaml", SLOW), ("parent.yaml", PARENT)]);
    let _server = world.serve();
    let parent = |run_id: &str| world.json(&format!("runs show parent {run_id} --json"));
    let child = || {
        let runs = world.json("runs list --dag slow --json");
        let is_made =
            |run: &&serde_json::Value| run["run_id"].as_str().unwrap().starts_with("operator_triggered");
        runs["runs"].as_array().unwrap().iter().find(is_made).cloned()
    };
    assert_eq!(world.run("trigger parent --run-id one").code, 0);
    until("the other run begins", || child().is_some_and(|run| run["state"] == "running"));
    until("the task waits", || parent("one")["tasks"][0]["state"] == "up_for_reschedule");

    assert_eq!(world.run("runs cancel parent one").code, 0);
    until("both end", || parent("one")["state"] == "failed" && child().unwrap()["state"] == "failed");
    until("the other goes on", || state(&world, "alone_one") == "success");

    assert_eq!(world.run("trigger parent --run-id two --param seconds=1 --wait").code, 0);
    assert_eq!(parent("two")["tasks"][0]["state"], "success");
    assert_eq!(parent("two")["tasks"][0]["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(world.run("audit verify").code, 0);
}

const DAILY: &str = r#"dag_id: daily
schedule: "@daily"
is_paused_upon_creation: true
params: {size: 1}
tasks: {work: {operator: bash, with: {bash_command: 'test "{{ ds }} {{ params.size }}" != "2026-01-02 2"'}}}
"#;

const CONSUMER: &str = r#"dag_id: consumer
schedule: {assets: [orders, customers]}
max_active_runs: 1
tasks:
  read:
    operator: python
    with: {args: "{{ triggering_asset_events }}", code: "result = {k: [e['extra'].get('n') for e in v] for k, v in args.items()}"}
"#;

#[test]
fn a_dag_runs_for_the_updates_of_its_assets_and_loses_none() {
    let producer = "dag_id: producer\ntasks: {write: {operator: empty, outlets: [orders]}}\n";
    let world = World::with(&[("producer.yaml", producer), ("consumer.yaml", CONSUMER)]);
    let server = world.serve();
    let plain = |line: &str| {
        format!("$ esteira {line}\n{}", world.run(line).plain().replace(&server.url, "[server]"))
    };
    let runs = || world.json("runs list --dag consumer --json")["runs"].as_array().unwrap().clone();
    assert_eq!(world.run("trigger producer --run-id one --wait").code, 0);
    for number in 1..=3 {
        assert!(runs().is_empty(), "customers was not updated yet");
        assert_eq!(world.run(&format!("assets update orders --extra {{\"n\":{number}}}")).code, 0);
    }
    let told = [
        plain("assets list"),
        plain("assets update customers"),
        plain("assets update orders --extra nothing"),
    ];
    insta::assert_snapshot!("assets", told.join("\n\n"));
    until("the run ends", || runs().first().is_some_and(|run| run["state"] == "success"));
    let run = &runs()[0];
    assert_eq!(
        (run["run_type"].as_str(), run["triggered_by"].as_str()),
        (Some("asset_triggered"), Some("asset"))
    );
    let read = world.json(&format!("xcom get consumer {} read", run["run_id"].as_str().unwrap()));
    assert_eq!(read, serde_json::json!({"customers": [null], "orders": [null, 1, 2, 3]}));
    assert_eq!(world.json("assets events orders --json").as_array().unwrap().len(), 4);
    assert_eq!(world.run("audit verify").code, 0);
}

#[tokio::test]
async fn a_webhook_starts_runs_for_whoever_has_its_secret() {
    let world = World::with(&[("daily.yaml", DAILY)]);
    let server = world.serve();
    // Another test of this process may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secret = world.run("dags webhook daily").data.trim().to_owned();
    assert!(secret.len() >= 32, "{secret}");
    let call = |secret: String, body: &'static str| {
        let address = format!("{}/hooks/daily", server.url);
        async move {
            let request = reqwest::Client::new().post(address).bearer_auth(secret).body(body);
            request.send().await.unwrap().status().as_u16()
        }
    };
    assert_eq!(call("wrong".to_owned(), "").await, 401);
    assert_eq!(call(secret.clone(), "nonsense").await, 400);
    assert_eq!(call(secret.clone(), r#"{"size": "large"}"#).await, 422);
    assert_eq!(call(secret.clone(), r#"{"size": 3}"#).await, 202);
    let run = world.json("runs list --dag daily --json")["runs"][0].clone();
    assert_eq!((run["triggering_user"].as_str(), run["conf"]["size"].as_i64()), (Some("webhook"), Some(3)));
    let renewed = world.run("dags webhook daily").data.trim().to_owned();
    assert_eq!((call(secret.clone(), "").await, call(renewed.clone(), "").await), (401, 202));
    assert_eq!(world.run("dags webhook daily --remove").code, 0);
    assert_eq!(call(renewed.clone(), "").await, 401);
    let database = std::fs::read(world.path(".esteira").join("esteira.db")).unwrap();
    let history = world.run("audit list --limit 200 --json").data;
    for secret in [&secret, &renewed] {
        assert!(!history.contains(secret.as_str()), "the secret is in the history");
        assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()), "the secret is kept");
    }
}

#[test]
fn a_range_of_the_past_is_backfilled() {
    let world = World::with(&[("daily.yaml", DAILY)]);
    let server = world.serve();
    let plain = |line: &str| {
        format!("$ esteira {line}\n{}", world.run(line).plain().replace(&server.url, "[server]"))
    };
    let count = || world.json("runs list --dag daily --json")["runs"].as_array().unwrap().len();
    let is_done = || world.json("backfills list --json")[0]["completed_at"].is_string();
    let range = "--from 2026-01-01 --to 2026-01-03";
    let conf = "--conf {\"size\":2}";
    let mut told = vec![
        plain(&format!("backfills create daily {range} --dry-run")),
        plain(&format!("backfills create daily {range} {conf} --max-active-runs 1 --newest-first")),
    ];
    until("the backfill ends", || is_done() && count() == 3);
    until("its runs end", || world.run("runs list --state running").data.trim().is_empty());
    told.push(plain(&format!("backfills create daily {range}")));
    told.push(plain(&format!("backfills create daily {range} --reprocess failed --dry-run")));
    told.push(plain("backfills cancel 1"));
    told.push(plain("backfills pause 9"));
    told.push(plain("backfills create daily --from 2026-01-03 --to 2026-01-01"));
    told.push(plain("backfills create nope --from 2026-01-01 --to 2026-01-01"));
    insta::assert_snapshot!("backfills", told.join("\n\n"));
    assert!(plain("backfills list").contains("daily  done"));
    assert_eq!(world.run("audit verify").code, 0);
}

#[test]
fn a_home_in_use_and_a_port_in_use_are_named() {
    let world = World::with(&[("slow.yaml", SLOW)]);
    let server = world.serve();
    let plain = |said: crate::world::Said| {
        said.plain()
            .replace(&server.url, "[server]")
            .replace(server.address(), "[address]")
            .replace(&format!("process {}", server.pid()), "process [pid]")
    };
    insta::assert_snapshot!("home_in_use", plain(world.run("run slow")));
    let listen = format!("--home other serve --listen {}", server.address());
    insta::assert_snapshot!("port_in_use", plain(world.run(&listen)));
    assert!(!world.path("other").exists(), "a port in use costs no home");
}

#[test]
fn a_server_that_is_not_there() {
    let world = World::with(&[("slow.yaml", SLOW)]);
    let lines = [
        "trigger slow --server http://127.0.0.1:1",
        "trigger slow --server here",
        "trigger slow --server ftp://host",
    ];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn variables_and_connections_are_set_with_and_without_a_server() {
    let world = World::with(&[(
        "reads.yaml",
        "dag_id: reads\ntasks:\n  show:\n    operator: bash\n    with:\n      bash_command: echo \"$LIMIT $TOKEN $HOST\"\n      \
         env: {LIMIT: '{{ var.value.limit }}', TOKEN: '{{ var.value.api_token }}', HOST: '{{ conn.warehouse.host }}'}\n",
    )]);
    let plain = |line: &str| format!("$ esteira {line}\n{}", world.run(line).plain());
    let mut told = vec![
        plain("variables list"),
        plain("variables set limit 12 --description few"),
        plain("variables set api_token s3cr3t-t0ken"),
        plain("connections set warehouse postgresql://ana:hunter2pw@127.0.0.1:1/air"),
        plain("variables list"),
        plain("variables get limit"),
        plain("variables get api_token"),
        plain("variables get api_token --show-secret"),
        plain("variables get nope"),
        plain("connections list"),
        plain("connections test warehouse"),
        plain("connections set broken //user:hunter2pw@"),
        plain("secrets rotate"),
    ];
    assert_eq!(world.run("run reads").code, 0);
    assert!(world.run("logs reads latest show").data.contains("12 *** 127.0.0.1"));
    told.push(plain("variables export variables.json"));
    told.push(plain("connections export connections.json"));
    let server = world.serve();
    told.push(plain("variables remove limit api_token"));
    told.push(plain("variables remove limit"));
    told.push(plain("variables import variables.json"));
    told.push(plain("connections import connections.json"));
    told.push(plain("connections remove warehouse"));
    told.push(plain("secrets rotate"));
    told.push(plain("variables list --json"));
    drop(server);
    insta::assert_snapshot!("secrets", told.join("\n\n"));
    assert_eq!(world.run("audit verify").code, 0);
}

#[test]
fn what_is_not_on_the_first_page_of_a_list_is_known() {
    let world = World::with(&[("daily.yaml", DAILY)]);
    let many = |value: &str| {
        let pair = |number: u32| (format!("key_{number:03}"), serde_json::json!(value));
        serde_json::Value::Object((0..120).map(pair).collect()).to_string()
    };
    world.write("variables.json", many("old").as_bytes());
    world.write("connections.json", many("redis://old").as_bytes());
    assert_eq!(world.run("variables import variables.json").code, 0);
    assert_eq!(world.run("connections import connections.json").code, 0);
    let server = world.serve();
    for line in [
        "variables set key_119 new",
        "connections set key_119 redis://new",
        "pools set key_119 1",
        "pools set key_119 2",
    ] {
        let said = world.run(&format!("{line} --server {}", server.url));
        assert_eq!(said.code, 0, "{line}: {}", said.talk);
    }
    assert!(world.run("variables get key_119").data.contains("new"));
    let pools = world.json("pools list --json");
    let mut pools = pools.as_array().unwrap().iter();
    assert_eq!(pools.find(|pool| pool["name"] == "key_119").unwrap()["slots"], 2);
}

#[test]
fn who_waits_for_a_run_bears_that_the_server_is_started_anew() {
    let world = World::with(&[("slow.yaml", SLOW)]);
    let server = world.serve();
    let address = server.address().to_owned();
    let elsewhere = World::empty();
    let line = format!("trigger slow --run-id one -p seconds=2 --wait --server {}", server.url);
    let waiting = elsewhere.esteira(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the task begins", || world.run("logs slow one wait").data.contains("began"));
    drop(server);
    std::thread::sleep(Duration::from_millis(1500));
    let server = world.serve_with(&address, &[]);
    let said = elsewhere.said(waiting.wait_with_output().unwrap());
    assert_eq!((said.code, said.data.trim()), (0, "one"), "{}", said.talk);
    assert!(
        said.talk.contains("it is asked again") && said.talk.contains("run slow/one succeeded"),
        "{}",
        said.talk
    );
    let line = format!("trigger slow --run-id two --wait --server {}", server.url);
    let waiting = elsewhere.esteira(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the run begins", || world.run("logs slow two wait").data.contains("began"));
    assert_eq!(world.run("runs cancel slow two").code, 0);
    let said = elsewhere.said(waiting.wait_with_output().unwrap());
    assert_eq!((said.code, said.data.trim()), (1, "two"), "{}", said.talk);
}

#[test]
fn a_param_that_takes_a_string_gets_one_on_another_machine_too() {
    let dag = "dag_id: greet\nparams: {name: {type: [string, 'null']}, often: {type: integer}}\ntasks: {a: {operator: empty}}\n";
    let world = World::with(&[("greet.yaml", dag)]);
    let server = world.serve();
    let line = format!("trigger greet --run-id one -p name=5 -p often=5 --wait --server {}", server.url);
    let said = World::empty().run(&line);
    assert_eq!(said.code, 0, "{}", said.talk);
    assert_eq!(
        world.json("runs show greet one --json")["conf"],
        serde_json::json!({"name": "5", "often": 5})
    );
}
