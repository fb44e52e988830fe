//! Pools: slots that task instances share.

use crate::error::StoreError;
use crate::read::Reader;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// How many slots it has; none for as many as anyone wants.
    pub slots: Option<u32>,
    /// One line for people.
    pub description: String,
}

/// A change of a pool.
#[derive(Clone, Debug)]
pub enum PoolChange {
    /// It is there, like this.
    Set(PoolRow),
    /// It is gone.
    Removed {
        /// Its name.
        name: String,
    },
}

impl Reader {
    /// Every pool, by name.
    pub async fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        let rows = sqlx::query("SELECT name, slots, description FROM pool ORDER BY name");
        Ok(rows.fetch_all(&self.pool).await?.iter().map(pool_row).collect())
    }

    /// The pool of this name.
    pub async fn pool(&self, name: &str) -> Result<Option<PoolRow>, StoreError> {
        let row = sqlx::query("SELECT name, slots, description FROM pool WHERE name = ?1").bind(name);
        Ok(row.fetch_optional(&self.pool).await?.as_ref().map(pool_row))
    }
}

fn pool_row(row: &SqliteRow) -> PoolRow {
    PoolRow { name: row.get(0), slots: u32::try_from(row.get::<i64, _>(1)).ok(), description: row.get(2) }
}

pub(crate) async fn write(connection: &mut SqliteConnection, change: &PoolChange) -> Result<(), StoreError> {
    match change {
        PoolChange::Set(pool) => {
            sqlx::query("INSERT OR REPLACE INTO pool (name, slots, description) VALUES (?1, ?2, ?3)")
                .bind(&pool.name)
                .bind(pool.slots.map_or(-1, i64::from))
                .bind(&pool.description)
                .execute(connection)
                .await?
        }
        PoolChange::Removed { name } => {
            sqlx::query("DELETE FROM pool WHERE name = ?1").bind(name).execute(connection).await?
        }
    };
    Ok(())
}
