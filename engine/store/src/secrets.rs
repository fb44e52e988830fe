//! Variables and connections: rows whose values are sealed.

use crate::error::StoreError;
use crate::read::{Reader, instant};
use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

/// A variable, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRow {
    /// Its name.
    pub key: String,
    /// Its value, sealed for [`VariableRow::sealed_for`].
    pub sealed: Vec<u8>,
    /// Whether nothing may show its value.
    pub is_secret: bool,
    /// One line for people.
    pub description: String,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// A connection, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub connection_id: String,
    /// Its URL, sealed for [`ConnectionRow::sealed_for`].
    pub sealed: Vec<u8>,
    /// One line for people.
    pub description: String,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

impl VariableRow {
    /// The name that the value of a variable is sealed for.
    pub fn sealed_for(key: &str) -> String {
        format!("variable:{key}")
    }
}

impl ConnectionRow {
    /// The name that the URL of a connection is sealed for.
    pub fn sealed_for(connection_id: &str) -> String {
        format!("connection:{connection_id}")
    }
}

/// A change of a variable or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// The variable is there, like this.
    SetVariable(VariableRow),
    /// The variable of this name is gone.
    RemoveVariable(String),
    /// The connection is there, like this.
    SetConnection(ConnectionRow),
    /// The connection of this id is gone.
    RemoveConnection(String),
}

impl Reader {
    /// Every variable, by name.
    pub async fn variables(&self) -> Result<Vec<VariableRow>, StoreError> {
        let query =
            sqlx::query("SELECT key, value, is_secret, description, changed_at FROM variable ORDER BY key");
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(VariableRow {
                    key: row.get(0),
                    sealed: row.get(1),
                    is_secret: row.get(2),
                    description: row.get(3),
                    changed_at: instant(row.get(4))?,
                })
            })
            .collect()
    }

    /// Every connection of the store, by id.
    pub async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        let query = sqlx::query(
            "SELECT connection_id, value, description, changed_at FROM connection ORDER BY connection_id",
        );
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(ConnectionRow {
                    connection_id: row.get(0),
                    sealed: row.get(1),
                    description: row.get(2),
                    changed_at: instant(row.get(3))?,
                })
            })
            .collect()
    }
}

pub(crate) async fn write(
    connection: &mut SqliteConnection,
    change: &SecretChange,
) -> Result<(), StoreError> {
    match change {
        SecretChange::SetVariable(row) => {
            sqlx::query(
                "INSERT OR REPLACE INTO variable (key, value, is_secret, description, changed_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .bind(&row.key)
            .bind(&row.sealed)
            .bind(row.is_secret)
            .bind(&row.description)
            .bind(row.changed_at.as_microsecond())
            .execute(connection)
            .await?
        }
        SecretChange::RemoveVariable(key) => {
            sqlx::query("DELETE FROM variable WHERE key = ?1").bind(key).execute(connection).await?
        }
        SecretChange::SetConnection(row) => {
            sqlx::query(
                "INSERT OR REPLACE INTO connection (connection_id, value, description, changed_at) \
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(&row.connection_id)
            .bind(&row.sealed)
            .bind(&row.description)
            .bind(row.changed_at.as_microsecond())
            .execute(connection)
            .await?
        }
        SecretChange::RemoveConnection(connection_id) => {
            let statement = sqlx::query("DELETE FROM connection WHERE connection_id = ?1");
            statement.bind(connection_id).execute(connection).await?
        }
    };
    Ok(())
}
