//! Where the lines of a log are: the place of every 256th one. It is made by reading the log once, from where it was left on,
//! so that any line of a log of millions is found by reading some kilobytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Every so many lines have their place noted.
const STEP: u64 = 256;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The places of lines in what was read of a log so far.
#[derive(Debug, Default)]
pub(crate) struct LogIndex {
    /// The offset of each line whose number divides by [`STEP`].
    places: Vec<u64>,
    /// How many whole lines were read.
    lines: u64,
    /// Where they end.
    end: u64,
}

impl LogIndex {
    /// How many lines it knows.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Where the lines that it knows end.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Reads on, up to the last whole line that is there. A log that is shorter than before is another one.
    pub(crate) fn extend(&mut self, file: &mut File) -> io::Result<()> {
        if file.metadata()?.len() < self.end {
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.end))?;
        let mut chunk = vec![0; CHUNK];
        let mut offset = self.end;
        loop {
            let length = file.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            for place in memchr::memchr_iter(b'\n', &chunk[..length]) {
                if self.lines.is_multiple_of(STEP) {
                    self.places.push(self.end);
                }
                self.lines += 1;
                self.end = offset + place as u64 + 1;
            }
            offset += length as u64;
        }
    }

    /// Sets a reader at the beginning of a line. There must be such a line.
    pub(crate) fn seek(&self, reader: &mut BufReader<File>, line: u64) -> io::Result<()> {
        let noted = usize::try_from(line / STEP).unwrap_or(usize::MAX);
        let place = self.places.get(noted).copied().unwrap_or(self.end);
        reader.seek(SeekFrom::Start(place))?;
        for _ in 0..line % STEP {
            reader.skip_until(b'\n')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_line_is_found_as_the_log_grows() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut index = LogIndex::default();
        for round in 1..=3u64 {
            for number in (round - 1) * 1000..round * 1000 {
                writeln!(file, "line {number}").unwrap();
            }
            // A line that is being written at this moment is not one yet.
            write!(file, "half").unwrap();
            index.extend(&mut file.reopen().unwrap()).unwrap();
            assert_eq!(index.lines(), round * 1000);
            for line in [0, 1, 255, 256, 257, 999, round * 1000 - 1] {
                let mut reader = BufReader::new(file.reopen().unwrap());
                index.seek(&mut reader, line).unwrap();
                let mut text = String::new();
                reader.read_line(&mut text).unwrap();
                assert_eq!(text, format!("line {line}\n"));
            }
            file.as_file().set_len(index.end()).unwrap();
            file.as_file_mut().seek(SeekFrom::End(0)).unwrap();
        }
        file.as_file().set_len(0).unwrap();
        index.extend(&mut file.reopen().unwrap()).unwrap();
        assert_eq!((index.lines(), index.end()), (0, 0));
    }
}
