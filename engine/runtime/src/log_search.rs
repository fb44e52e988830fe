//! Looking through a log for lines that hold a text, or are of a level. One look reads a bounded part and says how far it came.

use crate::log_index::LogIndex;
use crate::logs::{LogLine, parse_line};
use esteira_operator::Level;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// How much of a log one look reads.
pub const SEARCH_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How many lines one look finds.
pub const SEARCH_HITS_MAX: usize = 5_000;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct LogSearch {
    /// A text that lines hold, whatever the case; any if empty.
    pub text: String,
    /// The least level of the lines.
    pub level: Option<Level>,
    /// The line to begin with, counted from 0.
    pub from: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct LogHits {
    /// The numbers of the lines, counted from 0.
    pub lines: Vec<u64>,
    /// The line to go on with.
    pub next: u64,
    /// Whether the end of what is written so far was reached.
    pub is_at_end: bool,
}

/// Goes through the lines that the index knows.
pub(crate) fn search(file: File, index: &LogIndex, wanted: &LogSearch) -> io::Result<LogHits> {
    let sieve = Sieve::new(wanted);
    let mut hits = LogHits { next: wanted.from.min(index.lines()), ..LogHits::default() };
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    index.seek(&mut reader, hits.next)?;
    let (mut line, mut bytes) = (Vec::new(), 0);
    while hits.next < index.lines() && bytes < SEARCH_BYTES_MAX && hits.lines.len() < SEARCH_HITS_MAX {
        line.clear();
        bytes += reader.read_until(b'\n', &mut line)? as u64;
        if sieve.takes(&line) {
            hits.lines.push(hits.next);
        }
        hits.next += 1;
    }
    hits.is_at_end = hits.next >= index.lines();
    Ok(hits)
}

/// Tells lines apart, most of them without reading their JSON.
struct Sieve {
    text: String,
    /// A part of the text that stands in the file as it is.
    plain: Vec<u8>,
    level: Option<Level>,
}

impl Sieve {
    fn new(wanted: &LogSearch) -> Self {
        let text = wanted.text.to_lowercase();
        let is_plain =
            |letter: char| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\') || letter == ' ';
        let parts = text.split(|letter| !is_plain(letter));
        let plain = parts.max_by_key(|part| part.len()).unwrap_or_default().as_bytes().to_vec();
        Self { text, plain, level: wanted.level }
    }

    fn takes(&self, line: &[u8]) -> bool {
        if !self.plain.is_empty() && !holds(line, &self.plain) {
            return false;
        }
        let line: LogLine = match (self.level, self.text.is_empty()) {
            (None, true) => return true,
            (Some(level), _) if quick_level(line).is_some_and(|it| it < level) => return false,
            (Some(_), true) if quick_level(line).is_some() => return true,
            _ => parse_line(line),
        };
        let is_level = self.level.is_none_or(|level| level_of(&line.level).is_none_or(|it| it >= level));
        is_level && line.event.to_lowercase().contains(&self.text)
    }
}

/// Whether a text (in lower case) stands in a line, whatever the case of its letters of ASCII.
fn holds(line: &[u8], text: &[u8]) -> bool {
    let (first, upper) = (text[0], text[0].to_ascii_uppercase());
    memchr::memchr2_iter(first, upper, line)
        .any(|place| line.get(place..place + text.len()).is_some_and(|part| part.eq_ignore_ascii_case(text)))
}

/// The level of a line, read without the rest of it: it stands right behind the time.
fn quick_level(line: &[u8]) -> Option<Level> {
    const KEY: &[u8] = br#""level":""#;
    let head = &line[..line.len().min(80)];
    let start = head.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    let rest = &head[start..];
    let end = rest.iter().position(|letter| *letter == b'"')?;
    level_of(std::str::from_utf8(&rest[..end]).ok()?)
}

fn level_of(name: &str) -> Option<Level> {
    [Level::Debug, Level::Info, Level::Warning, Level::Error].into_iter().find(|level| level.as_str() == name)
}
