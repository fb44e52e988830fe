//! `esteira serve`: web pages, API, schedules, until told to stop.

use super::Failure;
use super::output::say;
use crate::config::Settings;
use crate::wiring::{Parts, engine_failure, start_engine};
use clap::Args;
use esteira_runtime::Engine;
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
        let state = esteira_ui::AppState {
            handle: engine.handle().clone(),
            connectors: parts.connectors.clone(),
            registry: Arc::clone(&parts.registry),
            settings: esteira_ui::Settings {
                allowed_hosts: settings.allowed_hosts.clone(),
                ..esteira_ui::Settings::default()
            },
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
