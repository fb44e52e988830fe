//! `/importErrors`: files that make no DAG at the moment.

use super::error::ApiError;
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::Pairs;
use super::shapes;
use crate::AppState;
use crate::diagnostics;
use axum::Json;
use axum::extract::State;
use esteira_store::ImportErrorRow;
use serde_json::{Value, json};

/// An error, and its place in the whole list.
type Placed = (usize, ImportErrorRow);

/// What import errors can be ordered by.
const COLUMNS: [Column<Placed>; 4] = [
    ("id", |one, other| one.0.cmp(&other.0)),
    ("import_error_id", |one, other| one.0.cmp(&other.0)),
    ("timestamp", |one, other| one.1.at.cmp(&other.1.at)),
    ("filename", |one, other| one.1.file.cmp(&other.1.file)),
];

/// `GET /importErrors`, with `filename_pattern` as a filter.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let mut errors: Vec<Placed> =
        state.handle.reader().import_errors().await?.into_iter().enumerate().collect();
    let pattern = Patterns::of(&pairs, &["filename"])?;
    errors.retain(|(_, error)| pattern.fits(&error.file));
    ordered::order(&pairs, &mut errors, &COLUMNS)?;
    let part = pairs.window()?.page(errors, |(_, error)| error.file.clone())?;
    Ok(Json(part.shaped("import_errors", |(place, error)| shape(*place, error))))
}

/// `GET /importErrors/{import_error_id}`; the number is the place in the list at this moment.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(number): Path<usize>,
) -> Result<Json<Value>, ApiError> {
    let errors = state.handle.reader().import_errors().await?;
    let found = errors.into_iter().enumerate().find(|(place, _)| place + 1 == number);
    let missing = || ApiError::not_found(format!("there is no import error {number}"));
    found.map(|(place, error)| Json(shape(place, &error))).ok_or_else(missing)
}

fn shape(place: usize, error: &ImportErrorRow) -> Value {
    let texts: Vec<String> =
        diagnostics::read(error.diagnostics.clone()).iter().map(diagnostics::Fault::text).collect();
    json!({
        "import_error_id": place + 1,
        "timestamp": shapes::instant(error.at),
        "filename": error.file,
        "bundle_name": "dags-folder",
        "stack_trace": texts.join("\n\n"),
    })
}
