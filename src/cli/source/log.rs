//! The log of an attempt, page by page.

use super::{Source, rows};
use crate::cli::Failure;
use esteira_runtime::home;
use esteira_runtime::logs::{LogKey, LogLine, Logs, PAGE_BYTES_MAX};

/// How far a log has been read.
#[derive(Debug, Default)]
pub(crate) struct LogPlace {
    /// The offset in bytes that was told last.
    offset: u64,
    /// How many lines after it were read. A server tells no new offset at the end of an attempt that is not under way; one that
    /// waits goes on later, under the same number.
    lines_read: usize,
}

impl LogPlace {
    /// Whether nothing has been read yet.
    pub(crate) fn is_start(&self) -> bool {
        self.offset == 0 && self.lines_read == 0
    }
}

impl Source {
    /// The lines after the place, which is moved on behind them; none at the end of what is written so far.
    pub(crate) async fn log(&self, key: &LogKey, place: &mut LogPlace) -> Result<Vec<LogLine>, Failure> {
        match self {
            Self::Home { root, .. } => {
                let logs = Logs::new(&home::logs(root));
                let page = logs.read(key, place.offset, PAGE_BYTES_MAX).map_err(|error| {
                    Failure::failed(format!("the log {} cannot be read: {error}", logs.file(key).display()))
                })?;
                place.offset = page.next_offset;
                Ok(page.lines)
            }
            Self::Server(server) => {
                let number = key.try_number.to_string();
                let (dag_id, run_id, task_id) = (&*key.dag_id, &*key.run_id, &*key.task_id);
                let path = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", &number];
                let query = [("map_index", key.map_index.to_string()), ("token", place.offset.to_string())];
                let answer = server.get_with(&path, &query).await?;
                let content = answer["content"].as_array().map_or(&[][..], Vec::as_slice);
                let lines = content.iter().skip(place.lines_read).map(rows::log_line).collect();
                match answer["continuation_token"].as_str().and_then(|token| token.parse().ok()) {
                    Some(offset) => *place = LogPlace { offset, lines_read: 0 },
                    None => place.lines_read = place.lines_read.max(content.len()),
                }
                lines
            }
        }
    }
}
