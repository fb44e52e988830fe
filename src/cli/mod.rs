//! The subcommands: one file each. What they share: how they fail, and how they print.

mod accounts;
mod actions;
mod assets;
mod audit;
mod backfills;
mod connections;
mod dags;
mod demo;
mod folder;
mod follow;
mod help;
mod history;
mod init;
mod logs;
mod operators;
mod output;
mod pools;
mod run;
mod runs;
mod sample;
mod schema;
mod secrets;
mod serve;
mod server;
mod source;
mod tasks;
mod times;
mod tokens;
mod trigger;
mod users;
mod validate;
mod variables;
mod xcom;

use crate::config::{GlobalArguments, Settings};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use nix::unistd::{Uid, User};
use output::say;
use std::fmt;
use std::process::ExitCode;

/// A DAG orchestrator in one binary: YAML DAGs in, audited runs out
#[derive(Parser, Debug)]
#[command(name = "esteira", version, arg_required_else_help = true, subcommand_required = true)]
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
    /// Run a DAG in the foreground
    #[command(
        after_help = "The exit code is 0 when the run succeeds, 1 when it fails, and 2 for wrong usage or an \
                            invalid DAG. Ctrl-C cancels the run."
    )]
    Run(run::RunArguments),
    /// Serve the web pages, the API and the schedules
    Serve(serve::ServeArguments),
    /// Ask the engine that serves the home for a run of a DAG
    Trigger(trigger::TriggerArguments),
    /// List, show, draw, pause and unpause DAGs
    #[command(subcommand)]
    Dags(dags::DagsCommand),
    /// Check DAG files: every fault with its place and a hint
    #[command(after_help = "The exit code is 0 when no file has an error, and 2 otherwise.")]
    Validate(validate::ValidateArguments),
    /// Show what a task's arguments would be, without running it
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// List the operators, and show the arguments of one
    #[command(subcommand)]
    Operators(operators::OperatorsCommand),
    /// Print the JSON Schema of DAG files, which editors complete and check them with
    Schema(schema::SchemaArguments),
    /// Write a first DAG, and the schema beside it
    Init(init::InitArguments),
    /// List, show and cancel runs
    #[command(subcommand)]
    Runs(runs::RunsCommand),
    /// Run a DAG for every date of a range, as many at a time as you say
    #[command(subcommand)]
    Backfills(backfills::BackfillsCommand),
    /// Show assets and their updates, and tell of one
    #[command(subcommand)]
    Assets(assets::AssetsCommand),
    /// Show what tasks ask people, and answer
    #[command(subcommand)]
    Actions(actions::ActionsCommand),
    /// Show and set pools: slots that task instances share
    #[command(subcommand)]
    Pools(pools::PoolsCommand),
    /// Show and set variables: values that templates read with var.value and var.json
    #[command(subcommand)]
    Variables(variables::VariablesCommand),
    /// Show, set and test connections: where services are
    #[command(subcommand)]
    Connections(connections::ConnectionsCommand),
    /// Make a key that secrets are sealed with, and seal them anew
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Show and set users: who may come in, and what they may do
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Show, make and revoke tokens: what programs come in with
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Show what an attempt of a task wrote
    Logs(logs::LogsArguments),
    /// Show what tasks passed on
    #[command(subcommand)]
    Xcom(xcom::XcomCommand),
    /// Show the audit history, and check that it was not altered
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Write a synthetic file of readings, as the demo reads it
    Sample(sample::SampleArguments),
}

impl Arguments {
    /// Reads the command line; a wrong one ends the process with exit code 2 and says why.
    pub(crate) fn read() -> Self {
        let matches = help::with_groups(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Why a command ends without doing what it was asked, for the person who typed it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    exit_code: u8,
    /// Whether there is nothing to say: whoever read the output has left.
    is_silent: bool,
}

impl Failure {
    /// Wrong usage, an invalid DAG, or something that is not there: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: 2, is_silent: false }
    }

    /// The run failed: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: 1, is_silent: false }
    }

