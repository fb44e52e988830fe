//! The thread that reads rows, and the task that sends them, with a short channel in between.

use super::columns::{self, HeaderFault};
use super::convert::Converter;
use super::rows::{Next, RowReader};
use super::source::Opened;
use crate::operators::dead_letters::DeadLetters;
use crate::operators::support::{Meter, counted, excerpt, or_cancelled};
use crate::stream::{Message, Producer};
use esteira_operator::{TaskContext, TaskError};
use serde_json::json;
use std::io::{self, BufRead};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How rows are read.
pub(super) struct RowSettings {
    /// The byte between cells.
    pub(super) separator: u8,
    /// How cells become a message.
    pub(super) converter: Converter,
}

/// Sends the rows of one file.
pub(super) struct Pump<'a> {
    /// The attempt.
    pub(super) context: &'a TaskContext,
    /// Where messages go.
    pub(super) producer: Box<dyn Producer>,
    /// Where rows go that do not parse.
    pub(super) dead_letters: DeadLetters,
    /// The file's name, for messages.
    pub(super) source: String,
    /// Messages a second.
    pub(super) rate: Option<f64>,
    /// How many rejected rows are borne.
    pub(super) max_rejected: Option<u64>,
}

/// How it went.
pub(super) struct Sent {
    /// Messages that were acknowledged.
    pub(super) sent: u64,
    /// Rows that went to the dead-letter topic.
    pub(super) rejected: u64,
}

/// A row as the reading thread hands it over.
enum Row {
    Good(Message),
    Bad { line: u64, reason: String, raw: String },
}

type Batch = Vec<Row>;

const BATCH_ROWS: usize = 256;
const BATCHES_AHEAD: usize = 8;
/// More of a rejected row is not kept.
const RAW_BYTES_MAX: usize = 64 * 1024;
/// At a given rate, what was sent goes out at least this often, so that readers see it live.
const FLUSH_PERIOD: Duration = Duration::from_millis(200);

impl Pump<'_> {
    /// Sends all rows, and waits until every one of them is acknowledged.
    pub(super) async fn run(mut self, opened: Opened, settings: RowSettings) -> Result<Sent, TaskError> {
        let Opened { reader, lines } = opened;
        // At a given rate rows are handed over one by one: nothing is gained by batches, and a cancel is seen sooner.
        let batch_rows = if self.rate.is_some() { 1 } else { BATCH_ROWS };
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let source = self.source.clone();
        let reading =
            tokio::task::spawn_blocking(move || read(reader, &settings, &source, batch_rows, &sender));
        // When sending fails the channel closes, and the reading thread ends at its next batch.
        let sent = self.send_all(receiver, lines.map(|lines| lines.saturating_sub(1))).await?;
        reading
            .await
            .map_err(|error| TaskError::failed(format!("reading {} ended early: {error}", self.source)))??;
        let rejected = self.dead_letters.count();
        if rejected > 0 {
            self.context.warn(format!(
                "{} rejected: see the topic {}",
                counted(rejected, "row"),
                self.dead_letters.topic()
            ));
        }
        Ok(Sent { sent, rejected })
    }

    async fn send_all(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        total: Option<u64>,
    ) -> Result<u64, TaskError> {
        let context = self.context;
        let mut meter = Meter::new("sent", total);
        let mut pacer = self.rate.map(Pacer::new);
        let mut sent = 0;
        while let Some(batch) =
            or_cancelled(context, async { Ok::<_, TaskError>(batches.recv().await) }).await?
        {
            for row in batch {
                match row {
                    Row::Good(message) => {
                        if let Some(pacer) = &mut pacer {
                            or_cancelled(context, pacer.wait(&mut self.producer)).await?;
                        }
                        or_cancelled(context, self.producer.send(message)).await?;
                        sent += 1;
                    }
                    Row::Bad { line, reason, raw } => self.reject(line, reason, raw).await?,
                }
                meter.at(context, sent);
            }
        }
        or_cancelled(context, self.producer.flush()).await?;
        or_cancelled(context, self.dead_letters.flush()).await?;
        meter.finish(context, sent);
        Ok(sent)
    }

    async fn reject(&mut self, line: u64, reason: String, raw: String) -> Result<(), TaskError> {
        let what = format!("{} line {line}: {reason}", self.source);
        let letter = json!({"line": line, "reason": reason, "raw": raw, "source": self.source});
        or_cancelled(self.context, self.dead_letters.put(self.context, &what, &letter)).await?;
        match self.max_rejected {
            Some(max) if self.dead_letters.count() > max => {
                or_cancelled(self.context, self.dead_letters.flush()).await?;
                let message = format!(
                    "{} has more rows that do not parse than `max_rejected` ({max}) allows; the first: {}",
                    self.source,
                    self.dead_letters.first()
                );
                let hint = format!(
                    "they are in the topic {}; correct the file or raise `max_rejected`",
                    self.dead_letters.topic()
                );
                Err(TaskError::fatal(message).hint(hint))
            }
            _ => Ok(()),
        }
    }
}

