//! Files in the DAG folder that make no DAG: the fault, the marked lines, the hint, as a terminal shows them.

use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::Instant;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

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

/// A diagnostic as the store keeps it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    severity: String,
    code: String,
    file: String,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
    snippet: Option<Snippet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Snippet {
    lines: Vec<SnippetLine>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SnippetLine {
    number: usize,
    text: String,
    mark_start: usize,
    mark_length: usize,
    label: Option<String>,
    primary: bool,
}

impl SnippetLine {
    fn before(&self) -> String {
        self.text.chars().take(self.mark_start).collect()
    }

    fn marked(&self) -> String {
        let marked: String = self.text.chars().skip(self.mark_start).take(self.mark_length.max(1)).collect();
        // A mark behind the end of the line stands on a space.
        if marked.is_empty() { " ".to_owned() } else { marked }
    }

    fn after(&self) -> String {
        self.text.chars().skip(self.mark_start + self.mark_length.max(1)).collect()
    }
}

pub(crate) async fn page(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let errors = state.handle.reader().import_errors().await?;
    let files = errors.into_iter().map(|error| BrokenFile {
        at: Instant::new(error.at, now),
        faults: faults(error.diagnostics),
        file: error.file,
    });
    let page = ImportErrorsPage {
        frame: visitor.frame(Section::ImportErrors, "Import errors").crumb("Import errors", ""),
        files: files.collect(),
    };
    Ok(frame::html(&page))
}

fn faults(diagnostics: Value) -> Vec<Fault> {
    let text = diagnostics.to_string();
    serde_json::from_value(diagnostics).unwrap_or_else(|error| {
        tracing::warn!(%error, "stored diagnostics could not be read");
        vec![Fault { severity: "error".to_owned(), message: text, ..Fault::default() }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stored_diagnostics_are_read_and_marked_by_letters() {
        let faults = faults(json!([{
            "severity": "error", "code": "unknown-key", "file": "a.yaml", "line": 2, "column": 3, "length": 4,
            "message": "unknown key \"açai\"", "hint": null,
            "snippet": {"lines": [{"number": 2, "text": "  açai: 1", "mark_start": 2, "mark_length": 4, "label": null, "primary": true}]}
        }]));
        let line = &faults[0].snippet.as_ref().unwrap().lines[0];
        assert_eq!([line.before(), line.marked(), line.after()], ["  ", "açai", ": 1"]);
        assert_eq!(super::faults(json!("odd"))[0].message, "\"odd\"");
    }
}
