//! `esteira logs`: what an attempt of a task wrote.

use super::output::{Ink, harmless, paint, print, say};
use super::{Failure, history, times};
use crate::config::Settings;
use clap::Args;
use esteira_runtime::home;
use esteira_runtime::logs::{LogKey, LogLine, Logs, PAGE_BYTES_MAX};
use esteira_store::{Reader, RunRow, TaskInstanceRow};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args, Debug)]
pub(crate) struct LogsArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    /// The task's name
    #[arg(value_name = "TASK")]
    task_id: String,
    /// Which attempt, from 1 [default: the newest]
    #[arg(long = "try", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    try_number: Option<u32>,
    /// Which instance of a mapped task
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    map_index: i32,
    /// Go on until the task is over, over all its attempts
    #[arg(long, short)]
    follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// How often a log that another process writes is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A log that is being printed.
struct Printer {
    logs: Logs,
    key: LogKey,
    offset: u64,
    json: bool,
}

pub(crate) async fn logs(settings: &Settings, arguments: &LogsArguments) -> Result<ExitCode, Failure> {
    let reader = history::open(settings).await?;
    let run = history::run(&reader, &arguments.dag_id, &arguments.run_id).await?;
    let instance = history::instance(&reader, &run, &arguments.task_id, arguments.map_index).await?;
    let key = LogKey {
        dag_id: run.dag_id.to_string(),
        run_id: run.run_id.to_string(),
        task_id: arguments.task_id.clone(),
        map_index: arguments.map_index,
        try_number: arguments.try_number.unwrap_or(instance.try_number),
    };
    let logs = Logs::new(&home::logs(&settings.home));
    let mut printer = Printer { logs, key, offset: 0, json: arguments.json };
    if arguments.follow {
        follow(settings, &reader, &run, arguments, &mut printer).await?;
    } else {
        print_once(&mut printer, &instance)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_once(printer: &mut Printer, instance: &TaskInstanceRow) -> Result<(), Failure> {
    let number = printer.key.try_number;
    let task_id = &instance.task_id;
    if instance.try_number == 0 {
        let state = instance.state.map_or("waiting", |state| state.as_str());
        say!("task {task_id} has no log: it has not begun (its state is {state})");
        return Ok(());
    }
    if number > instance.try_number {
        let message = format!("task {task_id} has no attempt {number}, only {}", instance.try_number);
        return Err(Failure::usage(message).hint("leave --try out for the newest"));
    }
    printer.print_new()?;
    if printer.offset == 0 {
        say!("attempt {number} of task {task_id} wrote nothing");
    }
    Ok(())
}

/// Prints lines as they come, attempt after attempt, until the task is over.
async fn follow(
    settings: &Settings,
    reader: &Reader,
    run: &RunRow,
    arguments: &LogsArguments,
    printer: &mut Printer,
) -> Result<(), Failure> {
    loop {
        // The state first: what is written before the end is seen is printed before the end.
        let instance = history::instance(reader, run, &arguments.task_id, arguments.map_index).await?;
        printer.print_new()?;
        let is_over = instance.state.is_some_and(|state| state.is_terminal());
        let is_past = instance.try_number > printer.key.try_number;
        if is_past && arguments.try_number.is_none() {
            printer.key.try_number = instance.try_number;
            printer.offset = 0;
            if instance.try_number > 1 {
                say!("attempt {}", instance.try_number);
            }
            continue;
        }
        if is_over || is_past {
            return Ok(());
        }
        if home::running_engine(&settings.home).is_none() {
            say!(
                "no engine runs in this home: nothing more comes until one goes on with the run (esteira serve)"
            );
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Printer {
    /// Prints what was written since the last look.
    fn print_new(&mut self) -> Result<(), Failure> {
        loop {
            let page = self.logs.read(&self.key, self.offset, PAGE_BYTES_MAX).map_err(|error| {
                let file = self.logs.file(&self.key);
                Failure::failed(format!("the log {} cannot be read: {error}", file.display()))
            })?;
            for line in &page.lines {
                self.print_line(line)?;
            }
            self.offset = page.next_offset;
            if page.is_at_end {
                return Ok(());
            }
        }
    }

    fn print_line(&self, line: &LogLine) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string(line).map_err(|error| Failure::failed(error.to_string()))?;
            return print(text);
        }
        let level = match line.level.as_str() {
            "error" => paint(Ink::Bad, "error  "),
            "warning" => paint(Ink::Warning, "warning"),
            other => paint(Ink::Quiet, &format!("{other:7}")),
        };
        let time = paint(Ink::Quiet, &times::clock(line.timestamp));
        let source = paint(Ink::Quiet, &format!("{:6}", line.source));
        let text = harmless(&line.event);
        // What is said in several lines stands under its first one.
        let indent = format!("\n{:31}", "");
        print(format_args!("{time}  {level}  {source}  {}", text.trim_end().replace('\n', &indent)))
    }
}
