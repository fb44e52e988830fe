//! `esteira validate`: everything that is wrong with DAG files, before anything runs.

use super::folder::{self, CheckedFile};
use super::output::{Ink, paint, print, print_json};
use super::{Failure, counted};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::Args;
use esteira_core::spec::{Diagnostic, Severity};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(crate) struct ValidateArguments {
    /// Files, or folders of them [default: the DAG folder]
    paths: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What all files together come to.
struct Totals {
    dags: usize,
    errors: usize,
    warnings: usize,
}

pub(crate) fn validate(settings: &Settings, arguments: ValidateArguments) -> Result<ExitCode, Failure> {
    let parts = Parts::new(settings);
    let paths = if arguments.paths.is_empty() { vec![settings.dags.clone()] } else { arguments.paths };
    let checked = folder::check(&paths, parts.registry.as_ref())?;
    let of = |severity| {
        checked.iter().flat_map(|file| &file.diagnostics).filter(|one| one.severity == severity).count()
    };
    let totals = Totals {
        dags: checked.iter().filter(|file| file.dag.is_some()).count(),
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
    };
    if arguments.json {
        print_document(&checked, &totals)?;
    } else {
        print_text(&checked, &totals)?;
    }
    Ok(if totals.errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn print_document(checked: &[CheckedFile], totals: &Totals) -> Result<(), Failure> {
    let dag = |file: &CheckedFile| {
        let dag = file.dag.as_ref()?;
        Some(json!({ "dag_id": dag.dag_id, "file": file.file, "tasks": dag.tasks.len() }))
    };
    print_json(&json!({
        "ok": totals.errors == 0,
        "files": checked.len(),
        "errors": totals.errors,
        "warnings": totals.warnings,
        "dags": checked.iter().filter_map(dag).collect::<Vec<_>>(),
        "diagnostics": checked.iter().flat_map(|file| &file.diagnostics).collect::<Vec<_>>(),
    }))
}

fn print_text(checked: &[CheckedFile], totals: &Totals) -> Result<(), Failure> {
    for diagnostic in checked.iter().flat_map(|file| &file.diagnostics) {
        print(format_args!("{}\n", painted(diagnostic)))?;
    }
    for file in checked {
        if let Some(dag) = &file.dag {
            let tasks = counted(dag.tasks.len(), "task");
            print(format_args!("{}  {}: {}, {tasks}", paint(Ink::Good, "ok"), file.file, dag.dag_id))?;
        }
    }
    let errors = counted(totals.errors, "error");
    let errors = if totals.errors > 0 { paint(Ink::Bad, &errors) } else { errors };
    print(format_args!(
        "{} checked: {}, {errors}, {}",
        counted(checked.len(), "file"),
        counted(totals.dags, "DAG"),
        counted(totals.warnings, "warning")
    ))
}

/// A diagnostic with its first word in colour.
pub(crate) fn painted(diagnostic: &Diagnostic) -> String {
    let ink = if diagnostic.severity == Severity::Error { Ink::Bad } else { Ink::Warning };
    let word = diagnostic.severity.as_str();
    let text = diagnostic.render();
    match text.strip_prefix(word) {
        Some(rest) => format!("{}{rest}", paint(ink, word)),
        None => text,
    }
}
