//! A run that goes on with another version of its DAG: its rows get the numbers that its tasks have there.

use crate::error::StoreError;
use crate::rows::{RunKey, VersionId};
use esteira_core::dag::TaskIndex;
use esteira_core::run::VersionMove;
use sqlx::SqliteConnection;

/// A run that goes on with another version of its DAG.
#[derive(Clone, Debug)]
pub struct RunMoved {
    /// The run.
    pub run_key: RunKey,
    /// The version that it has from here on.
    pub version_id: VersionId,
    /// What that does to its tasks.
    pub tasks: VersionMove,
}

/// The rows that bear the number of a task.
const NUMBERED: [&str; 3] = ["task_instance", "attempt", "xcom"];

pub(crate) async fn write(connection: &mut SqliteConnection, moved: &RunMoved) -> Result<(), StoreError> {
    sqlx::query("UPDATE dag_run SET version_id = ?2 WHERE run_key = ?1")
        .bind(moved.run_key)
        .bind(moved.version_id)
        .execute(&mut *connection)
        .await?;
    let renumbered: Vec<(u32, u32)> =
        moved.tasks.numbers.iter().copied().filter(|(old, new)| old != new).collect();
    let renumbered = json(&renumbered)?;
    for table in NUMBERED {
        // By way of numbers below zero, for two tasks may change places.
        let aside = format!(
            "UPDATE {table} SET task_index = -1 - (move.value->>1) FROM json_each(?2) AS move \
             WHERE run_key = ?1 AND task_index = move.value->>0"
        );
        let back =
            format!("UPDATE {table} SET task_index = -1 - task_index WHERE run_key = ?1 AND task_index < 0");
        sqlx::query(sqlx::AssertSqlSafe(aside))
            .bind(moved.run_key)
            .bind(&renumbered)
            .execute(&mut *connection)
            .await?;
        sqlx::query(sqlx::AssertSqlSafe(back)).bind(moved.run_key).execute(&mut *connection).await?;
    }
    let state = "UPDATE task_instance SET state = 'removed'";
    for_tasks(connection, state, moved.run_key, &moved.tasks.removed).await?;
    for statement in ["DELETE FROM task_instance", "DELETE FROM xcom"] {
        for_tasks(connection, statement, moved.run_key, &moved.tasks.anew).await?;
    }
    Ok(())
}

async fn for_tasks(
    connection: &mut SqliteConnection,
    statement: &str,
    run_key: RunKey,
    tasks: &[TaskIndex],
) -> Result<(), StoreError> {
    let which = format!(
        "{statement} WHERE run_key = ?1 AND task_index IN (SELECT task.value FROM json_each(?2) AS task)"
    );
    let numbers: Vec<u32> = tasks.iter().map(|task| task.0).collect();
    let query = sqlx::query(sqlx::AssertSqlSafe(which)).bind(run_key).bind(json(&numbers)?);
    query.execute(connection).await?;
    Ok(())
}

fn json<T: serde::Serialize>(list: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|fault| StoreError::Corrupt(fault.to_string()))
}
