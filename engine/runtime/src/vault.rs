//! Variables and connections: those of the environment, and under them those of the store, whose values are sealed.
//!
//! Opened values live in memory only. Every secret among them is known to the [`Masker`] before anybody can read it.

use crate::command::CommandError;
use esteira_operator::{
    Connection, ConnectionError, ConnectionFields, ConnectionSource, EnvironmentConnections, Masker,
    is_secret_name,
};
use esteira_store::{ConnectionRow, Keyring, KeyringError, Reader, SecretChange, StoreError, VariableRow};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where the keys are that secrets are sealed with.
#[derive(Clone)]
pub enum KeySource {
    /// The keys themselves, from the environment.
    Text(String),
    /// A file of keys. It is made, with a new key, when the first secret is set and it is not there.
    File(PathBuf),
}

/// A variable.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub key: String,
    /// Its value; JSON text, for one that is read by `var.json`.
    pub value: String,
    /// Whether nothing may show its value.
    pub is_secret: bool,
    /// One line for people.
    pub description: String,
}

/// A connection of the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// Its id and its URL.
    pub connection: Connection,
    /// One line for people.
    pub description: String,
}

/// A change of variables or connections.
#[derive(Clone)]
pub enum SecretRequest {
    /// The variable is to be there, like this.
    SetVariable(Variable),
    /// The variable of this name is to go.
    RemoveVariable(String),
    /// The connection is to be there, like this.
    SetConnection(StoredConnection),
    /// The connection of this id is to go.
    RemoveConnection(String),
    /// Everything is to be sealed with the newest key.
    Rotate,
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Variable({})", self.key)
    }
}

/// What a change comes to: the event that tells of it, never with a value, and the rows.
pub(crate) struct PreparedChange {
    pub(crate) event: &'static str,
    pub(crate) body: String,
    pub(crate) row: SecretChange,
}

/// The longest name of a variable or a connection, in bytes (Airflow's).
const NAME_LENGTH_MAX: usize = 250;

/// What starts a variable's name in the environment.
const VARIABLE_PREFIX: &str = "ESTEIRA_VAR_";

/// Variables and connections, opened.
pub struct Vault {
    masker: Arc<Masker>,
    keys: KeySource,
    environment: EnvironmentConnections,
    /// The environment's variables by name, in small letters.
    environment_variables: BTreeMap<String, String>,
    stored: RwLock<Stored>,
}

#[derive(Default)]
struct Stored {
    variables: BTreeMap<String, Result<Variable, KeyringError>>,
    connections: BTreeMap<String, Result<StoredConnection, KeyringError>>,
}

impl Vault {
    /// A vault over these connections and the `ESTEIRA_VAR_<KEY>` among `variables`; what the store has comes with
    /// [`Vault::load`].
    pub fn new(
        masker: Arc<Masker>,
        environment: EnvironmentConnections,
        variables: impl IntoIterator<Item = (String, String)>,
        keys: KeySource,
    ) -> Self {
        let named = |(name, value): (String, String)| {
            Some((name.strip_prefix(VARIABLE_PREFIX)?.to_ascii_lowercase(), value))
        };
        let environment_variables: BTreeMap<_, _> = variables.into_iter().filter_map(named).collect();
        for (key, value) in &environment_variables {
            if is_secret_name(key) {
                masker.add_all(secrets_in(value).iter().map(String::as_str));
            }
        }
        for connection in environment.all() {
            masker.add_all(connection.secrets().iter().map(String::as_str));
        }
        Self { masker, keys, environment, environment_variables, stored: RwLock::default() }
    }

    /// A vault with nothing in it but the embedded twins' connections, and its key in this home.
    pub fn empty(masker: Arc<Masker>, home: &Path) -> Self {
        Self::new(masker, EnvironmentConnections::default(), [], KeySource::File(crate::home::key_file(home)))
    }

    /// What must not be shown.
    pub fn masker(&self) -> &Arc<Masker> {
        &self.masker
    }

