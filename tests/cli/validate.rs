//! `validate` on good, broken and impossible files.

use crate::world::World;

const GOOD: &str = "dag_id: good\ntasks:\n  a: {operator: empty}\n  b: {operator: empty, depends_on: [a]}\n";

const BROKEN: &str = r#"dag_id: broken
schdule: "@daily"
tasks:
  load: {operator: bsh, with: {bash_command: ls}}
  clean: {operator: empty, depends_on: [laod]}
  report: {operator: bash, with: {command: ls}}
"#;

#[test]
fn good_files() {
    let world = World::with(&[("good.yaml", GOOD), ("other.yml", &GOOD.replace("good", "other"))]);
    insta::assert_snapshot!(world.run("validate").plain());
    let document = world.json("validate --json");
    assert_eq!(document["ok"], true);
    assert_eq!(document["dags"][1]["dag_id"], "other");
}

#[test]
fn broken_files_name_every_fault() {
    let twin = format!("# The same again.\n{GOOD}");
    let world = World::with(&[("broken.yaml", BROKEN), ("good.yaml", GOOD), ("twin.yaml", &twin)]);
    insta::assert_snapshot!(world.run("validate").plain());
    let document: serde_json::Value = serde_json::from_str(&world.run("validate --json").data).unwrap();
    assert_eq!((&document["ok"], document["errors"].as_u64()), (&serde_json::json!(false), Some(6)));
    assert_eq!(document["diagnostics"][0]["code"], "unknown-key");
    assert_eq!(world.run("validate dags/good.yaml").code, 0, "a named file is checked alone");
}

#[test]
fn what_is_no_dag_at_all() {
    let world = World::with(&[]);
    world.write("dags/latin.yaml", b"dag_id: caf\xe9");
    world.write("dags/huge.yaml", &vec![b'x'; 50 * 1024 * 1024]);
    world.write("dags/nothing.yaml", b"");
    insta::assert_snapshot!(world.run("validate").plain());
}

#[test]
fn a_missing_and_an_empty_folder() {
    let world = World::empty();
    std::fs::create_dir(world.path("empty")).unwrap();
    let all: Vec<String> =
        ["validate", "validate empty", "validate no/such.yaml", "--dags empty dags list", "dags list"]
            .iter()
            .map(|line| format!("$ esteira {line}\n{}", world.run(line).plain()))
            .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}
