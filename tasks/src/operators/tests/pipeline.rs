//! The pipeline's operators together: what is sent, consumed, stored and alerted.

use super::Bench;
use crate::objects::NewObject;
use crate::stream::Message;
use bytes::Bytes;
use esteira_operator::{Progress, TaskError, TaskErrorKind};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

impl Bench {
    pub(super) async fn put_object(&self, key: &str, body: impl Into<Bytes>) {
        let objects = self.connectors.objects("minio_default").await.unwrap();
        objects.ensure_bucket("air-quality").await.unwrap();
        let object = NewObject { key: key.into(), content_type: "text/csv".into(), body: body.into() };
        objects.put_all("air-quality", vec![object], 1, &|_| {}).await.unwrap();
    }

    /// The messages of a topic, read by a group of its own.
    async fn messages(&self, topic: &str) -> Vec<Value> {
        let group = format!("test-{topic}");
        let arguments = json!({"topic": topic, "group": group, "idle_timeout": 0.05});
        self.run("kafka_consume", arguments).await.unwrap().as_array().unwrap().clone()
    }

    /// Runs the four tasks over a source.
    async fn pipeline(&self, load: Value) -> Result<[Value; 4], TaskError> {
        let mut arguments = json!({"source": "s3://air-quality/in.csv", "topic": "sensor_raw"});
        arguments.as_object_mut().unwrap().extend(load.as_object().unwrap().clone());
        let sent = self.run("csv_to_kafka", arguments).await?;
        let records = self.run("kafka_consume", json!({"topic": "sensor_raw", "until": sent})).await?;
        let stored = self.run("store_readings", json!({"records": records})).await?;
        let when = "CO > 10 or NO2 > 200";
        let alerts = json!({"records": records, "when": when, "queue": "sensor_alert"});
        Ok([sent, records, stored, self.run("rabbitmq_alert", alerts).await?])
    }
}

const HEADER: &str = "Date;Time;CO;NO2;Temperature;Relative_Humidity;Absolute_Humidity";

/// A synthetic file; every tenth reading is critical.
pub(super) fn synthetic(rows: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for row in 0..rows {
        let nitrogen_dioxide = if row % 10 == 0 { 250.5 } else { 100.0 };
        let day = row / 24;
        writeln!(text, "{day:05}/2004;{:02}.00.00;1.5;{nitrogen_dioxide};20.1;50.0;0.75", row % 24).unwrap();
    }
    text
}

#[tokio::test]
async fn the_pipeline_over_a_synthetic_file() {
    let bench = Bench::new();
    bench.put_object("in.csv", synthetic(1200)).await;
    let [sent, records, stored, alerts] = bench.pipeline(json!({})).await.unwrap();
    assert_eq!((&sent["sent"], &sent["rejected"]), (&json!(1200), &json!(0)));
    assert_eq!(sent["end_offsets"], json!({"0": 1200}));
    assert_eq!(
        records[0].to_string(),
        r#"{"date":"00000/2004","time":"00.00.00","CO":1.5,"NO2":250.5,"Temperature":20.1,"Relative_Humidity":50.0,"Absolute_Humidity":0.75}"#
    );
    let expected = json!({"cached": 1200, "stored": 1200, "rejected": 0, "raw_object": "s3://air-quality/raw/manual__1.ndjson"});
    assert_eq!(stored, expected);
    assert_eq!(alerts, json!({"alerts": 120, "checked": 1200, "queue": "sensor_alert"}));
    let progress = bench.heard.progress.lock().unwrap().clone();
    assert!(progress.contains(&Progress { done: 1200, total: Some(1200), unit: "sent" }), "{progress:?}");
}