    /// Opens what the store has. What cannot be opened is told of in the log, and to whoever asks for it.
    pub async fn load(&self, reader: &Reader) -> Result<(), StoreError> {
        let (variables, connections) = (reader.variables().await?, reader.connections().await?);
        if variables.is_empty() && connections.is_empty() {
            return Ok(());
        }
        let keyring = self.keyring();
        let open = |name: String, sealed: &[u8]| match &keyring {
            Ok(Some(keyring)) => keyring.open(&name, sealed),
            Ok(None) => Err(KeyringError::OtherKey(name)),
            Err(error) => Err(error.clone()),
        };
        let mut stored = Stored::default();
        for row in variables {
            let value = open(VariableRow::sealed_for(&row.key), &row.sealed);
            let variable = value.map(|value| Variable {
                key: row.key.clone(),
                value,
                is_secret: row.is_secret,
                description: row.description,
            });
            stored.variables.insert(row.key, variable);
        }
        for row in connections {
            let id = row.connection_id;
            let url = open(ConnectionRow::sealed_for(&id), &row.sealed);
            let connection = url.and_then(|url| {
                // It was a URL when it was set.
                let parsed = Connection::parse(&id, &url);
                let connection = parsed.map_err(|_| KeyringError::Altered(id.clone()))?;
                Ok(StoredConnection { connection, description: row.description })
            });
            stored.connections.insert(id, connection);
        }
        for error in stored.faults() {
            tracing::error!("{error}; {}", self.key_hint());
        }
        stored.secrets().for_each(|secret| self.masker.add(&secret));
        *self.write() = stored;
        Ok(())
    }

    /// The value of a variable: the environment's, or the store's. The error is one sentence.
    pub fn variable(&self, key: &str) -> Result<Option<String>, String> {
        if let Some(value) = self.environment_variables.get(&key.to_ascii_lowercase()) {
            return Ok(Some(value.clone()));
        }
        match self.read().variables.get(key) {
            None => Ok(None),
            Some(Ok(variable)) => Ok(Some(variable.value.clone())),
            Some(Err(error)) => Err(format!("{error}; {}", self.key_hint())),
        }
    }

    /// A connection in Airflow's fields, for templates. The error is one sentence.
    pub fn connection_fields(&self, id: &str) -> Result<Option<Value>, String> {
        if !self.has_connection(id) {
            return Ok(None);
        }
        let connection = self.resolve(id).map_err(|error| format!("{error}; {}", error.hint))?;
        Ok(Some(ConnectionFields::of(&connection).to_json(&connection)))
    }

    /// The names of the environment's variables, in small letters. They stand before the store's.
    pub fn environment_variables(&self) -> Vec<String> {
        self.environment_variables.keys().cloned().collect()
    }

    /// Whether a connection is set in the environment, which stands before the store.
    pub fn is_of_environment(&self, connection_id: &str) -> bool {
        self.environment.has(connection_id)
    }

    /// The store's variables, by name. One that cannot be opened has an error in its place.
    pub fn variables(&self) -> Vec<Result<Variable, String>> {
        self.read().variables.values().map(|it| it.clone().map_err(|error| error.to_string())).collect()
    }

    /// The store's connections, by id. One that cannot be opened has an error in its place.
    pub fn connections(&self) -> Vec<Result<StoredConnection, String>> {
        self.read().connections.values().map(|it| it.clone().map_err(|error| error.to_string())).collect()
    }

