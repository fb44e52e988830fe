//! What tasks have asked people, and what was answered.

use crate::error::StoreError;
use crate::read::{Reader, instant, json, optional_instant};
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

/// Which questions are meant. An empty filter means all.
#[derive(Clone, Debug, Default)]
pub struct QuestionFilter {
    /// Of this DAG.
    pub dag_id: Option<String>,
    /// Of runs of this name.
    pub run_id: Option<String>,
    /// Of this task.
    pub task_id: Option<String>,
    /// Of the instance with this map index.
    pub map_index: Option<i32>,
    /// Of this attempt.
    pub try_number: Option<u32>,
    /// Those that can be answered at the moment, or those that cannot.
    pub is_open: Option<bool>,
    /// What the instance asked last, while it is in one of these states; all states if there is none.
    pub states: Vec<String>,
    /// Those that were answered, or those that were not.
    pub is_answered: Option<bool>,
    /// Whose subject holds this text, whatever the case.
    pub subject: Option<String>,
    /// Whose body holds this text, whatever the case.
    pub body: Option<String>,
}

const IS_OPEN: &str = "(task_instance.state IS 'awaiting_input' AND task_instance.try_number = detail.try_number \
     AND detail.answer IS NULL)";

fn joined(order: &str) -> String {
    format!(
        "FROM hitl_detail AS detail JOIN dag_run USING (run_key) LEFT JOIN task_instance ON \
         task_instance.run_key = detail.run_key AND task_instance.task_id = detail.task_id \
         AND task_instance.map_index = detail.map_index \
         WHERE (?1 IS NULL OR dag_id = ?1) AND (?2 IS NULL OR run_id = ?2) AND (?3 IS NULL OR detail.task_id = ?3) \
         AND (?4 IS NULL OR detail.map_index = ?4) AND (?5 IS NULL OR detail.try_number = ?5) \
         AND (?6 IS NULL OR {IS_OPEN} = ?6) AND (?7 IS NULL OR (answer IS NOT NULL) = ?7) \
         AND (?8 IS NULL OR instr(lower(question->>'subject'), lower(?8))) \
         AND (?9 IS NULL OR instr(lower(coalesce(question->>'body', '')), lower(?9))) \
         AND (?10 = '[]' OR (task_instance.try_number = detail.try_number \
         AND task_instance.state IN (SELECT value FROM json_each(?10)))) {order}"
    )
}

impl Reader {
    /// Questions, newest first, from the one at `offset` on.
    pub async fn questions(
        &self,
        filter: &QuestionFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<QuestionRow>, StoreError> {
        let query = format!(
            "SELECT detail.run_key, dag_id, run_id, detail.task_id, detail.map_index, detail.try_number, question, \
             detail.created_at, due_at, answer, {IS_OPEN} {} LIMIT ?11 OFFSET ?12",
            joined(
                "ORDER BY detail.created_at DESC, detail.run_key, detail.task_id, detail.map_index, detail.try_number DESC"
            )
        );
        let query = bound(sqlx::query(sqlx::AssertSqlSafe(query)), filter).bind(limit).bind(offset);
        query.fetch_all(&self.pool).await?.iter().map(row).collect()
    }

    /// How many there are.
    pub async fn question_count(&self, filter: &QuestionFilter) -> Result<u64, StoreError> {
        let query = format!("SELECT count(*) {}", joined(""));
        let row = bound(sqlx::query(sqlx::AssertSqlSafe(query)), filter).fetch_one(&self.pool).await?;
        Ok(u64::try_from(row.get::<i64, _>(0)).unwrap_or(0))
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

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound<'q>(query: Query<'q>, filter: &'q QuestionFilter) -> Query<'q> {
    query
        .bind(&filter.dag_id)
        .bind(&filter.run_id)
        .bind(&filter.task_id)
        .bind(filter.map_index)
        .bind(filter.try_number)
        .bind(filter.is_open)
        .bind(filter.is_answered)
        .bind(&filter.subject)
        .bind(&filter.body)
        .bind(serde_json::json!(filter.states).to_string())
}

fn row(row: &SqliteRow) -> Result<QuestionRow, StoreError> {
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
