//! `esteira variables`: values that templates read.

use super::output::{Table, print, print_json, say};
use super::secrets::{Door, NO_SECRETS, change, opened, read_object, value_or_input, write_secret_file};
use super::server::{Server, ServerArguments};
use super::source::Fields;
use super::{Failure, counted};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_operator::is_secret_name;
use esteira_runtime::{SecretRequest, Variable};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum VariablesCommand {
    /// List the variables; the value of a secret is not shown
    List(ListArguments),
    /// Print the value of a variable
    Get(GetArguments),
    /// Set a variable
    Set(SetArguments),
    /// Remove variables
    Remove(RemoveArguments),
    /// Set variables from a JSON file: {"key": value} or {"key": {"value": …, "description": …}}
    Import(ImportArguments),
    /// Write all variables to a JSON file, the values of secrets too
    Export(ExportArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct GetArguments {
    /// The variable's name
    #[arg(value_name = "KEY")]
    key: String,
    /// Also when it is a secret
    #[arg(long)]
    show_secret: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SetArguments {
    /// The variable's name
    #[arg(value_name = "KEY")]
    key: String,
    /// Its value; - reads standard input, so that a secret stays out of the shell's history
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// Never show the value [default: if the name says so, as in api_token]
    #[arg(long)]
    secret: bool,
    /// One line for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// The variables' names
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// The file, which only you may read; - is standard output
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn variables(settings: &Settings, command: VariablesCommand) -> Result<ExitCode, Failure> {
    match command {
        VariablesCommand::List(arguments) => list(settings, &arguments).await?,
        VariablesCommand::Get(arguments) => get(settings, &arguments).await?,
        VariablesCommand::Set(arguments) => {
            let variable = Variable {
                value: value_or_input(&arguments.value)?,
                is_secret: arguments.secret || is_secret_name(&arguments.key),
                key: arguments.key,
                description: arguments.description,
            };
            let what = if variable.is_secret { "secret" } else { "variable" };
            let key = variable.key.clone();
            set(&Door::open(settings, &arguments.server).await?, variable).await?;
            say!("the {what} {key} is set");
        }
        VariablesCommand::Remove(arguments) => {
            let door = Door::open(settings, &arguments.server).await?;
            for key in arguments.keys {
                match &door {
                    Door::Server(server) => drop(server.delete(&["variables", &key]).await?),
                    Door::Home(home, vault) => {
                        change(home, vault, SecretRequest::RemoveVariable(key.clone())).await?;
                    }
                }
                say!("the variable {key} is gone");
            }
        }
        VariablesCommand::Import(arguments) => {
            let found = read_object(&arguments.file)?;
            let variables: Vec<Variable> =
                found.into_iter().map(|(key, value)| imported(key, value)).collect();
            let (door, count) = (Door::open(settings, &arguments.server).await?, variables.len());
            for variable in variables {
                set(&door, variable).await?;
            }
            say!("{} set", counted(count, "variable"));
        }
        VariablesCommand::Export(arguments) => {
            arguments.server.refuse("variables export", NO_SECRETS)?;
            export(settings, &arguments.file).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The variables that can be opened; of the others it is said why they cannot.
async fn readable(settings: &Settings) -> Result<Vec<Variable>, Failure> {
    let mut variables = Vec::new();
    for variable in opened(settings).await?.variables() {
        match variable {
            Ok(variable) => variables.push(variable),
            Err(error) => say!("{error}"),
        }
    }
    Ok(variables)
}

/// Those that a server has in its store, the values of secrets hidden.
async fn told(server: &Server) -> Result<Vec<Variable>, Failure> {
    server.all(&["variables"], &[], "variables").await?.iter().map(read).collect()
}

fn read(variable: &Value) -> Result<Variable, Failure> {
    let fields = Fields(variable);
    Ok(Variable {
        key: fields.text("key")?.to_owned(),
        value: fields.text("value")?.to_owned(),
        is_secret: fields.flag("is_secret")?,
        description: fields.text_or_empty("description"),
    })
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let variables = match Server::named(&arguments.server)? {
        Some(server) => told(&server).await?,
        None => readable(settings).await?,
    };
    let shown = |variable: &Variable| {
        if variable.is_secret { "***".to_owned() } else { variable.value.clone() }
    };
    if arguments.json {
        let shapes: Vec<Value> = variables
            .iter()
            .map(|variable| {
                json!({
                    "key": variable.key,
                    "value": shown(variable),
                    "is_secret": variable.is_secret,
                    "description": variable.description,
                })
            })
            .collect();
        return print_json(&shapes);
    }
    let mut table = Table::new(&["KEY", "VALUE", "MEANING"]);
    for variable in &variables {
        table.row(vec![
            Cell::new(&variable.key),
            Cell::new(shown(variable)),
            Cell::new(&variable.description),
        ]);
    }
    table.print()
}

async fn get(settings: &Settings, arguments: &GetArguments) -> Result<(), Failure> {
    if let Some(server) = Server::named(&arguments.server)? {
        return get_from(&server, &arguments.key).await;
    }
    let vault = opened(settings).await?;
    let key = arguments.key.as_str();
    let value = vault.variable(key).map_err(Failure::failed)?.ok_or_else(|| {
        Failure::usage(format!("there is no variable \"{key}\"")).hint("esteira variables list names them")
    })?;
    let stored = vault.variables().into_iter().flatten().find(|variable| variable.key == key);
    let is_secret = stored.map_or_else(|| is_secret_name(key), |variable| variable.is_secret);
    if is_secret && !arguments.show_secret {
        return Err(Failure::usage(format!("the variable \"{key}\" is a secret"))
            .hint("esteira variables get KEY --show-secret prints it all the same"));
    }
    print(value)
}

async fn get_from(server: &Server, key: &str) -> Result<(), Failure> {
    let Some(found) = server.look_up(&["variables", key], &[]).await? else {
        return Err(Failure::usage(format!("there is no variable \"{key}\" in the server's store"))
            .hint("esteira variables list names them; those of its environment are not told"));
    };
    let variable = read(&found)?;
    if variable.is_secret {
        return Err(Failure::usage(format!("the variable \"{key}\" is a secret, and {NO_SECRETS}"))
            .hint("esteira variables get KEY --show-secret prints it beside the home"));
    }
    print(variable.value)
}

async fn set(door: &Door, variable: Variable) -> Result<(), Failure> {
    match door {
        Door::Home(home, vault) => drop(change(home, vault, SecretRequest::SetVariable(variable)).await?),
        Door::Server(server) => {
            let is_known = server.look_up(&["variables", &variable.key], &[]).await?.is_some();
            let body = json!({
                "key": variable.key,
                "value": variable.value,
                "is_secret": variable.is_secret,
                "description": variable.description,
            });
            match is_known {
                true => server.patch(&["variables", &variable.key], &body).await?,
                false => server.post(&["variables"], &body).await?,
            };
        }
    }
    Ok(())
}

fn imported(key: String, value: Value) -> Variable {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_described = value.get("value").is_some()
        && value.as_object().is_some_and(|fields| {
            fields.keys().all(|key| ["value", "description", "is_secret"].contains(&key.as_str()))
        });
    let (value, description, is_secret) = if is_described {
        let description = value["description"].as_str().unwrap_or_default().to_owned();
        (text(&value["value"]), description, value["is_secret"].as_bool())
    } else {
        (text(&value), String::new(), None)
    };
    Variable { is_secret: is_secret.unwrap_or_else(|| is_secret_name(&key)), key, value, description }
}

async fn export(settings: &Settings, file: &str) -> Result<(), Failure> {
    let variables = readable(settings).await?;
    let document: Value = variables
        .iter()
        .map(|variable| {
            let fields = json!({
                "value": variable.value,
                "description": variable.description,
                "is_secret": variable.is_secret,
            });
            (variable.key.clone(), fields)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    write_secret_file(file, &document)?;
    let secrets = variables.iter().filter(|variable| variable.is_secret).count();
    if file != "-" {
        say!(
            "{} written to {file}, {} among them in the clear",
            counted(variables.len(), "variable"),
            counted(secrets, "secret")
        );
    }
    Ok(())
}