    /// What a change comes to; it has not happened yet.
    pub(crate) fn prepare(
        &self,
        request: &SecretRequest,
        now: Timestamp,
    ) -> Result<Vec<PreparedChange>, CommandError> {
        let one = |event, body: Value, row| Ok(vec![PreparedChange { event, body: body.to_string(), row }]);
        match request {
            SecretRequest::SetVariable(variable) => {
                check_name("variable", &variable.key)?;
                let row = self.sealed_variable(variable, now)?;
                let mut body = described(variable);
                if let Some(Ok(before)) = self.read().variables.get(&variable.key) {
                    body["before"] =
                        json!({ "is_secret": before.is_secret, "description": before.description });
                    body["has_new_value"] = json!(before.value != variable.value);
                }
                one("variable.set", body, SecretChange::SetVariable(row))
            }
            SecretRequest::RemoveVariable(key) => {
                if !self.read().variables.contains_key(key) {
                    return Err(CommandError::UnknownVariable(key.clone()));
                }
                one("variable.removed", json!({ "key": key }), SecretChange::RemoveVariable(key.clone()))
            }
            SecretRequest::SetConnection(stored) => {
                let id = &stored.connection.id;
                check_name("connection", id)?;
                let row = self.sealed_connection(stored, now)?;
                let mut body = json!({
                    "connection_id": id,
                    "url": stored.connection.display_url(),
                    "description": stored.description,
                });
                if let Some(Ok(before)) = self.read().connections.get(id) {
                    let StoredConnection { connection, description } = before;
                    body["before"] = json!({ "url": connection.display_url(), "description": description });
                    body["has_new_secret"] = json!(connection.secrets() != stored.connection.secrets());
                }
                one("connection.set", body, SecretChange::SetConnection(row))
            }
            SecretRequest::RemoveConnection(id) => {
                if !self.read().connections.contains_key(id) {
                    return Err(CommandError::UnknownConnection(id.clone()));
                }
                let body = json!({ "connection_id": id });
                one("connection.removed", body, SecretChange::RemoveConnection(id.clone()))
            }
            SecretRequest::Rotate => self.rotated(now),
        }
    }

    /// Every secret, sealed anew. What cannot be opened would be lost with the old key, so then nothing is changed.
    fn rotated(&self, now: Timestamp) -> Result<Vec<PreparedChange>, CommandError> {
        let stored = self.read();
        if let Some(error) = stored.faults().next() {
            return Err(CommandError::Invalid(format!(
                "{error}: add that key, as the last one, and try again"
            )));
        }
        let variables = stored.variables.values().flatten().map(|variable| {
            let row = SecretChange::SetVariable(self.sealed_variable(variable, now)?);
            Ok(PreparedChange {
                event: "variable.sealed_anew",
                body: json!({ "key": variable.key }).to_string(),
                row,
            })
        });
        let connections = stored.connections.values().flatten().map(|connection| {
            let body = json!({ "connection_id": connection.connection.id }).to_string();
            let row = SecretChange::SetConnection(self.sealed_connection(connection, now)?);
            Ok(PreparedChange { event: "connection.sealed_anew", body, row })
        });
        variables.chain(connections).collect()
    }

    /// Takes in a change that has happened.
    pub(crate) fn apply(&self, request: &SecretRequest) {
        let mut stored = self.write();
        match request.clone() {
            SecretRequest::SetVariable(variable) => {
                stored.variables.insert(variable.key.clone(), Ok(variable));
            }
            SecretRequest::RemoveVariable(key) => drop(stored.variables.remove(&key)),
            SecretRequest::SetConnection(connection) => {
                stored.connections.insert(connection.connection.id.clone(), Ok(connection));
            }
            SecretRequest::RemoveConnection(id) => drop(stored.connections.remove(&id)),
            SecretRequest::Rotate => {}
        }
        stored.secrets().for_each(|secret| self.masker.add(&secret));
    }

    fn sealed_variable(&self, variable: &Variable, now: Timestamp) -> Result<VariableRow, CommandError> {
        let sealed = self.seal(&VariableRow::sealed_for(&variable.key), &variable.value)?;
        Ok(VariableRow {
            key: variable.key.clone(),
            sealed,
            is_secret: variable.is_secret,
            description: variable.description.clone(),
            changed_at: now,
        })
    }

    fn sealed_connection(
        &self,
        stored: &StoredConnection,
        now: Timestamp,
    ) -> Result<ConnectionRow, CommandError> {
        let id = stored.connection.id.clone();
        let sealed = self.seal(&ConnectionRow::sealed_for(&id), stored.connection.url.as_str())?;
        Ok(ConnectionRow {
            connection_id: id,
            sealed,
            description: stored.description.clone(),
            changed_at: now,
        })
    }

    fn seal(&self, name: &str, value: &str) -> Result<Vec<u8>, CommandError> {
        let refused = |error: KeyringError| CommandError::Invalid(format!("{error}; {}", self.key_hint()));
        let keyring = match self.keyring().map_err(refused)? {
            Some(keyring) => keyring,
            None => self.make_keyring()?,
        };
        keyring.seal(name, value).map_err(refused)
    }

