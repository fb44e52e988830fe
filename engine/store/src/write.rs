//! The one writer. A batch goes down as one transaction; each of its lists is one statement over one JSON parameter,
//! which costs SQLite one call for many rows.

use crate::accounts;
use crate::alerts;
use crate::assets;
use crate::backfills;
use crate::batch::{
    Batch, DagChange, ImportErrorChange, InstanceUpdate, NewAttempt, NewEvent, NewRun, NewVersion, RunUpdate,
};
use crate::error::StoreError;
use crate::expansions;
use crate::notifications;
use crate::open::connect_writer;
use crate::pools;
use crate::questions;
use crate::removals;
use crate::rows::{EventRow, RunKey, VersionId};
use crate::secrets;
use crate::version_moves;
use crate::xcom::InstanceXcom;
use esteira_core::history::{self, HashedFields};
use esteira_core::run::InstanceKey;
use esteira_core::states::TaskInstanceState;
use jiff::Timestamp;
use sqlx::{Connection, Row, SqliteConnection};
use std::path::PathBuf;

/// The one connection that writes.
pub struct Writer {
    connection: SqliteConnection,
    path: PathBuf,
    last_seq: i64,
    last_hash: [u8; 32],
    last_run_key: RunKey,
    last_version_id: VersionId,
    last_notification_id: i64,
}

