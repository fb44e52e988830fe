//! The lines of attempts: one file an attempt, one JSON object a line, written as they come.

use crate::log_index::LogIndex;
pub use crate::log_search::{LogHits, LogSearch, SEARCH_BYTES_MAX, SEARCH_HITS_MAX};
use esteira_operator::{Level, Masker};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Whose log is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogKey {
    /// The DAG.
    pub dag_id: String,
    /// The run.
    pub run_id: String,
    /// The task.
    pub task_id: String,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// The attempt.
    pub try_number: u32,
}

impl LogKey {
    fn path(&self, folder: &Path) -> PathBuf {
        let mut path = folder.join(&self.dag_id).join(&self.run_id).join(&self.task_id);
        if self.map_index >= 0 {
            path.push(format!("map_index_{}", self.map_index));
        }
        path.join(format!("attempt_{}.ndjson", self.try_number))
    }
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub timestamp: Timestamp,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// Who spoke: `task`, `stdout`, `stderr`, `engine`.
    pub source: String,
    /// What was said.
    pub event: String,
}

/// Some lines of a log and where the next ones begin.
#[derive(Clone, Debug, Default)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Pass it as `offset` to go on.
    pub next_offset: u64,
    /// Whether the page came to the end of what is written so far.
    pub is_at_end: bool,
}

/// Some lines of a log by their numbers.
#[derive(Clone, Debug, Default)]
pub struct LogWindow {
    /// The lines, each with its number, counted from 0.
    pub lines: Vec<(u64, LogLine)>,
    /// How many lines the log has so far.
    pub total: u64,
}

/// The logs of a home. Cloning shares them.
#[derive(Clone)]
pub struct Logs {
    folder: Arc<Path>,
    open: Arc<Mutex<HashMap<LogKey, watch::Sender<u64>>>>,
    /// The indexes that were made lately, oldest first.
    indexes: Arc<Mutex<Vec<(LogKey, SharedIndex)>>>,
}

type SharedIndex = Arc<Mutex<LogIndex>>;

/// How many indexes are kept. One of a million lines takes 32 kB.
const INDEXES_MAX: usize = 100;

/// How many bytes of a log are read at once.
pub const PAGE_BYTES_MAX: u64 = 1024 * 1024;

