//! `esteira init`: a first DAG in a folder, with the schema that editors complete it with.

use super::output::say;
use super::{Failure, schema};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::Args;
use esteira_core::spec::json_schema;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// The DAG that is written.
const FIRST: &str = include_str!("init/first.yaml");

/// Its file's name in the DAG folder.
const FILE: &str = "first.yaml";

/// The schema's name beside it, which its first line names.
const SCHEMA_FILE: &str = "dag.schema.json";

#[derive(Args, Debug)]
pub(crate) struct InitArguments {}

pub(crate) fn init(settings: &Settings, _: &InitArguments) -> Result<ExitCode, Failure> {
    let folder = &settings.dags;
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::usage(format!("the folder {} cannot be made: {error}", folder.display()))
            .hint("name another folder with --dags DIR")
    })?;
    let path = folder.join(FILE);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(FIRST.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} is there already, and is left as it is", path.display()))
                .hint("name another folder with --dags DIR, or remove the file")
        }
        _ => Failure::usage(format!("the file {} cannot be written: {error}", path.display())),
    })?;
    schema::write(&folder.join(SCHEMA_FILE), &json_schema(Parts::new(settings).registry.as_ref()))?;
    say!("{} is a DAG of two tasks; editors complete it with {SCHEMA_FILE} beside it", path.display());
    say!("check it:  esteira validate");
    say!("run it:    esteira run first -p name=Ana");
    say!("serve it:  esteira serve");
    Ok(ExitCode::SUCCESS)
}
