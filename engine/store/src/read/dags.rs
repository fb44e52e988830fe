//! DAGs, their versions, and files that make none.

use super::{Reader, instant, json};
use crate::error::StoreError;
use crate::rows::{DagHead, DagRow, ImportErrorRow, VersionId, VersionRow};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

const DAG_COLUMNS: &str = "SELECT dag.dag_id, dag.version_id, version_number, dag.file, is_paused, is_stale, loaded_at, \
     definition FROM dag JOIN dag_version USING (version_id)";
const VERSION_COLUMNS: &str =
    "SELECT version_id, dag_id, version_number, source_hash, file, source, created_at FROM dag_version";

impl Reader {
    /// Every DAG, by name.
    pub async fn dags(&self) -> Result<Vec<DagRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{DAG_COLUMNS} ORDER BY dag.dag_id"));
        sqlx::query(query).fetch_all(&self.pool).await?.iter().map(dag_row).collect()
    }

    /// Every DAG without what its file says, by name.
    pub async fn dag_heads(&self) -> Result<Vec<DagHead>, StoreError> {
        let query =
            sqlx::query("SELECT dag_id, file, is_paused, is_stale, loaded_at FROM dag ORDER BY dag_id");
        let head = |row: &SqliteRow| {
            Ok(DagHead {
                dag_id: row.get::<String, _>(0).into(),
                file: row.get(1),
                is_paused: row.get(2),
                is_stale: row.get(3),
                loaded_at: instant(row.get(4))?,
            })
        };
        query.fetch_all(&self.pool).await?.iter().map(head).collect()
    }

    /// The DAGs of these names, by name; those that there are not are left out.
    pub async fn dags_named(&self, dag_ids: &[&str]) -> Result<Vec<DagRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{DAG_COLUMNS} WHERE dag.dag_id IN (SELECT value FROM json_each(?1)) ORDER BY dag.dag_id"
        ));
        let names = serde_json::json!(dag_ids).to_string();
        sqlx::query(query).bind(names).fetch_all(&self.pool).await?.iter().map(dag_row).collect()
    }

    /// The DAG of this name.
    pub async fn dag(&self, dag_id: &str) -> Result<Option<DagRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{DAG_COLUMNS} WHERE dag.dag_id = ?1"));
        sqlx::query(query).bind(dag_id).fetch_optional(&self.pool).await?.as_ref().map(dag_row).transpose()
    }

    /// The versions of a DAG, newest first.
    pub async fn versions(&self, dag_id: &str) -> Result<Vec<VersionRow>, StoreError> {
        let query =
            sqlx::AssertSqlSafe(format!("{VERSION_COLUMNS} WHERE dag_id = ?1 ORDER BY version_number DESC"));
        sqlx::query(query).bind(dag_id).fetch_all(&self.pool).await?.iter().map(version_row).collect()
    }

    /// A version by its number in the DAG.
    pub async fn version(&self, dag_id: &str, version_number: i64) -> Result<Option<VersionRow>, StoreError> {
        let query =
            sqlx::AssertSqlSafe(format!("{VERSION_COLUMNS} WHERE dag_id = ?1 AND version_number = ?2"));
        let row = sqlx::query(query).bind(dag_id).bind(version_number).fetch_optional(&self.pool).await?;
        row.as_ref().map(version_row).transpose()
    }

    /// A version by its number in this database.
    pub async fn version_by_id(&self, version_id: VersionId) -> Result<Option<VersionRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{VERSION_COLUMNS} WHERE version_id = ?1"));
        let row = sqlx::query(query).bind(version_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(version_row).transpose()
    }

    /// The version of a DAG with this content.
    pub async fn version_by_hash(
        &self,
        dag_id: &str,
        source_hash: &str,
    ) -> Result<Option<VersionRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{VERSION_COLUMNS} WHERE dag_id = ?1 AND source_hash = ?2"));
        let row = sqlx::query(query).bind(dag_id).bind(source_hash).fetch_optional(&self.pool).await?;
        row.as_ref().map(version_row).transpose()
    }

    /// Every version's number in this database, DAG, number in the DAG and content hash: what the engine needs to
    /// know a content again, without the contents.
    pub async fn version_index(&self) -> Result<Vec<(VersionId, String, i64, String)>, StoreError> {
        let query =
            "SELECT version_id, dag_id, version_number, source_hash FROM dag_version ORDER BY version_id";
        Ok(sqlx::query_as(query).fetch_all(&self.pool).await?)
    }

    /// The definition of a version, as JSON text.
    pub async fn definition(&self, version_id: VersionId) -> Result<Option<String>, StoreError> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT definition FROM dag_version WHERE version_id = ?1")
                .bind(version_id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(text)
    }

    /// When a DAG version was first seen, and its definition, as JSON text; without its source, which may be long.
    pub async fn version_definition(
        &self,
        version_id: VersionId,
    ) -> Result<Option<(Timestamp, String)>, StoreError> {
        let query = sqlx::query("SELECT created_at, definition FROM dag_version WHERE version_id = ?1");
        let row = query.bind(version_id).fetch_optional(&self.pool).await?;
        row.map(|row| Ok((instant(row.get(0))?, row.get(1)))).transpose()
    }

    /// Files that make no DAG at the moment, by name.
    pub async fn import_errors(&self) -> Result<Vec<ImportErrorRow>, StoreError> {
        let rows = sqlx::query("SELECT file, at, diagnostics FROM import_error ORDER BY file")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ImportErrorRow {
                    file: row.get(0),
                    at: instant(row.get(1))?,
                    diagnostics: json(row.get(2))?,
                })
            })
            .collect()
    }
}

fn dag_row(row: &SqliteRow) -> Result<DagRow, StoreError> {
    Ok(DagRow {
        dag_id: row.get::<String, _>(0).into(),
        version_id: row.get(1),
        version_number: row.get(2),
        file: row.get(3),
        is_paused: row.get(4),
        is_stale: row.get(5),
        loaded_at: instant(row.get(6))?,
        definition: row.get(7),
    })
}

fn version_row(row: &SqliteRow) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        version_id: row.get(0),
        dag_id: row.get::<String, _>(1).into(),
        version_number: row.get(2),
        source_hash: row.get(3),
        file: row.get(4),
        source: row.get(5),
        created_at: instant(row.get(6))?,
    })
}
