//! What mapped tasks are expanded over, and what that does to the rows of their instances.

use crate::error::StoreError;
use crate::read::Reader;
use crate::rows::RunKey;
use crate::xcom::{EncodedXcom, decode};
use esteira_core::dag::{Expansion, TaskIndex};
use esteira_core::run::InstanceKey;
use serde_json::Value;
use sqlx::{Row, SqliteConnection};

/// What a mapped task, or a mapped group, is expanded over in a run.
#[derive(Clone, Debug)]
pub struct NewExpansion {
    /// The run.
    pub run_key: RunKey,
    /// The task's or the group's name.
    pub owner: String,
    /// The arguments of all instances, ready to be written.
    pub encoded: EncodedXcom,
}

/// Rows of instances that stand for a task no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstancesGone {
    /// The run.
    pub run_key: RunKey,
    /// The task.
    pub task: TaskIndex,
    /// Its mapped instances, or the one that stood for it before it was expanded.
    pub mapped: bool,
}

/// The name of a mapped instance.
#[derive(Clone, Debug)]
pub struct InstanceLabel {
    /// The run.
    pub run_key: RunKey,
    /// The instance.
    pub instance: InstanceKey,
    /// Its name.
    pub label: String,
}

impl Reader {
    /// What the mapped tasks of a run are expanded over, by the task's or the group's name.
    pub async fn expansions(&self, run_key: RunKey) -> Result<Vec<(String, Expansion)>, StoreError> {
        let rows = sqlx::query("SELECT owner, size, encoding, value FROM expansion WHERE run_key = ?1")
            .bind(run_key)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let value = decode(row.get(1), row.get(2), row.get(3)).map_err(StoreError::Corrupt)?;
                let expansion = serde_json::from_value(value);
                Ok((row.get(0), expansion.map_err(|fault| StoreError::Corrupt(fault.to_string()))?))
            })
            .collect()
    }

    /// A value that an instance pushed, by the task's place in its DAG version.
    pub async fn xcom_at(
        &self,
        run_key: RunKey,
        instance: InstanceKey,
        key: &str,
    ) -> Result<Option<Value>, StoreError> {
        let row = sqlx::query(
            "SELECT size, encoding, value FROM xcom \
             WHERE run_key = ?1 AND task_index = ?2 AND map_index = ?3 AND key = ?4",
        )
        .bind(run_key)
        .bind(instance.task.0)
        .bind(instance.map_index)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| decode(row.get(0), row.get(1), row.get(2)).map_err(StoreError::Corrupt)).transpose()
    }

    /// How many mapped instances of a task pushed a value under this key.
    pub async fn mapped_xcom_count(
        &self,
        run_key: RunKey,
        task: TaskIndex,
        key: &str,
    ) -> Result<u32, StoreError> {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM xcom WHERE run_key = ?1 AND task_index = ?2 AND map_index >= 0 AND key = ?3",
        );
        Ok(count.bind(run_key).bind(task.0).bind(key).fetch_one(&self.pool).await?)
    }

    /// Some of these values, in the order of the instances.
    pub async fn mapped_xcoms(
        &self,
        run_key: RunKey,
        task: TaskIndex,
        key: &str,
        from: u32,
        count: u32,
    ) -> Result<Vec<Value>, StoreError> {
        let rows = sqlx::query(
            "SELECT size, encoding, value FROM xcom WHERE run_key = ?1 AND task_index = ?2 AND map_index >= 0 AND key = ?3 \
             ORDER BY map_index LIMIT ?4 OFFSET ?5",
        )
        .bind(run_key)
        .bind(task.0)
        .bind(key)
        .bind(count)
        .bind(from)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| decode(row.get(0), row.get(1), row.get(2)).map_err(StoreError::Corrupt))
            .collect()
    }
}

pub(crate) async fn write(connection: &mut SqliteConnection, new: &NewExpansion) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO expansion (run_key, owner, size, encoding, value) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(new.run_key)
    .bind(&new.owner)
    .bind(new.encoded.size as i64)
    .bind(new.encoded.encoding)
    .bind(&new.encoded.bytes)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn remove_instances(
    connection: &mut SqliteConnection,
    gone: &InstancesGone,
) -> Result<(), StoreError> {
    let statement = if gone.mapped {
        "DELETE FROM task_instance WHERE run_key = ?1 AND task_index = ?2 AND map_index >= 0"
    } else {
        "DELETE FROM task_instance WHERE run_key = ?1 AND task_index = ?2 AND map_index = -1"
    };
    sqlx::query(statement).bind(gone.run_key).bind(gone.task.0).execute(connection).await?;
    Ok(())
}

pub(crate) async fn name_instance(
    connection: &mut SqliteConnection,
    name: &InstanceLabel,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE task_instance SET label = ?4 WHERE run_key = ?1 AND task_index = ?2 AND map_index = ?3",
    )
    .bind(name.run_key)
    .bind(name.instance.task.0)
    .bind(name.instance.map_index)
    .bind(&name.label)
    .execute(connection)
    .await?;
    Ok(())
}
