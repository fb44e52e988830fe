//! `esteira logs`: what an attempt of a task wrote.

use super::output::{Ink, harmless, paint, print, say};
use super::server::ServerArguments;
use super::source::{LogPlace, Source};
use super::{Failure, times};
use crate::config::Settings;
use clap::Args;
use esteira_runtime::logs::{LogKey, LogLine};
use esteira_store::{RunRow, TaskInstanceRow};
use serde_json::json;
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
    #[command(flatten)]
    server: ServerArguments,
}

/// How often a log that another process writes is looked at; a server has to be asked.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A log that is being printed.
struct Printer {
    source: Source,
    key: LogKey,
    place: LogPlace,
    json: bool,
}

pub(crate) async fn logs(settings: &Settings, arguments: &LogsArguments) -> Result<ExitCode, Failure> {
    let source = Source::open(settings, &arguments.server).await?;
    let run = source.run(&arguments.dag_id, &arguments.run_id).await?;
    let instance = source.instance(&run, &arguments.task_id, arguments.map_index).await?;
    let key = LogKey {
        dag_id: run.dag_id.to_string(),
        run_id: run.run_id.to_string(),
        task_id: arguments.task_id.clone(),
        map_index: arguments.map_index,
        try_number: arguments.try_number.unwrap_or(instance.try_number),
    };
    let mut printer = Printer { source, key, place: LogPlace::default(), json: arguments.json };
    if arguments.follow {
        printer.source.be_patient();
        follow(&run, arguments, &mut printer).await?;
    } else {
        print_once(&mut printer, &instance).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn print_once(printer: &mut Printer, instance: &TaskInstanceRow) -> Result<(), Failure> {
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
    printer.print_new(instance).await?;
    if printer.place.is_start() {
        say!("attempt {number} of task {task_id} wrote nothing");
    }
    Ok(())
}

/// Prints lines as they come, attempt after attempt, until the task is over.
async fn follow(run: &RunRow, arguments: &LogsArguments, printer: &mut Printer) -> Result<(), Failure> {
    loop {
        // The state first: what is written before the end is seen is printed before the end.
        let instance = printer.source.instance(run, &arguments.task_id, arguments.map_index).await?;
        printer.print_new(&instance).await?;
        let is_over = instance.state.is_some_and(|state| state.is_terminal());
        let is_past = instance.try_number > printer.key.try_number;
        if is_past && arguments.try_number.is_none() {
            printer.key.try_number = instance.try_number;
            printer.place = LogPlace::default();
            if instance.try_number > 1 {
                say!("attempt {}", instance.try_number);
            }
            continue;
        }
        if is_over || is_past {
            return Ok(());
        }
        if printer.source.is_at_rest() {
            say!(
                "no engine runs in this home: nothing more comes until one goes on with the run (esteira serve)"
            );
            return Ok(());
        }
        let pause = if matches!(printer.source, Source::Server(_)) { ASK_AGAIN } else { LOOK_AGAIN };
        tokio::time::sleep(pause).await;
    }
}

impl Printer {
    /// Prints what was written since the last look.
    async fn print_new(&mut self, instance: &TaskInstanceRow) -> Result<(), Failure> {
        // An attempt that has not begun has no log.
        if self.key.try_number == 0 || self.key.try_number > instance.try_number {
            return Ok(());
        }
        loop {
            let lines = self.source.log(&self.key, &mut self.place).await?;
            for line in &lines {
                self.print_line(line)?;
            }
            if lines.is_empty() {
                return Ok(());
            }
        }
    }

    fn print_line(&self, line: &LogLine) -> Result<(), Failure> {
        if self.json {
            // To the microsecond, as a server tells it: the file is more exact.
            let at = times::of_api(line.timestamp);
            let LogLine { level, source, event, .. } = line;
            return print(json!({ "timestamp": at, "level": level, "source": source, "event": event }));
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
