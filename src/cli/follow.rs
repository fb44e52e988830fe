//! Follows a run to its end: progress bars on a terminal, plain lines in a pipe.

use super::output::say;
use super::{Failure, grouped, times};
use esteira_core::dag::Dag;
use esteira_core::states::RunState;
use esteira_runtime::{Handle, Notice, ProgressNotice};
use esteira_store::{EventRow, RunKey, RunRow};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Follows a run to its end and gives its row as it ended. `notices` must have been subscribed to before the run was
/// asked for.
pub(crate) async fn follow(
    handle: &Handle,
    mut notices: Receiver<Notice>,
    run: &RunRow,
    dag: &Dag,
) -> Result<RunRow, Failure> {
    let mut view: Box<dyn View> =
        if std::io::stderr().is_terminal() { Box::new(Bars::new(dag)) } else { Box::new(Lines::default()) };
    loop {
        let notice = tokio::select! {
            biased;
            notice = notices.recv() => notice,
            () = handle.ended() => Err(RecvError::Closed),
        };
        match notice {
            Ok(Notice::Event(event)) if event.run_key == Some(run.run_key) => {
                view.event(&event);
                if event.name == "run.ended" {
                    break;
                }
            }
            Ok(Notice::Progress(progress)) if is_of(&progress, run) => view.progress(&progress),
            Ok(_) => {}
            // What was missed stands in the store: only the end must not be missed.
            Err(RecvError::Lagged(_)) if run_row(handle, run.run_key).await?.state.is_terminal() => break,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(Failure::failed("the engine stopped before the run ended")),
        }
    }
    view.end();
    run_row(handle, run.run_key).await
}

async fn run_row(handle: &Handle, run_key: RunKey) -> Result<RunRow, Failure> {
    let row =
        handle.reader().run_by_key(run_key).await.map_err(|error| Failure::failed(error.to_string()))?;
    row.ok_or_else(|| Failure::failed("the run is not in the database any more"))
}

fn is_of(progress: &ProgressNotice, run: &RunRow) -> bool {
    progress.dag_id == run.dag_id.as_str() && progress.run_id == run.run_id.as_str()
}

/// The run's end in words.
pub(crate) fn verdict(run: &RunRow) -> &'static str {
    if run.state == RunState::Success { "succeeded" } else { "failed" }
}

/// How a run is shown while it goes on.
trait View: Send {
    fn event(&mut self, event: &EventRow);
    fn progress(&mut self, progress: &ProgressNotice);
    fn end(&mut self);
}

/// How a question can be answered, for a run that may be in the foreground.
const ANSWERS: &str = "\n  hint: a served run can be answered: esteira serve, and esteira actions respond";

/// What happened in an attempt, in one line.
fn line(event: &EventRow) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(&event.body).unwrap_or_default();
    let again = if event.try_number > 1 { format!(" (attempt {})", event.try_number) } else { String::new() };
    Some(match event.name.as_str() {
        "task.started" => format!("▶ {}{again}", event.task_id),
        "task.succeeded" => format!("✓ {}{again}", event.task_id),
        "task.failed" => {
            let hint =
                body["error"]["hint"].as_str().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            let next = retry(&body, event.at)
                .map(|wait| format!("; it will be tried again in {wait}"))
                .unwrap_or_default();
            format!(
                "✕ {}{again}: {}{next}{hint}",
                event.task_id,
                body["error"]["message"].as_str().unwrap_or("")
            )
        }
        "task.lost" => format!("⌁ {}{again}: lost with its engine", event.task_id),
        "task.skipped" => format!("⤼ {}: {}", event.task_id, body["reason"].as_str().unwrap_or("skipped")),
        "task.upstream_failed" => format!("⇡ {}: an upstream task failed", event.task_id),
        "task.rescheduled" => {
            let subject = body["wait"]["question"]["subject"].as_str()?;
            format!("? {}: {subject}{ANSWERS}", event.task_id)
        }
        "task.answered" => format!(
            "! {}: answered by {}",
            event.task_id,
            body["answer"]["responded_by"].as_str().unwrap_or_default()
        ),
        _ => return None,
    })
}

/// How long after a failed attempt the next one starts, if there is one.
fn retry(body: &serde_json::Value, failed_at: Timestamp) -> Option<String> {
    let at = Timestamp::from_microsecond(body["retry_at"].as_i64()?).ok()?;
    Some(times::duration(at.duration_since(failed_at)))
}

/// Plain lines, for pipes and logs.
#[derive(Default)]
struct Lines {
    last_said: HashMap<String, u64>,
}

