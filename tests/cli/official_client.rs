//! Airflow's own client, unmodified from PyPI, against a served home: `tests/support/official_client.py` says what it does.

use crate::world::{World, typed};
use std::process::Command;

const PIPELINE: &str = r#"dag_id: client_pipeline
tags: [demo]
default_args: {owner: maria, retry_delay: 1ms}
params: {limit: {type: integer, default: 3}}
tasks:
  extract: {operator: bash, with: {bash_command: "echo {{ params.limit }} readings"}}
  load: {operator: bash, retries: 1, depends_on: extract, with: {bash_command: exit 1}}
  report: {operator: empty, depends_on: load}
"#;

const ASKS: &str = "dag_id: client_asks
tasks:
  ask: {operator: approval, with: {subject: May it?, params: {days: {type: integer, default: 1}}}}
";

const MAKER: &str = r#"dag_id: client_maker
schedule: "@daily"
start_date: 2026-01-01
tasks:
  make: {operator: empty, outlets: s3://lake/a}
"#;

const BROKEN: &str = "dag_id: broken\ntasks: {a: {operator: nope}}\n";

/// The folder with the client; none, which is said, where it is not installed.
fn client() -> Option<String> {
    let found = std::env::var("ESTEIRA_TEST_AIRFLOW_CLIENT").ok();
    if found.is_none() {
        let text = "SKIPPED: Airflow's own client (ESTEIRA_TEST_AIRFLOW_CLIENT is not set)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}

#[test]
fn airflows_own_client_does_all_that_it_does_with_airflow() {
    let Some(client) = client() else { return };
    let files =
        [("pipeline.yaml", PIPELINE), ("asks.yaml", ASKS), ("maker.yaml", MAKER), ("broken.yaml", BROKEN)];
    let world = World::with(&files);
    for line in ["users create maria --role admin", "users create victor --role viewer"] {
        assert_eq!(typed(&world, line, "correct horse\n").code, 0);
    }
    let server = world.serve();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/official_client.py");
    let output = Command::new("timeout")
        .args(["120", "python3", script, &server.url])
        .env("PYTHONPATH", client)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let calls: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(calls >= 60, "only {calls} calls were made");
}
