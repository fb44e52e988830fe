//! What a query asks of the updates of assets.

use super::{Asked, Draft};
use crate::api::error::ApiError;
use crate::api::query::Pairs;
use esteira_store::AssetEventColumn;

/// Airflow's names of an update's columns, for `order_by`.
const ASSET_EVENT_ORDER: [(&str, AssetEventColumn); 6] = [
    ("id", AssetEventColumn::Id),
    ("timestamp", AssetEventColumn::At),
    ("source_dag_id", AssetEventColumn::DagId),
    ("source_run_id", AssetEventColumn::RunId),
    ("source_task_id", AssetEventColumn::TaskId),
    ("source_map_index", AssetEventColumn::MapIndex),
];

/// The updates that a query asks for, of this asset if there is one; the newest first unless it says otherwise.
pub(crate) fn asset_events(pairs: &Pairs, uri: Option<String>) -> Result<Asked<AssetEventColumn>, ApiError> {
    use AssetEventColumn as C;
    let mut draft = Draft::new(pairs, &ASSET_EVENT_ORDER)?;
    draft.any_of(C::Uri, uri.into_iter().map(Some).collect());
    draft.texts("source_dag_id", C::DagId);
    draft.texts("source_run_id", C::RunId);
    draft.texts("source_task_id", C::TaskId);
    draft.numbers("source_map_index", C::MapIndex)?;
    draft.patterns("name", C::Uri)?;
    draft.instants("timestamp", C::At)?;
    draft.ordered_by(C::Id, true);
    draft.end()
}
