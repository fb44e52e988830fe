//! Users, their sessions and their API tokens. Secrets are kept as hashes only.

use crate::error::StoreError;
use crate::read::{Reader, instant, json, label, optional_instant};
use esteira_core::access::Role;
use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The name to sign in with.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// Argon2id, in the PHC format.
    pub password_hash: String,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When role or password were last changed.
    pub changed_at: Timestamp,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the session's secret, in hex.
    pub secret_hash: String,
    /// Who.
    pub user_name: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when, at the most.
    pub expires_at: Timestamp,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenRow {
    /// The beginning of its hash, by which it is called.
    pub token_id: String,
    /// For whom it acts.
    pub user_name: String,
    /// What it is for, in the user's words.
    pub label: String,
    /// SHA-256 of the token, in hex.
    pub secret_hash: String,
    /// The most that it may do.
    pub role: Role,
    /// The only DAGs that it may do it with; none for all.
    pub dag_ids: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; none for never.
    pub expires_at: Option<Timestamp>,
}

/// A change of users, sessions and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The user is there, like this.
    SetUser(UserRow),
    /// The user is gone, with all sessions and tokens.
    RemoveUser(String),
    /// Somebody has signed in. Sessions that have ended by then are removed.
    StartSession(SessionRow),
    /// The session with this hash is over.
    EndSession(String),
    /// Every session of this user is over.
    EndSessionsOf(String),
    /// The token is there.
    AddToken(ApiTokenRow),
    /// The token of this name is gone.
    RemoveToken(String),
}

impl Reader {
    /// Every user, by name.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        let query =
            sqlx::query("SELECT name, role, password_hash, created_at, changed_at FROM user ORDER BY name");
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(UserRow {
                    name: row.get(0),
                    role: label(row.get(1), Role::from_label)?,
                    password_hash: row.get(2),
                    created_at: instant(row.get(3))?,
                    changed_at: instant(row.get(4))?,
                })
            })
            .collect()
    }

    /// Every session, also those that have ended by time.
    pub async fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        let query = sqlx::query("SELECT secret_hash, user_name, created_at, expires_at FROM session");
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(SessionRow {
                    secret_hash: row.get(0),
                    user_name: row.get(1),
                    created_at: instant(row.get(2))?,
                    expires_at: instant(row.get(3))?,
                })
            })
            .collect()
    }

    /// Every API token, in the order of their making, also those that have ended by time.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, StoreError> {
        let query = sqlx::query(
            "SELECT token_id, user_name, label, secret_hash, role, dag_ids, created_at, expires_at \
             FROM api_token ORDER BY created_at, token_id",
        );
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let dag_ids = row.get::<Option<&str>, _>(5).map(json).transpose()?;
                Ok(ApiTokenRow {
                    token_id: row.get(0),
                    user_name: row.get(1),
                    label: row.get(2),
                    secret_hash: row.get(3),
                    role: label(row.get(4), Role::from_label)?,
                    dag_ids: dag_ids.and_then(|dag_ids| serde_json::from_value(dag_ids).ok()),
                    created_at: instant(row.get(6))?,
                    expires_at: optional_instant(row.get(7))?,
                })
            })
            .collect()
    }
}

pub(crate) async fn write(
    connection: &mut SqliteConnection,
    change: &AccountChange,
) -> Result<(), StoreError> {
    match change {
        AccountChange::SetUser(user) => set_user(connection, user).await,
        AccountChange::RemoveUser(name) => {
            for statement in [
                "DELETE FROM session WHERE user_name = ?1",
                "DELETE FROM api_token WHERE user_name = ?1",
                "DELETE FROM user WHERE name = ?1",
            ] {
                sqlx::query(statement).bind(name).execute(&mut *connection).await?;
            }
            Ok(())
        }
        AccountChange::StartSession(session) => start_session(connection, session).await,
        AccountChange::EndSession(hash) => {
            by(connection, "DELETE FROM session WHERE secret_hash = ?1", hash).await
        }
        AccountChange::EndSessionsOf(name) => {
            by(connection, "DELETE FROM session WHERE user_name = ?1", name).await
        }
        AccountChange::AddToken(token) => add_token(connection, token).await,
        AccountChange::RemoveToken(token_id) => {
            by(connection, "DELETE FROM api_token WHERE token_id = ?1", token_id).await
        }
    }
}

async fn by(
    connection: &mut SqliteConnection,
    statement: &'static str,
    text: &str,
) -> Result<(), StoreError> {
    sqlx::query(statement).bind(text).execute(connection).await?;
    Ok(())
}

async fn set_user(connection: &mut SqliteConnection, user: &UserRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO user (name, role, password_hash, created_at, changed_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(&user.name)
    .bind(user.role.as_str())
    .bind(&user.password_hash)
    .bind(user.created_at.as_microsecond())
    .bind(user.changed_at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

async fn start_session(connection: &mut SqliteConnection, session: &SessionRow) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE expires_at <= ?1")
        .bind(session.created_at.as_microsecond())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO session (secret_hash, user_name, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(&session.secret_hash)
    .bind(&session.user_name)
    .bind(session.created_at.as_microsecond())
    .bind(session.expires_at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_token(connection: &mut SqliteConnection, token: &ApiTokenRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO api_token \
         (token_id, user_name, label, secret_hash, role, dag_ids, created_at, expires_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(&token.token_id)
    .bind(&token.user_name)
    .bind(&token.label)
    .bind(&token.secret_hash)
    .bind(token.role.as_str())
    .bind(token.dag_ids.as_ref().map(|dag_ids| serde_json::json!(dag_ids).to_string()))
    .bind(token.created_at.as_microsecond())
    .bind(token.expires_at.map(Timestamp::as_microsecond))
    .execute(connection)
    .await?;
    Ok(())
}
