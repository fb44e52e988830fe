//! The shapes that several resources share: times, ids, and what Airflow calls a DAG version.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// An instant as the API tells it: RFC 3339 in UTC, to the microsecond.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// An instant or null.
pub(super) fn maybe(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(instant(at)))
}

/// A duration in seconds, or null while something goes on.
pub(super) fn seconds(start: Option<Timestamp>, end: Option<Timestamp>) -> Value {
    match (start, end) {
        (Some(start), Some(end)) => json!(end.duration_since(start).max(SignedDuration::ZERO).as_secs_f64()),
        _ => Value::Null,
    }
}

/// A length of time as Airflow tells it.
pub(super) fn time_delta(length: Duration) -> Value {
    let seconds = length.as_secs();
    json!({
        "__type": "TimeDelta",
        "days": seconds / 86_400,
        "seconds": seconds % 86_400,
        "microseconds": length.subsec_micros(),
    })
}

/// A UUID for something that Airflow's clients know by one: always the same for the same names.
pub(super) fn uuid(names: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for name in names {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The UUID of a DAG version.
pub(super) fn version_id(dag_id: &str, number: i64) -> String {
    uuid(&["dag_version", dag_id, &number.to_string()])
}

/// A DAG version inside another answer.
pub(super) fn version(dag_id: &str, number: i64, created_at: Option<Timestamp>) -> Value {
    json!({
        "id": version_id(dag_id, number),
        "version_number": number,
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "bundle_name": "dags-folder",
        "bundle_version": null,
        "bundle_url": null,
        "created_at": instant(created_at.unwrap_or(Timestamp::UNIX_EPOCH)),
    })
}

/// Whether a text is a UUID, for tests.
#[cfg(test)]
pub(super) fn is_uuid(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_microseconds_and_uuids_are_stable() {
        assert_eq!(instant(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
        let one = uuid(&["d", "r", "t", "-1"]);
        assert!(is_uuid(&one));
        assert_eq!(one, uuid(&["d", "r", "t", "-1"]));
        assert_ne!(one, uuid(&["d", "rt", "", "-1"]));
        assert_eq!(time_delta(Duration::from_millis(90_000_500))["days"], 1);
    }
}
