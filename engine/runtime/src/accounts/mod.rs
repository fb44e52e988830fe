//! Users, their sessions and their API tokens, as they are at the moment: who a secret belongs to, and what that user may do.
//!
//! They are read at start and kept in memory, so that a request costs one hash and no query. Passwords and secrets are
//! there as hashes only.

mod change;
mod password;

pub use change::{AccountRequest, NewToken};
use password::check_password;
pub use password::{PASSWORD_LENGTH_MIN, hash_password};

use esteira_core::access::Role;
use esteira_store::{ApiTokenRow, Reader, SessionRow, StoreError, UserRow};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Semaphore, watch};

/// What every secret of ours begins with, so that people and scanners know it for one.
const SECRET_PREFIX: &str = "esteira_";

/// How many random bytes a secret has.
const SECRET_LENGTH: usize = 32;

/// How many passwords are checked at the same time: each takes 19 MiB meanwhile.
const CHECKS_AT_ONCE: usize = 2;

/// Somebody who has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's name.
    pub name: Arc<str>,
    /// What they may do, at the most.
    pub role: Role,
    /// The only DAGs that they may do it with; none for all.
    pub dag_ids: Option<Arc<[String]>>,
    /// How they have shown it.
    pub credential: Credential,
}

/// How somebody has shown who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// By signing in.
    Session,
    /// With an API token.
    Token,
    /// By reading a file of the home, as only its owner may: the command line on the same machine.
    Home,
    /// Not at all: there is no user yet, and the server listens to this machine only.
    None,
}

impl Principal {
    /// Whoever reaches a server without users.
    pub fn nobody_in_particular(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), role: Role::Admin, dag_ids: None, credential: Credential::None }
    }
}

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name to sign in with.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When role or password were last changed.
    pub changed_at: Timestamp,
}

/// A new secret, for whoever it is given to, this once.
pub struct Secret(String);

impl Secret {
    /// Random, and long enough that nobody guesses it. `None` when the system gives no random bytes.
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; SECRET_LENGTH];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(format!("{SECRET_PREFIX}{}", hex::encode(bytes))))
    }

    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> String {
        Self::hash_of(&self.0)
    }

    /// What is kept of a secret: it is random, so that a plain hash cannot be turned round.
    pub fn hash_of(secret: &str) -> String {
        hex::encode(Sha256::digest(secret))
    }
}

/// The accounts of a home.
pub struct Accounts {
    state: RwLock<State>,
    checks: Semaphore,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, UserRow>,
    /// By the hash of their secret.
    sessions: BTreeMap<String, SessionRow>,
    /// By the hash of their secret.
    tokens: BTreeMap<String, ApiTokenRow>,
    /// The hash of the secret that lies in the home.
    home_secret: Option<String>,
}

impl Default for Accounts {
    fn default() -> Self {
        let (changes, _) = watch::channel(());
        Self { state: RwLock::default(), checks: Semaphore::new(CHECKS_AT_ONCE), changes }
    }
}

impl Accounts {
    /// Reads what the store has.
    pub async fn load(&self, reader: &Reader) -> Result<(), StoreError> {
        let users = reader.users().await?;
        let (sessions, tokens) = (reader.sessions().await?, reader.api_tokens().await?);
        let mut state = self.write();
        state.users = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        state.sessions = sessions.into_iter().map(|row| (row.secret_hash.clone(), row)).collect();
        state.tokens = tokens.into_iter().map(|row| (row.secret_hash.clone(), row)).collect();
        Ok(())
    }

    /// Makes the secret that the command line reads from the home; whoever has it may do everything.
    pub fn set_home_secret(&self, secret: &Secret) {
        self.write().home_secret = Some(secret.hash());
    }

    /// Whether there is a user at all. While there is none, a server on loopback asks nobody who they are.
    pub fn has_users(&self) -> bool {
        !self.read().users.is_empty()
    }

    /// Every user, by name.
    pub fn users(&self) -> Vec<User> {
        self.read().users.values().map(User::from).collect()
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<User> {
        self.read().users.get(name).map(User::from)
    }

    /// Every API token, in the order of their making.
    pub fn tokens(&self) -> Vec<ApiTokenRow> {
        let mut tokens: Vec<ApiTokenRow> = self.read().tokens.values().cloned().collect();
        tokens
            .sort_by(|one, other| (one.created_at, &one.token_id).cmp(&(other.created_at, &other.token_id)));
        tokens
    }

    /// Whom a secret belongs to: that of a session, of a token, or of the home.
    pub fn find(&self, secret: &str, now: Timestamp) -> Option<Principal> {
        self.find_by_hash(&Secret::hash_of(secret), now)
    }

    /// The same, by what is kept of the secret.
    pub fn find_by_hash(&self, hash: &str, now: Timestamp) -> Option<Principal> {
        let state = self.read();
        if state.home_secret.as_deref() == Some(hash) {
            let principal = Principal::nobody_in_particular("");
            return Some(Principal { credential: Credential::Home, ..principal });
        }
        if let Some(session) = state.sessions.get(hash).filter(|session| session.expires_at > now) {
            let user = state.users.get(&session.user_name)?;
            return Some(principal(user, user.role, None, Credential::Session));
        }
        let token = state
            .tokens
            .get(hash)
            .filter(|token| token.expires_at.is_none_or(|expires_at| expires_at > now))?;
        let user = state.users.get(&token.user_name)?;
        let dag_ids = token.dag_ids.clone().map(Into::into);
        // A token never may do more than its user, who may have lost a role since.
        Some(principal(user, token.role.min(user.role), dag_ids, Credential::Token))
    }

    /// Checks a password. A name that nobody has takes as long as a wrong password.
    pub async fn sign_in(&self, name: &str, password: &str) -> Option<User> {
        let _turn = self.checks.acquire().await.ok()?;
        let known = self.read().users.get(name).cloned();
        let hash = known.as_ref().map(|user| user.password_hash.clone());
        let password = password.to_owned();
        let is_right = tokio::task::spawn_blocking(move || check_password(&password, hash.as_deref())).await;
        // It may have been changed, or the user removed, in the meantime.
        let user = self.read().users.get(name).cloned();
        user.filter(|user| is_right.unwrap_or(false) && Some(user) == known.as_ref()).as_ref().map(User::from)
    }

    /// Hears of every change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn principal(
    user: &UserRow,
    role: Role,
    dag_ids: Option<Arc<[String]>>,
    credential: Credential,
) -> Principal {
    Principal { name: user.name.as_str().into(), role, dag_ids, credential }
}

impl From<&UserRow> for User {
    fn from(row: &UserRow) -> Self {
        Self {
            name: row.name.clone(),
            role: row.role,
            created_at: row.created_at,
            changed_at: row.changed_at,
        }
    }
}
