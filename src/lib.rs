//! The `esteira` command as a library: a program of one's own can be Esteira with further operators.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     esteira::run_with(|outside| {
//!         // outside.registry.register(MyOperator);
//!     })
//! }
//! ```
//!
//! `examples/operator/` is such a program, and docs/guide/own_operators.md tells of it. Inside, `cli/` holds one file a
//! subcommand, `config` reads the settings, `wiring` puts the parts together.
#![warn(missing_docs)]

mod cli;
mod config;
mod wiring;

pub use esteira_operator as operator;
pub use wiring::Outside;

use std::process::ExitCode;

/// Runs the command line that this process was given, with Esteira's own operators.
pub fn run() -> ExitCode {
    run_with(|_| {})
}

/// The same with more operators. `register` is called once, before anything else is read; an operator of a name that Esteira
/// has takes its place.
pub fn run_with(register: impl Fn(&mut Outside<'_>) + Send + Sync + 'static) -> ExitCode {
    // The watchdog must be small and early: it lives beside the engine and outlives it.
    if let Some(mark) = watchdog_mark() {
        esteira_tasks::process::watchdog_main(&mark);
        return ExitCode::SUCCESS;
    }
    wiring::set_outside(Box::new(register));
    cli::run(cli::Arguments::read())
}

/// The mark after the hidden word by which the engine starts its watchdog.
fn watchdog_mark() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == "__watchdog").then(|| arguments.next()).flatten()
}
