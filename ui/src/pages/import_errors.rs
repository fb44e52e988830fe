//! Files in the DAG folder that make no DAG: the fault, the marked lines, the hint, as a terminal shows them.

use crate::AppState;
use crate::diagnostics::{self, Fault};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::Instant;
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
    let page = ImportErrorsPage {
        frame: visitor.frame(Section::ImportErrors, "Import errors").crumb("Import errors", ""),
        files: files.collect(),
    };
    Ok(frame::html(&page))
}