#[tokio::test]
async fn what_is_stored_can_be_read_back_and_running_twice_changes_nothing() {
    let bench = Bench::new();
    bench.put_object("in.csv", synthetic(30)).await;
    let [_, records, ..] = bench.pipeline(json!({})).await.unwrap();
    let first = stored_state(&bench).await;
    bench.run("store_readings", json!({"records": records})).await.unwrap();
    assert_eq!(stored_state(&bench).await, first);

    let queue = bench.connectors.queue("rabbitmq_default").await.unwrap();
    let alerts = json!({"records": records, "when": "NO2 > 200 or CO > 10", "queue": "again"});
    bench.run("rabbitmq_alert", alerts.clone()).await.unwrap();
    bench.run("rabbitmq_alert", alerts).await.unwrap();
    let messages = queue.peek("again", 100).await.unwrap();
    let ids: Vec<&str> = messages.iter().map(|message| message.message_id.as_str()).collect();
    assert_eq!((ids.len(), &ids[..3]), (6, &ids[3..]));
    let body: Value = serde_json::from_slice(&messages[0].body).unwrap();
    assert_eq!((&body["message_id"], &body["conditions"]), (&json!(ids[0]), &json!(["NO2 > 200"])));
    assert_eq!(body["record"], records[0]);
    assert!(body["text"].as_str().unwrap().starts_with("ALERT NO2 > 200: date = 00000/2004"));
}

async fn stored_state(bench: &Bench) -> (u64, usize, Bytes, Value) {
    let cache = bench.connectors.cache("redis_default").await.unwrap();
    let objects = bench.connectors.objects("minio_default").await.unwrap();
    let hash = cache.hash("sensor:00001/2004:05.00.00").await.unwrap().unwrap();
    assert_eq!(hash["CO"], "1.5");
    let one = objects.get("air-quality", "processed/00001/2004_05.00.00.json").await.unwrap().unwrap();
    let raw = objects.get("air-quality", "raw/manual__1.ndjson").await.unwrap().unwrap();
    assert_eq!(raw.iter().filter(|byte| **byte == b'\n').count(), 30);
    let all = objects.list("air-quality", "", None, 1000).await.unwrap().objects.len();
    (cache.count("sensor:").await.unwrap(), all, raw, serde_json::from_slice(&one).unwrap())
}

#[tokio::test]
async fn a_dirty_file_loses_nothing() {
    let bench = Bench::new();
    let rows = [
        "01/01/2004;18.00.00;2,6;113;13,6;48,9;0,7578;",
        "01/01/2004;19.00.00;-200;-200,0;13,3;47,7;;",
        "01/01/2004;20.00.00;2.2;114;11,9;54;0,75;",
        "01/01/2004;21.00.00;abc;114;11,9;54;0,75;",
        "01/01/2004;22.00.00;1,0",
        ";;;;;;;;",
        "",
        "\"01/01/2004;23.00.00;1,0;114;11,9;54;0,75;",
        "02/01/2004;00.00.00;11,9;201;11,9;54;0,75;",
    ];
    let mut file = format!("\u{feff}{HEADER};\r\n{}\r\n", rows.join("\r\n")).into_bytes();
    file.extend_from_slice(b"02/01/2004;01.00.00;\xff;1;1;1;1;\r\n");
    bench.put_object("in.csv", file).await;
    let [sent, records, stored, alerts] =
        bench.pipeline(json!({"decimal": ",", "null_values": ["", -200]})).await.unwrap();
    assert_eq!((&sent["sent"], &sent["rejected"]), (&json!(3), &json!(6)));
    assert_eq!(
        (&records[0]["CO"], &records[1]["CO"], &records[1]["NO2"]),
        (&json!(2.6), &json!(null), &json!(null))
    );
    assert_eq!((&stored["cached"], &alerts["alerts"]), (&json!(3), &json!(1)));

    let letters = bench.messages("sensor_raw.rejected").await;
    let lines: Vec<&Value> = letters.iter().map(|letter| &letter["line"]).collect();
    assert_eq!(lines, [4, 5, 6, 7, 9, 11]);
    let reasons: Vec<&str> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    let expected = [
        "is `decimal` \".\"?",
        "\"abc\" is not a number",
        "3 cells",
        "\"Date\" has no value",
        "never closed",
        "UTF-8",
    ];
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason} lacks {expected}");
    }
    assert_eq!(letters[1]["raw"], rows[3]);
    let cache = bench.connectors.cache("redis_default").await.unwrap();
    let hash = cache.hash("sensor:01/01/2004:19.00.00").await.unwrap().unwrap();
    assert_eq!((hash["CO"].as_str(), hash["Temperature"].as_str()), ("", "13.3"));
}

