//! The example DAGs: each is valid, and runs to the end that its own file says. A line `# expect: run success` there is the
//! state of the run, `# expect: task[2] skipped` that of a task instance, `# expect: task:on_failure_callback success` that
//! of a notification (`run:` for one about the run). `# needs: VARIABLE` names what a machine may lack: without that in the
//! environment the file is only validated; `# run: …` are further flags of the run, with variables in them.

use crate::world::World;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/examples")
}

/// What a file says it will come to: the state of the run under "run", and that of each task instance under its name.
fn expected(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# expect: "));
    lines
        .map(|line| {
            let (name, state) =
                line.split_once(' ').unwrap_or_else(|| panic!("# expect: NAME STATE, not {line}"));
            (name.to_owned(), state.trim().to_owned())
        })
        .collect()
}

fn came_to(world: &World, dag_id: &str) -> BTreeMap<String, String> {
    let run = world.json(&format!("runs show {dag_id} latest --json"));
    let mut states = BTreeMap::from([("run".to_owned(), run["state"].as_str().unwrap().to_owned())]);
    for task in run["tasks"].as_array().unwrap() {
        let task_id = task["task_id"].as_str().unwrap();
        let name = match task["map_index"].as_i64() {
            Some(map_index) if map_index >= 0 => format!("{task_id}[{map_index}]"),
            _ => task_id.to_owned(),
        };
        states.insert(name, task["state"].as_str().unwrap_or("none").to_owned());
    }
    for told in run["notifications"].as_array().unwrap() {
        let name = format!("{}:{}", told["about"].as_str().unwrap(), told["callback"].as_str().unwrap());
        states.insert(name, told["state"].as_str().unwrap().to_owned());
    }
    states
}

/// The text with the environment's values for `$NAME`.
fn with_variables(text: &str) -> String {
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("ESTEIRA_TEST_"));
    variables.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), &value))
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let dag_id = text.lines().find_map(|line| line.strip_prefix("dag_id: ")).unwrap();
    let world = World::empty();
    let folder = examples();
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    if let Some(needed) = line("# needs: ").filter(|name| std::env::var_os(name).is_none()) {
        eprintln!("NOT TRIED: {} ({needed} is not set)", file.display());
        return;
    }
    let flags = line("# run: ").map(with_variables).unwrap_or_default();
    let said = world.run(&format!("--dags {} run {dag_id} {flags}", folder.display()));
    let (expected, found) = (expected(&text), came_to(&world, dag_id));
    assert_eq!(found, expected, "{}\n{}", file.display(), said.talk);
    assert_eq!(said.code, i32::from(found["run"] == "failed"), "{}", said.talk);
    assert_eq!(world.run("audit verify").code, 0, "{}", file.display());
}

#[test]
fn every_example_is_valid() {
    let said = World::empty().run(&format!("validate {}", examples().display()));
    assert_eq!(said.code, 0, "{}{}", said.data, said.talk);
}

#[test]
fn every_example_runs_to_the_end_that_it_says() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 32, "only {} examples", files.len());
    files.iter().for_each(|file| check(file));
}
