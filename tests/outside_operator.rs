//! `examples/operator`: a program outside of the workspace that is Esteira with an operator of its own. It is built here, and
//! does what docs/guide/own_operators.md says.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Builds it with what the workspace has built, and gives its path.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = root.join("examples/operator");
    // The versions are the workspace's, which have been fetched already.
    std::fs::copy(root.join("Cargo.lock"), example.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--target-dir"])
        .arg(&target)
        .current_dir(&example)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/my-esteira")
}

#[test]
fn an_operator_from_outside_is_listed_checked_run_and_in_the_schema() {
    let program = build();
    let folder = tempfile::tempdir().unwrap();
    let dags = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/operator/dags");
    let run = |line: &str| -> Output {
        let mut command = Command::new(&program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ESTEIRA_")) {
            command.env_remove(name);
        }
        let command = command.args(line.split_whitespace()).current_dir(folder.path());
        command.env("ESTEIRA_DAGS", &dags).output().unwrap()
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text(&run("operators list")).contains("The mean of a list of numbers."));
    assert!(text(&run("operators show mean")).contains("How many digits"));
    let schema: Value = serde_json::from_slice(&run("schema").stdout).unwrap();
    assert_eq!(schema["definitions"]["with_mean"]["properties"]["digits"]["default"], 2);
    let ran = run("run mean_example");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(text(&run("xcom get mean_example latest mean")).trim(), "2.175");
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, "dag_id: w\ntasks: {a: {operator: mean, with: {numbers: [1], digits: 99}}}\n")
        .unwrap();
    let checked = run("validate wrong.yaml");
    assert!(text(&checked).contains("`digits` is 15 at the most"), "{}", text(&checked));
}
