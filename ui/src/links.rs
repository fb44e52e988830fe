//! The addresses of things. Every noun on a page is a link, and this is where links are made.

pub(crate) use esteira_runtime::links::{dag, escaped, instance, run};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write;

/// The page of an asset.
pub(crate) fn asset(uri: &str) -> String {
    format!("/assets/{}", escaped(uri))
}

/// The page of a pool.
pub(crate) fn pool(name: &str) -> String {
    format!("/pools/of/{}", escaped(name))
}

/// What need not be escaped in the value of a query.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'*');

/// An address with a query of those pairs that have a value.
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let joint = if address.contains('?') { '&' } else { '?' };
        // Writing to a String does not fail.
        let _ = write!(address, "{joint}{name}={}", utf8_percent_encode(value, VALUE));
    }
    address
}

/// The part after `?` of such an address.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    with_query("", pairs).trim_start_matches('?').to_owned()
}

/// The name of a DAG's file without its folder, which is the same for all DAGs, and long.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit_once(std::path::is_separator).map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_where_they_must_be() {
        let run_id = "manual__2026-11-22T10:00:00.123456+00:00";
        assert_eq!(run("açúcar", run_id), format!("/dags/a%C3%A7%C3%BAcar/runs/{run_id}"));
        assert_eq!(instance("d", "r", "t", 3), "/dags/d/runs/r/tasks/t?map_index=3");
        assert_eq!(
            with_query("/runs", &[("state", ""), ("dag", "a b&c"), ("run", "x+y")]),
            "/runs?dag=a%20b%26c&run=x%2By"
        );
        assert_eq!(query(&[("dag_id", "d"), ("run_id", "")]), "dag_id=d");
    }
}
