//! Child processes of an attempt: started in a group of their own, heard line by line, and ended with all they started.
//!
//! - The child leads its own process group and reads nothing. What it writes goes to the attempt's log as it comes.
//! - A cancel or a time-out ends the group: SIGTERM, then SIGKILL after a grace. Processes that left the group (double
//!   forks, `setsid`) are found by the mark that all of an attempt's processes carry in their environment, `MARK`.
//!   What they start once they have heard SIGTERM, to tidy up, has the rest of the grace undisturbed.
//! - What is still running a moment after the child itself has ended is ended too: nothing that a task started outlives
//!   it, and nothing holds its pipes. A daemon that is to stay is started without the mark:
//!   `env -u ESTEIRA_ATTEMPT setsid daemon &`, which is then nobody's to end.
//! - Children of an engine that died are ended by a [`watchdog`](watchdog_main), and by the next engine's start
//!   ([`reap_marked`]). Where there is no `/proc` (outside Linux) only process groups are ended.

mod ending;
mod lines;
mod marks;
mod watchdog;

pub use marks::reap_marked;
pub use watchdog::{WATCHDOG_SUBCOMMAND, set_watchdog_command, spawn_watchdog, watchdog_main};

pub(crate) use lines::Lines;

use ending::Family;
use esteira_operator::{TaskContext, TaskError};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// The environment variable by which an attempt's processes are known.
pub const MARK: &str = "ESTEIRA_ATTEMPT";

/// How long processes have between SIGTERM and SIGKILL, unless the task says otherwise.
pub const KILL_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// How long what a child left behind may go on: the end of a pipeline such as `tee` has a moment to write its last.
const LINGER: Duration = Duration::from_secs(1);

/// A child process to be run.
#[derive(Clone, Debug)]
pub struct Program {
    /// What to run: a path, or a name to be found in `PATH`.
    pub program: OsString,
    /// Its arguments. They can be seen by everyone on the machine: never secrets.
    pub arguments: Vec<OsString>,
    /// Variables that are set for it.
    pub environment: Vec<(String, String)>,
    /// Whether it also has the engine's own variables, save [those that hold secrets](is_secret).
    pub inherits_environment: bool,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// How long it has between SIGTERM and SIGKILL.
    pub kill_after: Duration,
}

/// How a child ended by itself.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// The last line that it wrote to stdout.
    pub last_line: Option<String>,
}

/// Runs a program to its end. When the attempt is cancelled, or this future is dropped, all its processes are ended.
pub async fn run(context: &TaskContext, program: &Program) -> Result<Ended, TaskError> {
    if context.cancel.is_cancelled() {
        return Err(TaskError::cancelled());
    }
    // An attempt's mark is its engine's, a slash, and a name without one.
    if let Some((engine_mark, _)) = context.attempt_mark.rsplit_once('/') {
        spawn_watchdog(engine_mark);
    }
    let mut child = start(context, program)?;
    let mut family = Family::new(child.id(), context.attempt_mark.clone());
    let mut output = lines::Output::follow(context, &mut child);
    let status = tokio::select! {
        biased;
        status = child.wait() => status,
        () = context.cancel.cancelled() => {
            context.warn(format!("ending the process and all that it started (SIGTERM, SIGKILL after {:?})", program.kill_after));
            family.end(Some(&mut child), program.kill_after).await;
            output.drain(LINGER).await;
            return Err(TaskError::cancelled());
        }
    };
    let status =
        status.map_err(|error| TaskError::failed(format!("the process cannot be waited for: {error}")))?;
    output.drain(LINGER).await;
    // What stays is ended under the cancel's rules as well: a grace, then none.
    let left = family.end(None, program.kill_after).await;
    if left > 0 {
        context.warn(format!("ended {left} that the process had left running"));
    }
    let last_line = output.finish().await;
    Ok(Ended { status, last_line })
}

fn start(context: &TaskContext, program: &Program) -> Result<Child, TaskError> {
    let mut command = Command::new(&program.program);
    command.args(&program.arguments).current_dir(&program.folder);
    set_environment(&mut command, context, program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command.spawn().map_err(|error| {
        let name = program.program.to_string_lossy();
        if !program.folder.is_dir() {
            return TaskError::fatal(format!(
                "cannot run {name}: there is no folder {}",
                program.folder.display()
            ));
        }
        TaskError::failed(format!("cannot run {name}: {error}"))
            .hint(format!("is {name} installed, and in the PATH of the process that runs Esteira?"))
    })
}

/// Whether a variable of the engine holds a secret: a task's output goes into a log, and `env` would tell it there.
fn is_secret(name: &str) -> bool {
    let is_one = ["ESTEIRA_SECRET_KEY", "ESTEIRA_ADMIN_PASSWORD", "ESTEIRA_TOKEN"].contains(&name);
    is_one || ["ESTEIRA_CONN_", "ESTEIRA_VAR_"].iter().any(|prefix| name.starts_with(prefix))
}

fn set_environment(command: &mut Command, context: &TaskContext, program: &Program) {
    command.env_clear();
    for (name, value) in std::env::vars_os() {
        // Without PATH hardly anything can be run, so it is always there.
        if name == "PATH" || (program.inherits_environment && !is_secret(&name.to_string_lossy())) {
            command.env(name, value);
        }
    }
    command.env("ESTEIRA_DAG_ID", &context.dag_id);
    command.env("ESTEIRA_RUN_ID", &context.run_id);
    command.env("ESTEIRA_TASK_ID", &context.task_id);
    command.env("ESTEIRA_MAP_INDEX", context.map_index.to_string());
    command.env("ESTEIRA_TRY_NUMBER", context.try_number.to_string());
    if let Some(date) = &context.logical_date {
        command.env("ESTEIRA_LOGICAL_DATE", date);
    }
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    command.env(MARK, &context.attempt_mark);
}

/// What an exit status means for an attempt: success, a skip by one of the given exit codes, or a failure.
pub fn judge(status: ExitStatus, skip_codes: &[i32]) -> Result<(), TaskError> {
    if status.success() {
        return Ok(());
    }
    match (status.code(), status.signal()) {
        (Some(code), _) if skip_codes.contains(&code) => {
            Err(TaskError::skipped(format!("the process asked to be skipped with exit code {code}")))
        }
        (Some(code), _) => Err(TaskError::failed(format!("the process ended with exit code {code}"))
            .exit_code(code)
            .hint("what it wrote before it ended is in the attempt's log")),
        (None, Some(signal)) => {
            let name = nix::sys::signal::Signal::try_from(signal).map_or("unknown", |signal| signal.as_str());
            let error = TaskError::failed(format!("the process was ended by signal {signal} ({name})"));
            Err(if signal == nix::libc::SIGKILL {
                error.hint("was the machine out of memory?")
            } else {
                error
            })
        }
        (None, None) => Err(TaskError::failed(format!("the process ended: {status}"))),
    }
}

/// The status of a process that ended with this exit code; above 128 as the shell has it, by a signal.
pub(crate) fn exit_status(code: i64) -> ExitStatus {
    let code = i32::try_from(code).unwrap_or(i32::MAX);
    // What wait(2) gives.
    ExitStatus::from_raw(if code > 128 && code < 160 { code - 128 } else { (code & 0xff) << 8 })
}

#[cfg(test)]
mod tests;