impl Writer {
    pub(crate) async fn new(mut connection: SqliteConnection, path: PathBuf) -> Result<Self, StoreError> {
        let last = sqlx::query("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut connection)
            .await?;
        let (last_seq, last_hash) = match last {
            Some(row) => (row.get(0), parse_hash(row.get(1))?),
            None => (0, history::GENESIS),
        };
        // Also of runs that are gone: the history still tells of them by their numbers.
        let last_run_key =
            max_of(&mut connection, "SELECT coalesce(max(run_key), 0) FROM event WHERE run_key IS NOT NULL")
                .await?;
        let last_version_id =
            max_of(&mut connection, "SELECT coalesce(max(version_id), 0) FROM dag_version").await?;
        let last_notification_id =
            max_of(&mut connection, "SELECT coalesce(max(notification_id), 0) FROM notification").await?;
        Ok(Self {
            connection,
            path,
            last_seq,
            last_hash,
            last_run_key,
            last_version_id,
            last_notification_id,
        })
    }

    /// A number for a new run; given out once.
    pub fn next_run_key(&mut self) -> RunKey {
        self.last_run_key += 1;
        self.last_run_key
    }

    /// A number for a new DAG version; given out once.
    pub fn next_version_id(&mut self) -> VersionId {
        self.last_version_id += 1;
        self.last_version_id
    }

    /// A number for a new notification; given out once.
    pub fn next_notification_id(&mut self) -> i64 {
        self.last_notification_id += 1;
        self.last_notification_id
    }

    /// Makes a batch durable, or nothing of it. Gives the events as they stand in the history.
    pub async fn commit(&mut self, batch: &Batch) -> Result<Vec<EventRow>, StoreError> {
        let (events, last_hash) = self.chain(&batch.events);
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for version in &batch.versions {
            insert_version(&mut transaction, version).await?;
        }
        for dag in &batch.dags {
            upsert_dag(&mut transaction, dag).await?;
        }
        write_what_is_not_of_runs(&mut transaction, batch).await?;
        for change in &batch.assets {
            assets::write(&mut transaction, change).await?;
        }
        for backfill in &batch.backfills {
            backfills::upsert(&mut transaction, backfill).await?;
        }
        for run in &batch.new_runs {
            insert_run(&mut transaction, run).await?;
        }
        update_runs(&mut transaction, &batch.runs).await?;
        for moved in &batch.moved_runs {
            version_moves::write(&mut transaction, moved).await?;
        }
        for new in &batch.expansions {
            expansions::write(&mut transaction, new).await?;
        }
        for gone in &batch.instances_gone {
            expansions::remove_instances(&mut transaction, gone).await?;
        }
        upsert_instances(&mut transaction, &batch.instances).await?;
        for name in &batch.labels {
            expansions::name_instance(&mut transaction, name).await?;
        }
        insert_attempts(&mut transaction, &batch.attempts).await?;
        delete_xcoms(&mut transaction, &batch.xcoms_gone).await?;
        for (run_key, instance, at, xcom) in &batch.xcoms {
            let row =
                InstanceXcom { run_key: *run_key, instance: *instance, at_micros: at.as_microsecond(), xcom };
            upsert_xcom(&mut transaction, &row).await?;
        }
        for asked in &batch.questions {
            questions::ask(&mut transaction, asked).await?;
        }
        for given in &batch.answers {
            questions::answer(&mut transaction, given).await?;
        }
        for notification in &batch.notifications {
            notifications::upsert(&mut transaction, notification).await?;
        }
        removals::remove_runs(&mut transaction, &batch.runs_gone).await?;
        for dag_id in &batch.dags_gone {
            removals::remove_dag(&mut transaction, dag_id).await?;
        }
        insert_events(&mut transaction, &events).await?;
        transaction.commit().await?;
        self.last_seq += events.len() as i64;
        self.last_hash = last_hash;
        Ok(events)
    }

    /// Keeps the database from growing beyond so many pages, or lets it grow again: how tests fill the disk.
    #[doc(hidden)]
    pub async fn limit_pages(&mut self, pages: Option<u32>) -> Result<(), StoreError> {
        let statement = format!("PRAGMA max_page_count = {}", pages.unwrap_or(u32::MAX - 1));
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Connects anew after a commit that failed. A full disk can leave the old connection between two states: SQLite
    /// has rolled back by itself, and the driver counts a transaction that is no more.
    pub async fn reconnect(&mut self) -> Result<(), StoreError> {
        let old = std::mem::replace(&mut self.connection, connect_writer(&self.path).await?);
        // It may be beyond a polite end.
        let _ = old.close_hard().await;
        Ok(())
    }

    /// Writes back what the log holds and closes.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }

    /// Numbers the events and chains their hashes.
    fn chain(&self, events: &[NewEvent]) -> (Vec<EventRow>, [u8; 32]) {
        let mut hash = self.last_hash;
        let rows = events
            .iter()
            .zip(self.last_seq + 1..)
            .map(|(event, seq)| {
                let mut row = event_row(event, seq);
                hash = history::chain(&hash, &hashed_fields(&row));
                row.hash = hex::encode(hash);
                row
            })
            .collect();
        (rows, hash)
    }
}

fn event_row(event: &NewEvent, seq: i64) -> EventRow {
    let subject = &event.subject;
    EventRow {
        seq,
        // The database keeps microseconds; what is handed on must be what will be read back.
        at: Timestamp::from_microsecond(event.at.as_microsecond()).unwrap_or(event.at),
        name: event.name.to_owned(),
        run_key: subject.run.as_ref().map(|(key, _)| *key),
        dag_id: subject.dag_id.as_ref().map_or_else(String::new, ToString::to_string),
        run_id: subject.run.as_ref().map_or_else(String::new, |(_, run_id)| run_id.to_string()),
        task_id: subject.task.as_ref().map_or_else(String::new, |(_, task_id)| task_id.to_string()),
        task_index: subject.task.as_ref().map(|(instance, _)| instance.task.0),
        map_index: subject.task.as_ref().map_or(-1, |(instance, _)| instance.map_index),
        try_number: event.try_number,
        actor: event.actor.to_string(),
        via: event.via.as_str().to_owned(),
        body: event.body.clone(),
        hash: String::new(),
    }
}

/// The fields of a row that its hash covers.
pub(crate) fn hashed_fields(row: &EventRow) -> HashedFields<'_> {
    HashedFields {
        seq: row.seq,
        at_micros: row.at.as_microsecond(),
        name: &row.name,
        dag_id: &row.dag_id,
        run_id: &row.run_id,
        task_id: &row.task_id,
        map_index: row.map_index,
        try_number: row.try_number,
        actor: &row.actor,
        via: &row.via,
        body: &row.body,
    }
}

fn parse_hash(text: &str) -> Result<[u8; 32], StoreError> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| StoreError::Corrupt("an event's hash is not 32 bytes in hex".into()))?;
    Ok(hash)
}

