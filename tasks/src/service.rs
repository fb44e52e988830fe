//! How a service that does not answer is told of: which one, at which address, and what to do.
#![cfg_attr(
    not(all(feature = "kafka", feature = "redis", feature = "rabbitmq", feature = "s3")),
    allow(dead_code, reason = "a build without some of the clients does not use all that they share")
)]

use esteira_operator::{Connection, TaskError};
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A service that could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ServiceError {
    /// The product's name for people: "Kafka", "Redis", "RabbitMQ", "MinIO"; "Embedded stream" and so on for twins.
    pub service: &'static str,
    /// Host and port; for a twin, its file or folder; empty where there is no address yet. Never credentials.
    pub address: String,
    /// What follows from it.
    pub kind: ServiceErrorKind,
    /// What happened, as a fragment after the service's name: "refused the connection".
    pub message: String,
}

/// What follows from a [`ServiceError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceErrorKind {
    /// It is down, or cannot be reached; later may be better. The data API answers 503.
    Unavailable,
    /// It refused the credentials.
    Denied,
    /// It understood and refused: a name it does not take, a type that does not fit. The data API answers 400.
    Rejected,
    /// The connection cannot be used as it is configured, or the service is not set up for what it is used for. No
    /// other request would fare better. The data API answers 503.
    Misconfigured,
    /// Something else went wrong inside it.
    Faulty,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.is_empty() {
            return write!(formatter, "{} {}", self.service, self.message);
        }
        write!(formatter, "{} at {} {}", self.service, self.address, self.message)
    }
}

impl ServiceError {
    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        if self.service.starts_with("Embedded") && self.kind == ServiceErrorKind::Faulty {
            return "may Esteira write to its home, and is there room on the disk?";
        }
        match self.kind {
            ServiceErrorKind::Unavailable => {
                "is the service up, and is the connection's URL right? scripts/services status"
            }
            ServiceErrorKind::Denied => "check the user name and the password in the connection's URL",
            ServiceErrorKind::Rejected => "check the name or the value that was sent",
            ServiceErrorKind::Misconfigured => "check the connection's URL and the service's own set-up",
            ServiceErrorKind::Faulty => "look at the service's own log",
        }
    }
}

impl From<ServiceError> for TaskError {
    fn from(error: ServiceError) -> Self {
        Self::failed(error.to_string()).hint(error.hint())
    }
}

/// How long a client tries to reach a service that is down, unless the connection's URL says `?timeout=5s`.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one attempt to connect may take; an unreachable host gives no answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a health check waits.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where a real service is, and how long to try to reach it: what its client tells errors from.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) service: &'static str,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) patience: Duration,
}

