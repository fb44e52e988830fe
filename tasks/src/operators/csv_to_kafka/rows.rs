//! From bytes to rows of cells, keeping each row's line number and its text as it stood.
//!
//! The parser is csv-core, the core of the csv crate, fed with one row at a time. So a quote that is never closed
//! costs that one row and not the rest of the file, and a rejected row can be shown exactly as it was.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A row; its cells are in the reader.
    Row,
    /// A row that is not CSV, and why.
    Broken(String),
    /// There are no more.
    End,
}

/// Reads rows. Memory is bounded by the longest row that is allowed.
pub(super) struct RowReader<R> {
    input: R,
    parser: Reader,
    line_end: u8,
    lines_read: u64,
    pushed_back: VecDeque<Vec<u8>>,
    row_line: u64,
    raw: Vec<u8>,
    cells: Vec<u8>,
    ends: Vec<usize>,
    cell_count: usize,
}

/// A longer row is not a row of a table; it would not fit into one message either.
const ROW_BYTES_MAX: usize = 256 * 1024;
/// How many lines a quoted cell may span before its quote counts as one that nobody closed.
const ROW_LINES_MAX: usize = 100;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl<R: BufRead> RowReader<R> {
    /// A reader at the first line, which is the header. A byte order mark before it is passed over.
    pub(super) fn new(mut input: R, separator: u8) -> io::Result<Self> {
        let start = input.fill_buf()?;
        if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is UTF-16; save it as UTF-8"));
        }
        let only_returns = !start.contains(&b'\n') && start.contains(&b'\r');
        if start.starts_with(BYTE_ORDER_MARK) {
            input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(Self {
            input,
            parser: ReaderBuilder::new().delimiter(separator).terminator(Terminator::Any(b'\n')).build(),
            line_end: if only_returns { b'\r' } else { b'\n' },
            lines_read: 0,
            pushed_back: VecDeque::new(),
            row_line: 0,
            raw: Vec::new(),
            cells: vec![0; 1024],
            ends: vec![0; 32],
            cell_count: 0,
        })
    }

    /// Goes to the next row; blank lines are no rows.
    pub(super) fn next_row(&mut self) -> io::Result<Next> {
        loop {
            let Some(line) = self.next_line()? else { return Ok(Next::End) };
            self.row_line = self.lines_read;
            self.raw = line;
            if self.raw.len() > ROW_BYTES_MAX {
                return Ok(Next::Broken(format!("the line is longer than {} KiB", ROW_BYTES_MAX / 1024)));
            }
            if !self.raw.iter().all(u8::is_ascii_whitespace) {
                return self.finish_row();
            }
        }
    }

    /// The line on which the row starts; the header's is 1.
    pub(super) fn line(&self) -> u64 {
        self.row_line
    }

    /// The row as it stood in the file, without its line end.
    pub(super) fn raw(&self) -> &[u8] {
        self.raw.strip_suffix(b"\n").unwrap_or(&self.raw)
    }

    /// How many cells the row has.
    pub(super) fn cell_count(&self) -> usize {
        self.cell_count
    }

    /// The bytes of a cell, unquoted.
    pub(super) fn cell(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.cells[start..self.ends[index]]
    }

    /// Parses the row, with further lines as long as a quote is open. When none closes it, they are rows of their own.
    fn finish_row(&mut self) -> io::Result<Next> {
        let first_line_bytes = self.raw.len();
        let mut taken = VecDeque::new();
        while !self.parse() {
            let room = taken.len() + 1 < ROW_LINES_MAX && self.raw.len() < ROW_BYTES_MAX;
            match if room { self.next_line()? } else { None } {
                Some(line) => {
                    self.raw.extend_from_slice(&line);
                    taken.push_back(line);
                }
                None => {
                    self.raw.truncate(first_line_bytes);
                    self.lines_read -= taken.len() as u64;
                    taken.append(&mut self.pushed_back);
                    self.pushed_back = taken;
                    return Ok(Next::Broken("a quote (\") is opened and never closed".to_owned()));
                }
            }
        }
        Ok(Next::Row)
    }

    /// Whether `raw` is one whole row; false while a quote is open.
    fn parse(&mut self) -> bool {
        self.parser.reset();
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let output = &mut self.cells[written..];
            let (result, read_now, written_now, ended_now) =
                self.parser.read_record(&self.raw[read..], output, &mut self.ends[ended..]);
            read += read_now;
            written += written_now;
            ended += ended_now;
            match result {
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.cell_count = ended;
                    return true;
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return false,
            }
        }
    }

    /// The next line with a line feed at its end, whatever ended it in the file. One that is too long is cut, which
    /// its length then shows.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.pushed_back.pop_front() {
            self.lines_read += 1;
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let read = self.input.by_ref().take(ROW_BYTES_MAX as u64 + 1).read_until(self.line_end, &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.lines_read += 1;
        if line.ends_with(&[self.line_end]) {
            line.pop();
        } else if read > ROW_BYTES_MAX {
            self.skip_line()?;
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        line.push(b'\n');
        Ok(Some(line))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let (used, done) = match buffer.iter().position(|byte| *byte == self.line_end) {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            if done {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        let mut reader = RowReader::new(text, b';').unwrap();
        let mut rows = Vec::new();
        loop {
            let row = match reader.next_row().unwrap() {
                Next::End => return rows,
                Next::Broken(reason) => Err(reason),
                Next::Row => Ok((0..reader.cell_count())
                    .map(|index| String::from_utf8_lossy(reader.cell(index)).into_owned())
                    .collect()),
            };
            rows.push((reader.line(), row));
        }
    }

    fn cells(texts: &[&str]) -> Result<Vec<String>, String> {
        Ok(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn every_line_end_and_a_byte_order_mark_are_understood() {
        for end in ["\n", "\r\n", "\r"] {
            for mark in ["", "\u{feff}"] {
                let text = format!("{mark}a;b{end}1;2{end}{end}3;{end}4;5");
                let rows = read(text.as_bytes());
                let expected = vec![
                    (1, cells(&["a", "b"])),
                    (2, cells(&["1", "2"])),
                    (4, cells(&["3", ""])),
                    (5, cells(&["4", "5"])),
                ];
                assert_eq!(rows, expected, "{end:?} {mark:?}");
            }
        }
    }

    #[test]
    fn quoted_cells_may_span_lines() {
        let rows = read(b"a;b\n\"x;\"\"y\"\"\nz\";2\n3;4\n");
        assert_eq!(rows[1], (2, cells(&["x;\"y\"\nz", "2"])));
        assert_eq!(rows[2], (4, cells(&["3", "4"])));
    }

    #[test]
    fn an_open_quote_costs_one_row() {
        let mut text = String::from("a;b\n\"open;1\n");
        for row in 0..500 {
            text.push_str(&format!("{row};x\n"));
        }
        let rows = read(text.as_bytes());
        assert_eq!(rows.len(), 502);
        assert!(rows[1].1.as_ref().unwrap_err().contains("never closed"));
        assert_eq!(rows[2], (3, cells(&["0", "x"])));
        assert_eq!(rows[501], (502, cells(&["499", "x"])));
    }

    #[test]
    fn two_open_quotes_close_each_other_or_cost_their_rows_only() {
        let rows = read(b"a;b\n\"open;1\n2;3\n\"open\n4;5");
        assert_eq!(rows.last().unwrap().1, cells(&["4", "5"]));
    }

    #[test]
    fn a_line_without_end_is_broken_and_the_next_is_read() {
        let text = format!("a;b\n{}\n1;2\n", "x".repeat(3 * ROW_BYTES_MAX));
        let rows = read(text.as_bytes());
        assert!(rows[1].1.as_ref().unwrap_err().contains("longer than"));
        assert_eq!(rows[2], (3, cells(&["1", "2"])));
    }

    #[test]
    fn wide_rows_and_utf16() {
        let wide = vec!["cell with some length"; 500].join(";");
        assert_eq!(read(wide.as_bytes())[0].1.as_ref().unwrap().len(), 500);
        assert!(RowReader::new(&b"\xFF\xFEa\0"[..], b';').is_err());
        assert!(read(b"").is_empty());
    }
}
