//! What is wrong with a DAG file, where, and what to do about it: the message, the lines shown, and the text form.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file gives no DAG.
    Error,
    /// The DAG can run, but probably not as its author means it.
    Warning,
}

impl Severity {
    /// The word that people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One fault of a DAG file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of fault, stable for programs: `unknown-key`.
    pub code: &'static str,
    /// The file, by the name that its reader knows.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters are marked.
    pub length: usize,
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The lines shown, if the file has them.
    pub snippet: Option<Snippet>,
}

/// Lines of a file, with marks under them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// In the order of the file.
    pub lines: Vec<SnippetLine>,
}

/// One line of a file. Control characters are shown as `\u{fffd}` and a tab as one space, so that the mark stands
/// where it should and a file cannot speak to the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnippetLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text; a long line is cut around the mark.
    pub text: String,
    /// Where the mark begins in `text`, from 0, in characters.
    pub mark_start: usize,
    /// How many characters are marked.
    pub mark_length: usize,
    /// What the mark means, when the line has more to say than the message: "first here".
    pub label: Option<String>,
    /// Whether this line is the place of the fault, not one that explains it.
    pub primary: bool,
}

impl Diagnostic {
    /// The fault as plain text, in the way of rustc: the message, the place, the line with its mark, the hint.
    pub fn render(&self) -> String {
        let mut text = format!("{}: {}\n", self.severity.as_str(), self.message);
        let lines = self.snippet.as_ref().map_or(&[][..], |snippet| &snippet.lines);
        let width = lines.iter().map(|line| line.number.to_string().len()).max().unwrap_or(1);
        text.push_str(&format!("{:width$}--> {}:{}:{}", "", self.file, self.line, self.column));
        if !lines.is_empty() {
            text.push_str(&format!("\n{:width$} |", ""));
        }
        let mut last_number = None;
        for line in lines {
            if last_number.is_some_and(|last| line.number > last + 1) {
                text.push_str("\n...");
            }
            text.push_str(&line.render(width));
            last_number = Some(line.number);
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n{:width$} = hint: {hint}", ""));
        }
        text
    }
}

impl SnippetLine {
    fn render(&self, width: usize) -> String {
        let pen = if self.primary { "^" } else { "-" };
        let mark = pen.repeat(self.mark_length.max(1));
        let line = format!("\n{:>width$} | {}", self.number, self.text);
        let under = format!("\n{:width$} | {:indent$}{mark}", "", "", indent = self.mark_start);
        match &self.label {
            Some(label) => format!("{line}{under} {label}"),
            None => format!("{line}{under}"),
        }
    }
}
