//! Sending to Kafka: an idempotent producer whose messages go out in large batches, each acknowledged by all replicas.

use super::config::{Config, QUEUED_MESSAGES_MAX};
use super::drop_aside;
use super::fault::{Watch, fault};
use crate::service::{ServiceError, ServiceErrorKind};
use crate::stream::{Message, Producer};
use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

pub(super) struct KafkaProducer {
    config: Arc<Config>,
    watch: Watch,
    topic: String,
    /// Only none while it is being dropped.
    producer: Option<FutureProducer<Watch>>,
    /// On their way, in the order of sending.
    unacknowledged: VecDeque<DeliveryFuture>,
    /// The first fault of those that were waited for, until `flush` gives it.
    first_fault: Option<ServiceError>,
}

impl KafkaProducer {
    pub(super) fn open(config: Arc<Config>, topic: &str) -> Result<Self, ServiceError> {
        let watch = Watch::default();
        let producer = Some(config.create(&config.producer(), &watch)?);
        let topic = topic.to_owned();
        Ok(Self { config, watch, topic, producer, unacknowledged: VecDeque::new(), first_fault: None })
    }

    /// Waits for the oldest message that is on its way.
    async fn acknowledge_one(&mut self) {
        let Some(oldest) = self.unacknowledged.front_mut() else { return };
        let outcome = oldest.await;
        // Only now: a wait that is dropped half-way must not lose sight of the message.
        self.unacknowledged.pop_front();
        self.note(outcome);
    }

    /// Hears of those that have arrived, without waiting for others.
    fn acknowledge_arrived(&mut self) {
        while let Some(outcome) = self.unacknowledged.front_mut().and_then(FutureExt::now_or_never) {
            self.unacknowledged.pop_front();
            self.note(outcome);
        }
    }

    fn note(&mut self, outcome: <DeliveryFuture as Future>::Output) {
        let error = match outcome {
            Ok(Ok(_)) => return,
            Ok(Err((error, _))) => error,
            Err(_) => KafkaError::Canceled,
        };
        if self.first_fault.is_none() {
            self.first_fault = Some(self.fault(&error));
        }
    }

    fn fault(&self, error: &KafkaError) -> ServiceError {
        fault(&self.config.endpoint, &self.watch, error)
    }
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn send(&mut self, message: Message) -> Result<(), ServiceError> {
        self.acknowledge_arrived();
        while self.unacknowledged.len() >= QUEUED_MESSAGES_MAX {
            self.acknowledge_one().await;
        }
        loop {
            // To go on would be in vain. `flush` still gives the fault too.
            if let Some(fault) = &self.first_fault {
                return Err(fault.clone());
            }
            let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic).payload(&message.payload);
            if let Some(key) = &message.key {
                record = record.key(key);
            }
            let Some(producer) = &self.producer else {
                return Err(self
                    .config
                    .endpoint
                    .error(ServiceErrorKind::Faulty, "has a producer that is closed"));
            };
            let outcome = producer.send_result(record).map_err(|(error, _)| error);
            match outcome {
                Ok(delivery) => {
                    self.unacknowledged.push_back(delivery);
                    return Ok(());
                }
                // The queue is bounded in bytes as well. There is room when the oldest is gone.
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull))
                    if !self.unacknowledged.is_empty() =>
                {
                    self.acknowledge_one().await;
                }
                Err(error) => return Err(self.fault(&error)),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ServiceError> {
        while !self.unacknowledged.is_empty() {
            self.acknowledge_one().await;
        }
        self.first_fault.take().map_or(Ok(()), Err)
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        drop_aside(self.producer.take());
    }
}
