//! `esteira pools`: slots that task instances share. Through the engine that serves the home.

use super::output::{Table, print_json, right, say};
use super::server::{Server, ServerArguments};
use super::{Failure, counted};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum PoolsCommand {
    /// List the pools: their slots, and how many are in use and waited for
    List(ListArguments),
    /// Make a pool, or change how many slots it has
    Set(SetArguments),
    /// Remove a pool; what waits for its slots waits until it is there again
    Remove(RemoveArguments),
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
    /// The pool's name
    #[arg(value_name = "POOL")]
    name: String,
    /// How many slots it has; -1 for as many as anyone wants
    #[arg(value_name = "SLOTS", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=i64::from(u32::MAX)))]
    slots: i64,
    /// One line for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// The pool's name
    #[arg(value_name = "POOL")]
    name: String,
    #[command(flatten)]
    server: ServerArguments,
}

const HINT: &str = "esteira serve starts one";

pub(crate) async fn pools(settings: &Settings, command: PoolsCommand) -> Result<ExitCode, Failure> {
    match command {
        PoolsCommand::List(arguments) => list(settings, &arguments).await?,
        PoolsCommand::Set(arguments) => set(settings, &arguments).await?,
        PoolsCommand::Remove(arguments) => {
            Server::find(settings, &arguments.server, HINT)?.delete(&["pools", &arguments.name]).await?;
            say!("the pool {} is gone", arguments.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let pools = server.all(&["pools"], &[], "pools").await?;
    if arguments.json {
        return print_json(&pools);
    }
    let mut table = Table::new(&["POOL", "SLOTS", "IN USE", "WAITED FOR", "MEANING"]);
    for pool in &pools {
        let text = |key: &str| pool[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| pool[key].as_i64().unwrap_or_default();
        let slots = number("slots");
        table.row(vec![
            Cell::new(text("name")),
            right(if slots < 0 { "no limit".to_owned() } else { slots.to_string() }),
            right(number("occupied_slots")),
            right(number("scheduled_slots")),
            Cell::new(text("description")),
        ]);
    }
    table.print()
}

async fn set(settings: &Settings, arguments: &SetArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, HINT)?;
    let name = arguments.name.as_str();
    let is_known = server.look_up(&["pools", name], &[]).await?.is_some();
    let mut body = json!({ "name": name, "slots": arguments.slots });
    if let Some(description) = &arguments.description {
        body["description"] = Value::from(description.as_str());
    }
    match is_known {
        true => server.patch(&["pools", name], &body).await?,
        false => server.post(&["pools"], &body).await?,
    };
    let slots = if arguments.slots < 0 {
        "as many slots as anyone wants".to_owned()
    } else {
        counted(arguments.slots as usize, "slot")
    };
    say!("the pool {name} has {slots}");
    Ok(())
}
