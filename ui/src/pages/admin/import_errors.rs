//! Files in the DAG folder that make no DAG: the fault, the marked lines, the hint, as a terminal shows them.

use crate::diagnostics::{self, Fault};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::Instant;
use crate::{AppState, t};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;

#[derive(Template)]
#[template(path = "import_errors.html")]
struct ImportErrorsPage {
    frame: Frame,
    files: Vec<BrokenFile>,
}

struct BrokenFile {
    file: String,
    at: Instant,
    faults: Vec<Fault>,
}

pub(crate) async fn page(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let errors = state.handle.reader().import_errors().await?;
    let files = errors.into_iter().map(|error| BrokenFile {
        at: Instant::new(error.at, now),
        faults: diagnostics::read(error.diagnostics),
        file: error.file,
    });
    let files: Vec<BrokenFile> = files.collect();
    // The rail has an entry of its own while there are any.
    let mut frame = super::framed(&visitor, (t("Import errors"), "/import-errors"), "");
    frame.section = if files.is_empty() { Section::Admin } else { Section::ImportErrors };
    let page = ImportErrorsPage { frame, files };
    Ok(frame::html(&page))
}
