//! `esteira tokens`: what programs come in with.

use super::accounts::{Door, change, new_secret};
use super::output::{Table, print, print_json, say};
use super::server::ServerArguments;
use super::{Failure, times};
use crate::config::Settings;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use esteira_core::access::Role;
use esteira_core::spec::duration;
use esteira_runtime::{AccountRequest, Accounts, NewToken, Secret};
use esteira_store::ApiTokenRow;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum TokensCommand {
    /// List the tokens
    List(ListArguments),
    /// Make a token and print it, this once
    #[command(
        after_help = "A program sends it as the header Authorization: Bearer TOKEN; this command line takes it with \
                      --token or ESTEIRA_TOKEN."
    )]
    Create(CreateArguments),
    /// Revoke tokens: from then on they open nothing
    Revoke(RevokeArguments),
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
    /// What it is for, in a few words
    #[arg(value_name = "LABEL")]
    label: String,
    /// For whom it acts [default: whoever asks; the only user there is]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The most that it may do [default: what its user may do]
    #[arg(long, value_parser = super::users::roles())]
    role: Option<String>,
    /// Only with this DAG; may be repeated
    #[arg(long = "dag", value_name = "DAG")]
    dag_ids: Vec<String>,
    /// How long it lasts: 30d, 12h [default: until it is revoked]
    #[arg(long, value_name = "LENGTH", value_parser = duration::parse)]
    expires_in: Option<std::time::Duration>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArguments {
    /// The tokens, as esteira tokens list calls them
    #[arg(value_name = "TOKEN", required = true)]
    token_ids: Vec<String>,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn tokens(settings: &Settings, command: TokensCommand) -> Result<ExitCode, Failure> {
    match command {
        TokensCommand::List(arguments) => list(settings, &arguments).await?,
        TokensCommand::Create(arguments) => create(settings, &arguments).await?,
        TokensCommand::Revoke(arguments) => revoke(settings, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let tokens = match Door::open(settings, &arguments.server).await? {
        Door::Server(server) => server.own_list("tokens").await?,
        Door::Home(_, accounts) => accounts.tokens().iter().map(shape).collect(),
    };
    if arguments.json {
        return print_json(&tokens);
    }
    let mut table = Table::new(&["TOKEN", "USER", "ROLE", "DAGS", "ENDS", "LABEL"]);
    for token in &tokens {
        let text = |key: &str| token[key].as_str().unwrap_or_default();
        let dag_ids = token["dag_ids"]
            .as_array()
            .map(|dag_ids| dag_ids.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
        let ends =
            if text("expires_at").is_empty() { "never".to_owned() } else { times::shown(text("expires_at")) };
        table.row(vec![
            Cell::new(text("token_id")),
            Cell::new(text("user")),
            Cell::new(text("role")),
            Cell::new(dag_ids.unwrap_or_else(|| "all".to_owned())),
            Cell::new(ends),
            Cell::new(text("label")),
        ]);
    }
    table.print()
}

fn shape(token: &ApiTokenRow) -> Value {
    json!({
        "token_id": token.token_id,
        "user": token.user_name,
        "label": token.label,
        "role": token.role,
        "dag_ids": token.dag_ids,
        "created_at": times::of_api(token.created_at),
        "expires_at": token.expires_at.map(times::of_api),
    })
}

async fn create(settings: &Settings, arguments: &CreateArguments) -> Result<(), Failure> {
    let length = arguments.expires_in.and_then(|length| SignedDuration::try_from(length).ok());
    let expires_at = length.and_then(|length| Timestamp::now().checked_add(length).ok());
    let dag_ids = (!arguments.dag_ids.is_empty()).then(|| arguments.dag_ids.clone());
    let (token_id, text) = match Door::open(settings, &arguments.server).await? {
        Door::Server(server) => {
            let body = json!({
                "label": arguments.label,
                "user": arguments.user,
                "role": arguments.role,
                "dag_ids": dag_ids,
                "expires_at": expires_at,
            });
            let answer = server.own_with("POST", &["tokens"], &body).await?;
            let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            (text("token_id"), text("token"))
        }
        Door::Home(home, accounts) => {
            let secret = new_secret()?;
            let token = asked(&accounts, arguments, &secret, dag_ids, expires_at)?;
            let token_id = token.token_id();
            change(&home, &accounts, AccountRequest::CreateToken(token)).await?;
            (token_id, secret.text().to_owned())
        }
    };
    say!("the token {token_id} is there; it is shown this once:");
    print(text)
}

fn asked(
    accounts: &Accounts,
    arguments: &CreateArguments,
    secret: &Secret,
    dag_ids: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
) -> Result<NewToken, Failure> {
    let users = accounts.users();
    let user = match (&arguments.user, users.as_slice()) {
        (Some(name), users) => users.iter().find(|user| user.name == *name).ok_or_else(|| {
            Failure::usage(format!("there is no user \"{name}\"")).hint("esteira users list names them")
        })?,
        (None, [only]) => only,
        (None, []) => {
            return Err(Failure::usage("there are no users, so nobody needs a token")
                .hint("esteira users create NAME makes the first one"));
        }
        (None, _) => {
            return Err(Failure::usage("for whom is the token?").hint("name a user with --user NAME"));
        }
    };
    Ok(NewToken {
        user_name: user.name.clone(),
        label: arguments.label.clone(),
        secret_hash: secret.hash(),
        role: arguments.role.as_deref().and_then(Role::from_label).unwrap_or(user.role),
        dag_ids,
        expires_at,
    })
}

async fn revoke(settings: &Settings, arguments: &RevokeArguments) -> Result<(), Failure> {
    let door = Door::open(settings, &arguments.server).await?;
    for token_id in &arguments.token_ids {
        match &door {
            Door::Server(server) => drop(server.own("DELETE", &["tokens", token_id]).await?),
            Door::Home(home, accounts) => {
                change(home, accounts, AccountRequest::RevokeToken(token_id.clone())).await?;
            }
        }
        say!("the token {token_id} is revoked");
    }
    Ok(())
}
