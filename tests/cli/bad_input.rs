//! Settings and services that are not as they should be.

use crate::world::World;

#[test]
fn a_service_that_is_down_is_named_without_its_password() {
    let dag = r#"dag_id: store
tasks:
  keep: {operator: store_readings, with: {records: [{date: 10/03/2004, time: 18.00.00, CO: 2.6}]}}
"#;
    let world = World::with(&[("store.yaml", dag)]);
    let mut command = world.esteira("run store");
    command.env("ESTEIRA_CONN_REDIS_DEFAULT", "redis://:hunter2@127.0.0.1:1/0");
    let said = world.said(command.output().unwrap());
    assert_eq!(said.code, 1, "{}", said.talk);
    assert!(said.talk.contains("Redis at 127.0.0.1:1 refused the connection"), "{}", said.talk);
    let logs = world.run("logs store latest keep");
    for text in [
        &said.talk,
        &logs.data,
        &world.run("runs show store latest").data,
        &world.run("audit list --json").data,
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn settings_that_cannot_be_read() {
    let world = World::with(&[("a.yaml", "dag_id: a\ntasks:\n  t: {operator: empty}\n")]);
    world.write("file", b"");
    world.write("wrong.toml", b"home = \"x\"\nhoome = \"y\"\n");
    world.write("secret.toml", b"[connections]\nredis_default = \"redis://:hunter2@h\" oops\n");
    let lines = [
        "--home file run a",
        "--home file runs list",
        "--config no.toml dags list",
        "--config wrong.toml dags list",
        "--config secret.toml dags list",
        "serve --listen here",
    ];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    let all = all.join("\n\n");
    assert!(!all.contains("hunter2"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn a_connection_that_is_no_url_is_named() {
    let world = World::empty();
    let mut command = world.esteira("sample --rows 0");
    command.env("ESTEIRA_CONN_KAFKA_DEFAULT", "localhost");
    insta::assert_snapshot!(world.said(command.output().unwrap()).plain());
}
