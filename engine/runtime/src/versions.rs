//! From a DAG version in the history to the DAG that it is: parsed once for each version that is asked for.

use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec::{self, Source};
use esteira_store::{EventRow, Reader, StoreError, VersionId};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// What tells one content of a DAG file from another: SHA-256 of the source, in hex.
pub(crate) fn source_hash(source: &str) -> String {
    Sha256::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The versions that were asked for so far.
#[derive(Default)]
pub(crate) struct Versions {
    parsed: HashMap<VersionId, Option<Arc<Dag>>>,
}

impl Versions {
    /// The DAG of a version; none when there is no such version, or when this Esteira cannot read it (an operator
    /// that is not built in any more).
    pub(crate) async fn dag(
        &mut self,
        reader: &Reader,
        catalog: &(dyn Catalog + Sync),
        version_id: VersionId,
    ) -> Result<Option<Arc<Dag>>, StoreError> {
        if let Some(found) = self.parsed.get(&version_id) {
            return Ok(found.clone());
        }
        let version = reader.version_by_id(version_id).await?;
        let dag = version.and_then(|version| {
            let source = Source { name: &version.file, text: &version.source };
            spec::parse(source, catalog).dag.map(Arc::new)
        });
        self.parsed.insert(version_id, dag.clone());
        Ok(dag)
    }

    /// The versions that a run had, by the events of its life. One that this Esteira cannot read is not there.
    pub(crate) async fn of_run(
        &mut self,
        reader: &Reader,
        catalog: &(dyn Catalog + Sync),
        events: &[EventRow],
    ) -> Result<HashMap<VersionId, Arc<Dag>>, StoreError> {
        let mut dags = HashMap::new();
        for (version_id, _) in events.iter().filter_map(version_after) {
            if let Some(dag) = self.dag(reader, catalog, version_id).await? {
                dags.insert(version_id, dag);
            }
        }
        Ok(dags)
    }
}

/// What the history keeps of a run's change to another version.
pub(crate) fn version_body(version_id: VersionId, version_number: i64) -> String {
    json!({ "version_id": version_id, "version_number": version_number }).to_string()
}

/// The version that a run has from this event on, and its number in the DAG; none if the event does not change it.
pub(crate) fn version_after(event: &EventRow) -> Option<(VersionId, i64)> {
    if event.name != "run.created" && event.name != "run.version_changed" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(&event.body).ok()?;
    Some((body["version_id"].as_i64()?, body["version_number"].as_i64()?))
}
