//! `run` in the foreground: its words and its exit codes.

use crate::world::World;

const GREETING: &str = r#"dag_id: greeting
description: Greets whoever is named
params:
  name: {type: string, default: world, description: Who is greeted}
  times: {type: integer, default: 1}
tasks:
  start: {operator: empty}
  greet:
    operator: bash
    depends_on: [start]
    with: {bash_command: 'echo "Hello, $NAME"', env: {NAME: "{{ params.name }}"}}
"#;

const FAILING: &str = r#"dag_id: failing
tasks:
  boom:
    operator: bash
    retries: 1
    retry_delay: 0.1s
    with: {bash_command: "echo oh no >&2; exit 3"}
  after: {operator: empty, depends_on: [boom]}
"#;

#[test]
fn a_run_that_succeeds() {
    let world = World::with(&[("greeting.yaml", GREETING)]);
    insta::assert_snapshot!(world.run("run greeting").plain());
}

#[test]
fn a_run_that_fails_is_exit_code_one() {
    let world = World::with(&[("failing.yaml", FAILING)]);
    insta::assert_snapshot!(world.run("run failing").plain());
    insta::assert_snapshot!("a_failed_run_shown", world.run("runs show failing latest").plain());
}

#[test]
fn what_cannot_run_is_exit_code_two() {
    let world = World::with(&[("greeting.yaml", GREETING)]);
    let lines = [
        "run greting",
        "run greeting --param name",
        "run greeting --param times=often",
        "run greeting --conf [1]",
        "run greeting --conf {",
        "--dags no/such run greeting",
        "--parallelism 0 run greeting",
    ];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_dag_with_faults_is_named_with_its_file() {
    let world = World::with(&[("greeting.yaml", GREETING), ("broken.yaml", "dag_id: broken\n")]);
    insta::assert_snapshot!(world.run("run broken").plain());
    assert_eq!(world.run("run greeting").code, 0, "a broken neighbour does no harm");
}

#[test]
fn params_reach_the_tasks() {
    let world = World::with(&[("greeting.yaml", GREETING)]);
    for (flag, greeting) in [("name=Rui", "Hello, Rui"), ("name=7", "Hello, 7"), ("name=true", "Hello, true")]
    {
        assert_eq!(world.run(&format!("run greeting --param {flag}")).code, 0);
        assert_eq!(world.json("xcom get greeting latest greet"), greeting);
    }
    assert_eq!(world.json("runs show greeting latest --json")["conf"]["name"], "true");
}
