//! RabbitMQ: one connection, made on first use and again when it broke; a channel for each piece of work.
//!
//! A channel is cheap, and AMQP closes it at the first fault (a queue that does not exist): with one channel for each
//! piece of work, a fault disturbs nobody else.

use super::{Queue, QueueMessage, Receipt, Received, check_message, check_queue};
use crate::connectors::install_cryptography;
use crate::service::{Endpoint, ServiceError, ServiceErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use esteira_operator::Connection;
use futures::StreamExt;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{
    BasicProperties, Channel, Confirmation, ConnectionProperties, DefaultConnectionBuilder, ErrorKind,
    PublisherConfirm,
};
use serde_json::{Map, Value};
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

const SERVICE: &str = "RabbitMQ";
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;

/// How long the handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request that is out is looked after: the client forgets some that are made while the connection breaks.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Messages on their way to the broker whose confirmation is still out.
const UNCONFIRMED_MAX: usize = 1_000;

/// Requests for a message on their way to the broker.
const GETS_IN_FLIGHT: usize = 100;

/// Written to disk by the broker before it confirms.
const PERSISTENT: u8 = 2;

/// A RabbitMQ broker.
pub(crate) struct RabbitQueue {
    endpoint: Endpoint,
    uri: AMQPUri,
    authority: Option<Vec<u8>>,
    /// None until the first use.
    connection: Mutex<Option<Arc<lapin::Connection>>>,
    /// Held while messages are out of a queue to be looked at: who looks meanwhile would not see them.
    reading: Mutex<()>,
}

/// A channel, and the connection that it lives on.
struct Line {
    connection: Arc<lapin::Connection>,
    channel: Channel,
}

impl Deref for Line {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Line {
    /// The broker's answer to a request; an error once the connection is gone, whether the client noticed or not.
    async fn answered<T>(
        &self,
        request: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<T, lapin::Error> {
        answered(&self.connection, request).await
    }
}

async fn answered<T>(
    connection: &lapin::Connection,
    request: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, lapin::Error> {
    tokio::pin!(request);
    let mut was_lost = false;
    loop {
        if let Ok(answer) = timeout(LOOK_AFTER, &mut request).await {
            return answer;
        }
        // An error that is on its way to the request says more than this one: it gets a little longer.
        let is_lost = !connection.status().connected();
        if is_lost && was_lost {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was closed").into());
        }
        was_lost = is_lost;
    }
}

impl RabbitQueue {
    /// A client for this connection. It connects when it is first used.
    pub(crate) fn open(connection: &Connection, patience: Option<Duration>) -> Result<Self, ServiceError> {
        let is_tls = connection.url.scheme() == "amqps";
        let endpoint = Endpoint::new(connection, SERVICE, if is_tls { TLS_PORT } else { PORT }, patience)?;
        if is_tls {
            install_cryptography();
        }
        let authority = endpoint.authority(connection)?;
        let mut url = connection.url.clone();
        url.set_query(None);
        let uri = url.as_str().parse().map_err(|error| {
            endpoint.misconfigured(format!("does not take the connection's URL: {error}"))
        })?;
        Ok(Self { endpoint, uri, authority, connection: Mutex::new(None), reading: Mutex::new(()) })
    }

    async fn channel(&self) -> Result<Line, ServiceError> {
        let connection = self.connect().await?;
        let channel = answered(&connection, connection.create_channel()).await;
        let channel = channel.map_err(|error| self.fault(&error))?;
        Ok(Line { connection, channel })
    }

    async fn connect(&self) -> Result<Arc<lapin::Connection>, ServiceError> {
        let mut known = self.connection.lock().await;
        if let Some(connection) = known.as_ref().filter(|connection| connection.status().connected()) {
            return Ok(Arc::clone(connection));
        }
        *known = None;
        self.endpoint.reach().await?;
        let cert_chain = self.authority.as_ref().map(|pem| String::from_utf8_lossy(pem).into_owned());
        let builder = DefaultConnectionBuilder::new()
            .map_err(|error| self.fault(&error))?
            .with_uri(self.uri.clone())
            .with_properties(ConnectionProperties::default().with_connection_name("esteira".into()))
            .with_tls_config(OwnedTLSConfig { identity: None, cert_chain });
        let connection = match timeout(CONNECT_TIMEOUT, builder.connect()).await {
            Ok(connection) => Arc::new(connection.map_err(|error| self.fault(&error))?),
            Err(_) => return Err(self.endpoint.unavailable("did not answer in time")),
        };
        *known = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn fault(&self, error: &lapin::Error) -> ServiceError {
        match error.kind() {
            ErrorKind::ProtocolError(error) => self.protocol_fault(error),
            ErrorKind::IOError(error) => self.endpoint.connection_fault(&error.to_string()),
            ErrorKind::MissingHeartbeatError => self.endpoint.unavailable("stopped answering"),
            ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidConnectionState(_)
            | ErrorKind::InvalidChannel(_) => self.endpoint.unavailable("closed the connection"),
            _ => self.endpoint.error(ServiceErrorKind::Faulty, format!("failed: {error}")),
        }
    }

    fn protocol_fault(&self, error: &AMQPError) -> ServiceError {
        let said = error.get_message().as_str();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                self.endpoint.error(ServiceErrorKind::Denied, format!("denied access: {said}"))
            }
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::RESOURCELOCKED) => {
                self.endpoint.misconfigured(format!("has this queue with other properties: {said}"))
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                self.endpoint.misconfigured(format!("refused: {said}"))
            }
            AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => {
                self.endpoint.unavailable(format!("closed the connection: {said}"))
            }
            _ => self.endpoint.error(ServiceErrorKind::Faulty, format!("answered with an error: {said}")),
        }
    }

    /// A channel on which the queue is known to be there, and durable.
    async fn channel_to(&self, queue: &ShortString) -> Result<Line, ServiceError> {
        let channel = self.channel().await?;
        let declare =
            channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), FieldTable::default());
        match channel.answered(declare).await {
            Ok(_) => Ok(channel),
            // It is there, made by someone with wishes of their own. That it is durable is all that matters here.
            Err(error) if differs_in_arguments_only(&error) => self.channel().await,
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Publishes what is not confirmed yet. `confirmed` moves on as confirmations come in, also when it fails.
    async fn publish_rest(
        &self,
        queue: &ShortString,
        messages: &[QueueMessage],
        confirmed: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        let channel = self.channel_to(queue).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        channel.answered(select).await.map_err(|error| self.fault(&error))?;
        let mut out = FuturesOrdered::new();
        for message in &messages[confirmed.load(Ordering::Relaxed)..] {
            if out.len() >= UNCONFIRMED_MAX {
                self.next_confirmation(&channel, &mut out, confirmed).await?;
            }
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = properties_of(message);
            let publish = channel.basic_publish("".into(), queue.clone(), options, &message.body, properties);
            out.push_back(channel.answered(publish).await.map_err(|error| self.fault(&error))?);
        }
        while !out.is_empty() {
            self.next_confirmation(&channel, &mut out, confirmed).await?;
        }
        self.close(&channel).await;
        Ok(())
    }

    async fn publish_one(
        &self,
        queue: &ShortString,
        message: &QueueMessage,
        properties: BasicProperties,
    ) -> Result<(), ServiceError> {
        let channel = self.channel_to(queue).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        channel.answered(select).await.map_err(|error| self.fault(&error))?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = channel.basic_publish("".into(), queue.clone(), options, &message.body, properties);
        let mut out = FuturesOrdered::new();
        out.push_back(channel.answered(publish).await.map_err(|error| self.fault(&error))?);
        self.next_confirmation(&channel, &mut out, &AtomicUsize::new(0)).await?;
        self.close(&channel).await;
        Ok(())
    }

    async fn next_confirmation(
        &self,
        channel: &Line,
        out: &mut FuturesOrdered<PublisherConfirm>,
        confirmed: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        let next = async { out.next().await.transpose() };
        match channel.answered(next).await.transpose() {
            None => Ok(()),
            Some(Ok(Confirmation::Ack(None))) => {
                confirmed.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // The queue was deleted in between. Trying again makes it anew.
            Some(Ok(Confirmation::Ack(Some(_)))) => {
                Err(self.endpoint.unavailable("has lost the queue while messages were on their way"))
            }
            Some(Ok(_)) => Err(self.endpoint.error(ServiceErrorKind::Faulty, "did not accept a message")),
            Some(Err(error)) => Err(self.fault(&error)),
        }
    }

    /// Takes the first messages out, and tells the broker what shall become of them.
    async fn read(
        &self,
        queue: &ShortString,
        limit: usize,
        then: Then,
    ) -> Result<Vec<QueueMessage>, ServiceError> {
        let _turn = self.reading.lock().await;
        let channel = self.channel().await?;
        let messages = match self.get(&channel, queue, limit).await {
            Ok(messages) => messages,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(self.fault(&error)),
        };
        if let Some(last) = messages.last() {
            self.settle(&channel, queue, last.delivery.delivery_tag, then).await?;
        }
        self.close(&channel).await;
        Ok(messages.into_iter().map(to_message).collect())
    }

    /// Reads messages and leaves them unsettled: their channel is the receipt, and gives them back when it goes.
    async fn receive_once(&self, queue: &ShortString, limit: usize) -> Result<Received, ServiceError> {
        let line = self.channel().await?;
        let messages = match self.get(&line, queue, limit).await {
            Ok(messages) => messages,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return Err(self.fault(&error)),
        };
        let tag = messages.last().map(|last| last.delivery.delivery_tag);
        let receipt =
            Box::new(RabbitReceipt { line, queue: queue.clone(), tag, endpoint: self.endpoint.clone() });
        Ok(Received { messages: messages.into_iter().map(to_message).collect(), receipt })
    }

    async fn get(
        &self,
        channel: &Line,
        queue: &ShortString,
        limit: usize,
    ) -> Result<Vec<BasicGetMessage>, lapin::Error> {
        let mut messages: Vec<BasicGetMessage> = Vec::new();
        let mut is_empty = false;
        while messages.len() < limit && !is_empty {
            let count = GETS_IN_FLIGHT.min(limit - messages.len());
            let mut gets: FuturesUnordered<_> =
                (0..count).map(|_| channel.basic_get(queue.clone(), BasicGetOptions::default())).collect();
            while let Some(message) = channel.answered(async { gets.next().await.transpose() }).await? {
                match message {
                    Some(message) => messages.push(message),
                    None => is_empty = true,
                }
            }
        }
        // The broker counts what it hands out: its order is the queue's, whatever order the answers were read in.
        messages.sort_unstable_by_key(|message| message.delivery.delivery_tag);
        Ok(messages)
    }

    async fn settle(
        &self,
        channel: &Line,
        queue: &ShortString,
        tag: u64,
        then: Then,
    ) -> Result<(), ServiceError> {
        let sent = match then {
            Then::PutBack => {
                let nack = channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true });
                channel.answered(nack).await
            }
            Then::Remove => {
                channel.answered(channel.basic_ack(tag, BasicAckOptions { multiple: true })).await
            }
        };
        sent.map_err(|error| self.fault(&error))?;
        // Neither is answered. What comes after it on the same channel is, and then both have been done.
        let declare = channel.queue_declare(queue.clone(), passive(), FieldTable::default());
        let confirmed = channel.answered(declare).await;
        match (confirmed.map_err(|error| self.fault(&error)), then) {
            (Ok(_), _) => Ok(()),
            // The broker may have removed them, and then nobody else has them: to try again would lose them. If it
            // has not, they come once more.
            (Err(fault), Then::Remove) => {
                tracing::debug!(target: "esteira::rabbitmq", %queue, "messages were taken, unconfirmed: {fault}");
                Ok(())
            }
            (Err(fault), Then::PutBack) => Err(fault),
        }
    }

    /// A channel that cannot be closed is closed already.
    async fn close(&self, channel: &Line) {
        let _ = channel.answered(channel.close(200, "done".into())).await;
    }

    async fn count_once(&self, queue: &ShortString) -> Result<u64, ServiceError> {
        let _turn = self.reading.lock().await;
        let channel = self.channel().await?;
        let declare = channel.queue_declare(queue.clone(), passive(), FieldTable::default());
        match channel.answered(declare).await {
            Ok(state) => {
                self.close(&channel).await;
                Ok(u64::from(state.message_count()))
            }
            Err(error) if is_missing(&error) => Ok(0),
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn name(&self, queue: &str) -> Result<ShortString, ServiceError> {
        check_queue(queue).map_err(|message| self.endpoint.rejected(message))?;
        Ok(queue.into())
    }
}

/// What shall become of messages that were read.
#[derive(Clone, Copy)]
enum Then {
    PutBack,
    Remove,
}

/// Messages that were handed out, up to this tag.
struct RabbitReceipt {
    line: Line,
    queue: ShortString,
    tag: Option<u64>,
    endpoint: Endpoint,
}

#[async_trait]
impl Receipt for RabbitReceipt {
    async fn acknowledge(self: Box<Self>) -> Result<(), ServiceError> {
        let Some(tag) = self.tag else { return Ok(()) };
        let lost = |error: lapin::Error| {
            self.endpoint.unavailable(format!(
                "has not heard that the messages were used, and gives them out again: {error}"
            ))
        };
        let ack = self.line.basic_ack(tag, BasicAckOptions { multiple: true });
        self.line.answered(ack).await.map_err(lost)?;
        // An acknowledgement is not answered. What comes after it on the same channel is.
        let declare = self.line.queue_declare(self.queue.clone(), passive(), FieldTable::default());
        self.line.answered(declare).await.map_err(lost)?;
        let _ = self.line.answered(self.line.close(200, "done".into())).await;
        Ok(())
    }
}

/// Asks for a queue without making it.
fn passive() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }
}

fn properties_of(message: &QueueMessage) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.message_id.as_str().into())
        .with_content_type(message.content_type.as_str().into())
}

