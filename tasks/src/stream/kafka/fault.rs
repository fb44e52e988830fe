//! What librdkafka says, and what it means for the reader.

use crate::service::{Endpoint, ServiceError, ServiceErrorKind};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Arc, Mutex, PoisonError};

/// Hears what a librdkafka client says, so that it goes to our log and not to stderr, and keeps the last complaint:
/// the error of a request often says no more than that it took too long.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    complaint: Arc<Mutex<Option<String>>>,
}

impl Watch {
    fn keep(&self, text: &str) {
        // "[thrd:kafka:9092/bootstrap]: kafka:9092/bootstrap: Connect to …": the thread is of no use to a reader.
        let text = text.split_once("]: ").map_or(text, |(_, rest)| rest);
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
    }

    fn complaint(&self) -> Option<String> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "esteira::kafka", ?level, facility, "{message}");
        if facility == "FAIL" {
            self.keep(message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "esteira::kafka", "{error}: {reason}");
        // That all brokers are down follows from what was said before.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.keep(reason);
        }
    }
}

impl ConsumerContext for Watch {}

/// The fault of a client.
pub(super) fn fault(endpoint: &Endpoint, watch: &Watch, error: &KafkaError) -> ServiceError {
    let Some(code) = error.rdkafka_error_code() else {
        return endpoint.error(ServiceErrorKind::Faulty, format!("failed: {error}"));
    };
    let complaint = watch.complaint();
    match (code_fault(endpoint, code), complaint) {
        (fault, Some(complaint)) if fault.kind == ServiceErrorKind::Unavailable => {
            explained(endpoint, fault, &complaint)
        }
        (fault, _) => fault,
    }
}

/// A service that did not answer, with what librdkafka said of its connection.
fn explained(endpoint: &Endpoint, fault: ServiceError, complaint: &str) -> ServiceError {
    let lower = complaint.to_ascii_lowercase();
    if lower.contains("certificate") {
        return endpoint.connection_fault(complaint);
    }
    if lower.contains("sasl") || lower.contains("authentication") {
        return endpoint.error(ServiceErrorKind::Denied, format!("denied access: {complaint}"));
    }
    endpoint.unavailable(format!("{} ({complaint})", fault.message))
}

/// The fault that a code stands for.
pub(super) fn code_fault(endpoint: &Endpoint, code: RDKafkaErrorCode) -> ServiceError {
    use RDKafkaErrorCode as Code;
    match code {
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve | Code::NetworkException => {
            endpoint.unavailable("cannot be reached")
        }
        Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut => {
            endpoint.unavailable("did not answer in time")
        }
        Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::UnknownTopicOrPartition
        | Code::WaitingForCoordinator => endpoint.unavailable(format!("is not ready: {code}")),
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => {
            endpoint.error(ServiceErrorKind::Denied, format!("denied access: {code}"))
        }
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            endpoint.rejected("takes no message of this size (the topic's max.message.bytes)")
        }
        Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress => endpoint
            .rejected("has other members in this group, which subscribed: give the task a group of its own"),
        // Both are what the connection's URL says of topics that are made.
        Code::InvalidPartitions | Code::InvalidReplicationFactor => {
            endpoint.misconfigured(format!("refused: {code}"))
        }
        Code::InvalidTopic | Code::PolicyViolation => endpoint.rejected(format!("refused: {code}")),
        _ => endpoint.error(ServiceErrorKind::Faulty, format!("answered with an error: {code}")),
    }
}
