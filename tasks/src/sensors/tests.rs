//! Sensors as the engine runs them: a look by the attempt, looks by the triggerer, and a look by the attempt that goes on.

use crate::operators::tests::Bench;
use crate::stream::Message;
use esteira_operator::{Poked, TaskErrorKind, TaskOutput, Waiting};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

impl Bench {
    /// What an attempt of the sensor waits for.
    async fn waits(&self, sensor: &str, arguments: Value) -> Waiting {
        self.attempt(sensor, arguments).await.unwrap().wait.expect("it is not there yet")
    }

    /// The result of an attempt that finds it there.
    async fn finds(&self, sensor: &str, arguments: Value) -> Value {
        let output = self.attempt(sensor, arguments).await.unwrap();
        assert!(output.wait.is_none(), "it is not there");
        TaskOutput::into_return_value(output)
    }
}

async fn poke(waiting: &Waiting) -> Poked {
    waiting.trigger.as_ref().expect("something to look at").poke.poke().await
}

#[tokio::test]
async fn files_are_waited_for_by_name_by_pattern_and_in_folders() {
    let bench = Bench::new();
    let folder = bench.home.path().join("in");
    let at = |name: &str| folder.join(name).display().to_string();
    let by_name = json!({"filepath": at("a.csv")});
    let by_pattern = json!({"filepath": at("*.csv")});
    let in_folder = json!({"filepath": folder.display().to_string()});
    std::fs::create_dir(&folder).unwrap();
    let mut waits = Vec::new();
    for arguments in [&by_name, &by_pattern, &in_folder] {
        waits.push(bench.waits("file_sensor", arguments.clone()).await);
    }
    assert_eq!(waits[0].reason, format!("it waits for the file {}", at("a.csv")));
    for wait in &waits {
        assert_eq!(poke(wait).await, Poked::NotYet);
    }
    std::fs::write(folder.join("a.csv"), "").unwrap();
    for (wait, arguments) in waits.iter().zip([&by_name, &by_pattern, &in_folder]) {
        assert_eq!(poke(wait).await, Poked::GoOn);
        let found = bench.finds("file_sensor", arguments.clone()).await;
        assert_eq!(found.as_array().unwrap().len(), 1);
    }
    std::fs::create_dir_all(folder.join("deep/er")).unwrap();
    std::fs::write(folder.join("deep/er/x"), "").unwrap();
    bench.waits("file_sensor", json!({"filepath": at("deep")})).await;
    bench.finds("file_sensor", json!({"filepath": at("deep"), "recursive": true})).await;
}

