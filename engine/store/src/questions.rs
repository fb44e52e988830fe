//! What tasks have asked people, and what was answered.

use crate::error::StoreError;
use crate::read::{Counting, Listing, QuestionColumn, Reader, instant, json, optional_instant};
use crate::rows::RunKey;
use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::{Answer, Question};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A question that a task asks.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// Which run.
    pub run_key: RunKey,
    /// The task.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The attempt's number.
    pub try_number: u32,
    /// What it asks.
    pub question: Question,
    /// When it asks.
    pub created_at: Timestamp,
    /// When an answer counts no more; none for never.
    pub due_at: Option<Timestamp>,
}

/// An answer to it.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// Which run.
    pub run_key: RunKey,
    /// The task.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The attempt's number.
    pub try_number: u32,
    /// What was answered.
    pub answer: Answer,
}

/// A question, with its answer if there is one.
#[derive(Clone, Debug)]
pub struct QuestionRow {
    /// Which run, in this database.
    pub run_key: RunKey,
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The number of the attempt that asked.
    pub try_number: u32,
    /// What it asked.
    pub question: Question,
    /// When.
    pub created_at: Timestamp,
    /// When an answer counts no more; none for never.
    pub due_at: Option<Timestamp>,
    /// What was answered.
    pub answer: Option<Answer>,
    /// Whether it can be answered at the moment.
    pub is_open: bool,
}

/// Whether a question can be answered at the moment.
macro_rules! is_open {
    () => {
        "(task_instance.state IS 'awaiting_input' AND task_instance.try_number = detail.try_number \
         AND detail.answer IS NULL)"
    };
}
pub(crate) const IS_OPEN: &str = is_open!();

/// What the columns of a question stand in, besides its own table.
macro_rules! joined {
    () => {
        "JOIN dag_run USING (run_key) LEFT JOIN task_instance ON task_instance.run_key = detail.run_key \
         AND task_instance.task_id = detail.task_id AND task_instance.map_index = detail.map_index"
    };
}
pub(crate) const JOINED: &str = joined!();

pub(crate) const QUESTION_COLUMNS: &str = concat!(
    "SELECT detail.run_key, dag_id, run_id, detail.task_id, detail.map_index, detail.try_number, question, \
     detail.created_at, due_at, answer, ",
    is_open!(),
    " FROM hitl_detail AS detail ",
    joined!()
);

impl Reader {
    /// What an instance asked in this attempt, or last.
    pub async fn question(
        &self,
        (dag_id, run_id, task_id): (&str, &str, &str),
        map_index: i32,
        try_number: Option<u32>,
    ) -> Result<Option<QuestionRow>, StoreError> {
        use QuestionColumn as C;
        let mut listing =
            Listing::default().with(C::DagId, dag_id).with(C::RunId, run_id).with(C::TaskId, task_id);
        listing.any_number.push((C::MapIndex, vec![map_index.into()]));
        listing.any_number.extend(try_number.map(|number| (C::TryNumber, vec![number.into()])));
        listing.order.push((C::TryNumber, true));
        listing.limit = 1;
        listing.counting = Counting::Nothing;
        Ok(self.list(&listing).await?.rows.pop())
    }

    /// How many can be answered at the moment; cheap, for every page.
    pub async fn open_question_count(&self) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM task_instance WHERE state = 'awaiting_input'")
                .fetch_one(&self.pool)
                .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

pub(crate) fn question_row(row: &SqliteRow) -> Result<QuestionRow, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let answer: Option<String> = row.get(9);
    Ok(QuestionRow {
        run_key: row.get(0),
        dag_id: row.get::<String, _>(1).into(),
        run_id: row.get::<String, _>(2).into(),
        task_id: row.get::<String, _>(3).into(),
        map_index: row.get(4),
        try_number: row.get(5),
        question: serde_json::from_value(json(row.get(6))?).map_err(corrupt)?,
        created_at: instant(row.get(7))?,
        due_at: optional_instant(row.get(8))?,
        answer: answer.map(|text| serde_json::from_str(&text).map_err(corrupt)).transpose()?,
        is_open: row.get(10),
    })
}

pub(crate) async fn ask(connection: &mut SqliteConnection, asked: &NewQuestion) -> Result<(), StoreError> {
    let question =
        serde_json::to_string(&asked.question).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query(
        "INSERT OR REPLACE INTO hitl_detail (run_key, task_id, map_index, try_number, question, created_at, due_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(asked.run_key)
    .bind(asked.task_id.as_str())
    .bind(asked.map_index)
    .bind(asked.try_number)
    .bind(question)
    .bind(asked.created_at.as_microsecond())
    .bind(asked.due_at.map(Timestamp::as_microsecond))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn answer(connection: &mut SqliteConnection, given: &NewAnswer) -> Result<(), StoreError> {
    let answer =
        serde_json::to_string(&given.answer).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query(
        "UPDATE hitl_detail SET answer = ?5 WHERE run_key = ?1 AND task_id = ?2 AND map_index = ?3 AND try_number = ?4",
    )
    .bind(given.run_key)
    .bind(given.task_id.as_str())
    .bind(given.map_index)
    .bind(given.try_number)
    .bind(answer)
    .execute(connection)
    .await?;
    Ok(())
}
