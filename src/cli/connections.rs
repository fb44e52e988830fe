//! `esteira connections`: where services are.

use super::output::{Table, print, print_json, say};
use super::secrets::{Door, NO_SECRETS, change, opened, read_object, value_or_input, write_secret_file};
use super::server::{Server, ServerArguments};
use super::source::Fields;
use super::{Failure, counted};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_operator::{Connection, ConnectionFields, ConnectionSource, is_secret_name};
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
    #[command(flatten)]
    server: ServerArguments,
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

pub(crate) async fn connections(
    settings: &Settings,
    command: ConnectionsCommand,
) -> Result<ExitCode, Failure> {
    match command {
        ConnectionsCommand::List(arguments) => list(settings, &arguments).await?,
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
        ConnectionsCommand::Test(arguments) => match Server::named(&arguments.server)? {
            Some(server) => test_at(&server, &arguments.id).await?,
            None => test(settings, &arguments.id).await?,
        },
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
        ConnectionsCommand::Export(arguments) => {
            arguments.server.refuse("connections export", NO_SECRETS)?;
            export(settings, &arguments.file).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(id: &str, url: &str) -> Result<Connection, Failure> {
    Connection::parse(id, url).map_err(|error| {
        Failure::usage(error.message).hint("for example postgresql://user:password@host:5432/database")
    })
}

/// A connection in a list.
struct Listed {
    connection: Connection,
    /// Where it is kept.
    origin: &'static str,
    description: String,
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let all = match Server::named(&arguments.server)? {
        Some(server) => told(&server).await?,
        None => resolved(settings).await?,
    };
    if arguments.json {
        let shape = |listed: &Listed| {
            json!({
                "connection_id": listed.connection.id,
                "url": listed.connection.display_url(),
                "origin": listed.origin,
                "description": listed.description,
            })
        };
        return print_json(&all.iter().map(shape).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["CONNECTION", "URL", "FROM", "MEANING"]);
    for listed in &all {
        table.row(vec![
            Cell::new(&listed.connection.id),
            Cell::new(listed.connection.display_url()),
            Cell::new(listed.origin),
            Cell::new(&listed.description),
        ]);
    }
    table.print()?;
    if arguments.server.named().is_some() {
        say!("a server tells of those in its store only: not of its environment, nor of the defaults");
    }
    Ok(())
}

/// All that tasks of this home may use.
async fn resolved(settings: &Settings) -> Result<Vec<Listed>, Failure> {
    let vault = opened(settings).await?;
    let mut stored = Vec::new();
    for connection in vault.connections() {
        match connection {
            Ok(connection) => stored.push(connection),
            Err(error) => say!("{error}"),
        }
    }
    let listed = |connection: Connection| {
        let found = stored.iter().find(|stored| stored.connection.id == connection.id);
        let origin = match found {
            _ if settings.connections.has(&connection.id) => "environment",
            Some(_) => "store",
            None => "default",
        };
        let description = found.map_or_else(String::new, |stored| stored.description.clone());
        Listed { connection, origin, description }
    };
    Ok(vault.all().into_iter().map(listed).collect())
}

/// Those that a server has in its store, what is secret in them hidden.
async fn told(server: &Server) -> Result<Vec<Listed>, Failure> {
    let mut all = Vec::new();
    for shape in server.all(&["connections"], &[], "connections").await? {
        // It has the same fields as a file that is imported.
        let StoredConnection { connection, description } =
            imported(Fields(&shape).text("connection_id")?, &shape)?;
        all.push(Listed { connection, origin: "store", description });
    }
    Ok(all)
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
    esteira_tasks::ping(connection, masker)
        .await
        .map_err(|error| Failure::failed(error.to_string()).hint(error.hint()))?;
    print(format!("{name} answers"))
}

/// Has a server try out a connection of its store. The server takes the fields and puts in the password that it has.
async fn test_at(server: &Server, id: &str) -> Result<(), Failure> {
    let Some(shape) = server.look_up(&["connections", id], &[]).await? else {
        return Err(Failure::usage(format!("there is no connection \"{id}\" in the server's store"))
            .hint("those of its environment, and the defaults, are tested beside the home"));
    };
    let connection = imported(id, &shape)?.connection;
    if ConnectionFields::of(&connection).extra.keys().any(|key| is_secret_name(key)) {
        return Err(Failure::usage(format!(
            "an option of the connection \"{id}\" is a secret, and {NO_SECRETS}"
        ))
        .hint("test it beside the home"));
    }
    let keys = ["connection_id", "conn_type", "host", "login", "password", "schema", "port", "extra"];
    let body: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), shape[key].clone())).collect();
    let answer = server.post(&["connections", "test"], &Value::Object(body)).await?;
    let message = Fields(&answer).text_or_empty("message");
    if Fields(&answer).flag("status")? {
        print(format!("{connection} answers"))
    } else {
        Err(Failure::failed(message))
    }
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