    /// The keys; none when their file is not there.
    fn keyring(&self) -> Result<Option<Keyring>, KeyringError> {
        match &self.keys {
            KeySource::Text(text) => Keyring::parse(text).map(Some),
            KeySource::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Keyring::parse(&text).map(Some),
                // What else may be wrong with the file is found when it is made.
                Err(_) => Ok(None),
            },
        }
    }

    fn make_keyring(&self) -> Result<Keyring, CommandError> {
        let KeySource::File(path) = &self.keys else {
            return Err(CommandError::Invalid(format!("there is no key; {}", self.key_hint())));
        };
        let key = Keyring::generate().map_err(|error| CommandError::Invalid(error.to_string()))?;
        write_key(path, &key).map_err(|error| {
            CommandError::Invalid(format!("the key file {} cannot be made: {error}", path.display()))
        })?;
        Keyring::parse(&key).map_err(|error| CommandError::Invalid(error.to_string()))
    }

    fn key_hint(&self) -> String {
        match &self.keys {
            KeySource::Text(_) => "the keys are those of ESTEIRA_SECRET_KEY".to_owned(),
            KeySource::File(path) => format!("the keys are those of {}", path.display()),
        }
    }

    fn has_connection(&self, id: &str) -> bool {
        self.environment.has(id)
            || self.read().connections.contains_key(id)
            || esteira_operator::DEFAULT_IDS.contains(&id)
    }

    fn read(&self) -> RwLockReadGuard<'_, Stored> {
        self.stored.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Stored> {
        self.stored.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSource for Vault {
    fn resolve(&self, id: &str) -> Result<Connection, ConnectionError> {
        if self.environment.has(id) {
            return self.environment.resolve(id);
        }
        match self.read().connections.get(id) {
            Some(Ok(stored)) => Ok(stored.connection.clone()),
            Some(Err(error)) => Err(ConnectionError { message: error.to_string(), hint: self.key_hint() }),
            None => self.environment.resolve(id),
        }
    }

    fn all(&self) -> Vec<Connection> {
        let stored = self.read();
        let of_store = stored.connections.values().flatten().map(|stored| stored.connection.clone());
        let of_environment = self.environment.all();
        let is_over = |connection: &Connection| self.environment.has(&connection.id);
        let mut all: BTreeMap<String, Connection> =
            of_environment.iter().map(|connection| (connection.id.clone(), connection.clone())).collect();
        all.extend(of_store.filter(|connection| !is_over(connection)).map(|it| (it.id.clone(), it)));
        all.into_values().collect()
    }
}

impl Stored {
    fn faults(&self) -> impl Iterator<Item = &KeyringError> {
        let of_variables = self.variables.values().filter_map(|it| it.as_ref().err());
        of_variables.chain(self.connections.values().filter_map(|it| it.as_ref().err()))
    }

    fn secrets(&self) -> impl Iterator<Item = String> {
        let variables = self.variables.values().flatten().filter(|variable| variable.is_secret);
        let connections = self.connections.values().flatten();
        variables
            .flat_map(|variable| secrets_in(&variable.value))
            .chain(connections.flat_map(|stored| stored.connection.secrets()))
    }
}

/// A secret value, and where it is JSON also the texts in it.
fn secrets_in(value: &str) -> Vec<String> {
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
            _ => {}
        }
    }
    let mut found = vec![value.to_owned()];
    if let Ok(json) = serde_json::from_str(value) {
        texts(&json, &mut found);
    }
    found
}

/// A variable for the history: everything but its value.
fn described(variable: &Variable) -> Value {
    json!({ "key": variable.key, "is_secret": variable.is_secret, "description": variable.description })
}

fn check_name(what: &str, name: &str) -> Result<(), CommandError> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    if (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_fine) {
        return Ok(());
    }
    Err(CommandError::Invalid(format!(
        "\"{name}\" cannot name a {what}: letters, digits and _ - . / are allowed, {NAME_LENGTH_MAX} at the most"
    )))
}

/// Writes a key that only this user may read. Whoever was faster has made it: then that one is taken.
fn write_key(path: &Path, key: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}
