//! Services that are not there, refuse us, go away and come back: what the reader is told, and that nothing more is
//! needed than the service being back.

use crate::support::{connect, real_url};
use bytes::Bytes;
use esteira_tasks::connectors::Connectors;
use esteira_tasks::objects::NewObject;
use esteira_tasks::queue::QueueMessage;
use esteira_tasks::service::{ServiceError, ServiceErrorKind};
use esteira_tasks::stream::Message;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

const PASSWORD: &str = "correct-horse-battery";

/// Uses the service of this connection id once, for what it is there for.
async fn exercise(connectors: &Connectors, id: &str, unique: &str) -> Result<(), ServiceError> {
    let name = format!("conformance-faults-{unique}");
    match id {
        "kafka_default" => {
            let stream = connectors.stream(id).await?;
            let mut producer = stream.producer(&name).await?;
            producer.send(Message { key: None, payload: Bytes::from_static(b"{}") }).await?;
            producer.flush().await?;
            let mut consumer = stream.consumer(&name, "group").await?;
            let records = consumer.poll(1, Duration::from_secs(10)).await?;
            assert_eq!(records.len(), 1);
            consumer.committer().commit().await
        }
        "redis_default" => {
            let cache = connectors.cache(id).await?;
            let hash = [("a".to_owned(), "1".to_owned())].into_iter().collect();
            cache.put_hashes(&[(name.clone(), hash)], Some(Duration::from_secs(60))).await?;
            cache.hash(&name).await.map(|hash| assert!(hash.is_some()))
        }
        "rabbitmq_default" => {
            let queue = connectors.queue(id).await?;
            let (message_id, content_type) = ("1".to_owned(), "application/json".to_owned());
            queue
                .publish(&name, &[QueueMessage { message_id, content_type, body: Bytes::from_static(b"{}") }])
                .await?;
            queue.take(&name, 1).await.map(|messages| assert_eq!(messages.len(), 1))
        }
        _ => {
            let objects = connectors.objects(id).await?;
            objects.ensure_bucket(&name).await?;
            let object = NewObject {
                key: "a/b".to_owned(),
                content_type: "text/plain".into(),
                body: Bytes::from_static(b"x"),
            };
            objects.put_all(&name, vec![object], 4, &|_| {}).await?;
            objects.get(&name, "a/b").await.map(|body| assert!(body.is_some()))
        }
    }
}

fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// A port that nothing listens on.
async fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn assert_refused(id: &'static str, service: &str, url: &str) {
    let port = unused_port().await;
    let url = url.replace("PORT", &port.to_string());
    let connectors = connect(id, Some(&url), PathBuf::new());
    let started = Instant::now();
    let error = exercise(&connectors, id, &unique()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{text}");
    assert!(text.starts_with(&format!("{service} at 127.0.0.1:{port} refused the connection")), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(started.elapsed() >= Duration::from_millis(200), "tried once only: {text}");
    assert!(started.elapsed() < Duration::from_secs(4), "tried for {:?}", started.elapsed());
    let hurried = connectors.with_patience(Duration::ZERO);
    let started = Instant::now();
    let error = exercise(&hurried, id, &unique()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{service} at 127.0.0.1:{port} refused the connection"));
    assert!(started.elapsed() < Duration::from_millis(500), "took {:?}", started.elapsed());
}

#[tokio::test]
async fn a_refused_connection_is_told_with_service_and_address() {
    assert_refused("kafka_default", "Kafka", "kafka://127.0.0.1:PORT?timeout=500ms").await;
    assert_refused("redis_default", "Redis", &format!("redis://:{PASSWORD}@127.0.0.1:PORT/0?timeout=500ms"))
        .await;
    assert_refused(
        "rabbitmq_default",
        "RabbitMQ",
        &format!("amqp://me:{PASSWORD}@127.0.0.1:PORT/%2f?timeout=500ms"),
    )
    .await;
    assert_refused(
        "minio_default",
        "MinIO",
        &format!("s3://me:{PASSWORD}@127.0.0.1:PORT?tls=false&timeout=500ms"),
    )
    .await;
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_told() {
    for (id, url) in [
        ("kafka_default", "kafka://no-such-host.invalid:9092?timeout=100ms".to_owned()),
        ("redis_default", format!("redis://:{PASSWORD}@no-such-host.invalid?timeout=100ms")),
        ("rabbitmq_default", format!("amqp://me:{PASSWORD}@no-such-host.invalid/%2f?timeout=100ms")),
        ("minio_default", format!("s3://me:{PASSWORD}@no-such-host.invalid?timeout=100ms")),
    ] {
        let error = exercise(&connect(id, Some(&url), PathBuf::new()), id, &unique()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{text}");
        assert!(text.contains("no-such-host.invalid") && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_told_before_anything_is_sent() {
    for (id, url, expected) in [
        (
            "redis_default",
            format!("amqp://me:{PASSWORD}@localhost"),
            "should begin with redis:// or rediss://",
        ),
        ("redis_default", format!("redis://:{PASSWORD}@localhost?timeout=soon"), "is not a time"),
        (
            "redis_default",
            format!("redis://:{PASSWORD}@localhost/zero"),
            "does not take the connection's URL",
        ),
        ("redis_default", format!("rediss://:{PASSWORD}@localhost?ca=/no/such.pem"), "/no/such.pem"),
        ("minio_default", "s3://localhost:9000".to_owned(), "has no credentials"),
        ("minio_default", format!("s3://me:{PASSWORD}@localhost?tls=perhaps"), "neither true nor false"),
        ("kafka_default", "kafka://localhost?partitions=none".to_owned(), "not a number"),
        ("kafka_default", "kafka://localhost?brokers=other:none".to_owned(), "not HOST:PORT"),
    ] {
        let error = exercise(&connect(id, Some(&url), PathBuf::new()), id, &unique()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind, ServiceErrorKind::Misconfigured, "{text}");
        assert!(text.contains(expected) && !text.contains(PASSWORD), "{text}");
    }
}

#[cfg(not(feature = "kafka-tls"))]
#[tokio::test]
async fn kafka_with_tls_or_a_password_says_how_to_turn_it_on() {
    for url in ["kafka+ssl://localhost", &format!("kafka://me:{PASSWORD}@localhost")] {
        let connectors = connect("kafka_default", Some(url), PathBuf::new());
        let error = exercise(&connectors, "kafka_default", &unique()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind, ServiceErrorKind::Misconfigured, "{text}");
        assert!(text.contains("--features kafka-tls") && !text.contains(PASSWORD), "{text}");
    }
}

/// The real service's URL with another user and password.
fn with_credentials(url: &str, user: &str, password: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_username(user).unwrap();
    url.set_password(Some(password)).unwrap();
    url.to_string()
}

async fn assert_denied(id: &'static str, user: &str) {
    let Some(url) = real_url(id) else { return };
    let url = with_credentials(&url, user, PASSWORD);
    let connectors = connect(id, Some(&url), PathBuf::new());
    let started = Instant::now();
    let error = exercise(&connectors, id, &unique()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind, ServiceErrorKind::Denied, "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(started.elapsed() < Duration::from_secs(8), "went on trying for {:?}", started.elapsed());
    let ping = match id {
        "redis_default" => connectors.cache(id).await.unwrap().ping().await,
        "rabbitmq_default" => connectors.queue(id).await.unwrap().ping().await,
        _ => connectors.objects(id).await.unwrap().ping().await,
    };
    assert_eq!(ping.unwrap_err().kind, ServiceErrorKind::Denied);
}

#[tokio::test]
async fn wrong_credentials_are_told_at_once() {
    assert_denied("redis_default", "nobody").await;
    assert_denied("rabbitmq_default", "guest").await;
    assert_denied("minio_default", "minioadmin").await;
}

/// Stands before a real service; can be shut, which ends all that goes through it, and opened again.
struct Door {
    port: u16,
    behind: String,
    open: Option<JoinHandle<()>>,
}

impl Door {
    async fn before(url: &Url, default_port: u16) -> Self {
        let behind = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(default_port));
        Self { port: unused_port().await, behind, open: None }
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let behind = self.behind.clone();
        self.open = Some(tokio::spawn(async move {
            // With the task goes the set, and with the set all connections.
            let mut connections = JoinSet::new();
            while let Ok((mut outside, _)) = listener.accept().await {
                let mut inside = TcpStream::connect(&behind).await.unwrap();
                connections.spawn(async move { copy_bidirectional(&mut outside, &mut inside).await });
            }
        }));
    }

    async fn shut(&mut self) {
        let task = self.open.take().unwrap();
        task.abort();
        let _ = task.await;
    }
}

/// First away, then there, gone, back again, and broken under way: the same client all the time.
async fn assert_comes_back(id: &'static str, default_port: u16) {
    let Some(url) = real_url(id) else { return };
    let mut url = Url::parse(&url).unwrap();
    let mut door = Door::before(&url, default_port).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(door.port)).unwrap();
    url.query_pairs_mut().append_pair("timeout", "5s");
    let connectors = connect(id, Some(url.as_str()), PathBuf::new());
    let hurried = connectors.with_patience(Duration::from_millis(200));
    let name = unique();
    for _ in 0..2 {
        let error = exercise(&hurried, id, &name).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{error}");
        door.open().await;
        exercise(&hurried, id, &name).await.unwrap();
        exercise(&connectors, id, &name).await.unwrap();
        door.shut().await;
    }
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        door.open().await;
        door
    });
    exercise(&connectors, id, &name).await.unwrap();
    let mut door = later.await.unwrap();
    door.shut().await;
    door.open().await;
    exercise(&connectors, id, &name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_back() {
    assert_comes_back("redis_default", 6379).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_comes_back() {
    assert_comes_back("rabbitmq_default", 5672).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_comes_back() {
    assert_comes_back("minio_default", 80).await;
}

/// The URL of a service's TLS port, which the development services print.
fn tls_url(service: &str) -> Option<(String, String)> {
    let url = std::env::var(format!("ESTEIRA_TEST_TLS_{service}")).ok()?;
    let authority = std::env::var("ESTEIRA_TEST_TLS_CA").ok()?;
    let mut trusting = Url::parse(&url).unwrap();
    trusting.query_pairs_mut().append_pair("ca", &authority);
    Some((url, trusting.to_string()))
}

async fn assert_tls(id: &'static str, service: &str) {
    let Some((untrusting, trusting)) = tls_url(service) else {
        let text = format!("SKIPPED: {service} over TLS (ESTEIRA_TEST_TLS_{service} is not set)");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
        return;
    };
    exercise(&connect(id, Some(&trusting), PathBuf::new()), id, &unique()).await.unwrap();
    let started = Instant::now();
    let error = exercise(&connect(id, Some(&untrusting), PathBuf::new()), id, &unique()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind, ServiceErrorKind::Misconfigured, "{text}");
    assert!(text.contains("certificate that is not trusted") && text.contains("?ca="), "{text}");
    assert!(started.elapsed() < Duration::from_secs(10), "went on trying for {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_speaks_tls() {
    assert_tls("redis_default", "REDIS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_speaks_tls() {
    assert_tls("rabbitmq_default", "RABBITMQ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_speaks_tls() {
    assert_tls("minio_default", "MINIO").await;
}

#[cfg(feature = "kafka-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn kafka_speaks_tls() {
    assert_tls("kafka_default", "KAFKA").await;
    let Some((_, trusting)) = tls_url("KAFKA") else { return };
    let denied = with_credentials(&trusting, "esteira", PASSWORD);
    let connectors =
        connect("kafka_default", Some(&denied), PathBuf::new()).with_patience(Duration::from_secs(5));
    let error = exercise(&connectors, "kafka_default", &unique()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Denied, "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[cfg(feature = "rabbitmq")]
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_kind_is_used_if_it_is_durable_and_refused_if_not() {
    use lapin::options::QueueDeclareOptions;
    use lapin::types::{AMQPValue, FieldTable};
    let Some(target) = crate::support::Target::real("rabbitmq_default") else { return };
    let url = real_url("rabbitmq_default").unwrap();
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (bounded, fleeting) = (target.name("bounded"), target.name("fleeting"));
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(100));
    channel.queue_declare(bounded.as_str().into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let passing = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(fleeting.as_str().into(), passing, FieldTable::default()).await.unwrap();
    let queue = target.connectors().queue("rabbitmq_default").await.unwrap();
    let message =
        QueueMessage { message_id: "1".into(), content_type: "text/plain".into(), body: Bytes::new() };
    queue.publish(&bounded, std::slice::from_ref(&message)).await.unwrap();
    assert_eq!(queue.take(&bounded, 10).await.unwrap(), std::slice::from_ref(&message));
    let error = queue.publish(&fleeting, &[message]).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Misconfigured, "{error}");
    assert!(error.message.contains("durable"), "{error}");
}

/// Lets everything through up to a client's acknowledgement, and then shuts for good. Gives its port.
async fn door_that_shuts_after_the_acknowledgement(behind: String) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // Class 60, method 80; then the tag, the flag and the frame's end.
    const ACKNOWLEDGEMENT: [u8; 4] = [0, 60, 0, 80];
    const REST: usize = 8 + 1 + 1;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = outside.into_split();
            let (mut from_broker, mut to_broker) = TcpStream::connect(&behind).await.unwrap().into_split();
            let answers =
                tokio::spawn(async move { tokio::io::copy(&mut from_broker, &mut to_client).await });
            let (mut sent, mut passed) = (Vec::new(), 0);
            while let Ok(1..) = from_client.read_buf(&mut sent).await {
                let found = sent.windows(4).position(|window| window == ACKNOWLEDGEMENT);
                let end = found.map_or(sent.len(), |at| at + ACKNOWLEDGEMENT.len() + REST);
                let _ = to_broker.write_all(&sent[passed..end]).await;
                passed = end;
                if found.is_some() {
                    break;
                }
            }
            // The broker has a moment to do it.
            tokio::time::sleep(Duration::from_millis(300)).await;
            answers.abort();
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_not_lost_when_the_connection_breaks_at_the_end() {
    let Some(target) = crate::support::Target::real("rabbitmq_default") else { return };
    let mut url = Url::parse(&real_url("rabbitmq_default").unwrap()).unwrap();
    let name = target.name("taken");
    let queue = target.connectors().queue("rabbitmq_default").await.unwrap();
    let message = |number: usize| QueueMessage {
        message_id: number.to_string(),
        content_type: "text/plain".into(),
        body: Bytes::new(),
    };
    let messages: Vec<_> = (0..3).map(message).collect();
    queue.publish(&name, &messages).await.unwrap();
    let behind = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
    let port = door_that_shuts_after_the_acknowledgement(behind).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    let connectors = connect("rabbitmq_default", Some(url.as_str()), PathBuf::new());
    let through_the_door = connectors.queue("rabbitmq_default").await.unwrap();
    assert_eq!(through_the_door.take(&name, 10).await.unwrap(), messages);
    assert_eq!(queue.count(&name).await.unwrap(), 0);
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kafka_refuses_is_told_by_the_next_send() {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let Some(target) = crate::support::Target::real("kafka_default") else { return };
    let url = Url::parse(&real_url("kafka_default").unwrap()).unwrap();
    let broker = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(9092));
    let mut config = rdkafka::ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> = config.set("bootstrap.servers", broker).create().unwrap();
    let topic = target.name("small");
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1000");
    let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert!(made[0].is_ok(), "{made:?}");
    let stream = target.connectors().stream("kafka_default").await.unwrap();
    let mut producer = stream.producer(&topic).await.unwrap();
    // Of bytes that no compression makes small.
    let payload = |size: usize| Bytes::from_iter((0..size).map(|at| (at * at * 31 + at * 7) as u8));
    producer.send(Message { key: None, payload: payload(5000) }).await.unwrap();
    let started = Instant::now();
    let error = loop {
        assert!(started.elapsed() < Duration::from_secs(10), "nothing is told before the flush");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Err(error) = producer.send(Message { key: None, payload: payload(10) }).await {
            break error;
        }
    };
    assert!(error.message.contains("takes no message of this size"), "{error}");
    assert_eq!(producer.flush().await.unwrap_err(), error);
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_key_that_holds_something_else_is_not_taken_for_a_hash() {
    let Some(target) = crate::support::Target::real("redis_default") else { return };
    let client = redis::Client::open(real_url("redis_default").unwrap()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = target.name("text");
    redis::cmd("SET").arg(&key).arg("text").arg("EX").arg(60).exec_async(&mut connection).await.unwrap();
    let cache = target.connectors().cache("redis_default").await.unwrap();
    let error = cache.hash(&key).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Rejected, "{error}");
    assert_eq!(cache.count(&key).await.unwrap(), 0);
    cache.ping().await.unwrap();
}