    /// Whoever read the output has enough of it (`| head`): no fault of anybody.
    pub(crate) fn reader_left() -> Self {
        Self { message: String::new(), hint: None, exit_code: 0, is_silent: true }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub(crate) fn some_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
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
            if !failure.is_silent {
                say!("{failure}");
            }
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
        Command::Trigger(arguments) => trigger::trigger(&settings, arguments).await,
        Command::Dags(command) => dags::dags(&settings, command).await,
        Command::Validate(arguments) => validate::validate(&settings, arguments),
        Command::Tasks(command) => tasks::tasks(&settings, command).await,
        Command::Operators(command) => operators::operators(&settings, command),
        Command::Schema(arguments) => schema::schema(&settings, &arguments),
        Command::Init(arguments) => init::init(&settings, &arguments),
        Command::Runs(command) => runs::runs(&settings, command).await,
        Command::Backfills(command) => backfills::backfills(&settings, command).await,
        Command::Assets(command) => assets::assets(&settings, command).await,
        Command::Actions(command) => actions::actions(&settings, command).await,
        Command::Pools(command) => pools::pools(&settings, command).await,
        Command::Variables(command) => variables::variables(&settings, command).await,
        Command::Connections(command) => connections::connections(&settings, command).await,
        Command::Secrets(command) => secrets::secrets(&settings, command).await,
        Command::Users(command) => users::users(&settings, command).await,
        Command::Tokens(command) => tokens::tokens(&settings, command).await,
        Command::Logs(arguments) => logs::logs(&settings, &arguments).await,
        Command::Xcom(command) => xcom::xcom(&settings, command).await,
        Command::Audit(command) => audit::audit(&settings, command).await,
        Command::Sample(arguments) => sample::sample(&arguments),
    }
}

/// The process's own log goes to standard error; `ESTEIRA_LOG` chooses what of it (`debug`, `esteira_tasks=trace`).
fn start_log(is_server: bool) {
    // In the foreground, files with faults that have nothing to do with what was asked are no news.
    let default = if is_server { "info,sqlx=warn" } else { "error,esteira_runtime::dag_folder=off" };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("ESTEIRA_LOG").unwrap_or_else(|_| default.into());
    let json = std::env::var("ESTEIRA_LOG_FORMAT").is_ok_and(|format| format == "json");
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A log that cannot be written is not told of where it cannot be written either.
    let log = log.log_internal_errors(false);
    if json { log.json().init() } else { log.init() }
}

/// Who types: the name that the audit history keeps.
pub(crate) fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        // A container sets none of them, and the system still knows.
        .or_else(|| User::from_uid(Uid::effective()).ok().flatten().map(|user| user.name))
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

/// How many of what: `1 task`, `2 tasks`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count as u64))
}

/// More names than this are not listed in a hint.
const NAMES_MAX: usize = 8;

/// A hint for a name that is not there: the nearest one, or all if they are few.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest {
        Some(nearest) if likeness(nearest) > 0.8 => Some(format!("did you mean {nearest}?")),
        Some(_) if known.len() <= NAMES_MAX => Some(format!("there is {}", known.join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_command_line_is_well_formed() {
        help::with_groups(Arguments::command()).debug_assert();
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1_000, 6_941, 1_234_567].map(grouped),
            ["0", "999", "1,000", "6,941", "1,234,567"]
        );
    }

    #[test]
    fn a_near_name_is_suggested_and_few_names_are_listed() {
        let hint = |name| suggestion(name, ["air_quality", "hello"].into_iter());
        assert_eq!(hint("helo").as_deref(), Some("did you mean hello?"));
        assert_eq!(hint("xyz").as_deref(), Some("there is air_quality, hello"));
        assert_eq!(suggestion("x", std::iter::empty()), None);
    }
}
