//! What lists of questions to people are narrowed down and ordered by.

use super::Column;
use crate::error::StoreError;
use crate::questions::{IS_OPEN, JOINED, QUESTION_COLUMNS, QuestionRow, question_row};
use sqlx::sqlite::SqliteRow;

/// Of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionColumn {
    /// When it was asked.
    CreatedAt,
    /// The DAG.
    DagId,
    /// The run's name.
    RunId,
    /// The task.
    TaskId,
    /// The place among mapped instances, or -1.
    MapIndex,
    /// The number of the attempt that asked.
    TryNumber,
    /// 1 while it can be answered, else 0.
    IsOpen,
    /// 1 once it was answered, else 0.
    IsAnswered,
    /// Its subject.
    Subject,
    /// Its body, or empty.
    Body,
    /// The state of the instance, if this is what it asked last.
    State,
    /// When an answer counts no more.
    DueAt,
    /// When it was answered, in microseconds since 1970.
    AnsweredAt,
    /// Who answered.
    AnsweredBy,
    /// When its run might begin.
    RunAfter,
}

impl Column for QuestionColumn {
    type Row = QuestionRow;
    const ROWS: &'static str = QUESTION_COLUMNS;
    const TABLES: (&'static str, &'static str) = ("hitl_detail AS detail", JOINED);
    const KEY: &'static [&'static str] =
        &["detail.run_key", "detail.task_id", "detail.map_index", "detail.try_number"];

    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::CreatedAt => &["detail.created_at"],
            Self::DagId => &["dag_id"],
            Self::RunId => &["run_id"],
            Self::TaskId => &["detail.task_id"],
            Self::MapIndex => &["detail.map_index"],
            Self::TryNumber => &["detail.try_number"],
            Self::IsOpen => &[IS_OPEN],
            Self::IsAnswered => &["(answer IS NOT NULL)"],
            Self::Subject => &["(question->>'subject')"],
            Self::Body => &["coalesce(question->>'body', '')"],
            Self::State => {
                &["(CASE WHEN task_instance.try_number = detail.try_number THEN task_instance.state END)"]
            }
            Self::DueAt => &["due_at"],
            Self::AnsweredAt => &["(answer->>'responded_at')"],
            Self::AnsweredBy => &["(answer->>'responded_by')"],
            Self::RunAfter => &["run_after"],
        }
    }

    fn is_nullable(self) -> bool {
        matches!(self, Self::State | Self::DueAt | Self::AnsweredAt | Self::AnsweredBy)
    }

    fn is_elsewhere(self) -> bool {
        true
    }

    fn read(row: &SqliteRow) -> Result<QuestionRow, StoreError> {
        question_row(row)
    }
}
