//! Changes of accounts: what is asked, what the history keeps of it (never a secret), and the rows.

use super::{Accounts, State};
use crate::command::CommandError;
use esteira_core::access::{Role, is_valid_user_name};
use esteira_store::{AccountChange, ApiTokenRow, SessionRow, UserRow};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How many hex digits of its hash an API token is called by.
const TOKEN_ID_LENGTH: usize = 12;

/// The longest label of a token, in letters.
const LABEL_LENGTH_MAX: usize = 100;

/// A change of users, sessions or tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRequest {
    /// There is to be a user of this name, who is not there yet.
    CreateUser {
        /// The name to sign in with.
        name: String,
        /// What the user may do.
        role: Role,
        /// From [`super::hash_password`].
        password_hash: String,
    },
    /// A user's role or password is to change. A new password ends the user's sessions.
    ChangeUser {
        /// Whose.
        name: String,
        /// The new role, if it changes.
        role: Option<Role>,
        /// The new password's hash, if it changes.
        password_hash: Option<String>,
    },
    /// The user is to go, with all sessions and tokens.
    RemoveUser(String),
    /// Somebody has signed in.
    StartSession {
        /// Who.
        user_name: String,
        /// The hash of the session's secret.
        secret_hash: String,
        /// Until when, at the most.
        expires_at: Timestamp,
        /// From where: an address.
        from: String,
    },
    /// The session of this secret's hash is to end.
    EndSession(String),
    /// There is to be an API token.
    CreateToken(NewToken),
    /// The token of this name is to go.
    RevokeToken(String),
    /// Somebody was not let in, or may not do what they asked for. Nothing changes; the history tells of it.
    Refused {
        /// What was asked for: `GET /api/v2/variables`, or a name to sign in with.
        what: String,
        /// Why it was refused.
        reason: String,
        /// From where: an address.
        from: String,
        /// How many more were refused since the last one that the history tells of.
        untold: u64,
    },
}

/// An API token to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// For whom it acts.
    pub user_name: String,
    /// What it is for, in the user's words.
    pub label: String,
    /// The hash of the token.
    pub secret_hash: String,
    /// The most that it may do.
    pub role: Role,
    /// The only DAGs that it may do it with; none for all.
    pub dag_ids: Option<Vec<String>>,
    /// When it ends; none for never.
    pub expires_at: Option<Timestamp>,
}

impl NewToken {
    /// By what the token is called, from then on.
    pub fn token_id(&self) -> String {
        self.secret_hash.chars().take(TOKEN_ID_LENGTH).collect()
    }
}

/// What a change comes to: the event that tells of it, and the rows.
pub(crate) struct PreparedAccount {
    pub(crate) event: &'static str,
    pub(crate) body: Value,
    pub(crate) rows: Vec<AccountChange>,
}

impl Accounts {
    /// What a change comes to; it has not happened yet.
    pub(crate) fn prepare(
        &self,
        request: &AccountRequest,
        now: Timestamp,
    ) -> Result<PreparedAccount, CommandError> {
        self.read().prepare(request, now)
    }

    /// Takes in a change that has happened.
    pub(crate) fn apply(&self, rows: &[AccountChange]) {
        let mut state = self.write();
        rows.iter().for_each(|row| state.apply(row));
        drop(state);
        self.changes.send_replace(());
    }
}

impl State {
    fn prepare(&self, request: &AccountRequest, now: Timestamp) -> Result<PreparedAccount, CommandError> {
        match request {
            AccountRequest::CreateUser { name, role, password_hash } => {
                self.create_user(name, *role, password_hash, now)
            }
            AccountRequest::ChangeUser { name, role, password_hash } => {
                self.change_user(name, *role, password_hash.as_ref(), now)
            }
            AccountRequest::RemoveUser(name) => {
                let user = self.known(name)?;
                self.check_that_an_admin_is_left(user, None)?;
                let body = json!({ "name": name, "role": user.role });
                one("user.removed", body, AccountChange::RemoveUser(name.clone()))
            }
            AccountRequest::StartSession { user_name, secret_hash, expires_at, from } => {
                self.known(user_name)?;
                let session = SessionRow {
                    secret_hash: secret_hash.clone(),
                    user_name: user_name.clone(),
                    created_at: now,
                    expires_at: *expires_at,
                };
                let body = json!({ "user": user_name, "from": from, "expires_at": expires_at });
                one("session.started", body, AccountChange::StartSession(session))
            }
            AccountRequest::EndSession(hash) => {
                let session = self.sessions.get(hash).ok_or_else(no_session)?;
                let body = json!({ "user": session.user_name });
                one("session.ended", body, AccountChange::EndSession(hash.clone()))
            }
            AccountRequest::CreateToken(token) => self.create_token(token, now),
            AccountRequest::RevokeToken(token_id) => {
                let found = self.tokens.values().find(|token| token.token_id == *token_id);
                let token = found.ok_or_else(|| CommandError::UnknownToken(token_id.clone()))?;
                let body = json!({ "token_id": token_id, "user": token.user_name, "label": token.label });
                one("token.revoked", body, AccountChange::RemoveToken(token_id.clone()))
            }
            AccountRequest::Refused { what, reason, from, untold } => {
                let body = json!({ "what": what, "reason": reason, "from": from, "untold": untold });
                Ok(PreparedAccount { event: "access.refused", body, rows: Vec::new() })
            }
        }
    }

