//! The audit history: lists, replay, and the check of the chain.

use super::lists::{Bound, Counting, EventColumn, List, Listing, Pattern};
use super::{Page, Reader, instant};
use crate::error::StoreError;
use crate::rows::{EventRow, RunKey};
use crate::write::hashed_fields;
use esteira_core::history;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

pub(super) const EVENT_COLUMNS: &str = "SELECT seq, at, name, run_key, dag_id, run_id, task_id, task_index, map_index, try_number, \
     actor, via, body, hash FROM event";

/// How many events the check of the chain holds at once.
const CHECK_PAGE: u32 = 10_000;

/// Which events to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only about this DAG.
    pub dag_id: Option<String>,
    /// Only about this run.
    pub run_key: Option<RunKey>,
    /// Only about this task.
    pub task_id: Option<String>,
    /// Only with a name that begins so: `task.` or `run.created`.
    pub name: Option<String>,
    /// Only caused by this person or part.
    pub actor: Option<String>,
    /// Only older than this one.
    pub before: Option<i64>,
    /// Only newer than this one.
    pub after: Option<i64>,
}

impl EventFilter {
    fn listing(&self, limit: u32) -> Listing<EventColumn> {
        use EventColumn as C;
        let texts = [(C::DagId, &self.dag_id), (C::TaskId, &self.task_id), (C::Actor, &self.actor)];
        let texts = texts.into_iter().filter_map(|(column, text)| Some((column, vec![Some(text.clone()?)])));
        let name = self.name.iter().map(|name| (C::Name, Pattern::Prefix(vec![name.clone()])));
        let before = self.before.map(|seq| (C::Seq, Bound::LessThan, seq));
        let after = self.after.map(|seq| (C::Seq, Bound::MoreThan, seq));
        Listing {
            any_of: texts.collect(),
            any_number: self.run_key.iter().map(|key| (C::RunKey, vec![*key])).collect(),
            matching: name.collect(),
            within: before.into_iter().chain(after).collect(),
            order: vec![(C::Seq, true)],
            limit,
            counting: Counting::Nothing,
            ..Listing::default()
        }
    }
}

impl Reader {
    /// Events, newest first.
    pub async fn events(&self, filter: &EventFilter, limit: u32) -> Result<Page<EventRow>, StoreError> {
        let List { rows, next, .. } = self.list(&filter.listing(limit)).await?;
        Ok(Page { rows, has_more: next.is_some() })
    }

    /// All events of a run, oldest first: what a replay reads.
    pub async fn events_of_run(&self, run_key: RunKey) -> Result<Vec<EventRow>, StoreError> {
        of_run(&mut *self.pool.acquire().await?, run_key).await
    }

    /// How many events there are.
    pub async fn event_count(&self) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM event").fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// Recomputes the hash chain. Gives the number of events, or the number of the first row that does not fit and
    /// what is wrong with it.
    pub async fn check_chain(&self) -> Result<Result<u64, (i64, String)>, StoreError> {
        let (mut hash, mut seq) = (history::GENESIS, 0_i64);
        loop {
            let query = sqlx::AssertSqlSafe(format!("{EVENT_COLUMNS} WHERE seq > ?1 ORDER BY seq LIMIT ?2"));
            let rows = sqlx::query(query).bind(seq).bind(CHECK_PAGE).fetch_all(&self.pool).await?;
            if rows.is_empty() {
                return Ok(Ok(seq.unsigned_abs()));
            }
            for row in &rows {
                let event = event_row(row)?;
                if event.seq != seq + 1 {
                    return Ok(Err((seq + 1, "the row is missing".to_owned())));
                }
                hash = history::chain(&hash, &hashed_fields(&event));
                if hex::encode(hash) != event.hash {
                    return Ok(Err((event.seq, "the row's content does not fit its hash".to_owned())));
                }
                seq = event.seq;
            }
        }
    }
}

/// All events of a run, oldest first.
pub(super) async fn of_run(
    connection: &mut SqliteConnection,
    run_key: RunKey,
) -> Result<Vec<EventRow>, StoreError> {
    let query = sqlx::AssertSqlSafe(format!("{EVENT_COLUMNS} WHERE run_key = ?1 ORDER BY seq"));
    sqlx::query(query).bind(run_key).fetch_all(connection).await?.iter().map(event_row).collect()
}

pub(super) fn event_row(row: &SqliteRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        seq: row.get(0),
        at: instant(row.get(1))?,
        name: row.get(2),
        run_key: row.get(3),
        dag_id: row.get(4),
        run_id: row.get(5),
        task_id: row.get(6),
        task_index: row.get(7),
        map_index: row.get(8),
        try_number: row.get(9),
        actor: row.get(10),
        via: row.get(11),
        body: row.get(12),
        hash: row.get(13),
    })
}
