//! Connections: taken in, given to the router, ended politely. Each has to say what it wants within a time, and a request
//! has to be answered within one; what an answer streams may take as long as it likes.

use crate::api::ApiError;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The largest body of a request, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the head of a request may take to come; and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long a request may take to be answered, its body to be read included.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// What takes as long as the history is.
const WITHOUT_LIMIT: [&str; 2] = ["/audit/verify", "/api/audit/verify"];

/// How long to wait after a connection could not be taken in: for want of file handles, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` fires, then lets open requests end.
pub(crate) async fn serve(listener: TcpListener, app: Router, shutdown: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIME);
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => take_in(&builder, &open, &app, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken in");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    open.shutdown().await;
}

/// Gives a connection to the router, with the address of its other end for the handlers.
fn take_in(
    builder: &Builder<TokioExecutor>,
    open: &GracefulShutdown,
    app: &Router,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Answers are small, and must not wait for more to be sent along.
    let _ = stream.set_nodelay(true);
    let app = app.clone();
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request.map(Body::new))
    });
    let service = TowerToHyperService::new(service);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = open.watch(connection);
    tokio::spawn(async move {
        // Most often the other end has left, which is no news.
        if let Err(error) = connection.await {
            tracing::debug!(%peer, error, "a connection broke");
        }
    });
}

/// Answers in time, if need be with a refusal.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    if WITHOUT_LIMIT.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match tokio::time::timeout(ANSWER_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let seconds = ANSWER_TIME.as_secs();
            let message =
                format!("there was no answer within {seconds} s; what was asked may still be carried out");
            ApiError::unavailable(message).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a server answers to these bytes, up to the end of the connection.
    async fn answer(app: Router, sent: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, app, shutdown.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        shutdown.cancel();
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_handler_knows_the_address_of_whoever_asks() {
        let app = Router::new()
            .route("/", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()));
        let answer = answer(app, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_say_what_it_wants_is_closed() {
        // The clock is turned forward whenever everything waits: it does not take that long.
        let answer = answer(Router::new(), "GET / HTTP/1.1\r\nhost: x\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_in_time() {
        let never = async || std::future::pending::<()>().await;
        let app = Router::new()
            .route("/never", get(never))
            .route("/read", post(async |body: String| body))
            .layer(axum::middleware::from_fn(in_time));
        for head in ["GET /never HTTP/1.1\r\n", "POST /read HTTP/1.1\r\ncontent-length: 9\r\n"] {
            let sent = format!("{head}host: x\r\nconnection: close\r\n\r\nabc");
            let answer = answer(app.clone(), &sent).await;
            assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("within 60 s"), "{head}: {answer}");
        }
    }
}
