//! `esteira schema`: the JSON Schema of DAG files, for editors.

use super::Failure;
use super::output::{print_json, say};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::Args;
use esteira_core::spec::json_schema;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(crate) struct SchemaArguments {
    /// Write it to this file
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn schema(settings: &Settings, arguments: &SchemaArguments) -> Result<ExitCode, Failure> {
    let schema = json_schema(Parts::new(settings).registry.as_ref());
    match &arguments.output {
        None => print_json(&schema)?,
        Some(path) => {
            write(path, &schema)?;
            say!("the schema is in {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the schema as the command prints it.
pub(crate) fn write(path: &Path, schema: &serde_json::Value) -> Result<(), Failure> {
    let text = format!("{schema:#}\n");
    std::fs::write(path, text)
        .map_err(|error| Failure::usage(format!("the file {} cannot be written: {error}", path.display())))
}