impl Endpoint {
    /// The endpoint of a connection. `patience` takes the place of what the URL says.
    pub(crate) fn new(
        connection: &Connection,
        service: &'static str,
        default_port: u16,
        patience: Option<Duration>,
    ) -> Result<Self, ServiceError> {
        let fault = |message: String| connection_fault(service, &connection.id, &message);
        let host = connection.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(fault("has no host in its URL".to_owned()));
        }
        let from_url = match connection.option("timeout") {
            Some(text) => Some(parse_duration(&text).ok_or_else(|| {
                fault(format!("has a timeout that is not a time: {text:?} (examples: 5s, 500ms, 1m)"))
            })?),
            None => None,
        };
        let patience = patience.or(from_url).unwrap_or(PATIENCE);
        Ok(Self { service, host, port: connection.url.port().unwrap_or(default_port), patience })
    }

    /// Host and port, for messages and for clients.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    /// An error of this service.
    pub(crate) fn error(&self, kind: ServiceErrorKind, message: impl Into<String>) -> ServiceError {
        ServiceError { service: self.service, address: self.address(), kind, message: message.into() }
    }

    /// It cannot be reached, or went away.
    pub(crate) fn unavailable(&self, message: impl Into<String>) -> ServiceError {
        self.error(ServiceErrorKind::Unavailable, message)
    }

    /// It does not take what was asked.
    pub(crate) fn rejected(&self, message: impl Into<String>) -> ServiceError {
        self.error(ServiceErrorKind::Rejected, message)
    }

    /// It, or the connection to it, is not set up for what it is used for.
    pub(crate) fn misconfigured(&self, message: impl Into<String>) -> ServiceError {
        self.error(ServiceErrorKind::Misconfigured, message)
    }

    /// A connection that broke, in a client library's words.
    pub(crate) fn connection_fault(&self, said: &str) -> ServiceError {
        let lower = said.to_ascii_lowercase();
        if lower.contains("certificate") || lower.contains("unknownissuer") {
            return self.misconfigured(format!(
                "has a certificate that is not trusted: {said} (a private authority is named with ?ca=/path/ca.pem)"
            ));
        }
        let closed = ["broken pipe", "reset", "closed", "unexpected end", "eof", "terminated", "dropped"];
        if closed.iter().any(|word| lower.contains(word)) {
            return self.unavailable("closed the connection");
        }
        if lower.contains("refused") {
            return self.unavailable("refused the connection");
        }
        self.unavailable(format!("cannot be reached: {said}"))
    }

    /// Connects and hangs up: learns why a service cannot be reached, in the same words for every service. Client
    /// libraries tell it each in their own way, or not at all.
    pub(crate) async fn reach(&self) -> Result<(), ServiceError> {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect((self.host.as_str(), self.port))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unavailable(unreachable_reason(&error))),
            Err(_) => Err(self.unavailable(format!("did not answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    /// Does it, and while the service is unavailable does it again, with growing pauses, until patience ends.
    pub(crate) async fn patiently<T, A>(&self, mut attempt: impl FnMut() -> A) -> Result<T, ServiceError>
    where
        A: Future<Output = Result<T, ServiceError>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut pause = PAUSE_FIRST;
        let mut attempts = 1;
        loop {
            let mut error = match attempt().await {
                Err(error) if error.kind == ServiceErrorKind::Unavailable => error,
                other => return other,
            };
            if Instant::now() + pause > deadline {
                if attempts > 1 {
                    error.message.push_str(&format!(" ({attempts} attempts in {:?})", self.patience));
                }
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            attempts += 1;
        }
    }

    /// Does it once, for a health check: a page does not wait for long.
    pub(crate) async fn promptly<T>(
        &self,
        attempt: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        match timeout(PING_TIMEOUT, attempt).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable(format!("did not answer within {} s", PING_TIMEOUT.as_secs()))),
        }
    }

    /// The certificates of a private authority (`?ca=/path/ca.pem`), if the connection names some.
    pub(crate) fn authority(&self, connection: &Connection) -> Result<Option<Vec<u8>>, ServiceError> {
        let Some(path) = connection.option("ca") else { return Ok(None) };
        match std::fs::read(Path::new(&path)) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) => Err(self
                .misconfigured(format!("needs the certificates in {path}, which cannot be read: {error}"))),
        }
    }
}

/// Why a connection failed, as a fragment after the service's name.
fn unreachable_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused the connection".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "closed the connection".to_owned(),
        io::ErrorKind::TimedOut => "did not answer".to_owned(),
        _ if error.to_string().contains("lookup") => "cannot be found: no host has this name".to_owned(),
        _ => format!("cannot be reached: {error}"),
    }
}

/// A connection that cannot be used as it is configured.
pub(crate) fn connection_fault(service: &'static str, id: &str, message: &str) -> ServiceError {
    let message = format!("cannot be used: the connection \"{id}\" {message}");
    ServiceError { service, address: String::new(), kind: ServiceErrorKind::Misconfigured, message }
}

/// Reads `500ms`, `5s`, `5` (seconds) or `1m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(parse_duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("1m"), Some(Duration::from_secs(60)));
        assert_eq!(parse_duration("soon"), None);
        assert_eq!(parse_duration("5h"), None);
    }

    #[test]
    fn faults_of_the_set_up_are_told_from_those_of_a_request() {
        let connection = Connection::parse("x", "rediss://localhost:1?ca=/no/such.pem").unwrap();
        let endpoint = Endpoint::new(&connection, "Redis", 6379, None).unwrap();
        let faults = [
            endpoint.authority(&connection).unwrap_err(),
            endpoint.connection_fault("invalid peer certificate: UnknownIssuer"),
            connection_fault("Redis", "x", "has no host in its URL"),
        ];
        for fault in faults {
            assert_eq!(fault.kind, ServiceErrorKind::Misconfigured, "{fault}");
            assert_eq!(fault.hint(), "check the connection's URL and the service's own set-up");
        }
    }

    #[tokio::test]
    async fn what_is_unavailable_is_tried_again_and_what_is_rejected_is_not() {
        let connection = Connection::parse("x", "redis://localhost:1?timeout=1s").unwrap();
        let endpoint = Endpoint::new(&connection, "Redis", 6379, None).unwrap();
        let mut count = 0;
        let answer = endpoint.patiently(|| {
            count += 1;
            let result = if count < 3 { Err(endpoint.unavailable("is away")) } else { Ok(count) };
            async move { result }
        });
        assert_eq!(answer.await.unwrap(), 3);
        let mut count = 0;
        let answer = endpoint.patiently(|| {
            count += 1;
            let result: Result<(), _> = Err(endpoint.rejected("does not take it"));
            async move { result }
        });
        assert_eq!(answer.await.unwrap_err().to_string(), "Redis at localhost:1 does not take it");
        assert_eq!(count, 1);
    }
}
