//! `esteira users`: who may come in, and what they may do.

use super::accounts::{Door, change, generated_password, hashed, new_password};
use super::output::{Table, print, print_json, say};
use super::server::ServerArguments;
use super::{Failure, times};
use crate::config::Settings;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_core::access::Role;
use esteira_runtime::AccountRequest;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum UsersCommand {
    /// List the users and their roles
    List(ListArguments),
    /// Make a user; the first one is an admin. The password is asked for, or read from standard input
    #[command(
        after_help = "Roles, each of which may do all that the one before it may:\n  viewer    look at everything but \
                      variables and connections\n  user      start, stop, clear, mark, pause and answer\n  operator  \
                      change variables, connections, pools, assets and webhooks; remove DAGs\n  admin     manage users \
                      and keys\n\nFrom the first user on, nobody comes in without signing in."
    )]
    Create(CreateArguments),
    /// Give a user another role, or another password
    Set(SetArguments),
    /// Remove users, with their sessions and tokens
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
pub(crate) struct CreateArguments {
    /// The name to sign in with
    #[arg(value_name = "NAME")]
    name: String,
    /// What the user may do [default: admin for the first user, else viewer]
    #[arg(long, value_parser = roles())]
    role: Option<String>,
    /// Make a password and print it, this once
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SetArguments {
    /// The user's name
    #[arg(value_name = "NAME")]
    name: String,
    /// What the user may do from now on
    #[arg(long, value_parser = roles(), required_unless_present_any = ["password", "generate"])]
    role: Option<String>,
    /// Ask for a new password, or read it from standard input; it ends the user's sessions
    #[arg(long)]
    password: bool,
    /// Make a new password and print it, this once
    #[arg(long, conflicts_with = "password")]
    generate: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// The users' names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    server: ServerArguments,
}

/// The roles, for a flag's values.
pub(crate) fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.iter().map(|role| role.as_str()))
}

pub(crate) async fn users(settings: &Settings, command: UsersCommand) -> Result<ExitCode, Failure> {
    match command {
        UsersCommand::List(arguments) => list(settings, &arguments).await?,
        UsersCommand::Create(arguments) => create(settings, &arguments).await?,
        UsersCommand::Set(arguments) => set(settings, &arguments).await?,
        UsersCommand::Remove(arguments) => remove(settings, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Every user as `{name, role, created_at}`.
async fn all(door: &Door) -> Result<Vec<Value>, Failure> {
    Ok(match door {
        Door::Server(server) => server.own_list("users").await?,
        Door::Home(_, accounts) => {
            let shape = |user: &esteira_runtime::User| json!({ "name": user.name, "role": user.role, "created_at": times::of_api(user.created_at), "changed_at": times::of_api(user.changed_at) });
            accounts.users().iter().map(shape).collect()
        }
    })
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let users = all(&Door::open(settings, &arguments.server).await?).await?;
    if arguments.json {
        return print_json(&users);
    }
    if users.is_empty() {
        say!("there are no users: whoever reaches a server on this machine may do everything");
        say!("hint: esteira users create NAME makes the first one, an admin");
    }
    let mut table = Table::new(&["NAME", "ROLE", "SINCE"]);
    for user in &users {
        let text = |key: &str| user[key].as_str().unwrap_or_default();
        table.row(vec![
            Cell::new(text("name")),
            Cell::new(text("role")),
            Cell::new(times::shown(text("created_at"))),
        ]);
    }
    table.print()
}

async fn create(settings: &Settings, arguments: &CreateArguments) -> Result<(), Failure> {
    let door = Door::open(settings, &arguments.server).await?;
    let is_first = all(&door).await?.is_empty();
    let default = if is_first { Role::Admin } else { Role::Viewer };
    let role = arguments.role.as_deref().and_then(Role::from_label).unwrap_or(default);
    let name = &arguments.name;
    let password = password(name, arguments.generate)?;
    match &door {
        Door::Server(server) => {
            let body = json!({ "name": name, "role": role, "password": password });
            server.own_with("POST", &["users"], &body).await?;
        }
        Door::Home(home, accounts) => {
            let password_hash = hashed(&password)?;
            change(home, accounts, AccountRequest::CreateUser { name: name.clone(), role, password_hash })
                .await?;
        }
    }
    say!("the user {name} is there, as {role}");
    if is_first {
        say!("from now on everybody has to sign in; this command line does so by the home itself");
    }
    if arguments.generate { print(&password) } else { Ok(()) }
}

async fn set(settings: &Settings, arguments: &SetArguments) -> Result<(), Failure> {
    let door = Door::open(settings, &arguments.server).await?;
    let name = &arguments.name;
    let role = arguments.role.as_deref().and_then(Role::from_label);
    let is_new = arguments.password || arguments.generate;
    let password = if is_new { Some(password(name, arguments.generate)?) } else { None };
    match &door {
        Door::Server(server) => {
            let body = json!({ "role": role, "password": password });
            server.own_with("PATCH", &["users", name], &body).await?;
        }
        Door::Home(home, accounts) => {
            let password_hash = password.as_deref().map(hashed).transpose()?;
            let request = AccountRequest::ChangeUser { name: name.clone(), role, password_hash };
            change(home, accounts, request).await?;
        }
    }
    if let Some(role) = role {
        say!("the user {name} is {role} now");
    }
    if is_new {
        say!("the user {name} has a new password");
    }
    match password.filter(|_| arguments.generate) {
        Some(password) => print(&password),
        None => Ok(()),
    }
}

async fn remove(settings: &Settings, arguments: &RemoveArguments) -> Result<(), Failure> {
    let door = Door::open(settings, &arguments.server).await?;
    for name in &arguments.names {
        match &door {
            Door::Server(server) => drop(server.own("DELETE", &["users", name]).await?),
            Door::Home(home, accounts) => {
                change(home, accounts, AccountRequest::RemoveUser(name.clone())).await?;
            }
        }
        say!("the user {name} is gone");
    }
    Ok(())
}

fn password(name: &str, is_generated: bool) -> Result<String, Failure> {
    if is_generated { generated_password() } else { new_password(name) }
}