/// Headers as AMQP has them.
fn to_table(headers: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.as_str().into(), to_field(value));
    }
    table
}

fn to_field(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AMQPValue::LongLongInt(whole),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => AMQPValue::FieldArray(items.iter().map(to_field).collect::<Vec<_>>().into()),
        Value::Object(fields) => AMQPValue::FieldTable(to_table(fields)),
    }
}

fn to_message(message: BasicGetMessage) -> QueueMessage {
    let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string).unwrap_or_default();
    let properties = &message.delivery.properties;
    QueueMessage {
        message_id: text(properties.message_id()),
        content_type: text(properties.content_type()),
        body: Bytes::from(message.delivery.data),
    }
}

fn soft_error(error: &lapin::Error) -> Option<(&AMQPSoftError, &str)> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(soft) => Some((soft, error.get_message().as_str())),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}

fn is_missing(error: &lapin::Error) -> bool {
    matches!(soft_error(error), Some((AMQPSoftError::NOTFOUND, _)))
}

/// Whether a queue is there and durable, and differs only in its arguments (its type, a length limit). RabbitMQ
/// compares the durable, exclusive and auto-delete properties before them, and names the first that differs.
fn differs_in_arguments_only(error: &lapin::Error) -> bool {
    matches!(soft_error(error), Some((AMQPSoftError::PRECONDITIONFAILED, said)) if said.contains("inequivalent arg 'x-"))
}

