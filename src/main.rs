//! The `esteira` command: a DAG orchestrator in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    esteira::run()
}
