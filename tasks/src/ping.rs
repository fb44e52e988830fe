//! Whether the service of a connection answers: for people who set one up, and wait for it at a page or a terminal.

use crate::connectors::{Connectors, install_cryptography};
use crate::operators::ping_mail_server;
use crate::service::{Endpoint, ServiceError, ServiceErrorKind};
use esteira_operator::{Connection, ConnectionError, ConnectionSource, Masker};
use std::sync::Arc;
use std::time::Duration;

/// How long a client tries to reach the service.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the service of a connection answers, and lets in whoever has its user name and password. Of a kind of service that
/// has no client here: whether it can be connected to at all.
pub async fn ping(connection: Connection, masker: Arc<Masker>) -> Result<(), ServiceError> {
    let scheme = connection.url.scheme().to_owned();
    let id = connection.id.clone();
    let port = connection.url.port_or_known_default().or_else(|| known_port(&scheme));
    let source = Arc::new(Only(connection.clone()));
    let connectors = Connectors::new(source, masker, std::env::temp_dir()).with_patience(PATIENCE);
    let endpoint =
        |service: &'static str| Endpoint::new(&connection, service, port.unwrap_or_default(), Some(PATIENCE));
    match scheme.as_str() {
        Connection::EMBEDDED => Ok(()),
        "kafka" | "kafka+ssl" => connectors.stream(&id).await?.ping().await,
        "redis" | "rediss" => connectors.cache(&id).await?.ping().await,
        "amqp" | "amqps" => connectors.queue(&id).await?.ping().await,
        "s3" => connectors.objects(&id).await?.ping().await,
        "sqlite" | "postgres" | "postgresql" | "mysql" | "mariadb" => {
            connectors.database_of(&id)?.ping().await
        }
        "smtp" | "smtps" => ping_mail_server(&connection).await,
        "http" | "https" => ping_web_server(&connection, &endpoint("The web server")?).await,
        _ => endpoint("The service")?.reach().await,
    }
}

/// The ports of services that the URL standard does not know.
fn known_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "ssh" | "sftp" => 22,
        "slack" => 443,
        _ => return None,
    })
}

/// Asks for the connection's path. Whatever the answer is, there is one; unless it says that it does not let us in.
async fn ping_web_server(connection: &Connection, endpoint: &Endpoint) -> Result<(), ServiceError> {
    install_cryptography();
    endpoint.reach().await?;
    let mut url = connection.url.clone();
    // What stands there are options of ours.
    url.set_query(None);
    // The library takes user name and password out of the URL, and its errors have no URL here.
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    let client = client.map_err(|error| endpoint.misconfigured(error.without_url().to_string()))?;
    let answer = client.get(url).send().await;
    let status = answer.map_err(|error| endpoint.connection_fault(&in_full(&error.without_url())))?.status();
    match status.as_u16() {
        401 | 403 | 407 => {
            Err(endpoint.error(ServiceErrorKind::Denied, format!("does not let us in: {status}")))
        }
        _ => Ok(()),
    }
}

/// An error with what caused it: the outermost says little.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// One connection, whatever its id.
struct Only(Connection);

impl ConnectionSource for Only {
    fn resolve(&self, _id: &str) -> Result<Connection, ConnectionError> {
        Ok(self.0.clone())
    }

    fn all(&self) -> Vec<Connection> {
        vec![self.0.clone()]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    async fn try_out(url: &str) -> Result<(), String> {
        let connection = Connection::parse("tried", url).unwrap();
        ping(connection, Arc::default()).await.map_err(|error| error.to_string())
    }

    /// A web server that lets in whoever sends `ana:hush-hush`.
    async fn web_server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while stream.read_line(&mut head).await.is_ok_and(|length| length > 2) {}
                let is_known =
                    head.to_ascii_lowercase().contains("authorization: basic yw5homh1c2gtahvzaa==");
                let status = if is_known { "404 Not Found" } else { "401 Unauthorized" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_web_server_that_answers_is_told_from_one_that_does_not_let_us_in() {
        let port = web_server().await;
        assert_eq!(try_out(&format!("http://ana:hush-hush@127.0.0.1:{port}/path?timeout=1s")).await, Ok(()));
        let error = try_out(&format!("http://ana:hunter22@127.0.0.1:{port}")).await.unwrap_err();
        assert!(error.contains("does not let us in: 401") && !error.contains("hunter22"), "{error}");
    }

    #[tokio::test]
    async fn nobody_listening_is_told_in_the_same_words_for_every_kind_of_service() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        for scheme in ["http", "smtp", "ssh"] {
            let error = try_out(&format!("{scheme}://ana:hunter22@127.0.0.1:{port}")).await.unwrap_err();
            assert!(error.contains("refused the connection") && !error.contains("hunter22"), "{error}");
        }
        assert_eq!(try_out("embedded:").await, Ok(()));
    }
}