#[tokio::test]
async fn faults_of_a_source_are_told() {
    let bench = Bench::new();
    bench
        .put_object("in.csv", "Date;Time;CO(GT);NO2;Temperature;Relative_Humidity;Absolute_Humidity\n")
        .await;
    bench.put_object("empty.csv", "").await;
    bench.put_object("bad.csv", format!("{HEADER}\nx;y;z;1;1;1;1\nx;y;z;1;1;1;1\n")).await;
    let table = [
        (
            json!({}),
            TaskErrorKind::Fatal,
            "s3://air-quality/in.csv has no column \"CO\"; its columns are \"Date\"",
        ),
        (json!({"source": "s3://air-quality/empty.csv"}), TaskErrorKind::Fatal, "is empty"),
        (
            json!({"source": "s3://air-quality/none.csv"}),
            TaskErrorKind::Failed,
            "there is no object s3://air-quality/none.csv",
        ),
        (json!({"source": "s3://nowhere/none.csv"}), TaskErrorKind::Failed, "there is no object"),
        (json!({"source": "/nowhere/none.csv"}), TaskErrorKind::Failed, "cannot read /nowhere/none.csv"),
        (
            json!({"source": "s3://air-quality/bad.csv", "max_rejected": 1}),
            TaskErrorKind::Fatal,
            "the first: s3://air-quality/bad.csv line 2",
        ),
        (json!({"columns": {"a": {"typ": "text"}}}), TaskErrorKind::Fatal, "`typ`"),
        (json!({"separator": 5}), TaskErrorKind::Fatal, "invalid type"),
    ];
    for (arguments, kind, message) in table {
        let error = bench.pipeline(arguments.clone()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{arguments}: {error}");
        assert!(error.message.contains(message), "{arguments}: {error}");
    }
    let borne =
        bench.pipeline(json!({"source": "s3://air-quality/bad.csv", "max_rejected": 2})).await.unwrap();
    assert_eq!((&borne[0]["sent"], &borne[2]["raw_object"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn a_local_file_with_other_columns_and_a_key() {
    let bench = Bench::new();
    let path = bench.home.path().join("sites.csv");
    std::fs::write(&path, "id\tname\tlevel\n1\tRoma, \"centro\"\t2.5\n2\tMilano\t\n").unwrap();
    let arguments = json!({
        "source": path, "topic": "sites", "separator": "tab", "key": ["id"],
        "columns": {"id": {"type": "integer"}, "site": {"column": "name", "type": "text"}, "level": "level"},
    });
    assert_eq!(bench.run("csv_to_kafka", arguments).await.unwrap()["sent"], 2);
    let stream = bench.connectors.stream("kafka_default").await.unwrap();
    let mut consumer = stream.consumer("sites", "test").await.unwrap();
    let records = consumer.poll(10, std::time::Duration::from_secs(1)).await.unwrap();
    assert_eq!(records[0].key.as_deref(), Some(&b"1"[..]));
    assert_eq!(&records[0].payload[..], r#"{"id":1,"site":"Roma, \"centro\"","level":2.5}"#.as_bytes());
    assert_eq!(&records[1].payload[..], r#"{"id":2,"site":"Milano","level":null}"#.as_bytes());
}

#[tokio::test]
async fn a_crash_before_the_commit_reads_again_and_one_after_it_does_not() {
    let bench = Bench::new();
    bench.put_object("in.csv", synthetic(50)).await;
    let load = json!({"source": "s3://air-quality/in.csv", "topic": "sensor_raw"});
    let sent = bench.run("csv_to_kafka", load.clone()).await.unwrap();
    let consume = json!({"topic": "sensor_raw", "until": sent});
    let lost = bench.attempt("kafka_consume", consume.clone()).await.unwrap();
    assert_eq!(lost.xcom[0].1.as_array().unwrap().len(), 50);
    drop(lost);
    let again = bench.attempt("kafka_consume", consume.clone()).await.unwrap();
    let summary = json!({"consumed": 50, "rejected": 0, "from": again.xcom[1].1["from"], "to": {"0": 50}, "is_complete": true});
    assert_eq!(again.xcom[1], ("summary".to_owned(), summary));
    again.after_commit.unwrap().await.unwrap();
    assert_eq!(bench.run("kafka_consume", consume).await.unwrap(), json!([]));
    let sent = bench.run("csv_to_kafka", load).await.unwrap();
    let more = bench.run("kafka_consume", json!({"topic": "sensor_raw", "until": sent})).await.unwrap();
    assert_eq!(more.as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn consuming_ends_by_number_by_silence_and_by_stalling() {
    let bench = Bench::new();
    let stream = bench.connectors.stream("kafka_default").await.unwrap();
    let mut producer = stream.producer("t").await.unwrap();
    for payload in ["1", "not json", "{\"a\":\u{1}}", "[2]"] {
        producer.send(Message { key: None, payload: Bytes::from(payload) }).await.unwrap();
    }
    producer.flush().await.unwrap();
    let first = bench.run("kafka_consume", json!({"topic": "t", "max_records": 2})).await.unwrap();
    assert_eq!(first, json!([1]));
    let rest = bench.run("kafka_consume", json!({"topic": "t", "idle_timeout": "50ms"})).await.unwrap();
    assert_eq!(rest, json!([[2]]));
    let letters = bench.messages("t.rejected").await;
    assert_eq!((&letters[0]["offset"], &letters[0]["raw"]), (&json!(1), &json!("not json")));
    assert_eq!(letters.len(), 2);
    let stalled = json!({"topic": "t", "until": {"0": 9}, "stall_timeout": "50ms"});
    let error = bench.run("kafka_consume", stalled).await.unwrap_err();
    assert!(error.message.contains("has come to {\"0\":4} of {\"0\":9}"), "{error}");
    let limited = json!({"topic": "t", "group": "new", "idle_timeout": "50ms", "max_rejected": 1});
    assert_eq!(bench.run("kafka_consume", limited).await.unwrap_err().kind, TaskErrorKind::Fatal);
}

#[tokio::test]
async fn what_does_not_fit_into_a_result_is_for_the_next_run() {
    let mut bench = Bench::new();
    let stream = bench.connectors.stream("kafka_default").await.unwrap();
    let mut producer = stream.producer("t").await.unwrap();
    let long = format!("\"{}\"", "x".repeat(100));
    // One is longer as it is written than as it came; one does not even fit alone.
    let payloads = ["{\"n\": 0}", "1e15", &long, "no json", "{\"n\": 4}", "{\"n\": 5}", "{\"n\": 6}"];
    for payload in payloads {
        producer.send(Message { key: None, payload: Bytes::from(payload.to_owned()) }).await.unwrap();
    }
    producer.flush().await.unwrap();
    let first = json!([{"n": 0}, 1e15, {"n": 4}]);
    bench.xcom_size_max = first.to_string().len();
    let consume = json!({"topic": "t", "idle_timeout": "50ms"});
    let output = bench.attempt("kafka_consume", consume.clone()).await.unwrap();
    let summary = json!({"consumed": 5, "rejected": 2, "from": {"0": 0}, "to": {"0": 5}, "is_complete": false, "remaining": 2});
    assert_eq!((&output.xcom[0].1, &output.xcom[1].1), (&first, &summary));
    output.after_commit.unwrap().await.unwrap();
    let told = bench.heard.text();
    let warning = format!(
        "warning stopped at 5 messages, since a result may hold at most {} bytes; the rest stays in the topic",
        bench.xcom_size_max
    );
    assert!(told.contains(&warning), "{told}");
    let until = json!({"topic": "t", "until": {"0": 7}});
    assert_eq!(bench.run("kafka_consume", until.clone()).await.unwrap(), json!([{"n": 5}, {"n": 6}]));
    assert_eq!(bench.run("kafka_consume", until).await.unwrap(), json!([]));

    bench.xcom_size_max = 1024;
    let letters = bench.messages("t.rejected").await;
    assert_eq!((letters.len(), &letters[0]["offset"], &letters[0]["raw"]), (2, &json!(2), &json!(long)));
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("larger than a result may be: it has 102 bytes, and"), "{reason}");
}

#[tokio::test]
async fn records_without_keys_are_kept_apart() {
    let bench = Bench::new();
    let good = json!({"date": "1", "time": "2", "CO": 1});
    let records = json!([good, {"date": "1"}, {"date": "..", "time": "/../x"}, "text", good, {"date": "1", "time": "2", "CO": 5}]);
    let result = bench.run("store_readings", json!({"records": records, "ttl": "1h"})).await.unwrap();
    assert_eq!(
        (&result["cached"], &result["stored"], &result["rejected"]),
        (&json!(1), &json!(1), &json!(3))
    );
    let objects = bench.connectors.objects("minio_default").await.unwrap();
    let rejected = objects.get("air-quality", "rejected/manual__1.ndjson").await.unwrap().unwrap();
    assert_eq!(rejected.iter().filter(|byte| **byte == b'\n').count(), 3);
    let one = objects.get("air-quality", "processed/1_2.json").await.unwrap().unwrap();
    assert_eq!(&one[..], br#"{"date":"1","time":"2","CO":5}"#);
    assert!(bench.heard.text().contains("warning rejected: the record has no value in \"time\""));
    let strict = json!({"records": [{}], "max_rejected": 0});
    assert!(bench.run("store_readings", strict).await.unwrap_err().message.contains("max_rejected"));
}

#[tokio::test]
async fn an_alert_names_what_fired_once_and_a_slip_is_warned_of() {
    let bench = Bench::new();
    let record = json!({"CO": 11, "NO2": 300});
    let arguments = json!({"records": [record, record, {"CO": null}], "when": "CO > 10 or NO2 > 200 or C0 > 1", "queue": "q"});
    assert_eq!(bench.run("rabbitmq_alert", arguments).await.unwrap()["alerts"], 1);
    let queue = bench.connectors.queue("rabbitmq_default").await.unwrap();
    let body: Value = serde_json::from_slice(&queue.peek("q", 1).await.unwrap()[0].body).unwrap();
    assert_eq!(body["conditions"], json!(["CO > 10", "NO2 > 200"]));
    assert!(bench.heard.text().contains("no record has a field \"C0\""));
    let wrong = json!({"records": [], "when": "CO = 1", "queue": "q"});
    assert!(bench.run("rabbitmq_alert", wrong).await.unwrap_err().message.contains("did you mean \"==\""));
}

#[tokio::test]
async fn a_rate_is_kept_and_a_cancel_is_seen_at_once() {
    let bench = Bench::new();
    bench.put_object("in.csv", synthetic(20)).await;
    let load = |rate: f64| json!({"source": "s3://air-quality/in.csv", "topic": "t", "rate": rate});
    let started = std::time::Instant::now();
    bench.run("csv_to_kafka", load(100.0)).await.unwrap();
    assert!(started.elapsed().as_millis() >= 190);
    let cancel = bench.cancel.clone();
    let attempt = bench.run("csv_to_kafka", load(0.1));
    let (result, ()) = tokio::join!(attempt, async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err().kind, TaskErrorKind::Cancelled);
}

#[test]
fn literal_arguments_are_checked() {
    use esteira_operator::Catalog;
    let bench = Bench::new();
    let table = [
        (
            "rabbitmq_alert",
            "when",
            json!("CO = 10"),
            Some("column 4: \"=\" is not a comparison; did you mean \"==\"?"),
        ),
        ("rabbitmq_alert", "when", json!("CO > 10 or NO2 > 200"), None),
        ("csv_to_kafka", "separator", json!(";;"), Some("one character")),
        ("csv_to_kafka", "topic", json!("a b"), Some("a topic's name")),
        ("csv_to_kafka", "rate", json!(0), Some("above 0")),
        ("csv_to_kafka", "columns", json!({"CO": "CO(GT)"}), None),
        ("kafka_consume", "until", json!({"0": "x"}), Some("`until`")),
        ("store_readings", "hash_key", json!("sensor:{date"), Some("without its")),
        ("store_readings", "bucket", json!("A"), Some("a bucket's name")),
    ];
    for (operator, argument, value, message) in table {
        let checked = bench.registry.check(operator, argument, &value);
        match message {
            None => assert_eq!(checked, Ok(()), "{operator} {argument}"),
            Some(message) => assert!(checked.unwrap_err().contains(message), "{operator} {argument}"),
        }
    }
}

/// Each default that help shows is one that the operator would take.
#[test]
fn defaults_fit_their_kinds_and_pass_their_checks() {
    use esteira_operator::Catalog;
    let bench = Bench::new();
    for signature in bench.registry.signatures() {
        assert!(signature.summary.ends_with('.'), "{}", signature.name);
        for argument in &signature.arguments {
            assert!(argument.help.ends_with('.'), "{} {}", signature.name, argument.name);
            let Some(default) = &argument.default else { continue };
            assert!(argument.kind.accepts(default), "{} {}", signature.name, argument.name);
            assert_eq!(bench.registry.check(signature.name, argument.name, default), Ok(()));
        }
    }
}

/// The real data set, which is no part of the project.
fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("ESTEIRA_TEST_DATA").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    Some(folder.join("AirQualityUCI_Treated.csv")).filter(|path| path.exists())
}

/// Says what is skipped and why: to the file that gathers it, or loudly.
fn skip(what: &str) {
    use std::io::Write as _;
    let gathered = std::env::var_os("ESTEIRA_TEST_SKIPS")
        .map(|path| std::fs::OpenOptions::new().append(true).open(path));
    match gathered {
        Some(file) => writeln!(file.unwrap(), "{what}").unwrap(),
        // Not with eprintln!, which the test harness keeps to itself when a test passes.
        None => writeln!(std::io::stderr(), "SKIPPED: {what}").unwrap(),
    }
}

#[tokio::test]
async fn the_real_data_set() {
    let Some(path) = real_data() else {
        return skip(
            "the_real_data_set: AirQualityUCI_Treated.csv is not in ../shared/data or ESTEIRA_TEST_DATA",
        );
    };
    let bench = Bench::new();
    bench.put_object("in.csv", std::fs::read(path).unwrap()).await;
    let [sent, records, stored, alerts] = bench.pipeline(json!({"null_values": ["", -200]})).await.unwrap();
    assert_eq!((&sent["sent"], &sent["rejected"]), (&json!(6941), &json!(0)));
    assert_eq!(records.as_array().unwrap().len(), 6941);
    assert_eq!((&stored["cached"], &stored["stored"]), (&json!(6941), &json!(6941)));
    assert_eq!(alerts["alerts"], json!(343));
    let queue = bench.connectors.queue("rabbitmq_default").await.unwrap();
    assert_eq!(queue.count("sensor_alert").await.unwrap(), 343);
}
