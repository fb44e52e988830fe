//! The connections: those of the store, of the environment and the built-in ones; and a button that tries one out.

use super::{Done, Fault};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::duration;
use crate::{AppState, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_operator::{Connection, ConnectionSource};
use esteira_runtime::StoredConnection;
use esteira_tasks::ping;
use jiff::SignedDuration;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a test may take in all: clients try for some seconds themselves.
const TEST_TIMEOUT: Duration = Duration::from_secs(12);

#[derive(Template)]
#[template(path = "admin_connections.html")]
struct ConnectionsPage {
    frame: Frame,
    search: String,
    rows: Vec<Row>,
    /// What could not be opened, in a sentence each.
    faults: Vec<String>,
    done: Done,
    tested: Option<Tested>,
}

struct Row {
    id: String,
    kind: &'static str,
    scheme: String,
    address: String,
    description: String,
    origin: &'static str,
    is_of_store: bool,
    /// Whether the store has one too, which that of the environment goes over.
    is_covered: bool,
}

/// What a test found.
pub(crate) struct Tested {
    pub(crate) id: String,
    pub(crate) is_fine: bool,
    /// What happened, in a sentence; never with a secret.
    pub(crate) message: String,
    pub(crate) hint: &'static str,
    pub(crate) took: String,
}

/// The tab that all this is under.
pub(super) fn tab() -> (&'static str, &'static str) {
    (t("Connections"), "/connections")
}

/// Which connections are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    search: String,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    Query(done): Query<Done>,
    visitor: Visitor,
) -> Response {
    show(&state, &visitor, wanted.search, done, None)
}

fn show(state: &AppState, visitor: &Visitor, search: String, done: Done, tested: Option<Tested>) -> Response {
    let vault = state.handle.vault();
    let (mut stored, mut faults) = (Vec::new(), Vec::new());
    for connection in vault.connections() {
        match connection {
            Ok(connection) => stored.push(connection),
            Err(fault) => faults.push(fault),
        }
    }
    let searched = search.trim().to_lowercase();
    let rows = vault.all().into_iter().map(|connection| row(state, &stored, connection));
    let rows = rows.filter(|row| {
        let texts = [&row.id, &row.address, &row.scheme, &row.description];
        texts.iter().any(|text| text.to_lowercase().contains(&searched))
    });
    let (frame, rows) = (super::framed(visitor, tab(), ""), rows.collect());
    frame::html(&ConnectionsPage { frame, search, rows, faults, done, tested })
}

fn row(state: &AppState, stored: &[StoredConnection], connection: Connection) -> Row {
    let of_store = stored.iter().find(|stored| stored.connection.id == connection.id);
    let is_of_environment = state.handle.vault().is_of_environment(&connection.id);
    let scheme = connection.url.scheme().to_owned();
    Row {
        kind: super::connection_kinds::of_scheme(&scheme).map_or("", |kind| kind.name),
        address: match scheme.as_str() {
            Connection::EMBEDDED => String::new(),
            "sqlite" => connection.url.path().to_owned(),
            _ => connection.address(),
        },
        scheme,
        description: of_store.map(|stored| stored.description.clone()).unwrap_or_default(),
        origin: match (is_of_environment, of_store.is_some()) {
            (true, _) => t("environment or esteira.toml"),
            (false, true) => t("store"),
            (false, false) => t("built in"),
        },
        is_of_store: of_store.is_some(),
        is_covered: is_of_environment && of_store.is_some(),
        id: connection.id,
    }
}

/// The connection of this id in the store.
pub(super) fn find(state: &AppState, id: &str) -> Option<StoredConnection> {
    state.handle.vault().connections().into_iter().flatten().find(|stored| stored.connection.id == id)
}

/// Tries a connection out: connects to the service, signs in where that is part of it, and hangs up.
pub(super) async fn try_out(state: &AppState, connection: Connection) -> Tested {
    let id = connection.id.clone();
    let masker = Arc::clone(state.handle.vault().masker());
    // Also where the service says something of it in its own words.
    connection.secrets().iter().for_each(|secret| masker.add(secret));
    let start = Instant::now();
    let answer = tokio::time::timeout(TEST_TIMEOUT, ping(connection, Arc::clone(&masker))).await;
    let took = duration(SignedDuration::try_from(start.elapsed()).unwrap_or_default());
    match answer {
        Ok(Ok(())) => {
            Tested { id, is_fine: true, message: t("The service answers").to_owned(), hint: "", took }
        }
        Ok(Err(error)) => {
            let message = masker.mask(&error.to_string());
            Tested { id, is_fine: false, message, hint: error.hint(), took }
        }
        Err(_) => {
            let message = t1("The service did not answer within {} seconds", TEST_TIMEOUT.as_secs());
            Tested { id, is_fine: false, message, hint: "", took }
        }
    }
}

/// Which connection is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    pub(super) id: String,
}

/// Tries out a connection as tasks would use it, and shows the list with what came of it.
pub(crate) async fn test(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(Chosen { id }): Form<Chosen>,
) -> Result<Response, PageError> {
    let connection = state.handle.vault().resolve(&id);
    let connection = connection.map_err(|error| PageError::not_found(error.message).hint(error.hint))?;
    let tested = try_out(&state, connection).await;
    Ok(show(&state, &visitor, String::new(), Done::default(), Some(tested)))
}

impl From<esteira_operator::ConnectionError> for Fault {
    fn from(error: esteira_operator::ConnectionError) -> Self {
        // Its hint is for those who write URLs.
        Self::invalid(error.message)
    }
}
