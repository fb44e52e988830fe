//! What schemathesis makes of the OpenAPI document: thousands of requests, well and badly formed, against a served home. None
//! may be answered with a 500, or with what the document does not say.

use crate::world::{World, until};
use std::path::Path;
use std::process::Command;

const HELLO: &str = "dag_id: hello\ntasks:\n  greet: {operator: empty}\n  ask: {operator: approval, with: {subject: May it?}}\n";

/// What is judged: that valid requests are accepted is not, since no schema says which names there are.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method";

/// These answers end with the test, or not at all.
const ENDLESS: [&str; 3] = ["stream_events", "stream_readings", "wait_dag_run_until_finished"];

/// The folder with schemathesis; none, which is said, where it is not installed.
fn schemathesis() -> Option<String> {
    let found = std::env::var("ESTEIRA_TEST_SCHEMATHESIS").ok();
    if found.is_none() {
        let text = "SKIPPED: schemathesis (ESTEIRA_TEST_SCHEMATHESIS is not set)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}

#[test]
fn no_request_is_answered_otherwise_than_the_document_says() {
    let Some(folder) = schemathesis() else { return };
    let world = World::with(&[("hello.yaml", HELLO)]);
    let made = world.run("users create fuzzing-admin --generate");
    assert_eq!(made.code, 0, "{}", made.talk);
    let token = world.run("tokens create fuzz").data.trim().to_owned();
    let server = world.serve();
    assert_eq!(world.run("trigger hello --run-id one").code, 0);
    until("it asks", || world.run("actions list").data.contains("May it?"));
    // Once with whatever names come to mind, once with those that there are.
    world.write("any.toml", b"");
    world.write("known.toml", b"[parameters]\ndag_id = \"hello\"\nrun_id = \"one\"\ntask_id = \"ask\"\n");
    for config in ["any.toml", "known.toml"] {
        let tested = run(&folder, &world.path(config), &server.url, &token);
        assert!(tested > 100, "only {tested} operations were tested");
    }
}

/// Runs it, and gives how many operations it tested; fails with what it says of a failure.
fn run(folder: &str, config: &Path, url: &str, token: &str) -> u32 {
    let mut command = Command::new("timeout");
    command
        .args(["300", "python3", "-m", "schemathesis.cli", "--config-file"])
        .arg(config)
        .args(["run", &format!("{url}/openapi.json"), "--header", &format!("Authorization: Bearer {token}")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1"])
        .args(["--checks", CHECKS, "--request-timeout", "20", "--continue-on-failure", "--warnings", "off"])
        .env("PYTHONPATH", folder);
    for name in ENDLESS {
        command.args(["--exclude-operation-id", name]);
    }
    // It keeps what it found in a folder of its own.
    let output = command.current_dir(config.parent().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    tested.and_then(|count| count.split('/').next()?.parse().ok()).unwrap_or(0)
}
