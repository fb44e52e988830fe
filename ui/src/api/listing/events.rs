//! What a query asks of the audit history.

use super::{Asked, Draft};
use crate::api::error::ApiError;
use crate::api::query::Pairs;
use esteira_store::{Bound, EventColumn};

/// Airflow's names of an event's columns, for `order_by`. Events have happened in the order of their numbers, whatever the
/// clock said: by time, they are in that order.
const EVENT_ORDER: [(&str, EventColumn); 10] = [
    ("id", EventColumn::Seq),
    ("event_log_id", EventColumn::Seq),
    ("when", EventColumn::Seq),
    ("dttm", EventColumn::Seq),
    ("dag_id", EventColumn::DagId),
    ("run_id", EventColumn::RunId),
    ("task_id", EventColumn::TaskId),
    ("event", EventColumn::Name),
    ("owner", EventColumn::Actor),
    ("extra", EventColumn::Body),
];

/// The events that a query asks for; the newest first unless it says otherwise.
pub(crate) fn events(pairs: &Pairs) -> Result<Asked<EventColumn>, ApiError> {
    use EventColumn as C;
    let mut draft = Draft::new(pairs, &EVENT_ORDER)?;
    draft.texts("dag_id", C::DagId);
    draft.texts("run_id", C::RunId);
    draft.texts("task_id", C::TaskId);
    draft.texts("owner", C::Actor);
    draft.texts("event", C::Name);
    draft.texts("included_events", C::Name);
    let excluded: Vec<String> =
        pairs.all("excluded_events").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if !excluded.is_empty() {
        draft.listing.none_of.push((C::Name, excluded));
    }
    draft.numbers("map_index", C::MapIndex)?;
    draft.numbers("try_number", C::TryNumber)?;
    draft.patterns("dag_id", C::DagId)?;
    draft.patterns("run_id", C::RunId)?;
    draft.patterns("task_id", C::TaskId)?;
    draft.patterns("owner", C::Actor)?;
    draft.patterns("event", C::Name)?;
    draft.instant("before", C::At, Bound::AtMost)?;
    draft.instant("after", C::At, Bound::AtLeast)?;
    draft.ordered_by(C::Seq, true);
    draft.end()
}
