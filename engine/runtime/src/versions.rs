//! From a DAG version in the history to the DAG that it is: parsed once for each version that is asked for.

use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec::{self, Source};
use esteira_store::{Reader, StoreError, VersionId};
use std::collections::HashMap;
use std::sync::Arc;

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
}