impl Logs {
    /// The logs under `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), open: Arc::default(), indexes: Arc::default() }
    }

    /// Lines from `offset` on (0, or what an earlier page gave), about `bytes` of them. A log that does not exist is
    /// empty: an attempt that said nothing has no file.
    pub fn read(&self, key: &LogKey, offset: u64, bytes: u64) -> io::Result<LogPage> {
        let mut file = match File::open(key.path(&self.folder)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(LogPage { is_at_end: true, ..LogPage::default() });
            }
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset.min(length)))?;
        read_lines(BufReader::new(file), offset.min(length), bytes.min(PAGE_BYTES_MAX))
    }

    /// Up to `count` lines from a number on, about `bytes` of them. The first time it reads all that was not read yet, to know
    /// where lines are; after that, the lines only.
    pub fn window(&self, key: &LogKey, first: u64, count: u64, bytes: u64) -> io::Result<LogWindow> {
        self.with_index(key, |file, index| {
            let mut window = LogWindow { lines: Vec::new(), total: index.lines() };
            let mut reader = BufReader::new(file);
            index.seek(&mut reader, first.min(window.total))?;
            let (mut text, mut read) = (Vec::new(), 0);
            for number in first..first.saturating_add(count).min(window.total) {
                text.clear();
                read += reader.read_until(b'\n', &mut text)? as u64;
                window.lines.push((number, parse_line(&text)));
                if read >= bytes.min(PAGE_BYTES_MAX) {
                    break;
                }
            }
            Ok(window)
        })
    }

    /// The lines with these numbers, which go up; about `bytes` of them.
    pub fn pick(&self, key: &LogKey, numbers: &[u64], bytes: u64) -> io::Result<LogWindow> {
        self.with_index(key, |file, index| {
            let mut window = LogWindow { lines: Vec::new(), total: index.lines() };
            let mut reader = BufReader::new(file);
            let (mut text, mut read, mut at) = (Vec::new(), 0, u64::MAX);
            for number in numbers.iter().copied().filter(|number| *number < window.total) {
                if number != at {
                    index.seek(&mut reader, number)?;
                }
                text.clear();
                read += reader.read_until(b'\n', &mut text)? as u64;
                at = number + 1;
                window.lines.push((number, parse_line(&text)));
                if read >= bytes.min(PAGE_BYTES_MAX) {
                    break;
                }
            }
            Ok(window)
        })
    }

    /// Looks for lines. What one look goes through is bounded: it says how far it came.
    pub fn search(&self, key: &LogKey, wanted: &LogSearch) -> io::Result<LogHits> {
        self.with_index(key, |file, index| crate::log_search::search(file, index, wanted))
    }

    /// How many lines there are, if no more than `bytes` must be read to know it.
    pub fn count(&self, key: &LogKey, bytes: u64) -> io::Result<Option<u64>> {
        let known = self.index(key).lock().unwrap_or_else(PoisonError::into_inner).end();
        if self.size(key).unwrap_or(0).saturating_sub(known) > bytes {
            return Ok(None);
        }
        self.with_index(key, |_, index| Ok(index.lines())).map(Some)
    }

    /// Does something with a log and the places of its lines, as they are now. A log that does not exist has none.
    fn with_index<T: Default>(
        &self,
        key: &LogKey,
        act: impl FnOnce(File, &LogIndex) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut file = match File::open(key.path(&self.folder)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(error),
        };
        let index = self.index(key);
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        index.extend(&mut file)?;
        act(file, &index)
    }

    fn index(&self, key: &LogKey) -> SharedIndex {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = indexes.iter().position(|(known, _)| known == key).map(|place| indexes.remove(place).1);
        let index = known.unwrap_or_default();
        indexes.push((key.clone(), Arc::clone(&index)));
        if indexes.len() > INDEXES_MAX {
            indexes.remove(0);
        }
        index
    }

    /// How large the log of an attempt is, in bytes, if there is one.
    pub fn size(&self, key: &LogKey) -> Option<u64> {
        std::fs::metadata(key.path(&self.folder)).ok().map(|metadata| metadata.len())
    }

    /// The file of a log, for a download.
    pub fn file(&self, key: &LogKey) -> PathBuf {
        key.path(&self.folder)
    }

    /// Removes the logs of a run.
    pub(crate) fn remove_run(&self, dag_id: &str, run_id: &str) {
        let folder = self.folder.join(dag_id).join(run_id);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "the logs of a run that is gone could not be removed");
            }
            _ => {}
        }
    }

    /// Tells of growth while the attempt runs; none once it has ended. The receiver closes when the attempt ends.
    pub fn watch(&self, key: &LogKey) -> Option<watch::Receiver<u64>> {
        self.lock().get(key).map(watch::Sender::subscribe)
    }

    /// Opens the log of an attempt that starts.
    pub(crate) fn writer(&self, key: LogKey, masker: Arc<Masker>) -> LogWriter {
        self.lock().insert(key.clone(), watch::channel(0).0);
        LogWriter { logs: self.clone(), key, masker, file: Mutex::new(None), is_the_attempt: true }
    }

    /// Opens the log of an attempt for what is done besides, or after it. Whether the attempt goes on is not its business.
    pub(crate) fn appender(&self, key: LogKey, masker: Arc<Masker>) -> LogWriter {
        LogWriter { logs: self.clone(), key, masker, file: Mutex::new(None), is_the_attempt: false }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LogKey, watch::Sender<u64>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_lines(mut reader: BufReader<File>, offset: u64, bytes: u64) -> io::Result<LogPage> {
    let mut page = LogPage { lines: Vec::new(), next_offset: offset, is_at_end: false };
    let mut text = Vec::new();
    while page.next_offset - offset < bytes {
        text.clear();
        let length = reader.by_ref().read_until(b'\n', &mut text)?;
        if length == 0 || text.last() != Some(&b'\n') {
            // The end, or a line that is being written at this moment: it is read when it is whole.
            page.is_at_end = true;
            break;
        }
        page.next_offset += length as u64;
        page.lines.push(parse_line(&text));
    }
    Ok(page)
}

/// A line that is no JSON (a disk that was full cut one off) is shown as it is.
pub(crate) fn parse_line(text: &[u8]) -> LogLine {
    serde_json::from_slice(text).unwrap_or_else(|_| LogLine {
        timestamp: Timestamp::UNIX_EPOCH,
        level: Level::Warning.as_str().to_owned(),
        source: "engine".to_owned(),
        event: String::from_utf8_lossy(text).trim_end().to_owned(),
    })
}

/// Writes one attempt's log. Its file is made with the first line: an attempt that says nothing costs nothing.
pub(crate) struct LogWriter {
    logs: Logs,
    key: LogKey,
    masker: Arc<Masker>,
    file: Mutex<Option<File>>,
    /// Whether those who watch hear of the attempt's end when this is dropped.
    is_the_attempt: bool,
}

impl LogWriter {
    /// Writes a line, with secrets masked. A log that cannot be written never fails the task: it is told to the
    /// engine's own log instead.
    pub(crate) fn line(&self, level: Level, source: &str, text: &str, at: Timestamp) {
        let line = LogLine {
            timestamp: at,
            level: level.as_str().to_owned(),
            source: source.to_owned(),
            event: self.masker.mask(text),
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut file, &line) {
            tracing::warn!(log = %self.key.path(&self.logs.folder).display(), %error, "a log line could not be written");
        }
        drop(file);
        if let Some(sender) = self.logs.lock().get(&self.key) {
            sender.send_modify(|lines| *lines += 1);
        }
    }

    fn append(&self, file: &mut Option<File>, line: &LogLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let open = match file {
            Some(open) => open,
            None => file.insert(self.create()?),
        };
        // One write a line: a reader never sees half of one, and nothing waits in a buffer when the engine dies.
        open.write_all(&text)
    }

    fn create(&self) -> io::Result<File> {
        let path = self.key.path(&self.logs.folder);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().create(true).append(true).open(path)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if self.is_the_attempt {
            self.logs.lock().remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LogKey {
        LogKey { dag_id: "d".into(), run_id: "r".into(), task_id: "t".into(), map_index: -1, try_number: 1 }
    }

    #[test]
    fn lines_come_back_page_by_page_and_masked() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        assert!(logs.read(&key(), 0, 100).unwrap().lines.is_empty());
        let masker = Arc::new(Masker::default());
        masker.add("hunter2");
        let writer = logs.writer(key(), masker);
        for number in 0..3 {
            writer.line(Level::Info, "stdout", &format!("line {number} hunter2\nx"), Timestamp::UNIX_EPOCH);
        }
        let first = logs.read(&key(), 0, 1).unwrap();
        assert_eq!(
            (first.lines.len(), first.lines[0].event.as_str(), first.is_at_end),
            (1, "line 0 ***\nx", false)
        );
        let rest = logs.read(&key(), first.next_offset, PAGE_BYTES_MAX).unwrap();
        assert_eq!((rest.lines.len(), rest.is_at_end), (2, true));
    }

    #[test]
    fn lines_are_found_by_number_and_by_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        assert_eq!(
            (logs.window(&key(), 0, 10, 100).unwrap().total, logs.count(&key(), 0).unwrap()),
            (0, Some(0))
        );
        let writer = logs.writer(key(), Arc::default());
        for number in 0..1000 {
            let level = if number % 100 == 7 { Level::Error } else { Level::Info };
            writer.line(level, "stdout", &format!("Line \"{number}\" Ação"), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(logs.count(&key(), 10).unwrap(), None);
        let window = logs.window(&key(), 600, 3, u64::MAX).unwrap();
        let numbers: Vec<u64> = window.lines.iter().map(|(number, _)| *number).collect();
        assert_eq!((numbers, window.total), (vec![600, 601, 602], 1000));
        assert_eq!(window.lines[0].1.event, "Line \"600\" Ação");
        assert_eq!(logs.window(&key(), 998, 10, u64::MAX).unwrap().lines.len(), 2);
        assert_eq!(logs.window(&key(), 2000, 10, u64::MAX).unwrap().lines.len(), 0);
        let picked = logs.pick(&key(), &[3, 4, 900, 5000], u64::MAX).unwrap();
        let events: Vec<&str> = picked.lines.iter().map(|(_, line)| line.event.as_str()).collect();
        assert_eq!(events, ["Line \"3\" Ação", "Line \"4\" Ação", "Line \"900\" Ação"]);
        let find = |text: &str, level, from| {
            logs.search(&key(), &LogSearch { text: text.to_owned(), level, from }).unwrap()
        };
        assert_eq!(find("lINE \"99", None, 0).lines, [99, 990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
        assert_eq!(find("ação", None, 990).lines.len(), 10);
        assert_eq!(find("", Some(Level::Warning), 500).lines, [507, 607, 707, 807, 907]);
        assert_eq!(find("707", Some(Level::Error), 0).lines, [707]);
        assert!(find("stdout", None, 0).lines.is_empty(), "only what lines say is looked through");
        assert!(find("x", None, 0).is_at_end);
    }

    #[test]
    fn a_watcher_hears_of_growth_and_of_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let writer = logs.writer(key(), Arc::default());
        let mut watcher = logs.watch(&key()).unwrap();
        writer.line(Level::Info, "task", "x", Timestamp::UNIX_EPOCH);
        assert_eq!(*watcher.borrow_and_update(), 1);
        drop(writer);
        assert!(watcher.has_changed().is_err());
        assert!(logs.watch(&key()).is_none());
    }

    #[test]
    fn what_is_added_besides_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let writer = logs.writer(key(), Arc::default());
        let mut watcher = logs.watch(&key()).unwrap();
        logs.appender(key(), Arc::default()).line(
            Level::Info,
            "on_execute_callback",
            "x",
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(*watcher.borrow_and_update(), 1);
        drop(writer);
        logs.appender(key(), Arc::default()).line(
            Level::Info,
            "on_success_callback",
            "y",
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(logs.read(&key(), 0, PAGE_BYTES_MAX).unwrap().lines.len(), 2);
    }
}