    fn create_user(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<PreparedAccount, CommandError> {
        if !is_valid_user_name(name) {
            return Err(CommandError::Invalid(format!(
                "\"{name}\" cannot name a user: letters, digits and _ . @ + - are allowed, 100 at the most"
            )));
        }
        if self.users.contains_key(name) {
            return Err(CommandError::UserExists(name.to_owned()));
        }
        if self.users.is_empty() && role != Role::Admin {
            return Err(CommandError::Invalid(
                "the first user is an admin: nobody else could make further ones".to_owned(),
            ));
        }
        let user = UserRow {
            name: name.to_owned(),
            role,
            password_hash: password_hash.to_owned(),
            created_at: now,
            changed_at: now,
        };
        one("user.created", json!({ "name": name, "role": role }), AccountChange::SetUser(user))
    }

    fn change_user(
        &self,
        name: &str,
        role: Option<Role>,
        password_hash: Option<&String>,
        now: Timestamp,
    ) -> Result<PreparedAccount, CommandError> {
        let user = self.known(name)?;
        if let Some(role) = role {
            self.check_that_an_admin_is_left(user, Some(role))?;
        }
        let changed = UserRow {
            role: role.unwrap_or(user.role),
            password_hash: password_hash.unwrap_or(&user.password_hash).clone(),
            changed_at: now,
            ..user.clone()
        };
        let body = json!({
            "name": name,
            "role": changed.role,
            "role_before": user.role,
            "has_new_password": password_hash.is_some(),
        });
        let mut prepared = PreparedAccount { event: "user.changed", body, rows: Vec::new() };
        prepared.rows.push(AccountChange::SetUser(changed));
        if password_hash.is_some() {
            prepared.rows.push(AccountChange::EndSessionsOf(name.to_owned()));
        }
        Ok(prepared)
    }

    fn create_token(&self, token: &NewToken, now: Timestamp) -> Result<PreparedAccount, CommandError> {
        let user = self.known(&token.user_name)?;
        if token.role > user.role {
            let message = format!(
                "the user \"{}\" is {}, and a token may not do more than its user: choose a smaller role than {}",
                user.name, user.role, token.role
            );
            return Err(CommandError::Invalid(message));
        }
        if token.label.trim().is_empty() || token.label.chars().count() > LABEL_LENGTH_MAX {
            let message = format!("a token's label has between 1 and {LABEL_LENGTH_MAX} characters");
            return Err(CommandError::Invalid(message));
        }
        if token.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(CommandError::Invalid("the token would have ended already".to_owned()));
        }
        let row = ApiTokenRow {
            token_id: token.token_id(),
            user_name: token.user_name.clone(),
            label: token.label.clone(),
            secret_hash: token.secret_hash.clone(),
            role: token.role,
            dag_ids: token.dag_ids.clone(),
            created_at: now,
            expires_at: token.expires_at,
        };
        let body = json!({
            "token_id": row.token_id,
            "user": row.user_name,
            "label": row.label,
            "role": row.role,
            "dag_ids": row.dag_ids,
            "expires_at": row.expires_at,
        });
        one("token.created", body, AccountChange::AddToken(row))
    }

    fn known(&self, name: &str) -> Result<&UserRow, CommandError> {
        self.users.get(name).ok_or_else(|| CommandError::UnknownUser(name.to_owned()))
    }

    /// Without an admin nobody could make users any more; and without any user the server would be open.
    fn check_that_an_admin_is_left(&self, user: &UserRow, becomes: Option<Role>) -> Result<(), CommandError> {
        let is_admin_after = becomes == Some(Role::Admin);
        let mut others = self.users.values().filter(|other| other.name != user.name);
        if user.role != Role::Admin || is_admin_after || others.any(|other| other.role == Role::Admin) {
            return Ok(());
        }
        Err(CommandError::LastAdmin(user.name.clone()))
    }

    fn apply(&mut self, row: &AccountChange) {
        match row.clone() {
            AccountChange::SetUser(user) => drop(self.users.insert(user.name.clone(), user)),
            AccountChange::RemoveUser(name) => {
                self.users.remove(&name);
                self.sessions.retain(|_, session| session.user_name != name);
                self.tokens.retain(|_, token| token.user_name != name);
            }
            AccountChange::StartSession(session) => {
                self.sessions.retain(|_, other| other.expires_at > session.created_at);
                self.sessions.insert(session.secret_hash.clone(), session);
            }
            AccountChange::EndSession(hash) => drop(self.sessions.remove(&hash)),
            AccountChange::EndSessionsOf(name) => {
                self.sessions.retain(|_, session| session.user_name != name);
            }
            AccountChange::AddToken(token) => {
                drop(self.tokens.insert(token.secret_hash.clone(), token));
            }
            AccountChange::RemoveToken(token_id) => {
                self.tokens.retain(|_, token| token.token_id != token_id);
            }
        }
    }
}

fn one(event: &'static str, body: Value, row: AccountChange) -> Result<PreparedAccount, CommandError> {
    Ok(PreparedAccount { event, body, rows: vec![row] })
}

fn no_session() -> CommandError {
    CommandError::Invalid("the session is over already".to_owned())
}
