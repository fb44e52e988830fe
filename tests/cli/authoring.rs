//! What helps while a DAG is written: `init`, `schema`, `operators`, `tasks render`.

use crate::world::World;
use esteira_core::spec::{Source, to_json};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn shipped() -> Vec<PathBuf> {
    let dags = Path::new(env!("CARGO_MANIFEST_DIR")).join("dags");
    let of = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    of(&dags)
        .chain(of(&dags.join("examples")))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect()
}

#[test]
fn the_schema_beside_the_dags_is_that_of_this_program() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/dag.schema.json");
    let printed = World::empty().run("schema").data;
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        std::fs::write(&file, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept == printed, "the schema has changed: esteira schema -o dags/dag.schema.json");
}

#[test]
fn every_shipped_dag_names_the_schema_and_fits_it() {
    let schema: Value = serde_json::from_str(&World::empty().run("schema").data).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let files = shipped();
    assert!(files.len() >= 25, "only {} DAGs", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let named = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=");
        let path = file.parent().unwrap().join(named.unwrap_or_else(|| panic!("{}", file.display())));
        assert!(path.is_file(), "{} names {}", file.display(), path.display());
        let document = to_json(Source { name: "dag", text: &text }).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
}

#[test]
fn operators_are_listed_and_shown() {
    let world = World::empty();
    let all: Vec<String> = ["operators list", "operators show bash", "operators show bsh"]
        .iter()
        .map(|line| format!("$ esteira {line}\n{}", world.run(line).plain()))
        .collect();
    insta::assert_snapshot!(all.join("\n\n"));
    let document = world.json("operators show bash --json");
    assert_eq!(document["arguments"][0]["name"], "bash_command");
}

#[test]
fn a_newcomer_begins_with_init() {
    let world = World::empty();
    let said = world.run("init");
    assert_eq!(said.code, 0, "{}", said.talk);
    insta::assert_snapshot!(said.plain());
    assert_eq!(world.run("validate").code, 0);
    assert_eq!(world.run("run first -p name=Ana").code, 0);
    assert_eq!(world.json("xcom get first latest shout"), "HELLO, ANA!");
    let again = world.run("init");
    assert_eq!(again.code, 2, "{}", again.talk);
    assert!(again.talk.contains("is there already"), "{}", again.talk);
}

const DAG: &str = r#"
dag_id: report
params: {day: {type: integer, default: 3, minimum: 1}}
tasks:
  fetch:
    operator: bash
    with: {bash_command: "echo {{ params.day }}", env: {TOKEN: "{{ var.value.api_token }}", DAY: "{{ ds | default('none') }}"}}
  each:
    operator: bash
    depends_on: fetch
    expand: {bash_command: [echo a, echo b]}
    with: {env: {FROM: "{{ ti.xcom_pull('fetch') }}"}}
"#;

#[test]
fn tasks_are_rendered_without_being_run() {
    let world = World::with(&[("report.yaml", DAG)]);
    assert_eq!(world.run("variables set api_token hush-hush-9").code, 0);
    let lines = [
        "tasks render report fetch --logical-date 2024-03-01T00:00:00Z -p day=7",
        "tasks render report each --map-index 1",
        "tasks render report each --map-index 2",
        "tasks render report fetch -p day=0",
        "tasks render report ftch",
    ];
    let mut all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    assert!(!world.run("runs list").data.contains("report"), "nothing has run");
    assert_eq!(world.run("run report").code, 0);
    let line = "tasks render report each --run latest --map-index 1";
    all.push(format!("$ esteira {line}\n{}", world.run(line).plain()));
    insta::assert_snapshot!(all.join("\n\n"));
    assert!(!all.join("").contains("hush"));
    let document = world.json("tasks render report each --run latest --map-index 1 --json");
    assert_eq!(document["arguments"]["env"]["FROM"], "3");
}
