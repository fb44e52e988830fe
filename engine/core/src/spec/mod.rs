//! YAML to DAG, with every fault of a file named at once.
//!
//! The way of a file: [`reader`] makes a marked tree of it, within budgets; [`lower`] and its neighbours turn the tree
//! into a [`Dag`]; [`report`] gathers what is wrong on the way. A fault never stops the search for others, unless the
//! text is no YAML at all.

mod arguments;
mod callbacks;
mod diagnostic;
pub mod duration;
mod edges;
mod groups;
mod keys;
mod lower;
mod mapping;
mod marked;
mod params;
mod reader;
mod report;
mod scalar;
mod schedule;
mod schema;
mod settings;
mod suggest;
mod syntax;
mod task;
mod templates;
mod values;

pub use diagnostic::{Diagnostic, Severity, Snippet, SnippetLine};
pub use schema::json_schema;

use crate::catalog::Catalog;
use crate::dag::{Dag, Params};
use marked::Mark;
use report::{Fault, Report};
use serde_json::{Map, Value};

/// The largest file that is read: 1 MiB. A DAG of thousands of tasks is a tenth of it.
pub const FILE_SIZE_MAX: usize = 1024 * 1024;

/// A DAG file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its path, as people know it.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// What a DAG file gave.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The DAG, if and only if no diagnostic is an error.
    pub dag: Option<Dag>,
    /// All that is wrong with the file, in its order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a DAG file against the operators of `catalog`.
pub fn parse(source: Source<'_>, catalog: &dyn Catalog) -> Parsed {
    if source.text.len() > FILE_SIZE_MAX {
        return too_large(source);
    }
    let mut report = Report::new(source.name, source.text);
    let dag = reader::read(source.text, &mut report).and_then(|root| lower::dag(&root, catalog, &mut report));
    let dag = if report.has_errors() { None } else { dag };
    Parsed { dag, diagnostics: report.finish() }
}

/// Params that are written in JSON, as under the `params:` of a DAG. The error is the first fault, in one sentence.
pub fn read_params(params: &Map<String, Value>) -> Result<Params, String> {
    if params.is_empty() {
        return Ok(Params::new());
    }
    // JSON is YAML: one reader for both.
    let text = serde_json::to_string(params).map_err(|error| error.to_string())?;
    let mut report = Report::new("params", &text);
    let read = reader::read(&text, &mut report).and_then(|root| params::lower(&root, &mut report));
    let faults = report.finish();
    match (read, faults.into_iter().find(|fault| fault.severity == Severity::Error)) {
        (Some(params), None) => Ok(params),
        (_, Some(fault)) => Err(match fault.hint {
            Some(hint) => format!("{}: {hint}", fault.message),
            None => fault.message,
        }),
        (None, None) => Err("these are no params".to_owned()),
    }
}

/// A DAG file as the JSON value that it stands for, if it is YAML at all: what a [`json_schema`] is held against.
pub fn to_json(source: Source<'_>) -> Option<Value> {
    let mut report = Report::new(source.name, source.text);
    reader::read(source.text, &mut report).map(|root| root.to_value())
}

fn too_large(source: Source<'_>) -> Parsed {
    let mut report = Report::new(source.name, "");
    let message =
        format!("the file has {} bytes, and a DAG file may have {FILE_SIZE_MAX}", source.text.len());
    let fault = Fault::error("too-large", Mark::START, message);
    report.add(fault.hint("is it a DAG? data belongs in files that its tasks read".to_owned()));
    Parsed { dag: None, diagnostics: report.finish() }
}
