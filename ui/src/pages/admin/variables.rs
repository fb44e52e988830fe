//! The variables: those of the store, with a search, and the names of those that the environment sets.

use super::Done;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use esteira_runtime::Variable;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How many variables a page has.
const PAGE_LENGTH: usize = 200;

/// How many letters of a value the list shows.
const VALUE_LENGTH_MAX: usize = 200;

/// Which variables are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    search: String,
    /// The name that the page begins after.
    after: String,
}

#[derive(Template)]
#[template(path = "admin_variables.html")]
struct VariablesPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    next: Option<String>,
    /// What could not be opened, in a sentence each.
    faults: Vec<String>,
    done: Done,
}

struct Row {
    key: String,
    /// None for one whose value must not be shown.
    value: Option<String>,
    description: String,
    is_of_store: bool,
    is_of_environment: bool,
}

/// The tab that all this is under.
pub(super) fn tab() -> (&'static str, &'static str) {
    (t("Variables"), "/variables")
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    Query(done): Query<Done>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (mut rows, faults) = rows(&state);
    let searched = wanted.search.trim().to_lowercase();
    rows.retain(|row| {
        let is_found =
            [&row.key, &row.description].iter().any(|text| text.to_lowercase().contains(&searched));
        is_found && row.key > wanted.after
    });
    let has_more = rows.len() > PAGE_LENGTH;
    rows.truncate(PAGE_LENGTH);
    let next = rows.last().filter(|_| has_more).map(|last| {
        links::with_query("/variables", &[("search", wanted.search.as_str()), ("after", last.key.as_str())])
    });
    let frame = super::framed(&visitor, tab(), "");
    Ok(frame::html(&VariablesPage { frame, wanted, rows, next, faults, done }))
}

/// Every variable, by name, and what could not be opened.
fn rows(state: &AppState) -> (Vec<Row>, Vec<String>) {
    let vault = state.handle.vault();
    let mut of_environment = vault.environment_variables();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for variable in vault.variables() {
        match variable {
            Ok(Variable { key, value, is_secret, description }) => {
                // The environment's names are in small letters, and go over all spellings.
                let is_of_environment = of_environment.contains(&key.to_ascii_lowercase());
                of_environment.retain(|name| *name != key.to_ascii_lowercase());
                let value = (!is_secret).then(|| value.chars().take(VALUE_LENGTH_MAX).collect());
                rows.push(Row { key, value, description, is_of_store: true, is_of_environment });
            }
            Err(fault) => faults.push(fault),
        }
    }
    rows.extend(of_environment.into_iter().map(|key| Row {
        key,
        value: None,
        description: String::new(),
        is_of_store: false,
        is_of_environment: true,
    }));
    rows.sort_by(|one, other| one.key.cmp(&other.key));
    (rows, faults)
}

/// The variable of this name in the store.
pub(super) fn find(state: &AppState, key: &str) -> Option<Variable> {
    state.handle.vault().variables().into_iter().flatten().find(|variable| variable.key == key)
}

/// The variables of the store as a JSON file, as `esteira variables import` reads it. Secrets are left out.
pub(crate) async fn export(State(state): State<AppState>) -> Response {
    let variables = state.handle.vault().variables().into_iter().flatten();
    let shown = variables.filter(|variable| !variable.is_secret);
    let document: Map<String, Value> = shown
        .map(|variable| {
            let fields = json!({ "value": variable.value, "description": variable.description });
            (variable.key, fields)
        })
        .collect();
    let text = format!("{:#}\n", Value::Object(document));
    let head = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"variables.json\"")),
    ];
    (head, text).into_response()
}
