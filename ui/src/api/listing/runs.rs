//! What a query asks of a list of runs.

use super::{Asked, Draft};
use crate::api::error::ApiError;
use crate::api::query::Pairs;
use esteira_core::states::{RunState, RunType};
use esteira_store::RunColumn;

/// Airflow's names of a run's columns, for `order_by`.
const RUN_ORDER: [(&str, RunColumn); 13] = [
    ("id", RunColumn::Key),
    ("dag_id", RunColumn::DagId),
    ("run_id", RunColumn::RunId),
    ("dag_run_id", RunColumn::RunId),
    ("state", RunColumn::State),
    ("run_type", RunColumn::RunType),
    ("logical_date", RunColumn::LogicalDate),
    ("run_after", RunColumn::RunAfter),
    ("queued_at", RunColumn::QueuedAt),
    ("start_date", RunColumn::StartedAt),
    ("end_date", RunColumn::EndedAt),
    ("duration", RunColumn::Duration),
    ("conf", RunColumn::Conf),
];

/// The runs that a query asks for.
pub(crate) fn runs(pairs: &Pairs) -> Result<Asked<RunColumn>, ApiError> {
    use RunColumn as C;
    let mut draft = Draft::new(pairs, &RUN_ORDER)?;
    draft.texts("dag_id", C::DagId);
    draft.texts("run_id", C::RunId);
    draft.labels("state", C::State, |label| RunState::from_label(label).is_some())?;
    draft.labels("run_type", C::RunType, |label| RunType::from_label(label).is_some())?;
    draft.numbers("dag_version", C::Version)?;
    draft.patterns("dag_id", C::DagId)?;
    draft.patterns("run_id", C::RunId)?;
    draft.patterns("triggering_user_name", C::TriggeringUser)?;
    draft.containing("conf_contains", C::Conf)?;
    draft.instants("logical_date", C::LogicalDate)?;
    draft.instants("run_after", C::RunAfter)?;
    draft.instants("start_date", C::StartedAt)?;
    draft.instants("end_date", C::EndedAt)?;
    draft.seconds("duration", C::Duration)?;
    draft.end()
}
