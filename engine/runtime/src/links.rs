//! The paths of pages, which the web server serves and notifications name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What need not be escaped in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'+')
    .remove(b'@');

fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// A name as a segment of a path.
pub fn escaped(name: &str) -> String {
    segment(name).to_string()
}

/// The page of a DAG.
pub fn dag(dag_id: &str) -> String {
    format!("/dags/{}", segment(dag_id))
}

/// The page of a run.
pub fn run(dag_id: &str, run_id: &str) -> String {
    format!("{}/runs/{}", dag(dag_id), segment(run_id))
}

/// The page of a task instance.
pub fn instance(dag_id: &str, run_id: &str, task_id: &str, map_index: i32) -> String {
    let path = format!("{}/tasks/{}", run(dag_id, run_id), segment(task_id));
    if map_index < 0 { path } else { format!("{path}?map_index={map_index}") }
}
