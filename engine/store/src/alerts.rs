//! Which alerts people have acknowledged. The alerts themselves are messages in a queue outside.

use crate::error::StoreError;
use crate::read::{Reader, instant};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// That somebody has acknowledged an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcknowledgementRow {
    /// The alert's own name: that of its message.
    pub message_id: String,
    /// Who has seen it.
    pub acknowledged_by: String,
    /// When.
    pub acknowledged_at: Timestamp,
    /// What they wrote about it, or nothing.
    pub note: String,
}

/// A change of what is acknowledged.
#[derive(Clone, Debug)]
pub enum AcknowledgementChange {
    /// It is acknowledged.
    Made(AcknowledgementRow),
    /// It is not any more.
    Withdrawn {
        /// The alert's own name.
        message_id: String,
    },
}

impl Reader {
    /// What is known of these alerts; those that nobody has acknowledged are left out.
    pub async fn acknowledgements(
        &self,
        message_ids: &[String],
    ) -> Result<Vec<AcknowledgementRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT message_id, acknowledged_by, acknowledged_at, note FROM alert_acknowledgement \
             WHERE message_id IN (SELECT value FROM json_each(?1))",
        );
        let named =
            serde_json::to_string(message_ids).map_err(|fault| StoreError::Corrupt(fault.to_string()))?;
        let rows = rows.bind(named).fetch_all(&self.pool).await?;
        rows.iter().map(acknowledgement_row).collect()
    }
}

fn acknowledgement_row(row: &SqliteRow) -> Result<AcknowledgementRow, StoreError> {
    Ok(AcknowledgementRow {
        message_id: row.get(0),
        acknowledged_by: row.get(1),
        acknowledged_at: instant(row.get(2))?,
        note: row.get(3),
    })
}

pub(crate) async fn write(
    connection: &mut SqliteConnection,
    change: &AcknowledgementChange,
) -> Result<(), StoreError> {
    match change {
        AcknowledgementChange::Made(row) => {
            sqlx::query(
                "INSERT OR REPLACE INTO alert_acknowledgement (message_id, acknowledged_by, acknowledged_at, note) \
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(&row.message_id)
            .bind(&row.acknowledged_by)
            .bind(row.acknowledged_at.as_microsecond())
            .bind(&row.note)
            .execute(connection)
            .await?
        }
        AcknowledgementChange::Withdrawn { message_id } => {
            sqlx::query("DELETE FROM alert_acknowledgement WHERE message_id = ?1")
                .bind(message_id)
                .execute(connection)
                .await?
        }
    };
    Ok(())
}
