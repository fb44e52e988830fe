//! What people are told of broken files: every file in `tests/broken`, with its snapshot in `tests/snapshots`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::Path;
use support::{faults, read};

#[test]
fn every_broken_file_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "the broken files are gone");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, faults(&text));
        });
    }
}

#[test]
fn diagnostics_are_data_for_programs() {
    let parsed = read("dag_id: example\ntasks:\n  one: {operator: empty, retry: 3}\n");
    insta::assert_json_snapshot!(parsed.diagnostics);
}
