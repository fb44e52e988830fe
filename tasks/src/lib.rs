//! Built-in operators, and the connectors that they and the data API speak through: Kafka, Redis, RabbitMQ and
//! S3/MinIO, each with an embedded twin that needs nothing installed.
//!
//! - [`stream`], [`cache`], [`queue`], [`objects`]: one trait a service, its real client and its twin.
//! - [`connectors`]: from a connection id to a client, made once and shared.
//! - [`operators`]: the code behind `operator:` keys.
//! - `sensors`: the operators that wait for something.
//! - [`process`]: child processes of an attempt, ended with all that they started.
//! - [`service`]: how a service that does not answer is told of.
#![warn(missing_docs)]

pub mod cache;
pub mod connectors;
pub mod database;
mod embedded;
pub mod objects;
pub mod operators;
mod ping;
pub mod process;
pub mod queue;
mod sensors;
pub mod service;
pub mod stream;

pub use ping::ping;
