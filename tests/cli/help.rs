//! What a newcomer reads first.

use crate::world::World;

#[test]
fn the_help_shows_the_commands_in_groups() {
    insta::assert_snapshot!(World::empty().run("--help").plain());
}

#[test]
fn no_command_shows_the_help() {
    let said = World::empty().run("");
    assert_eq!(said.code, 2);
    assert!(said.talk.contains("demo"), "{}", said.talk);
}

#[test]
fn subcommands_have_help() {
    let world = World::empty();
    let lines = [
        "run --help",
        "trigger --help",
        "dags --help",
        "runs --help",
        "logs --help",
        "audit list --help",
        "users create --help",
        "tokens create --help",
    ];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ esteira {line}\n{}", world.run(line).plain())).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn wrong_usage_is_exit_code_two_with_a_suggestion() {
    let world = World::empty();
    let all: Vec<String> = ["rnu x", "run", "runs list --state done", "sample --rows many"]
        .iter()
        .map(|line| format!("$ esteira {line}\n{}", world.run(line).plain()))
        .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}
