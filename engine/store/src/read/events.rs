//! The audit history: lists, replay, and the check of the chain.

use super::lists::{Bound, Counting, EventColumn, HAS_RARE_NAME, List, Listing, Pattern, is_rare};
use super::{Page, Reader, instant};
use crate::error::StoreError;
use crate::rows::{EventRow, RunKey};
use crate::write::hashed_fields;
use esteira_core::history;
use esteira_core::states::TriggeredBy;
use jiff::{SignedDuration, Timestamp};
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
    /// Only from this instant on.
    pub since: Option<Timestamp>,
    /// Only before this instant.
    pub until: Option<Timestamp>,
    /// Only caused by people and their programs, and not by the engine and its parts.
    pub is_by_people: bool,
}

/// How much the clock may have gone back. Events are numbered in the order of happening; where a range of time begins is
/// looked for by number, and this much before, in case the clock was set meanwhile.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// The ways that people and their programs come by.
const WAYS_OF_PEOPLE: [TriggeredBy; 3] = [TriggeredBy::Cli, TriggeredBy::RestApi, TriggeredBy::Ui];

/// What the names of events about runs begin with. All others have no run, and are soon found.
const NAMES_OF_RUNS: [&str; 4] = ["run.", "task.", "xcom.", "notification."];

impl EventFilter {
    /// Whether no event with such a name is about a run.
    fn is_of_no_run(&self) -> bool {
        let is_of_run =
            |name: &str| NAMES_OF_RUNS.iter().any(|known| known.starts_with(name) || name.starts_with(known));
        self.name.as_deref().is_some_and(|name| !is_of_run(name))
    }

    fn listing(&self, limit: u32) -> Listing<EventColumn> {
        use EventColumn as C;
        let texts = [(C::DagId, &self.dag_id), (C::TaskId, &self.task_id), (C::Actor, &self.actor)];
        let texts = texts.into_iter().filter_map(|(column, text)| Some((column, vec![Some(text.clone()?)])));
        let name = self.name.iter().map(|name| (C::Name, Pattern::Prefix(vec![name.clone()])));
        let before = self.before.map(|seq| (C::Seq, Bound::LessThan, seq));
        let after = self.after.map(|seq| (C::Seq, Bound::MoreThan, seq));
        let since = self.since.map(|at| (C::At, Bound::AtLeast, at.as_microsecond()));
        let until = self.until.map(|at| (C::At, Bound::LessThan, at.as_microsecond()));
        let ways = WAYS_OF_PEOPLE.map(|way| Some(way.to_string())).to_vec();
        let by_people = self.is_by_people.then_some((C::Via, ways));
        let of_no_run = self.is_of_no_run().then(|| (C::RunKey, vec![None]));
        Listing {
            any_of: texts.chain(by_people).chain(of_no_run).collect(),
            any_number: self.run_key.iter().map(|key| (C::RunKey, vec![*key])).collect(),
            matching: name.collect(),
            within: [before, after, since, until].into_iter().flatten().collect(),
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
        let List { rows, next, .. } = self.list(&self.event_listing(filter, limit).await?).await?;
        Ok(Page { rows, has_more: next.is_some() })
    }

    /// The list of these events, newest first, uncounted.
    pub async fn event_listing(
        &self,
        filter: &EventFilter,
        limit: u32,
    ) -> Result<Listing<EventColumn>, StoreError> {
        let mut listing = filter.listing(limit);
        if let Some(beginning) = filter.name.as_deref().filter(|name| is_rare(name))
            && let Some(name) = self.only_name(beginning).await?
        {
            listing.matching.clear();
            listing.any_of.push((EventColumn::Name, vec![Some(name)]));
        }
        if let Some(since) = filter.since {
            let first = self.first_event_at(since.saturating_sub(CLOCK_MARGIN).unwrap_or(since)).await?;
            listing.within.push((EventColumn::Seq, Bound::AtLeast, first));
        }
        if let Some(until) = filter.until {
            let end = self.first_event_at(until.saturating_add(CLOCK_MARGIN).unwrap_or(until)).await?;
            listing.within.push((EventColumn::Seq, Bound::LessThan, end));
        }
        Ok(listing)
    }

    /// The one name of events that begins so: the beginning itself where there is none, and nothing where there are several.
    /// An index goes from name to name, and from one event with a name to the one before it.
    async fn only_name(&self, beginning: &str) -> Result<Option<String>, StoreError> {
        let end = format!("{beginning}{}", char::MAX);
        let mut connection = self.pool.acquire().await?;
        let mut first = async |sign: &str, from: &str| {
            let query = format!(
                "SELECT min(name) FROM event INDEXED BY event_by_rare_name WHERE {HAS_RARE_NAME} \
                 AND name {sign} ?1 AND name < ?2"
            );
            let query = sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(query));
            query.bind(from.to_owned()).bind(end.clone()).fetch_one(&mut *connection).await
        };
        let Some(name) = first(">=", beginning).await? else { return Ok(Some(beginning.to_owned())) };
        Ok(first(">", &name).await?.is_none().then_some(name))
    }

    /// The number of the first event at this instant or later; one more than there are, if there is none. Numbers and times
    /// grow together, so that few events are looked at.
    async fn first_event_at(&self, at: Timestamp) -> Result<i64, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let newest: i64 =
            sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM event").fetch_one(&mut *connection).await?;
        let (mut before, mut first) = (0, newest + 1);
        while before + 1 < first {
            let middle = before + (first - before) / 2;
            let query = sqlx::query_scalar::<_, i64>("SELECT at FROM event WHERE seq = ?1").bind(middle);
            let found = query.fetch_optional(&mut *connection).await?;
            // A row that is missing is told of by the check of the chain.
            if found.is_some_and(|found| found >= at.as_microsecond()) {
                first = middle;
            } else {
                before = middle;
            }
        }
        Ok(first)
    }

    /// Everybody and everything that has caused events, but for the engine, by name.
    pub async fn actors(&self, most: usize) -> Result<Vec<String>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let mut found: Vec<String> = Vec::new();
        while found.len() < most {
            let query = sqlx::query_scalar::<_, Option<String>>(
                "SELECT min(actor) FROM event WHERE actor <> 'engine' AND actor > ?1",
            );
            let last = found.last().map(String::as_str).unwrap_or_default();
            let Some(next) = query.bind(last).fetch_one(&mut *connection).await? else { break };
            found.push(next);
        }
        Ok(found)
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
