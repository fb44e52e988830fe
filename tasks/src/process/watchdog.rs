//! The watchdog: a small process that outlives a killed engine for as long as it takes to end the engine's children.
//!
//! The engine holds the writing end of the watchdog's stdin and never writes. However the engine dies, the kernel closes
//! that end; the watchdog reads the end of its input, and ends all that carries the engine's mark.

use super::{MARK, reap_marked};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The hidden subcommand of the `esteira` binary that is to call [`watchdog_main`] with its one argument.
pub const WATCHDOG_SUBCOMMAND: &str = "__watchdog";

static WATCHDOG: Mutex<State> =
    Mutex::new(State { program: Choice::OwnBinary, running: Vec::new(), failed: false });

struct State {
    program: Choice,
    /// One for each engine that has lived in this process; as a rule that is one.
    running: Vec<Running>,
    failed: bool,
}

enum Choice {
    /// This very binary, when it is `esteira` (and not, say, a test).
    OwnBinary,
    Program(Option<PathBuf>),
}

struct Running {
    mark: String,
    /// Never written to and never closed while this process lives; its stdin is what the watchdog waits on.
    child: Child,
}

/// Sets which program is run as the watchdog; none runs none. Unless set it is this binary, if its name is `esteira`.
pub fn set_watchdog_command(program: Option<PathBuf>) {
    WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner).program = Choice::Program(program);
}

/// Starts the watchdog of this process, unless it is running. Without one, the children of an engine that is killed
/// live on until the next engine's start; that is told in this process's log, and no task fails for it.
pub fn spawn_watchdog(engine_mark: &str) {
    let mut state = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    let is_running =
        |running: &mut Running| running.mark == engine_mark && matches!(running.child.try_wait(), Ok(None));
    if engine_mark.is_empty() || state.running.iter_mut().any(is_running) {
        return;
    }
    let Some(program) = state.program.resolve() else { return };
    match start(&program, engine_mark) {
        Ok(child) => state.running.push(Running { mark: engine_mark.to_owned(), child }),
        Err(error) if !state.failed => {
            state.failed = true;
            tracing::warn!(program = %program.display(), %error, "the watchdog cannot be started");
        }
        Err(_) => {}
    }
}

impl Choice {
    fn resolve(&self) -> Option<PathBuf> {
        match self {
            Self::Program(program) => program.clone(),
            Self::OwnBinary => std::env::current_exe()
                .ok()
                .filter(|path| path.file_stem().is_some_and(|stem| stem == "esteira")),
        }
    }
}

fn start(program: &PathBuf, engine_mark: &str) -> std::io::Result<Child> {
    Command::new(program)
        .args([WATCHDOG_SUBCOMMAND, engine_mark])
        // Out of the engine's group, so that what is sent to the group (Ctrl-C) leaves it to its work; and without the
        // mark of an attempt that this engine may itself be running in.
        .process_group(0)
        .env_remove(MARK)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// What the watchdog does: waits until its engine is gone, and ends what carries the engine's mark.
pub fn watchdog_main(engine_mark: &str) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 64];
    loop {
        match stdin.read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    reap_marked(engine_mark);
}
