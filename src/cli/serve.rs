//! `esteira serve`: web pages, API, schedules, until told to stop.

use super::Failure;
use super::accounts::{self, new_secret};
use super::output::say;
use super::secrets::take_home;
use crate::config::Settings;
use crate::wiring::{Parts, engine_failure, start_engine};
use clap::Args;
use esteira_core::access::Role;
use esteira_runtime::{AccountRequest, Engine};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// Where to listen [default: 127.0.0.1:8080; ESTEIRA_LISTEN]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub(crate) async fn serve(settings: &Settings, arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let parts = Parts::new(settings);
    let listener = listen(arguments.listen.as_deref().unwrap_or(&settings.listen)).await?;
    check_users(settings, &listener).await?;
    let settings = &settings.served_at(url(&listener)?);
    let engine = start_engine(settings, &parts, settings.dags.clone(), true).await?;
    WebServer::start(settings, &engine, &parts, listener)?.until_stopped(engine).await?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the port before anything else: a port in use must not cost an engine's start.
pub(crate) async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::usage(format!("the address {address} is in use"))
            .hint("another program listens there; choose another with --listen 127.0.0.1:8081"),
        std::io::ErrorKind::PermissionDenied => {
            Failure::usage(format!("this user may not listen on {address}"))
                .hint("ports below 1024 are the system's; choose another with --listen 127.0.0.1:8080")
        }
        _ => Failure::usage(format!("cannot listen on \"{address}\": {error}"))
            .hint("an address is HOST:PORT, for example --listen 127.0.0.1:8080"),
    })
}

/// Whether others than this machine reach a server that listens here: directly, or through a proxy with a name of its own.
fn is_reached_from_elsewhere(settings: &Settings, listener: &TcpListener) -> Result<bool, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    let is_loopback = |name: &String| ["localhost", "127.0.0.1", "[::1]"].contains(&name.as_str());
    Ok(!address.ip().is_loopback() || !settings.allowed_hosts.iter().all(is_loopback))
}

/// Makes the admin that the environment gives a password for, if there is no user yet; and refuses to let everybody in.
pub(crate) async fn check_users(settings: &Settings, listener: &TcpListener) -> Result<(), Failure> {
    let is_reached_from_elsewhere = is_reached_from_elsewhere(settings, listener)?;
    if settings.admin_password.is_none() && !is_reached_from_elsewhere {
        return Ok(());
    }
    let home = take_home(settings).await?;
    let accounts = accounts::loaded(&home).await?;
    if accounts.has_users() {
        return Ok(());
    }
    if let Some(password) = &settings.admin_password {
        let (name, role, password_hash) = (FIRST_USER.to_owned(), Role::Admin, accounts::hashed(password)?);
        accounts::change(&home, &accounts, AccountRequest::CreateUser { name, role, password_hash }).await?;
        say!("the user {FIRST_USER} is there, with the password of ESTEIRA_ADMIN_PASSWORD");
        return Ok(());
    }
    let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    let message = format!(
        "a server on {address} is reached from other machines, and there are no users: everybody could do everything"
    );
    Err(Failure::usage(message).hint(
        "make the first one, an admin: esteira users create NAME; or set ESTEIRA_ADMIN_PASSWORD, which makes the user \
         admin; or listen on this machine only: --listen 127.0.0.1:8080",
    ))
}

/// The user that the environment's password is for.
const FIRST_USER: &str = "admin";

/// A web server over a running engine.
pub(crate) struct WebServer {
    task: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
}

impl WebServer {
    /// Serves an engine from now on, and tells other processes where.
    pub(crate) fn start(
        settings: &Settings,
        engine: &Engine,
        parts: &Parts,
        listener: TcpListener,
    ) -> Result<Self, Failure> {
        let url = url(&listener)?;
        engine.home().announce(Some(url.clone())).map_err(|error| Failure::usage(error.to_string()))?;
        let secret = new_secret()?;
        engine.handle().accounts().set_home_secret(&secret);
        let kept = engine.home().write_secret(secret.text());
        kept.map_err(|error| Failure::usage(format!("the home cannot be written: {error}")))?;
        let state = esteira_ui::AppState {
            handle: engine.handle().clone(),
            connectors: parts.connectors.clone(),
            versions: esteira_ui::Versions::new(engine.handle().reader().clone()),
            registry: Arc::clone(&parts.registry),
            settings: esteira_ui::Settings {
                allowed_hosts: settings.allowed_hosts.clone(),
                requires_login: is_reached_from_elsewhere(settings, &listener)?,
                is_https: settings.base_url.as_ref().is_some_and(|url| url.starts_with("https://")),
                ..esteira_ui::Settings::default()
            },
            doors: esteira_ui::Doors::default(),
            audit: esteira_ui::AuditCheck::default(),
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(esteira_ui::serve(listener, state, shutdown.clone()));
        say!("Esteira serves {url} (home {}); Ctrl-C stops it", engine.home().root().display());
        Ok(Self { task, shutdown })
    }

    /// Goes on until a signal comes or the engine fails, then stops both.
    pub(crate) async fn until_stopped(mut self, mut engine: Engine) -> Result<(), Failure> {
        let failure = tokio::select! {
            () = told_to_stop() => None,
            error = engine.failed() => Some(engine_failure(error)),
            ended = &mut self.task => Some(Failure::usage(format!("the web server stopped: {ended:?}"))),
        };
        self.shutdown.cancel();
        match failure {
            Some(failure) => Err(failure),
            None => {
                say!("stopping: tasks that run are told to end and will be tried again at the next start");
                engine.stop().await.map_err(engine_failure)
            }
        }
    }
}

/// Where this machine finds the pages of a server that listens here.
pub(crate) fn url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    Ok(format!("http://{}", reachable(address)))
}

/// Where this machine reaches a server that listens on `address`: one that listens everywhere also does on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Waits for Ctrl-C or a polite end from the system.
pub(crate) async fn told_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler for it, the signal ends the process by itself, which is safe.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
