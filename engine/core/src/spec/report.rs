//! Where the faults of one file are gathered while it is read, with the lines that they show.

use super::diagnostic::{Diagnostic, Severity, Snippet, SnippetLine};
use super::marked::Mark;

/// The most faults that are told of one file; nobody reads further, and each costs time.
pub(super) const FAULTS_MAX: usize = 100;

/// The most characters of a line that are shown.
const LINE_WIDTH_MAX: usize = 120;

/// How many characters are shown before the mark when a long line is cut.
const CONTEXT_BEFORE_MARK: usize = 40;

/// A fault before it knows its file.
pub(super) struct Fault {
    severity: Severity,
    code: &'static str,
    mark: Mark,
    message: String,
    hint: Option<String>,
    related: Option<(Mark, String)>,
    label: Option<String>,
}

impl Fault {
    pub(super) fn error(code: &'static str, mark: Mark, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            mark,
            message: message.into(),
            hint: None,
            related: None,
            label: None,
        }
    }

    pub(super) fn warning(code: &'static str, mark: Mark, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, mark, message) }
    }

    pub(super) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Shows a second place that explains the first.
    pub(super) fn related(mut self, mark: Mark, label: &str, own_label: &str) -> Self {
        self.related = Some((mark, label.to_owned()));
        self.label = Some(own_label.to_owned());
        self
    }
}

/// The faults of one file.
pub(super) struct Report<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
    has_errors: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        Self { file, lines, diagnostics: Vec::new(), dropped: 0, has_errors: false }
    }

    /// A line of the file, from 1, without its end.
    pub(super) fn line(&self, number: usize) -> Option<&'a str> {
        self.lines.get(number.checked_sub(1)?).copied()
    }

    /// Whether further faults are only counted, so that nobody need think of a hint for them.
    pub(super) fn is_full(&self) -> bool {
        self.diagnostics.len() >= FAULTS_MAX
    }

    pub(super) fn has_errors(&self) -> bool {
        self.has_errors
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.has_errors |= fault.severity == Severity::Error;
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        let diagnostic = self.diagnostic(fault);
        self.diagnostics.push(diagnostic);
    }

    fn diagnostic(&self, fault: Fault) -> Diagnostic {
        let mut lines: Vec<SnippetLine> =
            self.snippet_line(fault.mark, fault.label, true).into_iter().collect();
        if let Some((mark, label)) = fault.related {
            lines.extend(self.snippet_line(mark, Some(label), false));
            lines.sort_by_key(|line| (line.number, line.mark_start));
        }
        Diagnostic {
            severity: fault.severity,
            code: fault.code,
            file: self.file.to_owned(),
            line: fault.mark.line,
            column: fault.mark.column,
            length: fault.mark.length,
            message: one_line(&fault.message),
            hint: fault.hint.as_deref().map(one_line),
            snippet: (!lines.is_empty()).then_some(Snippet { lines }),
        }
    }

    fn snippet_line(&self, mark: Mark, label: Option<String>, primary: bool) -> Option<SnippetLine> {
        let line = self.line(mark.line)?;
        let start = mark.column.saturating_sub(1);
        let is_long = line.chars().nth(LINE_WIDTH_MAX).is_some();
        let skipped = if is_long { start.saturating_sub(CONTEXT_BEFORE_MARK) } else { 0 };
        let mut text: String = line.chars().skip(skipped).take(LINE_WIDTH_MAX).map(printable).collect();
        if skipped + LINE_WIDTH_MAX < line.chars().count() {
            text.push('…');
        }
        let mut mark_start = start - skipped;
        if skipped > 0 {
            text.insert(0, '…');
            mark_start += 1;
        }
        let room = text.chars().count().saturating_sub(mark_start).max(1);
        let mark_length = mark.length.clamp(1, room);
        Some(SnippetLine { number: mark.line, text, mark_start, mark_length, label, primary })
    }

    /// All faults in the order of the file; the last one says how many were left out.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column, diagnostic.severity));
        if self.dropped > 0 {
            let message = format!("{} more faults are not shown", self.dropped);
            let last = self.diagnostic(Fault::error("too-many-faults", Mark::START, message));
            self.diagnostics.push(Diagnostic { snippet: None, ..last });
        }
        self.diagnostics
    }
}

fn printable(letter: char) -> char {
    match letter {
        '\t' => ' ',
        letter if letter.is_control() || is_bidirectional_control(letter) => '\u{fffd}',
        letter => letter,
    }
}

/// Characters that reorder the text around them, which would make a line look like another.
fn is_bidirectional_control(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text for a person, which may repeat what stands in the file, as one line that no terminal obeys.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { ' ' } else { printable(letter) }).collect()
}

/// A name out of the file, quoted for a message, and not long.
pub(super) fn quoted(name: &str) -> String {
    const LENGTH_MAX: usize = 80;
    let mut shown: String = name.chars().take(LENGTH_MAX).collect();
    if name.chars().nth(LENGTH_MAX).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