#[async_trait]
impl Queue for RabbitQueue {
    async fn publish(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), ServiceError> {
        let queue = self.name(queue)?;
        let fitting = messages.iter().try_for_each(check_message);
        fitting.map_err(|message| self.endpoint.rejected(message))?;
        let confirmed = AtomicUsize::new(0);
        self.endpoint.patiently(|| self.publish_rest(&queue, messages, &confirmed)).await
    }

    async fn publish_with_headers(
        &self,
        queue: &str,
        message: &QueueMessage,
        headers: &Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let queue = self.name(queue)?;
        check_message(message).map_err(|message| self.endpoint.rejected(message))?;
        let properties = properties_of(message)
            .with_correlation_id(message.message_id.as_str().into())
            .with_content_encoding("utf-8".into())
            .with_headers(to_table(headers));
        self.endpoint.patiently(|| self.publish_one(&queue, message, properties.clone())).await
    }

    async fn peek(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError> {
        let queue = self.name(queue)?;
        self.endpoint.patiently(|| self.read(&queue, limit, Then::PutBack)).await
    }

    async fn receive(&self, queue: &str, limit: usize) -> Result<Received, ServiceError> {
        let queue = self.name(queue)?;
        self.endpoint.patiently(|| self.receive_once(&queue, limit)).await
    }

    async fn take(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>, ServiceError> {
        let queue = self.name(queue)?;
        self.endpoint.patiently(|| self.read(&queue, limit, Then::Remove)).await
    }

    async fn count(&self, queue: &str) -> Result<u64, ServiceError> {
        let queue = self.name(queue)?;
        self.endpoint.patiently(|| self.count_once(&queue)).await
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        let open = async {
            let channel = self.channel().await?;
            self.close(&channel).await;
            Ok(())
        };
        self.endpoint.promptly(open).await
    }
}
