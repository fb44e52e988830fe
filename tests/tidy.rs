//! The house rules that a program can check: the arrows between the rooms, a word at the top of each file, and
//! functions that fit a page.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates of each room that a room may know, besides those of the world.
const ARROWS: [(&str, &[&str]); 8] = [
    ("engine/core", &[]),
    ("engine/operator", &["esteira-core"]),
    ("engine/store", &["esteira-core"]),
    ("engine/runtime", &["esteira-core", "esteira-operator", "esteira-store"]),
    ("tasks", &["esteira-core", "esteira-operator"]),
    ("ui", &["esteira-core", "esteira-operator", "esteira-runtime", "esteira-store", "esteira-tasks"]),
    ("bench", &["esteira-core", "esteira-operator", "esteira-runtime", "esteira-store", "esteira-tasks"]),
    (
        ".",
        &[
            "esteira-core",
            "esteira-operator",
            "esteira-runtime",
            "esteira-store",
            "esteira-tasks",
            "esteira-ui",
        ],
    ),
];

/// What the core must not know: anything with a clock of its own, a thread, a socket, a file or a dice.
const NOT_IN_CORE: [&str; 7] = ["tokio", "sqlx", "futures", "async-trait", "uuid", "reqwest", "notify"];

/// The longest function, in lines between its braces.
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dependencies(room: &str) -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

fn rust_files() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "git lists the files");
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn the_arrows_between_rooms_point_one_way() {
    for (room, allowed) in ARROWS {
        for dependency in dependencies(room).iter().filter(|name| name.starts_with("esteira-")) {
            assert!(allowed.contains(&dependency.as_str()), "{room} must not know {dependency}");
        }
    }
    for dependency in dependencies("engine/core") {
        assert!(
            !NOT_IN_CORE.contains(&dependency.as_str()),
            "the core is pure: it must not know {dependency}"
        );
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for path in rust_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
    }
}

#[test]
fn functions_fit_a_page() {
    let mut long = Vec::new();
    for path in rust_files().iter().filter(|path| !path.to_string_lossy().contains("test")) {
        let text = std::fs::read_to_string(path).unwrap();
        let mut open: Option<(usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_head = line.contains("fn ")
                && !line.trim_start().starts_with("//")
                && !line.trim_end().ends_with(';');
            if open.is_none() && is_head {
                open = Some((number, indent));
            } else if let Some((start, head)) = open
                && line.trim_end() == format!("{head}}}")
            {
                if number - start > FUNCTION_LINES_MAX {
                    long.push(format!("{}:{} ({} lines)", path.display(), start + 1, number - start));
                }
                open = None;
            }
        }
    }
    assert!(long.is_empty(), "longer than {FUNCTION_LINES_MAX} lines:\n{}", long.join("\n"));
}
