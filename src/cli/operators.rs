//! `esteira operators`: what tasks can do, from the same source as the checks and the schema.

use super::output::{Ink, Table, paint, print, print_json};
use super::{Failure, suggestion};
use crate::config::Settings;
use crate::wiring::Parts;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_core::catalog::{Argument, Catalog, Signature};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum OperatorsCommand {
    /// List the operators
    List(ListArguments),
    /// Show the arguments of an operator: their types, their defaults, what they mean
    Show(ShowArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// The operator's name
    #[arg(value_name = "OPERATOR")]
    name: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn operators(settings: &Settings, command: OperatorsCommand) -> Result<ExitCode, Failure> {
    let registry = Parts::new(settings).registry;
    match command {
        OperatorsCommand::List(arguments) => {
            let signatures: Vec<&Signature> = registry.signatures().collect();
            if arguments.json {
                print_json(&signatures)?;
            } else {
                list(&signatures).print()?;
                print("\nesteira operators show OPERATOR prints its arguments")?;
            }
        }
        OperatorsCommand::Show(arguments) => {
            let Some(signature) = registry.signature(&arguments.name) else {
                let failure = Failure::usage(format!("there is no operator \"{}\"", arguments.name));
                let hint = suggestion(&arguments.name, registry.names().into_iter());
                return Err(
                    failure.hint(hint.unwrap_or_else(|| "esteira operators list names them".to_owned()))
                );
            };
            if arguments.json {
                print_json(signature)?;
            } else {
                show(signature)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(signatures: &[&Signature]) -> Table {
    let mut table = Table::new(&["OPERATOR", "WHAT IT DOES"]);
    for signature in signatures {
        table.row(vec![Cell::new(signature.name), Cell::new(signature.summary)]);
    }
    table
}

fn show(signature: &Signature) -> Result<(), Failure> {
    print(format_args!("{}  {}", paint(Ink::Strong, signature.name), signature.summary))?;
    print("")?;
    if signature.arguments.is_empty() {
        return print("It takes no arguments.");
    }
    let mut table = Table::new(&["ARGUMENT", "TYPE", "DEFAULT", "MEANING"]);
    for argument in &signature.arguments {
        table.row(vec![
            Cell::new(argument.name),
            Cell::new(argument.kind.describe()),
            Cell::new(default(argument)),
            Cell::new(argument.help),
        ]);
    }
    table.print()
}

fn default(argument: &Argument) -> String {
    match &argument.default {
        _ if argument.required => "(must be given)".to_owned(),
        None => "-".to_owned(),
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}
