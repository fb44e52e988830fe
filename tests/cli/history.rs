//! The commands that look at what was: in a home with runs, and in one without.

use crate::world::World;

const DAG: &str = r#"dag_id: report
description: Counts words
schedule: "0 6 * * *"
start_date: 2024-01-01
tags: [example]
is_paused_upon_creation: true
params:
  text: {type: string, default: one two three, description: What is counted}
tasks:
  split:
    operator: bash
    retries: 2
    execution_timeout: 5m
    with: {bash_command: 'echo "counting words"; echo 3'}
  left: {operator: empty, depends_on: [split]}
  right: {operator: empty, depends_on: [split]}
  publish: {operator: empty, depends_on: [left, right]}
"#;

fn world() -> World {
    let world = World::with(&[("report.yaml", DAG)]);
    let said = world.run("run report");
    assert_eq!(said.code, 0, "{}", said.talk);
    world
}

fn all(world: &World, lines: &[&str]) -> String {
    let say = |line: &&str| format!("$ esteira {line}\n{}", world.run(line).plain());
    lines.iter().map(say).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn runs_logs_and_values() {
    let world = world();
    let lines = [
        "runs list",
        "runs list --dag report --state failed",
        "runs show report latest",
        "logs report latest split",
        "logs report latest left",
        "xcom list report latest",
        "xcom get report latest split",
    ];
    insta::assert_snapshot!(all(&world, &lines));
}

#[test]
fn dags_listed_shown_and_drawn() {
    let world = world();
    let shown = all(
        &world,
        &["dags show report", "dags graph report", "dags graph report --dot", "dags graph report --mermaid"],
    );
    insta::assert_snapshot!(shown);
    let list = world.run("dags list").data;
    assert!(list.lines().nth(1).unwrap().starts_with("report  paused  0 6 * * *  success"), "{list}");
    let graph = world.json("dags graph report --json");
    assert_eq!((graph["tasks"][3]["level"].as_u64(), graph["edges"].as_array().unwrap().len()), (Some(2), 4));
}

#[test]
fn names_that_are_not_there_get_a_hint() {
    let world = world();
    let lines = [
        "runs show reprot latest",
        "runs show report nope",
        "runs list --dag nope",
        "dags show reprot",
        "logs report latest splot",
        "logs report latest split --try 2",
        "logs report latest split --map-index 1",
        "xcom get report latest left",
        "xcom get report latest split --key return_vale",
        "runs cancel report latest",
        "audit list --run latest",
    ];
    insta::assert_snapshot!(all(&world, &lines));
}

#[test]
fn a_home_without_runs_says_so() {
    let world = World::with(&[("report.yaml", DAG)]);
    let lines = [
        "runs list",
        "logs report latest split",
        "audit verify",
        "trigger report",
        "dags pause report",
        "dags list --tag nope",
    ];
    insta::assert_snapshot!(all(&world, &lines));
    assert!(!world.path(".esteira").exists(), "looking makes no home");
    assert!(world.run("dags list").data.contains("never"), "DAGs are known without a home");
}

#[test]
fn documents_have_stable_keys() {
    let world = world();
    let keys =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let run = world.json("runs show report latest --json");
    let dag = world.json("dags show report --json");
    let documents = [
        ("runs list", keys(&world.json("runs list --json"))),
        ("runs show", keys(&run)),
        ("its task", keys(&run["tasks"][0])),
        ("its attempt", keys(&run["tasks"][0]["attempts"][0])),
        ("dags list", keys(&world.json("dags list --json"))),
        ("dags show", keys(&dag)),
        ("its task", keys(&dag["tasks"][0])),
        ("xcom list", keys(&world.json("xcom list report latest --json"))),
        ("audit list", keys(&world.json("audit list --json")["events"][0])),
        ("audit verify", keys(&world.json("audit verify --json"))),
        ("validate", keys(&world.json("validate --json"))),
    ];
    let text: Vec<String> = documents.iter().map(|(name, keys)| format!("{name}: {keys}")).collect();
    insta::assert_snapshot!(text.join("\n"));
    let line = world.run("logs report latest split --json").data;
    let first: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "counting words");
}
