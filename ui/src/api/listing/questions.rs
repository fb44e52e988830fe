//! What a query asks of the questions to people.

use super::{Asked, Draft};
use crate::api::error::ApiError;
use crate::api::query::Pairs;
use esteira_core::states::TaskInstanceState;
use esteira_store::QuestionColumn;

/// Airflow's names of a question's columns, for `order_by`.
const QUESTION_ORDER: [(&str, QuestionColumn); 12] = [
    ("created_at", QuestionColumn::CreatedAt),
    ("dag_id", QuestionColumn::DagId),
    ("run_id", QuestionColumn::RunId),
    ("task_id", QuestionColumn::TaskId),
    ("task_display_name", QuestionColumn::TaskId),
    ("map_index", QuestionColumn::MapIndex),
    ("run_after", QuestionColumn::RunAfter),
    ("subject", QuestionColumn::Subject),
    ("response_received", QuestionColumn::IsAnswered),
    ("responded_at", QuestionColumn::AnsweredAt),
    ("responded_by_user_id", QuestionColumn::AnsweredBy),
    ("responded_by_user_name", QuestionColumn::AnsweredBy),
];

/// The questions that a query asks for; the newest first unless it says otherwise.
pub(crate) fn questions(pairs: &Pairs) -> Result<Asked<QuestionColumn>, ApiError> {
    use QuestionColumn as C;
    let mut draft = Draft::new(pairs, &QUESTION_ORDER)?;
    draft.texts("task_id", C::TaskId);
    draft.numbers("map_index", C::MapIndex)?;
    draft.labels("state", C::State, |label| TaskInstanceState::from_label(label).is_some())?;
    draft.boolean("response_received", C::IsAnswered)?;
    draft.texts("responded_by_user_id", C::AnsweredBy);
    draft.texts("responded_by_user_name", C::AnsweredBy);
    draft.patterns("dag_id", C::DagId)?;
    draft.patterns("task_id", C::TaskId)?;
    draft.containing("subject_search", C::Subject)?;
    draft.containing("body_search", C::Body)?;
    draft.instants("created_at", C::CreatedAt)?;
    draft.ordered_by(C::CreatedAt, true);
    draft.end()
}
