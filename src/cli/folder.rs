//! DAG files as they are on the disk, checked without an engine.

use super::Failure;
use crate::config::Settings;
use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec::{Diagnostic, Severity, Snippet, SnippetLine};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A file that was read, and what is wrong with it.
pub(crate) struct CheckedFile {
    /// Its path, as it was named.
    pub(crate) file: String,
    /// The DAG, if no diagnostic is an error.
    pub(crate) dag: Option<Dag>,
    /// All there is to say about it.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Checks every DAG file at or below the paths, each once, in order.
pub(crate) fn check(paths: &[PathBuf], catalog: &dyn Catalog) -> Result<Vec<CheckedFile>, Failure> {
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for path in paths {
        let files = files_of(path)?;
        for file in files {
            if seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                checked.push(check_file(&file, catalog));
            }
        }
    }
    mark_duplicates(&mut checked);
    Ok(checked)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = esteira_runtime::dag_files(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::usage(format!("there is no file or folder {}", path.display()))
                .hint("name the folder with --dags DIR, or make it: mkdir dags")
        }
        _ => Failure::usage(format!("{} cannot be read: {error}", path.display()))
            .hint("may this user read it, and all folders in it?"),
    })?;
    match files.is_empty() {
        true => Err(no_files(path)),
        false => Ok(files),
    }
}

/// A folder without a DAG is no fault of a file, but nobody asks for a look at nothing.
fn no_files(path: &Path) -> Failure {
    Failure::usage(format!("the folder {} holds no DAG: no .yaml or .yml file", path.display()))
        .hint("name another folder with --dags DIR, or put a DAG file in it")
}

/// The files of the DAG folder; none when it is only the default and not there.
pub(crate) fn check_dag_folder(
    settings: &Settings,
    catalog: &dyn Catalog,
) -> Result<Vec<CheckedFile>, Failure> {
    if !settings.dags_were_chosen && !settings.dags.exists() {
        return Ok(Vec::new());
    }
    check(std::slice::from_ref(&settings.dags), catalog)
}

fn check_file(path: &Path, catalog: &dyn Catalog) -> CheckedFile {
    let (parsed, diagnostics) = esteira_runtime::check_dag_file(path, catalog);
    let file = path.to_string_lossy().into_owned();
    CheckedFile { file, dag: parsed.map(|(_, dag)| dag), diagnostics }
}

/// Two files must not hold DAGs of one name: the second is at fault, as it is for the engine.
fn mark_duplicates(checked: &mut [CheckedFile]) {
    let mut first: HashMap<String, String> = HashMap::new();
    for file in checked {
        let Some(dag) = &file.dag else { continue };
        let dag_id = dag.dag_id.to_string();
        if let Some(other) = first.get(&dag_id) {
            let diagnostic = duplicate(&file.file, &dag_id, other);
            file.diagnostics.push(diagnostic);
            file.dag = None;
        } else {
            first.insert(dag_id, file.file.clone());
        }
    }
}

fn duplicate(file: &str, dag_id: &str, other: &str) -> Diagnostic {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().zip(1..).find(|(line, _)| line.starts_with("dag_id:"));
    let place = line.and_then(|(line, number)| Some((line, number, line.find(dag_id)?)));
    let length = dag_id.chars().count();
    let snippet = place.map(|(line, number, start)| Snippet {
        lines: vec![SnippetLine {
            number,
            text: line.replace('\t', " "),
            mark_start: line[..start].chars().count(),
            mark_length: length,
            label: None,
            primary: true,
        }],
    });
    Diagnostic {
        severity: Severity::Error,
        code: "duplicate-dag",
        file: file.to_owned(),
        line: place.map_or(1, |(_, number, _)| number),
        column: place.map_or(1, |(line, _, start)| line[..start].chars().count() + 1),
        length,
        message: format!("dag_id \"{dag_id}\" is taken by {other}"),
        hint: Some("give this DAG another dag_id, or remove one of the two files".to_owned()),
        snippet,
    }
}
