//! The faults of a DAG file as the store keeps them, for the page and for the API.

use crate::t;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// What is wrong with a file, and where.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fault {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) snippet: Option<Snippet>,
}

/// The lines that show it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Snippet {
    pub(crate) lines: Vec<SnippetLine>,
}

/// A line with its mark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SnippetLine {
    pub(crate) number: usize,
    text: String,
    mark_start: usize,
    mark_length: usize,
    pub(crate) label: Option<String>,
    pub(crate) primary: bool,
}

impl SnippetLine {
    /// The text before the mark.
    pub(crate) fn before(&self) -> String {
        self.text.chars().take(self.mark_start).collect()
    }

    /// The marked text; a space when the mark stands behind the end of the line.
    pub(crate) fn marked(&self) -> String {
        let marked: String = self.text.chars().skip(self.mark_start).take(self.mark_length.max(1)).collect();
        if marked.is_empty() { " ".to_owned() } else { marked }
    }

    /// The text after the mark.
    pub(crate) fn after(&self) -> String {
        self.text.chars().skip(self.mark_start + self.mark_length.max(1)).collect()
    }
}

impl Fault {
    /// How bad it is, in the language of whoever looks.
    pub(crate) fn severity_word(&self) -> &str {
        match self.severity.as_str() {
            "error" => t("error"),
            "warning" => t("warning"),
            other => other,
        }
    }

    /// As plain text: the message, the place, the lines with their marks, the hint.
    pub(crate) fn text(&self) -> String {
        let mut text =
            format!("{}: {}\n --> {}:{}:{}", self.severity, self.message, self.file, self.line, self.column);
        for line in self.snippet.iter().flat_map(|snippet| &snippet.lines) {
            let (indent, mark) = (line.mark_start, "^".repeat(line.mark_length.max(1)));
            // Writing to a String does not fail.
            let _ = write!(text, "\n{:>4} | {}\n     | {:indent$}{mark}", line.number, line.text, "");
            if let Some(label) = &line.label {
                let _ = write!(text, " {label}");
            }
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n = hint: {hint}");
        }
        text
    }
}

/// Reads what the store keeps.
pub(crate) fn read(diagnostics: Value) -> Vec<Fault> {
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
        let faults = read(json!([{
            "severity": "error", "code": "unknown-key", "file": "a.yaml", "line": 2, "column": 3, "length": 4,
            "message": "unknown key \"açai\"", "hint": "remove it",
            "snippet": {"lines": [
                {"number": 2, "text": "  açai: 1", "mark_start": 2, "mark_length": 4, "label": null, "primary": true}
            ]}
        }]));
        let line = &faults[0].snippet.as_ref().unwrap().lines[0];
        assert_eq!([line.before(), line.marked(), line.after()], ["  ", "açai", ": 1"]);
        assert!(faults[0].text().contains("   2 |   açai: 1\n     |   ^^^^"), "{}", faults[0].text());
        assert_eq!(read(json!("odd"))[0].message, "\"odd\"");
    }
}
