//! The JSON Schema of DAG files against the reader: what the one refuses, the other must.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use esteira_core::spec::{Source, json_schema, to_json};
use std::fs;
use std::path::Path;
use support::{TestCatalog, read};

/// Faults that a schema can see in every file that has them.
const SEEN: [&str; 7] = [
    "unknown-key",
    "unknown-argument",
    "missing-argument",
    "missing-key",
    "unknown-operator",
    "unknown-choice",
    "unsupported-key",
];

#[test]
fn the_schema_and_the_reader_agree_on_the_broken_files() {
    let validator = jsonschema::draft7::new(&json_schema(&TestCatalog::default())).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let (mut refused, mut passed) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let parsed = read(&text);
        let Some(document) = to_json(Source { name: "x", text: &text }) else { continue };
        let faults: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        let codes: Vec<&str> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        if parsed.dag.is_some() {
            assert!(faults.is_empty(), "{}: {faults:?}", path.display());
            passed += 1;
        }
        if codes.iter().any(|code| SEEN.contains(code)) {
            assert!(!faults.is_empty(), "{} has {codes:?}, which the schema lets through", path.display());
            refused += 1;
        }
    }
    assert!(refused >= 10 && passed >= 1, "{refused} refused, {passed} passed");
}
