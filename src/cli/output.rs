//! How commands speak: data to standard output, talk to standard error. A reader that leaves (`| head`) ends a command
//! quietly.

use super::Failure;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, presets};
use esteira_core::states::{RunState, TaskInstanceState};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Says a line to the person: `eprintln!` that does not panic when nobody listens.
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::output::say_line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// What [`say!`] calls.
pub(crate) fn say_line(line: fmt::Arguments<'_>) {
    // Talk that nobody hears is no reason to stop.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a line of data.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(failure)
}

/// Writes a line of data after work whose outcome stands: that nobody reads it changes nothing.
pub(crate) fn offer(text: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes one JSON document.
pub(crate) fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document);
    print(text.map_err(|error| Failure::failed(format!("the result cannot be written as JSON: {error}")))?)
}

/// Why standard output takes no more.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::reader_left(),
        _ => Failure::failed(format!("standard output cannot be written: {error}")),
    }
}

/// Whether colours are wanted: on a terminal, unless `NO_COLOR` says otherwise.
fn is_coloured(is_terminal: bool) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Good,
    Bad,
    Active,
    Waiting,
    Warning,
    Quiet,
    Strong,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Active => "34",
            Self::Waiting => "36",
            Self::Warning => "33",
            Self::Quiet => "2",
            Self::Strong => "1",
        }
    }

    fn on(self, cell: Cell) -> Cell {
        match self {
            Self::Good => cell.fg(Color::Green),
            Self::Bad => cell.fg(Color::Red),
            Self::Active => cell.fg(Color::Blue),
            Self::Waiting => cell.fg(Color::Cyan),
            Self::Warning => cell.fg(Color::Yellow),
            Self::Quiet => cell.add_attribute(Attribute::Dim),
            Self::Strong => cell.add_attribute(Attribute::Bold),
        }
    }
}

/// The text in its colour, where standard output shows colours.
pub(crate) fn paint(ink: Ink, text: &str) -> String {
    match is_coloured(io::stdout().is_terminal()) {
        true => format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()),
        false => text.to_owned(),
    }
}

/// A state: the glyph and the colour of the web pages, and the word. In a pipe only the word, for programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    glyph: &'static str,
    ink: Ink,
    word: &'static str,
}

impl Mark {
    pub(crate) fn of_run(state: RunState) -> Self {
        let (glyph, ink) = match state {
            RunState::Queued => ("◷", Ink::Waiting),
            RunState::Running => ("▶", Ink::Active),
            RunState::Success => ("✓", Ink::Good),
            RunState::Failed => ("✕", Ink::Bad),
        };
        Self { glyph, ink, word: state.as_str() }
    }

    /// An instance that has not been looked at has no state.
    pub(crate) fn of_instance(state: Option<TaskInstanceState>) -> Self {
        use TaskInstanceState as State;
        let Some(state) = state else { return Self { glyph: "◌", ink: Ink::Quiet, word: "waiting" } };
        let (glyph, ink) = match state {
            State::Scheduled | State::Queued => ("◷", Ink::Waiting),
            State::Running => ("▶", Ink::Active),
            State::Success => ("✓", Ink::Good),
            State::Failed => ("✕", Ink::Bad),
            State::UpForReschedule | State::Deferred => ("◌", Ink::Waiting),
            State::AwaitingInput => ("?", Ink::Waiting),
            State::Restarting => ("⟲", Ink::Warning),
            State::UpForRetry => ("↻", Ink::Warning),
            State::UpstreamFailed => ("⇡", Ink::Warning),
            State::Skipped | State::Removed => ("⤼", Ink::Quiet),
        };
        Self { glyph, ink, word: state.as_str() }
    }

    pub(crate) fn other(glyph: &'static str, ink: Ink, word: &'static str) -> Self {
        Self { glyph, ink, word }
    }

    fn text(self) -> String {
        match io::stdout().is_terminal() {
            true => format!("{} {}", self.glyph, self.word),
            false => self.word.to_owned(),
        }
    }

    /// For a line of text.
    pub(crate) fn painted(self) -> String {
        paint(self.ink, &self.text())
    }

    /// For a table.
    pub(crate) fn cell(self) -> Cell {
        self.ink.on(Cell::new(self.text()))
    }
}

/// A cell with a number or a length of time.
pub(crate) fn right(text: impl fmt::Display) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

/// A table without lines: it reads well, and cuts well. Cells are never broken: somebody will copy them.
pub(crate) struct Table {
    table: comfy_table::Table,
    /// How wide the terminal is; a pipe takes any width.
    width: Option<u16>,
    /// The columns that go, in this order, when the terminal is too narrow.
    dispensable: &'static [usize],
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let mut table = comfy_table::Table::new();
        let width = table.width().filter(|_| is_terminal);
        table.load_style(presets::NOTHING).force_no_tty();
        if is_coloured(is_terminal) {
            table.enforce_styling();
        }
        table.set_header(header.iter().map(|name| Ink::Quiet.on(Cell::new(name))));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table, width, dispensable: &[] }
    }

    /// Says which columns go, in this order, when the terminal is too narrow for all.
    pub(crate) fn can_do_without(&mut self, columns: &'static [usize]) {
        self.dispensable = columns;
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.table.add_row(cells);
    }

    pub(crate) fn print(mut self) -> Result<(), Failure> {
        let widths: Vec<u16> = self.table.column_max_content_widths().iter().map(|width| width + 2).collect();
        let mut needed: u16 = widths.iter().sum();
        for place in self.dispensable {
            if self.width.is_some_and(|width| width < needed)
                && let Some(column) = self.table.column_mut(*place)
            {
                column.set_constraint(ColumnConstraint::Hidden);
                needed -= widths[*place];
            }
        }
        print(self.table.trim_fmt())
    }
}

/// A few facts, one a line, their names in a column of their own.
#[derive(Default)]
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Adds what there is; nothing is no fact.
    pub(crate) fn add_some(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.add(name, value);
        }
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.0 {
            print(format_args!("  {}  {value}", paint(Ink::Quiet, &format!("{name:width$}"))))?;
        }
        Ok(())
    }
}

/// What somebody else wrote, without what could speak to the terminal; colours may stay.
pub(crate) fn harmless(text: &str) -> String {
    if !io::stdout().is_terminal() {
        return text.to_owned();
    }
    without_control(text)
}

fn without_control(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\t')) {
        let (before, from) = rest.split_at(place);
        clean.push_str(before);
        let length = colour_length(from);
        if length > 0 {
            clean.push_str(&from[..length]);
            rest = &from[length..];
        } else {
            clean.push('\u{fffd}');
            rest = &from[from.chars().next().map_or(1, char::len_utf8)..];
        }
    }
    clean.push_str(rest);
    clean
}

/// How many bytes at the start of `text` are a colour sequence: `ESC [ digits m`.
fn colour_length(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    match parameters.find(|letter: char| !letter.is_ascii_digit() && letter != ';') {
        Some(end) if parameters[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_other_control_goes() {
        assert_eq!(without_control("a\u{1b}[31mred\u{1b}[0m\tb\nc"), "a\u{1b}[31mred\u{1b}[0m\tb\nc");
        assert_eq!(
            without_control("\u{1b}]0;title\u{7}\u{1b}[2Jx\u{9b}y"),
            "\u{fffd}]0;title\u{fffd}\u{fffd}[2Jx\u{fffd}y"
        );
    }
}
