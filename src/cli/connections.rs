//! `esteira connections`: where services are.

use super::output::{Table, print, print_json, say};
use super::secrets::{Door, change, opened, read_object, value_or_input, write_secret_file};
use super::server::ServerArguments;
use super::{Failure, counted};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_operator::{Connection, ConnectionFields, ConnectionSource};
use esteira_runtime::{SecretRequest, StoredConnection};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Subcommand, Debug)]
pub(crate) enum ConnectionsCommand {
    /// List all connections: of the environment, of the store, and the defaults; passwords are not shown
    List(ListArguments),
    /// Set a connection to a URL
    Set(SetArguments),
    /// Remove connections from the store
    Remove(RemoveArguments),
    /// Connect to a service, and say whether it answers
    Test(TestArguments),
    /// Set connections from a JSON file: {"id": "url"} or Airflow's {"id": {"conn_type": …, "host": …}}
    Import(ImportArguments),
    /// Write the connections of the store to a JSON file, passwords too
    Export(ExportArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SetArguments {
    /// The connection's id
    #[arg(value_name = "ID")]
    id: String,
    /// Its URL; - reads standard input, so that a password stays out of the shell's history
    #[arg(value_name = "URL", allow_hyphen_values = true)]
    url: String,
    /// One line for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// The connections' ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct TestArguments {
    /// The connection's id
    #[arg(value_name = "ID")]
    id: String,
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
}

pub(crate) async fn connections(
    settings: &Settings,
    command: ConnectionsCommand,
) -> Result<ExitCode, Failure> {
    match command {
        ConnectionsCommand::List(arguments) => list(settings, arguments.json).await?,
        ConnectionsCommand::Set(arguments) => {
            let connection = parse(&arguments.id, &value_or_input(&arguments.url)?)?;
            let stored = StoredConnection { connection, description: arguments.description };
            set(&Door::open(settings, &arguments.server).await?, stored).await?;
            say!("the connection {} is set", arguments.id);
        }
        ConnectionsCommand::Remove(arguments) => {
            let door = Door::open(settings, &arguments.server).await?;
            for id in arguments.ids {
                match &door {
                    Door::Server(server) => drop(server.delete(&["connections", &id]).await?),
                    Door::Home(home, vault) => {
                        change(home, vault, SecretRequest::RemoveConnection(id.clone())).await?;
                    }
                }
                say!("the connection {id} is gone");
            }
        }
        ConnectionsCommand::Test(arguments) => test(settings, &arguments.id).await?,
        ConnectionsCommand::Import(arguments) => {
            let found = read_object(&arguments.file)?;
            let stored: Vec<StoredConnection> =
                found.iter().map(|(id, value)| imported(id, value)).collect::<Result<_, _>>()?;
            let (door, count) = (Door::open(settings, &arguments.server).await?, stored.len());
            for stored in stored {
                set(&door, stored).await?;
            }
            say!("{} set", counted(count, "connection"));
        }
        ConnectionsCommand::Export(arguments) => export(settings, &arguments.file).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(id: &str, url: &str) -> Result<Connection, Failure> {
    Connection::parse(id, url).map_err(|error| {
        Failure::usage(error.message).hint("for example postgresql://user:password@host:5432/database")
    })
}

async fn list(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let vault = opened(settings).await?;
    let mut stored = Vec::new();
    for connection in vault.connections() {
        match connection {
            Ok(connection) => stored.push(connection),
            Err(error) => say!("{error}"),
        }
    }
    let described = |id: &str| stored.iter().find(|stored| stored.connection.id == id);
    let origin = |connection: &Connection| match described(&connection.id) {
        _ if settings.connections.has(&connection.id) => "environment",
        Some(_) => "store",
        None => "default",
    };
    let meaning = |id: &str| described(id).map_or_else(String::new, |stored| stored.description.clone());
    let all = vault.all();
    if as_json {
        let shapes: Vec<Value> = all
            .iter()
            .map(|connection| {
                json!({
                    "connection_id": connection.id,
                    "url": connection.display_url(),
                    "origin": origin(connection),
                    "description": meaning(&connection.id),
                })
            })
            .collect();
        return print_json(&shapes);
    }
    let mut table = Table::new(&["CONNECTION", "URL", "FROM", "MEANING"]);
    for connection in &all {
        table.row(vec![
            Cell::new(&connection.id),
            Cell::new(connection.display_url()),
            Cell::new(origin(connection)),
            Cell::new(meaning(&connection.id)),
        ]);
    }
    table.print()
}

async fn set(door: &Door, stored: StoredConnection) -> Result<(), Failure> {
    match door {
        Door::Home(home, vault) => drop(change(home, vault, SecretRequest::SetConnection(stored)).await?),
        Door::Server(server) => {
            let id = stored.connection.id.as_str();
            let is_known = server.look_up(&["connections", id], &[]).await?.is_some();
            let fields = ConnectionFields::of(&stored.connection);
            let body = json!({
                "connection_id": id,
                "conn_type": fields.conn_type,
                "host": fields.host.unwrap_or_default(),
                "login": fields.login.unwrap_or_default(),
                "password": fields.password.unwrap_or_default(),
                "schema": fields.schema.unwrap_or_default(),
                "port": fields.port,
                "extra": fields.extra,
                "description": stored.description,
            });
            match is_known {
                true => server.patch(&["connections", id], &body).await?,
                false => server.post(&["connections"], &body).await?,
            };
        }
    }
    Ok(())
}

async fn test(settings: &Settings, id: &str) -> Result<(), Failure> {
    let vault = opened(settings).await?;
    let connection = vault
        .resolve(id)
        .map_err(|error| Failure::usage(error.message).hint("esteira connections list names them"))?;
    let (name, masker) = (connection.to_string(), Arc::clone(vault.masker()));
    esteira_tasks::connectors::ping(connection, masker)
        .await
        .map_err(|error| Failure::failed(error.to_string()).hint(error.hint()))?;
    print(format!("{name} answers"))
}

/// A URL, or Airflow's fields.
fn imported(id: &str, value: &Value) -> Result<StoredConnection, Failure> {
    let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let description = text("description").unwrap_or_default();
    if let Some(url) = value.as_str() {
        return Ok(StoredConnection { connection: parse(id, url)?, description });
    }
    if let Some(url) = text("url") {
        return Ok(StoredConnection { connection: parse(id, &url)?, description });
    }
    let extra = match &value["extra"] {
        Value::Object(extra) => extra.clone(),
        Value::String(extra) => serde_json::from_str(extra).unwrap_or_else(|_| Map::new()),
        _ => Map::new(),
    };
    let fields = ConnectionFields {
        conn_type: text("conn_type").ok_or_else(|| {
            Failure::usage(format!("the connection \"{id}\" has neither a URL nor a conn_type"))
        })?,
        host: text("host"),
        login: text("login"),
        password: text("password"),
        schema: text("schema"),
        port: value["port"].as_u64().and_then(|port| u16::try_from(port).ok()),
        extra,
    };
    let connection = fields.into_connection(id).map_err(|error| Failure::usage(error.message))?;
    Ok(StoredConnection { connection, description })
}

async fn export(settings: &Settings, file: &str) -> Result<(), Failure> {
    let stored: Vec<StoredConnection> = opened(settings).await?.connections().into_iter().flatten().collect();
    let document: Value = stored
        .iter()
        .map(|stored| {
            let fields = json!({ "url": stored.connection.url.as_str(), "description": stored.description });
            (stored.connection.id.clone(), fields)
        })
        .collect::<Map<_, _>>()
        .into();
    write_secret_file(file, &document)?;
    if file != "-" {
        say!("{} written to {file}, passwords in the clear", counted(stored.len(), "connection"));
    }
    Ok(())
}
