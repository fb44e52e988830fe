//! The subcommands: one file each. What they share: how they fail, and how they print.

mod demo;
mod follow;
mod run;
mod sample;
mod serve;

use crate::config::{GlobalArguments, Settings};
use clap::{Parser, Subcommand};
use std::fmt;
use std::process::ExitCode;

/// A DAG orchestrator in one binary: YAML DAGs in, audited runs out.
#[derive(Parser, Debug)]
#[command(name = "esteira", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the air-quality pipeline over sample data, with live progress and a summary
    Demo(demo::DemoArguments),
    /// Run a DAG in the foreground; exit code 0 success, 1 failed run, 2 usage or invalid DAG
    Run(run::RunArguments),
    /// Serve the web pages, the API and the schedules
    Serve(serve::ServeArguments),
}

/// Why a command ends without doing what it was asked, for the person who typed it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// Wrong usage, an invalid DAG, or something that is not there: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: 2 }
    }

    /// The run failed: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: 1 }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Runs the command and gives the process's exit code.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("the runtime cannot start: {error}")))
        .and_then(|runtime| {
            let result = runtime.block_on(dispatch(arguments));
            // Whatever still waits for the outside world does not hold up the end.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code)
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    start_log(matches!(arguments.command, Command::Serve(_)));
    let settings = Settings::read(&arguments.global)?;
    match arguments.command {
        Command::Demo(arguments) => demo::demo(&settings, arguments).await,
        Command::Run(arguments) => run::run(&settings, arguments).await,
        Command::Serve(arguments) => serve::serve(&settings, arguments).await,
    }
}

/// The process's own log goes to standard error; `ESTEIRA_LOG` chooses what of it (`debug`, `esteira_tasks=trace`).
fn start_log(is_server: bool) {
    let default = if is_server { "info,sqlx=warn" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("ESTEIRA_LOG").unwrap_or_else(|_| default.into());
    let json = std::env::var("ESTEIRA_LOG_FORMAT").is_ok_and(|format| format == "json");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json { log.json().init() } else { log.init() }
}

/// Who types: the name that the audit history keeps.
pub(crate) fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A number for people: 6,941.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 6_941, 1_234_567].map(grouped), ["0", "999", "1,000", "6,941", "1,234,567"]);
    }
}
