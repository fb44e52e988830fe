//! How a service that does not answer is told of: which one, at which address, and what to do.

use esteira_operator::TaskError;
use std::fmt;

/// A service that could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ServiceError {
    /// The product's name for people: "Kafka", "Redis", "RabbitMQ", "MinIO".
    pub service: &'static str,
    /// Host and port, or `embedded`. Never credentials.
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
    /// Something else went wrong inside it.
    Faulty,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {} {}", self.service, self.address, self.message)
    }
}

impl ServiceError {
    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ServiceErrorKind::Unavailable => "is the service up, and is the connection's URL right? scripts/services status",
            ServiceErrorKind::Denied => "check the user name and the password in the connection's URL",
            ServiceErrorKind::Rejected => "check the name or the value that was sent",
            ServiceErrorKind::Faulty => "look at the service's own log",
        }
    }
}

impl From<ServiceError> for TaskError {
    fn from(error: ServiceError) -> Self {
        Self::failed(error.to_string()).hint(error.hint())
    }
}
