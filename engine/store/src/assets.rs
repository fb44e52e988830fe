//! Assets, their updates, and what these are used for; and the secrets of webhooks.

use crate::error::StoreError;
use crate::read::{Reader, instant, json};
use crate::rows::RunKey;
use esteira_core::ids::DagId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// An update of an asset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssetEventRow {
    /// Its number.
    pub asset_event_id: i64,
    /// The asset.
    pub uri: String,
    /// When it happened.
    pub at: Timestamp,
    /// What was said about it: an object.
    pub extra: Value,
    /// The DAG whose task did it, or empty.
    pub dag_id: String,
    /// The run whose task did it, or empty.
    pub run_id: String,
    /// The task that did it, or empty.
    pub task_id: String,
    /// The task's mapped instance, or -1.
    pub map_index: i32,
}

/// An asset that a DAG file or an update has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRow {
    /// Its number.
    pub asset_id: i64,
    /// Its name.
    pub uri: String,
}

/// A change of assets, or of webhooks.
#[derive(Clone, Debug)]
pub enum AssetChange {
    /// There is such an asset.
    Named(String),
    /// It was updated.
    Updated(AssetEventRow),
    /// An update waits for the DAG's next run, or was used for one.
    Used {
        /// The DAG.
        dag_id: DagId,
        /// The update.
        asset_event_id: i64,
        /// The run, once there is one.
        run_key: Option<RunKey>,
    },
    /// An update that nobody waits for any more.
    Unused {
        /// The DAG.
        dag_id: DagId,
    },
    /// The DAG's webhook has a new secret, or is gone.
    Webhook {
        /// The DAG.
        dag_id: DagId,
        /// The secret's SHA-256, in hex.
        secret_hash: Option<String>,
        /// When it was made.
        at: Timestamp,
    },
}

pub(crate) const EVENT_COLUMNS: &str =
    "SELECT asset_event_id, uri, at, extra, asset_event.dag_id, run_id, task_id, map_index FROM asset_event";

impl Reader {
    /// Every asset, by name.
    pub async fn assets(&self) -> Result<Vec<AssetRow>, StoreError> {
        let rows = sqlx::query("SELECT asset_id, uri FROM asset ORDER BY uri").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|row| AssetRow { asset_id: row.get(0), uri: row.get(1) }).collect())
    }

    /// The newest update of an asset.
    pub async fn newest_asset_event(&self, uri: &str) -> Result<Option<AssetEventRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{EVENT_COLUMNS} WHERE uri = ?1 ORDER BY asset_event_id DESC LIMIT 1"
        ));
        let row = sqlx::query(query).bind(uri).fetch_optional(&self.pool).await?;
        row.as_ref().map(event).transpose()
    }

    /// The newest update of each of these assets that has one.
    pub async fn newest_asset_events(&self, uris: &[&str]) -> Result<Vec<AssetEventRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{EVENT_COLUMNS} WHERE asset_event_id IN (SELECT (SELECT max(asset_event_id) FROM asset_event \
             WHERE uri = wanted.value) FROM json_each(?1) AS wanted)"
        ));
        let wanted = serde_json::json!(uris).to_string();
        sqlx::query(query).bind(wanted).fetch_all(&self.pool).await?.iter().map(event).collect()
    }

    /// How many updates wait: the DAG that they wait for, the asset, and their number.
    pub async fn waiting_asset_counts(&self) -> Result<Vec<(DagId, String, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT asset_use.dag_id, uri, count(*) FROM asset_use JOIN asset_event USING (asset_event_id) \
             WHERE run_key IS NULL GROUP BY asset_use.dag_id, uri",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let count = |row: &SqliteRow| row.get::<i64, _>(2).unsigned_abs();
        Ok(rows.iter().map(|row| (row.get::<String, _>(0).into(), row.get(1), count(row))).collect())
    }

    /// The updates that a run was started for, oldest first.
    pub async fn asset_events_of_run(&self, run_key: RunKey) -> Result<Vec<AssetEventRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{EVENT_COLUMNS} JOIN asset_use USING (asset_event_id) WHERE run_key = ?1 ORDER BY asset_event_id"
        ));
        sqlx::query(query).bind(run_key).fetch_all(&self.pool).await?.iter().map(event).collect()
    }

    /// The updates that wait, each with the DAG that it waits for, oldest first.
    pub async fn waiting_asset_events(&self) -> Result<Vec<(DagId, AssetEventRow)>, StoreError> {
        let rows = sqlx::query(
            "SELECT asset_event_id, uri, at, extra, asset_event.dag_id, run_id, task_id, map_index, asset_use.dag_id \
             FROM asset_event JOIN asset_use USING (asset_event_id) WHERE run_key IS NULL ORDER BY asset_event_id",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.get::<String, _>(8).into(), event(row)?))).collect()
    }

    /// The number of the newest update.
    pub async fn last_asset_event(&self) -> Result<i64, StoreError> {
        let last = sqlx::query_scalar("SELECT coalesce(max(asset_event_id), 0) FROM asset_event");
        Ok(last.fetch_one(&self.pool).await?)
    }

    /// The SHA-256 of the secret of a DAG's webhook, if it has one.
    pub async fn webhook(&self, dag_id: &str) -> Result<Option<String>, StoreError> {
        let hash = sqlx::query_scalar("SELECT secret_hash FROM webhook WHERE dag_id = ?1").bind(dag_id);
        Ok(hash.fetch_optional(&self.pool).await?)
    }
}

