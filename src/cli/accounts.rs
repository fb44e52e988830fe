//! How users and tokens are reached: through the engine that serves the home or another, or in the home itself while no
//! engine holds it. And passwords, which are typed unseen.

use super::secrets::idle_home;
use super::server::{Server, ServerArguments};
use super::{Failure, history, person};
use crate::config::Settings;
use esteira_core::states::TriggeredBy;
use esteira_runtime::home::{self, Home};
use esteira_runtime::{
    AccountRequest, Accounts, Actor, CommandError, PASSWORD_LENGTH_MIN, Secret, change_account, hash_password,
};
use std::io::{BufRead, IsTerminal};

/// How users and tokens are reached.
pub(crate) enum Door {
    /// Through an engine's API.
    Server(Box<Server>),
    /// In the home, which this process holds meanwhile.
    Home(Box<Home>, Box<Accounts>),
}

impl Door {
    pub(crate) async fn open(settings: &Settings, arguments: &ServerArguments) -> Result<Self, Failure> {
        match idle_home(settings, arguments).await? {
            None => {
                let server = Server::find(settings, arguments, "esteira serve starts one")?;
                Ok(Self::Server(Box::new(server)))
            }
            Some(home) => {
                let accounts = loaded(&home).await?;
                Ok(Self::Home(Box::new(home), Box::new(accounts)))
            }
        }
    }
}

/// The accounts of a home that this process holds.
pub(crate) async fn loaded(home: &Home) -> Result<Accounts, Failure> {
    let reader = esteira_store::open_reader(&home::database(home.root())).await.map_err(history::failure)?;
    let accounts = Accounts::default();
    accounts.load(&reader).await.map_err(history::failure)?;
    Ok(accounts)
}

/// Carries out a change in a home that this process holds.
pub(crate) async fn change(home: &Home, accounts: &Accounts, request: AccountRequest) -> Result<(), Failure> {
    let actor = Actor::new(person(), TriggeredBy::Cli);
    change_account(home, accounts, &request, &actor).await.map_err(refused)
}

/// The hash of a password, for a change in the home.
pub(crate) fn hashed(password: &str) -> Result<String, Failure> {
    hash_password(password).map_err(refused)
}

fn refused(error: CommandError) -> Failure {
    match error {
        CommandError::Store(_) => Failure::failed(error.to_string()),
        error => Failure::usage(error.to_string()),
    }
}

/// A new password: typed twice at a terminal, else the first line of standard input.
pub(crate) fn new_password(name: &str) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("the password cannot be read: {error}"))
            .hint("give it on standard input, or let --generate make one")
    };
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        if password.is_empty() {
            return Err(Failure::usage("no password came on standard input")
                .hint("echo one to it, or let --generate make one"));
        }
        return Ok(password);
    }
    let prompt = format!("Password for {name} (at least {PASSWORD_LENGTH_MIN} characters): ");
    let password = rpassword::prompt_password(prompt).map_err(unreadable)?;
    let again = rpassword::prompt_password("The same again: ").map_err(unreadable)?;
    if password == again { Ok(password) } else { Err(Failure::usage("the two are not the same")) }
}

/// A password that nobody has thought of.
pub(crate) fn generated_password() -> Result<String, Failure> {
    let secret = new_secret()?;
    // 20 hex digits, 80 bits: nobody guesses them, and they can still be typed.
    let digits: String = secret.text().chars().rev().take(20).collect();
    Ok(digits.as_bytes().chunks(5).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"))
}

/// A new random secret.
pub(crate) fn new_secret() -> Result<Secret, Failure> {
    Secret::generate().ok_or_else(|| Failure::failed("the system gives no random bytes"))
}