/// Holds messages back to a rate, without drift: each is due at its own moment from the start.
struct Pacer {
    rate: f64,
    started: Instant,
    flushed: Instant,
    count: u64,
}

impl Pacer {
    fn new(rate: f64) -> Self {
        let now = Instant::now();
        Self { rate, started: now, flushed: now, count: 0 }
    }

    /// Waits until the next message is due.
    async fn wait(&mut self, producer: &mut Box<dyn Producer>) -> Result<(), TaskError> {
        #[expect(clippy::cast_precision_loss)]
        let due = Duration::try_from_secs_f64(self.count as f64 / self.rate).unwrap_or(Duration::MAX);
        self.count += 1;
        if due <= self.started.elapsed() {
            return Ok(());
        }
        if self.flushed.elapsed() >= FLUSH_PERIOD {
            producer.flush().await?;
            self.flushed = Instant::now();
        }
        match self.started.checked_add(due) {
            Some(moment) => tokio::time::sleep_until(moment).await,
            None => std::future::pending().await,
        }
        Ok(())
    }
}

/// The reading thread. It ends when the file does, or when nobody receives any more.
fn read(
    reader: Box<dyn BufRead + Send>,
    settings: &RowSettings,
    source: &str,
    batch_rows: usize,
    sender: &mpsc::Sender<Batch>,
) -> Result<(), TaskError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => TaskError::fatal(format!("{source} cannot be read: {error}")),
        _ => TaskError::failed(format!("{source} cannot be read: {error}")),
    };
    let mut rows = RowReader::new(reader, settings.separator).map_err(unreadable)?;
    let places = read_header(&mut rows, settings, source).map_err(|error| match error {
        HeaderError::Unreadable(error) => unreadable(error),
        HeaderError::Unfit(error) => error,
    })?;
    let header_cells = rows.cell_count();
    let mut batch = Vec::with_capacity(batch_rows);
    loop {
        let row = match rows.next_row().map_err(unreadable)? {
            Next::End => break,
            Next::Row => convert(&rows, &settings.converter, &places, header_cells),
            Next::Broken(reason) => Err(reason),
        };
        batch.push(match row {
            Ok(message) => Row::Good(message),
            Err(reason) => {
                let raw = excerpt(&String::from_utf8_lossy(rows.raw()), RAW_BYTES_MAX);
                Row::Bad { line: rows.line(), reason, raw }
            }
        });
        if batch.len() >= batch_rows && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // Nobody receives only after a fault that is told elsewhere.
    let _ = sender.blocking_send(batch);
    Ok(())
}

enum HeaderError {
    Unreadable(io::Error),
    Unfit(TaskError),
}

fn read_header<R: BufRead>(
    rows: &mut RowReader<R>,
    settings: &RowSettings,
    source: &str,
) -> Result<Vec<usize>, HeaderError> {
    let unfit = |message: String| HeaderError::Unfit(TaskError::fatal(message));
    match rows.next_row().map_err(HeaderError::Unreadable)? {
        Next::End => return Err(unfit(format!("{source} is empty: it has no header line"))),
        Next::Broken(reason) => {
            return Err(unfit(format!("the header of {source} cannot be read: {reason}")));
        }
        Next::Row => {}
    }
    let names: Result<Vec<String>, String> = (0..rows.cell_count())
        .map(|index| settings.converter.text(rows.cell(index)).map(std::borrow::Cow::into_owned))
        .collect();
    let names = names.map_err(|reason| unfit(format!("the header of {source} cannot be read: {reason}")))?;
    columns::locate(&settings.converter.columns, &names, char::from(settings.separator)).map_err(
        |HeaderFault { message, hint }| {
            HeaderError::Unfit(TaskError::fatal(format!("{source} {message}")).hint(hint))
        },
    )
}

fn convert<R: BufRead>(
    rows: &RowReader<R>,
    converter: &Converter,
    places: &[usize],
    header_cells: usize,
) -> Result<Message, String> {
    let count = rows.cell_count();
    let extra_are_blank =
        || (header_cells..count).all(|index| rows.cell(index).iter().all(u8::is_ascii_whitespace));
    if count < header_cells || !extra_are_blank() {
        return Err(format!("the row has {}, the header has {header_cells}", counted(count as u64, "cell")));
    }
    if !converter.is_latin1 && std::str::from_utf8(rows.raw()).is_err() {
        return Err("the row is not UTF-8; is `encoding` latin-1?".to_owned());
    }
    let cells: Vec<&[u8]> = places.iter().map(|index| rows.cell(*index)).collect();
    converter.message(&cells)
}