async fn max_of(connection: &mut SqliteConnection, query: &'static str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(query).fetch_one(connection).await?)
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

/// Runs a statement over a list, handed over as one JSON parameter; an empty list costs nothing.
async fn over_list<T: serde::Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: Vec<T>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_string(&rows).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query(statement).bind(list).execute(connection).await?;
    Ok(())
}

async fn insert_events(connection: &mut SqliteConnection, events: &[EventRow]) -> Result<(), StoreError> {
    const STATEMENT: &str = "INSERT INTO event (seq, at, name, run_key, dag_id, run_id, task_id, task_index, map_index, \
         try_number, actor, via, body, hash) \
         SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
         value->>9, value->>10, value->>11, value->>12, value->>13 FROM json_each(?1)";
    let rows = events
        .iter()
        .map(|row| {
            (
                row.seq,
                row.at.as_microsecond(),
                &row.name,
                row.run_key,
                &row.dag_id,
                &row.run_id,
                &row.task_id,
                row.task_index,
                row.map_index,
                row.try_number,
                &row.actor,
                &row.via,
                &row.body,
                &row.hash,
            )
        })
        .collect();
    over_list(connection, STATEMENT, rows).await
}

async fn upsert_instances(
    connection: &mut SqliteConnection,
    updates: &[InstanceUpdate],
) -> Result<(), StoreError> {
    const STATEMENT: &str = "INSERT INTO task_instance (run_key, task_index, map_index, task_id, state, try_number, \
         scheduled_at, started_at, ended_at, retry_at) \
         SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
         value->>9 FROM json_each(?1) WHERE true \
         ON CONFLICT (run_key, task_index, map_index) DO UPDATE SET state = excluded.state, \
         try_number = excluded.try_number, scheduled_at = excluded.scheduled_at, started_at = excluded.started_at, \
         ended_at = excluded.ended_at, retry_at = excluded.retry_at";
    let rows = updates
        .iter()
        .map(|update| {
            let live = &update.live;
            (
                update.run_key,
                update.instance.task.0,
                update.instance.map_index,
                update.task_id.as_str(),
                live.state.map(TaskInstanceState::as_str),
                live.try_number,
                micros(live.scheduled_at),
                micros(live.started_at),
                micros(live.ended_at),
                micros(live.retry_at),
            )
        })
        .collect();
    over_list(connection, STATEMENT, rows).await
}

async fn insert_attempts(
    connection: &mut SqliteConnection,
    attempts: &[NewAttempt],
) -> Result<(), StoreError> {
    const STATEMENT: &str = "INSERT INTO attempt (run_key, task_index, map_index, try_number, outcome, started_at, \
         ended_at, error, arguments) \
         SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8 \
         FROM json_each(?1)";
    let rows = attempts
        .iter()
        .map(|attempt| {
            (
                attempt.run_key,
                attempt.instance.task.0,
                attempt.instance.map_index,
                attempt.try_number,
                attempt.outcome,
                attempt.started_at.as_microsecond(),
                attempt.ended_at.as_microsecond(),
                &attempt.error,
                &attempt.arguments,
            )
        })
        .collect();
    over_list(connection, STATEMENT, rows).await
}

async fn update_runs(connection: &mut SqliteConnection, runs: &[RunUpdate]) -> Result<(), StoreError> {
    const STATEMENT: &str = "UPDATE dag_run SET state = change.value->>1, started_at = change.value->>2, \
         ended_at = change.value->>3 FROM json_each(?1) AS change WHERE run_key = change.value->>0";
    let rows = runs
        .iter()
        .map(|run| (run.run_key, run.state.as_str(), micros(run.started_at), micros(run.ended_at)))
        .collect();
    over_list(connection, STATEMENT, rows).await
}