pub(crate) fn event(row: &SqliteRow) -> Result<AssetEventRow, StoreError> {
    Ok(AssetEventRow {
        asset_event_id: row.get(0),
        uri: row.get(1),
        at: instant(row.get(2))?,
        extra: json(row.get(3))?,
        dag_id: row.get(4),
        run_id: row.get(5),
        task_id: row.get(6),
        map_index: row.get(7),
    })
}

pub(crate) async fn write(connection: &mut SqliteConnection, change: &AssetChange) -> Result<(), StoreError> {
    let query = match change {
        AssetChange::Named(uri) => sqlx::query("INSERT OR IGNORE INTO asset (uri) VALUES (?1)").bind(uri),
        AssetChange::Updated(event) => sqlx::query(
            "INSERT INTO asset_event (asset_event_id, uri, at, extra, dag_id, run_id, task_id, map_index) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(event.asset_event_id)
        .bind(&event.uri)
        .bind(event.at.as_microsecond())
        .bind(event.extra.to_string())
        .bind(&event.dag_id)
        .bind(&event.run_id)
        .bind(&event.task_id)
        .bind(event.map_index),
        AssetChange::Used { dag_id, asset_event_id, run_key } => sqlx::query(
            "INSERT OR REPLACE INTO asset_use (dag_id, asset_event_id, run_key) VALUES (?1, ?2, ?3)",
        )
        .bind(dag_id.as_str())
        .bind(asset_event_id)
        .bind(run_key),
        AssetChange::Unused { dag_id } => {
            sqlx::query("DELETE FROM asset_use WHERE dag_id = ?1 AND run_key IS NULL").bind(dag_id.as_str())
        }
        AssetChange::Webhook { dag_id, secret_hash: Some(hash), at } => sqlx::query(
            "INSERT OR REPLACE INTO webhook (dag_id, secret_hash, created_at) VALUES (?1, ?2, ?3)",
        )
        .bind(dag_id.as_str())
        .bind(hash)
        .bind(at.as_microsecond()),
        AssetChange::Webhook { dag_id, .. } => {
            sqlx::query("DELETE FROM webhook WHERE dag_id = ?1").bind(dag_id.as_str())
        }
    };
    query.execute(connection).await?;
    Ok(())
}