#[tokio::test]
async fn objects_keys_and_lags_are_waited_for_on_the_twins() {
    let bench = Bench::new();
    let object = json!({"bucket": "air-quality", "key": "in/*.csv"});
    let wait = bench.waits("s3_key_sensor", object.clone()).await;
    let objects = bench.connectors.objects("minio_default").await.unwrap();
    objects.ensure_bucket("air-quality").await.unwrap();
    assert_eq!(poke(&wait).await, Poked::NotYet);
    let new = crate::objects::NewObject {
        key: "in/a.csv".into(),
        content_type: "text/csv".into(),
        body: "x".into(),
    };
    objects.put_all("air-quality", vec![new], 1, &|_| ()).await.unwrap();
    assert_eq!(poke(&wait).await, Poked::GoOn);
    assert_eq!(bench.finds("s3_key_sensor", object).await, json!(["in/a.csv"]));
    bench.waits("s3_key_sensor", json!({"bucket": "air-quality", "key": "in/a"})).await;

    let key = json!({"key": "sensor:1"});
    let wait = bench.waits("redis_key_sensor", key.clone()).await;
    let cache = bench.connectors.cache("redis_default").await.unwrap();
    cache
        .put_hashes(&[("sensor:1".into(), [("a".into(), "1".into())].into_iter().collect())], None)
        .await
        .unwrap();
    assert_eq!(poke(&wait).await, Poked::GoOn);
    assert_eq!(bench.finds("redis_key_sensor", key).await, json!("sensor:1"));

    let something = json!({"topic": "t", "group": "g", "at_least": 2});
    let wait = bench.waits("kafka_lag_sensor", something.clone()).await;
    assert_eq!(bench.finds("kafka_lag_sensor", json!({"topic": "t", "group": "g"})).await, json!(0));
    let stream = bench.connectors.stream("kafka_default").await.unwrap();
    let mut producer = stream.producer("t").await.unwrap();
    for _ in 0..2 {
        producer.send(Message { key: None, payload: "x".into() }).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(poke(&wait).await, Poked::GoOn);
    assert_eq!(bench.finds("kafka_lag_sensor", something).await, json!(2));
    let caught_up = bench.waits("kafka_lag_sensor", json!({"topic": "t", "group": "g"})).await;
    let mut consumer = stream.consumer("t", "g").await.unwrap();
    assert_eq!(consumer.poll(10, Duration::from_secs(1)).await.unwrap().len(), 2);
    assert_eq!(poke(&caught_up).await, Poked::NotYet);
    consumer.committer().commit().await.unwrap();
    assert_eq!(poke(&caught_up).await, Poked::GoOn);
}

#[tokio::test]
async fn a_row_is_waited_for() {
    let bench = Bench::new();
    bench.run("sql", json!({"sql": "create table job (name text, done integer)"})).await.unwrap();
    let query =
        json!({"sql": "select count(*) from job where name = ? and done = 1", "parameters": ["load"]});
    let wait = bench.waits("sql_sensor", query.clone()).await;
    assert_eq!(poke(&wait).await, Poked::NotYet);
    bench.run("sql", json!({"sql": "insert into job values ('load', 1)"})).await.unwrap();
    assert_eq!(poke(&wait).await, Poked::GoOn);
    assert_eq!(bench.finds("sql_sensor", query).await, json!(1));
    let wrong = bench.attempt("sql_sensor", json!({"sql": "select nonsense"})).await.unwrap_err();
    assert!(wrong.message.contains("nonsense"), "{wrong}");
}

#[tokio::test]
async fn an_address_is_waited_for_until_it_answers_as_it_should() {
    let bench = Bench::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let arguments = json!({
        "url": format!("http://ana:hush@{address}/job"), "json_pointer": "/state", "equals": "done",
    });
    let wait = bench.waits("http_sensor", arguments.clone()).await;
    assert!(!wait.reason.contains("hush"), "{}", wait.reason);
    assert_eq!(poke(&wait).await, Poked::NotYet, "nobody listens yet");
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let answers = ["503 Busy", "200 OK\r\nx: {\"state\": \"running\"}", "200 OK\r\nx: {\"state\": \"done\"}"];
    let server = tokio::spawn(async move {
        for answer in answers.iter().chain(&answers[2..]) {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let _ = socket.read(&mut request).await.unwrap();
            let (head, body) = answer.split_once("\r\nx: ").unwrap_or((answer, ""));
            let text = format!(
                "HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(text.as_bytes()).await.unwrap();
        }
    });
    assert_eq!(poke(&wait).await, Poked::NotYet, "503");
    assert_eq!(poke(&wait).await, Poked::NotYet, "running");
    assert_eq!(poke(&wait).await, Poked::GoOn, "done");
    assert_eq!(bench.finds("http_sensor", arguments).await, json!({"state": "done"}));
    server.await.unwrap();
}

#[tokio::test]
async fn times_are_waited_for_without_a_look() {
    let bench = Bench::new();
    let later = Timestamp::now() + SignedDuration::from_secs(100);
    let wait = bench.waits("date_time_sensor", json!({"target_time": later.to_string()})).await;
    assert!(wait.trigger.is_none() && wait.at_most <= Duration::from_secs(100));
    assert!(wait.at_most > Duration::from_secs(90));
    bench.finds("date_time_sensor", json!({"target_time": "2020-01-01T00:00:00Z"})).await;
    bench.finds("date_time_sensor", json!({"target_time": "00:00", "timezone": "UTC"})).await;
    let error = bench.attempt("date_time_sensor", json!({"target_time": "soon"})).await.unwrap_err();
    assert!(error.message.contains("neither an instant"), "{error}");
    let wait = bench.waits("time_delta_sensor", json!({"delta": "10s"})).await;
    assert!(wait.at_most <= Duration::from_secs(10) && wait.at_most > Duration::from_secs(5));
}

#[tokio::test]
async fn a_time_out_fails_without_another_attempt_or_skips() {
    let bench = Bench::new();
    let late = |arguments: Value| {
        let mut context = bench.context("task");
        context.started_at = Timestamp::now() - SignedDuration::from_secs(60);
        let sensor = bench.registry.operator("file_sensor").unwrap();
        async move { sensor.execute(&context, arguments).await }
    };
    let error = late(json!({"filepath": "/nowhere/x", "timeout": "30s"})).await.unwrap_err();
    assert_eq!(error.kind, TaskErrorKind::Fatal);
    assert_eq!(error.message, "the file /nowhere/x did not come within 30s");
    assert_eq!(error.class.as_deref(), Some("sensor_timeout"));
    let error =
        late(json!({"filepath": "/nowhere/x", "timeout": "30s", "soft_fail": true})).await.unwrap_err();
    assert_eq!(error.kind, TaskErrorKind::Skipped);
    let wait = late(
        json!({"filepath": "/nowhere/x", "timeout": "90s", "poke_interval": "5s", "exponential_backoff": true, "max_wait": "20s"}),
    );
    let wait = wait.await.unwrap().wait.unwrap();
    let trigger = wait.trigger.unwrap();
    assert!(wait.at_most <= Duration::from_secs(30));
    assert_eq!(
        (trigger.poke_interval, trigger.growth, trigger.interval_max),
        (Duration::from_secs(5), 2.0, Duration::from_secs(20))
    );
}
