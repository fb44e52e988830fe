//! What a query asks of a list of task instances.

use super::{Asked, Draft};
use crate::api::error::ApiError;
use crate::api::query::Pairs;
use esteira_core::states::TaskInstanceState;
use esteira_store::InstanceColumn;

/// Airflow's names of a task instance's columns, for `order_by`.
const INSTANCE_ORDER: [(&str, InstanceColumn); 14] = [
    ("id", InstanceColumn::Key),
    ("dag_id", InstanceColumn::DagId),
    ("run_id", InstanceColumn::RunId),
    ("task_id", InstanceColumn::TaskId),
    ("task_display_name", InstanceColumn::TaskId),
    ("map_index", InstanceColumn::MapIndex),
    ("rendered_map_index", InstanceColumn::Label),
    ("state", InstanceColumn::State),
    ("try_number", InstanceColumn::TryNumber),
    ("logical_date", InstanceColumn::LogicalDate),
    ("run_after", InstanceColumn::RunAfter),
    ("start_date", InstanceColumn::StartedAt),
    ("end_date", InstanceColumn::EndedAt),
    ("duration", InstanceColumn::Duration),
];

/// The task instances that a query asks for.
pub(crate) fn instances(pairs: &Pairs) -> Result<Asked<InstanceColumn>, ApiError> {
    use InstanceColumn as C;
    let mut draft = Draft::new(pairs, &INSTANCE_ORDER)?;
    draft.texts("dag_id", C::DagId);
    draft.texts("run_id", C::RunId);
    draft.texts("task_id", C::TaskId);
    draft.labels("state", C::State, |label| {
        is_no_status(label) || TaskInstanceState::from_label(label).is_some()
    })?;
    for (_, values) in draft.listing.any_of.iter_mut().filter(|(column, _)| *column == C::State) {
        for value in values {
            value.take_if(|label| is_no_status(label));
        }
    }
    draft.numbers("map_index", C::MapIndex)?;
    draft.numbers("try_number", C::TryNumber)?;
    draft.numbers("version_number", C::Version)?;
    draft.patterns("dag_id", C::DagId)?;
    draft.patterns("run_id", C::RunId)?;
    draft.patterns("task_id", C::TaskId)?;
    draft.patterns("task_display_name", C::TaskId)?;
    draft.patterns("rendered_map_index", C::Label)?;
    draft.instants("logical_date", C::LogicalDate)?;
    draft.instants("run_after", C::RunAfter)?;
    draft.instants("start_date", C::StartedAt)?;
    draft.instants("end_date", C::EndedAt)?;
    draft.seconds("duration", C::Duration)?;
    draft.end()
}

/// Airflow's words for an instance without a state.
fn is_no_status(label: &str) -> bool {
    matches!(label, "none" | "no_status" | "null")
}
