//! What a child writes, to the attempt's log line by line as it comes.

use esteira_operator::{Level, TaskContext, TaskReporter};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A longer line is told in pieces of this size.
const LINE_BYTES_MAX: usize = 64 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// Both outputs of a child, followed by a task each.
pub(super) struct Output {
    stdout: Option<JoinHandle<Option<String>>>,
    stderr: Option<JoinHandle<Option<String>>>,
    last_line: Option<String>,
}

impl Output {
    /// Takes the child's pipes and follows them.
    pub(super) fn follow(context: &TaskContext, child: &mut Child) -> Self {
        let stdout = child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(follow(pipe, "stdout", Arc::clone(&context.reporter))));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(follow(pipe, "stderr", Arc::clone(&context.reporter))));
        Self { stdout, stderr, last_line: None }
    }

    /// Waits until nobody has the pipes open any more, but not longer than this.
    pub(super) async fn drain(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        for (is_stdout, pipe) in [(true, &mut self.stdout), (false, &mut self.stderr)] {
            let Some(following) = pipe else { continue };
            let Ok(ended) = tokio::time::timeout_at(until, following).await else { continue };
            *pipe = None;
            if is_stdout {
                self.last_line = ended.ok().flatten();
            }
        }
    }

    /// The last line of stdout, once all of it was told.
    pub(super) async fn finish(mut self) -> Option<String> {
        // Whoever held the pipes has been ended by now; a process that could not be found is not waited for.
        self.drain(Duration::from_secs(1)).await;
        self.last_line.take()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        for following in [&self.stdout, &self.stderr].into_iter().flatten() {
            following.abort();
        }
    }
}

/// Tells the lines of a pipe until it closes; gives the last.
async fn follow(
    mut pipe: impl AsyncRead + Unpin,
    source: &'static str,
    reporter: Arc<dyn TaskReporter>,
) -> Option<String> {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let tell = |line: &str| reporter.line(Level::Info, source, line);
    // A pipe that cannot be read any more is at its end.
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        lines.take(&chunk[..read], &tell);
    }
    lines.finish(&tell);
    lines.last
}

/// Cuts bytes into lines.
#[derive(Default)]
pub(crate) struct Lines {
    waiting: Vec<u8>,
    last: Option<String>,
}

impl Lines {
    /// Tells the lines that end in these bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8], tell: &impl Fn(&str)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.waiting.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            self.cut_long(tell);
            self.tell_line(tell);
        }
        self.waiting.extend_from_slice(bytes);
        self.cut_long(tell);
    }

    /// Tells what is left without an end.
    pub(crate) fn finish(&mut self, tell: &impl Fn(&str)) {
        if !self.waiting.is_empty() {
            self.tell_line(tell);
        }
    }

    fn tell_line(&mut self, tell: &impl Fn(&str)) {
        let line = self.waiting.strip_suffix(b"\r").unwrap_or(&self.waiting);
        let line = String::from_utf8_lossy(line).into_owned();
        self.waiting.clear();
        tell(&line);
        self.last = Some(line);
    }

    /// Tells the front pieces of a line that is too long, each cut between characters.
    fn cut_long(&mut self, tell: &impl Fn(&str)) {
        while self.waiting.len() > LINE_BYTES_MAX {
            let piece = &self.waiting[..LINE_BYTES_MAX];
            let length = match std::str::from_utf8(piece) {
                // The cut went through a character: it stays whole for the next piece.
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => LINE_BYTES_MAX,
            };
            tell(&String::from_utf8_lossy(&piece[..length]));
            self.waiting.drain(..length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn cut(chunks: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let told = RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.take(chunk, &tell);
        }
        lines.finish(&tell);
        let last = lines.last.take();
        (told.into_inner(), last)
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        let (told, last) = cut(&[b"one\ntw", b"o\r\n\n\xffbad", b"\nlast"]);
        assert_eq!(told, ["one", "two", "", "\u{fffd}bad", "last"]);
        assert_eq!(last.as_deref(), Some("last"));
        assert_eq!(cut(&[b"one\n"]).0, ["one"]);
        assert_eq!(cut(&[]), (Vec::new(), None));
    }

    #[test]
    fn a_long_line_is_told_in_pieces_of_whole_characters() {
        let line = "é".repeat(LINE_BYTES_MAX) + "end\n";
        let (told, _) = cut(&[b"x", line.as_bytes()]);
        assert_eq!(told.concat(), format!("x{}", line.trim_end()));
        assert!(told.len() >= 3 && told.iter().all(|piece| piece.len() <= LINE_BYTES_MAX));
    }
}
