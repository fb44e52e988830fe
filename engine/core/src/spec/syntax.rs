//! What the YAML parser says of text that is no YAML, and what its author probably meant.

use super::marked::Mark;
use super::report::{Fault, Report};
use saphyr_parser::ScanError;

pub(super) fn fault(error: &ScanError, report: &Report<'_>) -> Fault {
    let marker = error.marker();
    let mark = Mark { line: marker.line().max(1), column: marker.col() + 1, length: 1 };
    let line = report.line(mark.line).unwrap_or_default();
    let hint = hint(error.info(), line, mark);
    Fault::error("yaml-syntax", mark, format!("this is not YAML: {}", error.info()))
        .hint(hint.map(str::to_owned))
}

fn hint(info: &str, line: &str, mark: Mark) -> Option<&'static str> {
    let indentation: String = line.chars().take_while(|letter| letter.is_whitespace()).collect();
    let at: Option<char> = line.chars().nth(mark.column - 1);
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim_start());
    if indentation.contains('\t') || info.contains("tab") {
        return Some("YAML is indented with spaces, not with tabs");
    }
    if matches!(at, Some('@' | '`' | '%')) || value.starts_with(['@', '`', '%']) {
        return Some("put quotes around a value that begins with @, ` or %");
    }
    if info.contains("mapping values are not allowed") {
        return Some("a value that holds \": \" must be quoted; if this is a key, look at its indentation");
    }
    if info.contains("anchor") {
        return Some(
            "an alias (*name) needs its anchor (&name) earlier in the file; quote a value that begins with *",
        );
    }
    if value.starts_with('*') {
        return Some("put quotes around a value that begins with *");
    }
    if info.contains("quote") || info.contains("unexpected end of stream") || info.contains("unexpected eof")
    {
        return Some("a quote or a bracket that was opened is not closed");
    }
    if info.contains("flow") || info.contains("',' or ']'") || info.contains("',' or '}'") {
        return Some("a list in brackets or a mapping in braces is not closed, or lacks a comma");
    }
    if info.contains("placement of ':'") {
        return Some("a bracket or a brace above is probably not closed");
    }
    if info.contains("block mapping") || info.contains("simple key") || info.contains("indentation") {
        return Some(
            "look at the indentation: keys of one mapping begin in the same column, each followed by \": \"",
        );
    }
    None
}