async fn insert_run(connection: &mut SqliteConnection, run: &NewRun) -> Result<(), StoreError> {
    let interval = run.data_interval;
    sqlx::query(
        "INSERT INTO dag_run (run_key, dag_id, run_id, version_id, state, run_type, triggered_by, triggering_user, \
         logical_date, data_interval_start, data_interval_end, run_after, queued_at, conf, note, parent_run_key, \
         is_cancelled_with_parent, backfill_id) \
         VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )
    .bind(run.run_key)
    .bind(run.dag_id.as_str())
    .bind(run.run_id.as_str())
    .bind(run.version_id)
    .bind(run.run_type.as_str())
    .bind(run.triggered_by.as_str())
    .bind(&run.triggering_user)
    .bind(micros(run.logical_date))
    .bind(micros(interval.map(|(start, _)| start)))
    .bind(micros(interval.map(|(_, end)| end)))
    .bind(run.run_after.as_microsecond())
    .bind(run.queued_at.as_microsecond())
    .bind(&run.conf)
    .bind(&run.note)
    .bind(run.parent_run_key)
    .bind(run.is_cancelled_with_parent)
    .bind(run.backfill_id)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_version(connection: &mut SqliteConnection, version: &NewVersion) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO dag_version (version_id, dag_id, version_number, source_hash, file, source, definition, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(version.version_id)
    .bind(version.dag_id.as_str())
    .bind(version.version_number)
    .bind(&version.source_hash)
    .bind(&version.file)
    .bind(&version.source)
    .bind(&version.definition)
    .bind(version.created_at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

/// Import errors, and what belongs to no DAG.
async fn write_what_is_not_of_runs(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), StoreError> {
    for change in &batch.import_errors {
        write_import_error(connection, change).await?;
    }
    for change in &batch.pools {
        pools::write(connection, change).await?;
    }
    for change in &batch.secrets {
        secrets::write(connection, change).await?;
    }
    for change in &batch.accounts {
        accounts::write(connection, change).await?;
    }
    for change in &batch.acknowledgements {
        alerts::write(connection, change).await?;
    }
    Ok(())
}

async fn upsert_dag(connection: &mut SqliteConnection, dag: &DagChange) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO dag (dag_id, version_id, file, is_paused, is_stale, loaded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (dag_id) DO UPDATE SET version_id = excluded.version_id, file = excluded.file, \
         is_paused = excluded.is_paused, is_stale = excluded.is_stale, loaded_at = excluded.loaded_at",
    )
    .bind(dag.dag_id.as_str())
    .bind(dag.version_id)
    .bind(&dag.file)
    .bind(dag.is_paused)
    .bind(dag.is_stale)
    .bind(dag.loaded_at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_import_error(
    connection: &mut SqliteConnection,
    change: &ImportErrorChange,
) -> Result<(), StoreError> {
    match change {
        ImportErrorChange::Broken { file, at, diagnostics } => {
            sqlx::query("INSERT OR REPLACE INTO import_error (file, at, diagnostics) VALUES (?1, ?2, ?3)")
                .bind(file)
                .bind(at.as_microsecond())
                .bind(diagnostics)
                .execute(connection)
                .await?
        }
        ImportErrorChange::Mended { file } => {
            sqlx::query("DELETE FROM import_error WHERE file = ?1").bind(file).execute(connection).await?
        }
    };
    Ok(())
}

async fn delete_xcoms(
    connection: &mut SqliteConnection,
    instances: &[(RunKey, InstanceKey)],
) -> Result<(), StoreError> {
    const STATEMENT: &str = "DELETE FROM xcom WHERE (run_key, task_index, map_index) IN \
         (SELECT value->>0, value->>1, value->>2 FROM json_each(?1))";
    let rows: Vec<_> =
        instances.iter().map(|(run_key, instance)| (run_key, instance.task.0, instance.map_index)).collect();
    over_list(connection, STATEMENT, rows).await
}

async fn upsert_xcom(connection: &mut SqliteConnection, row: &InstanceXcom<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO xcom (run_key, task_index, map_index, key, at, size, encoding, value) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(row.run_key)
    .bind(row.instance.task.0)
    .bind(row.instance.map_index)
    .bind(&row.xcom.key)
    .bind(row.at_micros)
    .bind(row.xcom.size as i64)
    .bind(row.xcom.encoding)
    .bind(&row.xcom.bytes)
    .execute(connection)
    .await?;
    Ok(())
}
