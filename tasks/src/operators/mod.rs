//! The code behind `operator:` keys. Each operator is one module; this page is their table of contents.
//!
//! The pipeline's four ([`csv_to_kafka`], [`kafka_consume`], [`store_readings`], [`rabbitmq_alert`]) reach their
//! services through [`Connectors`] only, so that each runs the same on the real service and on its embedded twin.

mod bash;
mod branch;
mod celery;
mod condition;
mod csv_to_kafka;
mod dead_letters;
mod docker;
mod email;
mod empty;
pub(crate) mod http;
mod human;
mod kafka_consume;
mod kafka_produce;
mod latest_only;
mod pattern;
mod python;
mod rabbitmq;
mod rabbitmq_alert;
mod redis;
mod s3;
mod short_circuit;
mod slack;
mod sql;
mod store_readings;
pub(crate) mod support;
#[cfg(test)]
pub(crate) mod tests;
mod trigger_dag;

pub(crate) use email::ping as ping_mail_server;

use crate::connectors::Connectors;
use esteira_operator::Registry;

/// Every built-in operator.
pub fn register_all(registry: &mut Registry, connectors: &Connectors) {
    registry
        .register(csv_to_kafka::CsvToKafka::new(connectors.clone()))
        .register(kafka_consume::KafkaConsume::new(connectors.clone()))
        .register(store_readings::StoreReadings::new(connectors.clone()))
        .register(rabbitmq_alert::RabbitmqAlert::new(connectors.clone()))
        .register(kafka_produce::KafkaProduce::new(connectors.clone()))
        .register(rabbitmq::RabbitmqPublish::new(connectors.clone()))
        .register(rabbitmq::RabbitmqConsume::new(connectors.clone()))
        .register(redis::Redis::new(connectors.clone()))
        .register(s3::S3::new(connectors.clone()))
        .register(celery::Celery::new(connectors.clone()))
        .register(docker::Docker::new(connectors.clone()))
        .register(sql::Sql::new(connectors.clone()))
        .register(email::Email::new(connectors.clone()))
        .register(slack::SlackWebhook::new(connectors.clone()))
        .register(bash::Bash)
        .register(python::Python)
        .register(branch::Branch)
        .register(branch::BranchPython)
        .register(short_circuit::ShortCircuit)
        .register(short_circuit::ShortCircuitPython)
        .register(latest_only::LatestOnly)
        .register(human::Hitl)
        .register(human::Approval)
        .register(human::HitlBranch)
        .register(trigger_dag::TriggerDag)
        .register(http::Http::new())
        .register(empty::Empty);
    crate::sensors::register_all(registry, connectors);
}
