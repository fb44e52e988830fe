//! The `esteira` command: a DAG orchestrator in one binary.
//!
//! `cli/` holds one file a subcommand, [`config`] reads the settings, [`wiring`] puts the parts together.

mod cli;
mod config;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The watchdog must be small and early: it lives beside the engine and outlives it.
    if let Some(mark) = watchdog_mark() {
        esteira_tasks::process::watchdog_main(&mark);
        return ExitCode::SUCCESS;
    }
    cli::run(cli::Arguments::read())
}

/// The mark after the hidden word by which the engine starts its watchdog.
fn watchdog_mark() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == "__watchdog").then(|| arguments.next()).flatten()
}