impl View for Lines {
    fn event(&mut self, event: &EventRow) {
        if let Some(line) = line(event) {
            say!("{line}");
        }
    }

    /// Said when another fifth is done: a pipe wants few lines.
    fn progress(&mut self, progress: &ProgressNotice) {
        let Some(total) = progress.total.filter(|total| *total > 0) else { return };
        let fifth = progress.done * 5 / total;
        if self.last_said.insert(progress.task_id.clone(), fifth) != Some(fifth) && fifth > 0 {
            say!(
                "  {}: {} of {} {}",
                progress.task_id,
                grouped(progress.done),
                grouped(total),
                progress.unit
            );
        }
    }

    fn end(&mut self) {}
}

/// A line for each task, with a bar while it counts something.
struct Bars {
    bars: MultiProgress,
    by_task: HashMap<String, TaskBar>,
}

struct TaskBar {
    bar: ProgressBar,
    /// The name, as wide as the widest.
    name: String,
    started_at: Option<Timestamp>,
}

/// More bars than this do not fit a terminal; the other tasks are told of by lines.
const TASKS_SHOWN: usize = 24;

const WAITING: &str = "  {prefix:.dim}";
const RUNNING: &str = "  {prefix:.blue}  {elapsed:.dim}";
const COUNTING: &str = "  {prefix:.blue}  {bar:24.blue/238} {human_pos} of {human_len} {msg:.dim}";
const GOOD: &str = "  {prefix:.green}  {msg:.dim}";
const BAD: &str = "  {prefix:.red}  {msg:.dim}";

impl Bars {
    fn new(dag: &Dag) -> Self {
        let bars = MultiProgress::new();
        let shown =
            || dag.graph.order().iter().take(TASKS_SHOWN).map(|index| dag.task(*index).task_id.as_str());
        let width = shown().map(|task_id| task_id.chars().count()).max().unwrap_or(0);
        let by_task = shown().map(|task_id| {
            let bar = bars.add(ProgressBar::no_length());
            let task = TaskBar { bar, name: format!("{task_id:width$}"), started_at: None };
            task.show(WAITING, "◌", "");
            task.bar.tick();
            (task_id.to_owned(), task)
        });
        let by_task = by_task.collect();
        Self { bars, by_task }
    }
}

impl TaskBar {
    fn show(&self, template: &str, glyph: &str, message: &str) {
        // The templates are ours and fixed: one that cannot be read would only look plain.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style);
        self.bar.set_prefix(format!("{glyph} {}", self.name));
        self.bar.set_message(message.to_owned());
    }

    fn start(&mut self, at: Timestamp) {
        self.started_at = Some(at);
        self.bar.reset();
        self.show(RUNNING, "▶", "");
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// What was counted, if anything, and how long it took.
    fn end(&self, template: &str, glyph: &str, at: Timestamp) {
        let took = times::elapsed(self.started_at, Some(at), at);
        let message = match (self.bar.length(), self.bar.message()) {
            (Some(_), unit) => format!("{} {unit}, {took}", grouped(self.bar.position())),
            (None, _) => took,
        };
        self.show(template, glyph, &message);
        self.bar.abandon();
    }
}

impl View for Bars {
    fn event(&mut self, event: &EventRow) {
        let Some(task) = self.by_task.get_mut(&event.task_id) else {
            if let Some(line) = line(event) {
                // A terminal that is gone is no reason to stop.
                let _ = self.bars.println(line);
            }
            return;
        };
        let glyph = match event.name.as_str() {
            "task.started" => return task.start(event.at),
            "task.succeeded" => return task.end(GOOD, "✓", event.at),
            "task.failed" => "✕",
            "task.lost" => "⌁",
            "task.skipped" => "⤼",
            "task.upstream_failed" => "⇡",
            _ => return,
        };
        if let Some(line) = line(event) {
            let _ = self.bars.println(line);
        }
        task.end(BAD, glyph, event.at);
    }

    fn progress(&mut self, progress: &ProgressNotice) {
        let Some(task) = self.by_task.get(&progress.task_id) else { return };
        if let Some(total) = progress.total {
            if task.bar.length().is_none() {
                task.show(COUNTING, "▶", progress.unit);
            }
            task.bar.set_length(total);
        }
        task.bar.set_position(progress.done);
    }

    fn end(&mut self) {
        for task in self.by_task.values().filter(|task| !task.bar.is_finished()) {
            task.bar.abandon();
        }
    }
}
