//! `esteira secrets`: the keys that variables and connections are sealed with. And how those are reached: through the engine
//! that serves the home, or in the home itself while no engine holds it.

use super::output::{print, say};
use super::server::{Server, ServerArguments};
use super::{Failure, counted, history, person};
use crate::config::Settings;
use crate::wiring;
use clap::Subcommand;
use esteira_core::states::TriggeredBy;
use esteira_runtime::home::{self, Home};
use esteira_runtime::{Actor, CommandError, SecretRequest, Vault, change_secret};
use esteira_store::Keyring;
use serde_json::Value;
use std::io::Read;
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum SecretsCommand {
    /// Print a new key: 64 hex digits for the key file or ESTEIRA_SECRET_KEY
    NewKey,
    /// Seal all variables and connections with the first key; after that the others can go
    #[command(
        after_help = "To replace a key: put a new one (esteira secrets new-key) before the old one in the key file, or \
                      in ESTEIRA_SECRET_KEY with a comma between them; start the engine anew; rotate; take the old one out."
    )]
    Rotate(ServerArguments),
}

pub(crate) async fn secrets(settings: &Settings, command: SecretsCommand) -> Result<ExitCode, Failure> {
    match command {
        SecretsCommand::NewKey => {
            print(Keyring::generate().map_err(|error| Failure::failed(error.to_string()))?)?;
        }
        SecretsCommand::Rotate(arguments) => {
            let count = match Door::open(settings, &arguments).await? {
                Door::Server(server) => {
                    let answer = server.own("POST", &["secrets", "rotate"]).await?;
                    answer["sealed_anew"].as_u64().unwrap_or_default() as usize
                }
                Door::Home(home, vault) => change(&home, &vault, SecretRequest::Rotate).await?,
            };
            say!("{} sealed with the newest key", counted(count, "secret"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why some things are only done beside a home.
pub(crate) const NO_SECRETS: &str = "a server never tells secrets";

/// How variables and connections are reached.
pub(crate) enum Door {
    /// Through an engine's API.
    Server(Box<Server>),
    /// In the home, which this process holds meanwhile.
    Home(Box<Home>, Box<Vault>),
}

impl Door {
    pub(crate) async fn open(settings: &Settings, arguments: &ServerArguments) -> Result<Self, Failure> {
        let Some(home) = idle_home(settings, arguments).await? else {
            let server = Server::find(settings, arguments, "esteira serve starts one")?;
            return Ok(Self::Server(Box::new(server)));
        };
        let vault = opened(settings).await?;
        Ok(Self::Home(Box::new(home), Box::new(vault)))
    }
}

/// The home, held by this process, with its database as this version has it; none when an engine is to be asked instead.
pub(crate) async fn idle_home(
    settings: &Settings,
    arguments: &ServerArguments,
) -> Result<Option<Home>, Failure> {
    if arguments.named().is_some() || home::running_engine(&settings.home).is_some() {
        return Ok(None);
    }
    take_home(settings).await.map(Some)
}

/// The home, held by this process, with its database as this version has it.
pub(crate) async fn take_home(settings: &Settings) -> Result<Home, Failure> {
    let home = wiring::open_home(settings)?;
    // The database is made, if it is not there yet.
    let path = home::database(home.root());
    let writer = esteira_store::open_writer(&path).await.map_err(history::failure)?;
    writer.close().await.map_err(history::failure)?;
    Ok(home)
}

/// The variables and connections of the home, opened; read beside an engine that runs.
pub(crate) async fn opened(settings: &Settings) -> Result<Vault, Failure> {
    let vault = wiring::vault(settings);
    if let Some(reader) = history::open_if_any(settings).await? {
        vault.load(&reader).await.map_err(history::failure)?;
    }
    Ok(vault)
}

/// Carries out a change in a home that this process holds.
pub(crate) async fn change(home: &Home, vault: &Vault, request: SecretRequest) -> Result<usize, Failure> {
    let actor = Actor::new(person(), TriggeredBy::Cli);
    change_secret(home, vault, &request, &actor).await.map_err(|error| match &error {
        CommandError::Store(_) => Failure::failed(error.to_string()),
        _ => Failure::usage(error.to_string()),
    })
}

/// A value from the command line; `-` reads standard input, so that a secret stays out of the shell's history.
pub(crate) fn value_or_input(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut input = String::new();
    std::io::stdin()
        .read_to_string(&mut input)
        .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    Ok(input.strip_suffix('\n').unwrap_or(&input).to_owned())
}

/// A file that holds one JSON object; `-` is standard input.
pub(crate) fn read_object(path: &str) -> Result<serde_json::Map<String, Value>, Failure> {
    let text = match path {
        "-" => value_or_input("-")?,
        path => std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("the file {path} cannot be read: {error}")))?,
    };
    // The error's own text does not repeat what the file holds.
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{path} is no JSON object: line {}, column {}", error.line(), error.column()))
    })
}

/// Writes a file that only this user may read; `-` is standard output.
pub(crate) fn write_secret_file(path: &str, document: &Value) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if path == "-" {
        return super::output::print_json(document);
    }
    let written = || -> std::io::Result<()> {
        let options =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let mut file = options?;
        serde_json::to_writer_pretty(&mut file, document)?;
        writeln!(file)
    };
    written().map_err(|error| Failure::usage(format!("the file {path} cannot be written: {error}")))
}
