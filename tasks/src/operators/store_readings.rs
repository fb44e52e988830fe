//! `store_readings`: records into the cache, each as a hash, and into the object store: the batch as it came, and each
//! record on its own.
//!
//! Every name is made from the record alone (or from the run's id), so running it twice gives the same state.

use super::pattern::Pattern;
use super::support::{
    Meter, counted, ensure, excerpt, minio_default, optional_duration, or_cancelled, redis_default,
};
use crate::cache::{Cache, Hash};
use crate::connectors::Connectors;
use crate::objects::{NewObject, Objects};
use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Stores records in the cache and in the object store.
pub(crate) struct StoreReadings {
    connectors: Connectors,
}

#[derive(Deserialize)]
struct Arguments {
    records: Vec<Value>,
    #[serde(default = "redis_default")]
    cache_connection: String,
    #[serde(default = "minio_default")]
    object_connection: String,
    #[serde(default = "bucket_default")]
    bucket: String,
    #[serde(default = "hash_key_default")]
    hash_key: String,
    #[serde(default = "processed_key_default")]
    processed_key: String,
    #[serde(default = "raw_key_default")]
    raw_key: String,
    #[serde(default = "rejected_key_default")]
    rejected_key: String,
    #[serde(default, deserialize_with = "optional_duration")]
    ttl: Option<Duration>,
    #[serde(default = "in_flight_default")]
    in_flight: usize,
    max_rejected: Option<u64>,
}

fn bucket_default() -> String {
    "air-quality".to_owned()
}

fn hash_key_default() -> String {
    "sensor:{date}:{time}".to_owned()
}

fn processed_key_default() -> String {
    "processed/{date}_{time}.json".to_owned()
}

fn raw_key_default() -> String {
    "raw/{run_id}.ndjson".to_owned()
}

fn rejected_key_default() -> String {
    "rejected/{run_id}.ndjson".to_owned()
}

const IN_FLIGHT_DEFAULT: usize = 64;
const IN_FLIGHT_MAX: usize = 1024;
/// S3's limit on an object's key.
const OBJECT_KEY_BYTES_MAX: usize = 1024;
/// How many hashes go to the cache in one pipeline.
const BATCH_HASHES: usize = 1000;
/// How many rejections are told in the log one by one.
const TOLD_MAX: usize = 10;
/// More of a rejected record is not told; all of it is in the object of rejected records.
const TOLD_BYTES: usize = 500;

fn in_flight_default() -> usize {
    IN_FLIGHT_DEFAULT
}

impl StoreReadings {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[async_trait]
impl Operator for StoreReadings {
    fn signature(&self) -> Signature {
        Signature {
            name: "store_readings",
            summary: "Stores records as Redis hashes, and in an object store: the batch as it came and each on its own.",
            arguments: signature_arguments(),
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "hash_key" | "processed_key" => check_record_pattern(text),
            "raw_key" | "rejected_key" => check_run_pattern(text),
            "bucket" => check_bucket(text),
            "in_flight" => check_in_flight(value.as_u64().unwrap_or(0)),
            "max_rejected" => ensure(value.as_u64().is_some(), "`max_rejected` is 0 or more"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let plan = Plan::new(context, &arguments).map_err(TaskError::fatal)?;
        let work = plan.sort(context, &arguments.records);
        let (cache, objects) = or_cancelled(context, async {
            tokio::try_join!(
                self.connectors.cache(&arguments.cache_connection),
                self.connectors.objects(&arguments.object_connection)
            )
        })
        .await?;
        let counts = Counts::of(&work, arguments.records.len());
        let Work { hashes, objects: new_objects, .. } = work;
        // Both at once; each gives an error of its own, and the first ends the other.
        or_cancelled(context, async {
            tokio::try_join!(
                put_hashes(&*cache, &hashes, arguments.ttl),
                put_objects(context, &*objects, &arguments.bucket, new_objects, arguments.in_flight)
            )
        })
        .await?;
        context.progress(counts.stored as u64, Some(counts.stored as u64), "stored");
        counts.finish(context, &arguments, &plan)
    }
}

fn signature_arguments() -> Vec<Argument> {
    use ArgumentKind::{Duration, Integer, List, Text};
    vec![
        Argument::required("records", List, "The records to store, such as kafka_consume's result."),
        Argument::optional(
            "hash_key",
            Text,
            "The key of a record's hash in the cache, with its fields in braces.",
        )
        .with_default(hash_key_default()),
        Argument::optional("ttl", Duration, "How long hashes live; for ever unless said."),
        Argument::optional("bucket", Text, "The bucket; made if it is missing.")
            .with_default(bucket_default()),
        Argument::optional(
            "processed_key",
            Text,
            "The key of a record's own object, with its fields in braces.",
        )
        .with_default(processed_key_default()),
        Argument::optional(
            "raw_key",
            Text,
            "The key of the batch as it came; {run_id}, {dag_id} and {task_id} may stand in it.",
        )
        .with_default(raw_key_default()),
        Argument::optional(
            "rejected_key",
            Text,
            "The key of the records that lack a field of their keys, if any.",
        )
        .with_default(rejected_key_default()),
        Argument::optional(
            "max_rejected",
            Integer,
            "The task fails, once the rest is stored, when more are rejected.",
        ),
        Argument::optional("in_flight", Integer, "How many objects are being put at once.")
            .with_default(IN_FLIGHT_DEFAULT as u64),
        Argument::optional("cache_connection", Text, "The Redis connection.").with_default(redis_default()),
        Argument::optional("object_connection", Text, "The object store's connection.")
            .with_default(minio_default()),
    ]
}

fn check_record_pattern(text: &str) -> Result<(), String> {
    let pattern: Pattern = text.parse()?;
    ensure(
        pattern.fields().next().is_some(),
        "a record's key has at least one of its fields in braces, such as {date}",
    )
}

/// What may stand in a key that belongs to the run.
const RUN_FIELDS: [&str; 3] = ["run_id", "dag_id", "task_id"];

fn check_run_pattern(text: &str) -> Result<(), String> {
    let pattern: Pattern = text.parse()?;
    match pattern.fields().find(|field| !RUN_FIELDS.contains(field)) {
        Some(field) => Err(format!("{{{field}}} is none of {{run_id}}, {{dag_id}}, {{task_id}}")),
        None => ensure(
            pattern.fields().any(|field| field == "run_id"),
            "the key has {run_id} in it, or each run would overwrite the last one's",
        ),
    }
}

fn check_bucket(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let legal = (3..=63).contains(&name.len()) && name.bytes().all(fits);
    ensure(legal, "a bucket's name is 3 to 63 small letters, digits, hyphens and dots")
}

fn check_in_flight(count: u64) -> Result<(), String> {
    ensure((1..=IN_FLIGHT_MAX as u64).contains(&count), "`in_flight` is 1 to 1024")
}

/// Where things go.
struct Plan {
    hash_key: Pattern,
    processed_key: Pattern,
    raw_key: String,
    rejected_key: String,
}

/// What is to be stored. A key that comes twice is stored once, as it came last.
struct Work {
    hashes: Vec<(String, Hash)>,
    objects: Vec<NewObject>,
    stored: usize,
    rejected: usize,
}

impl Plan {
    fn new(context: &TaskContext, arguments: &Arguments) -> Result<Self, String> {
        check_bucket(&arguments.bucket)?;
        check_in_flight(arguments.in_flight as u64)?;
        for pattern in [&arguments.hash_key, &arguments.processed_key] {
            check_record_pattern(pattern)?;
        }
        let run_key = |pattern: &str| {
            check_run_pattern(pattern)?;
            let key = run_key(context, &pattern.parse()?);
            check_object_key(&key).map(|()| key)
        };
        Ok(Self {
            hash_key: arguments.hash_key.parse()?,
            processed_key: arguments.processed_key.parse()?,
            raw_key: run_key(&arguments.raw_key)?,
            rejected_key: run_key(&arguments.rejected_key)?,
        })
    }

    fn sort(&self, context: &TaskContext, records: &[Value]) -> Work {
        let mut hashes = IndexMap::new();
        let mut processed = IndexMap::new();
        let mut rejected = Vec::new();
        for record in records {
            match self.keys(record) {
                Ok((hash_key, object_key)) => {
                    hashes.insert(hash_key, hash(record));
                    processed.insert(object_key, Bytes::from(record.to_string()));
                }
                Err(reason) => {
                    if rejected.len() < TOLD_MAX {
                        context.warn(format!(
                            "rejected: {reason}: {}",
                            excerpt(&record.to_string(), TOLD_BYTES)
                        ));
                    }
                    rejected.push(record);
                }
            }
        }
        let (stored, rejected_count) = (processed.len(), rejected.len());
        let mut objects = Vec::with_capacity(stored + 2);
        objects.extend(ndjson(&self.raw_key, records.iter()));
        objects.extend(ndjson(&self.rejected_key, rejected.into_iter()));
        let object = |(key, body)| NewObject { key, content_type: "application/json".into(), body };
        objects.extend(processed.into_iter().map(object));
        Work { hashes: hashes.into_iter().collect(), objects, stored, rejected: rejected_count }
    }

    /// The keys of a record's hash and of its object; the error is the reason why it has none.
    fn keys(&self, record: &Value) -> Result<(String, String), String> {
        if !record.is_object() {
            return Err("the record is not an object".to_owned());
        }
        let render = |pattern: &Pattern| {
            pattern
                .render(|field| record.get(field))
                .map_err(|field| format!("the record has no value in \"{field}\", which its key needs"))
        };
        let (hash_key, object_key) = (render(&self.hash_key)?, render(&self.processed_key)?);
        check_object_key(&object_key)?;
        Ok((hash_key, object_key))
    }
}

/// A key that belongs to the run. A mapped instance has a folder's place beneath it, so that none overwrites another.
fn run_key(context: &TaskContext, pattern: &Pattern) -> String {
    let run_id = match context.map_index {
        index if index < 0 => context.run_id.clone(),
        index => format!("{}/{index}", context.run_id),
    };
    let variables: HashMap<&str, Value> = HashMap::from([
        ("run_id", Value::from(run_id)),
        ("dag_id", Value::from(context.dag_id.as_str())),
        ("task_id", Value::from(context.task_id.as_str())),
    ]);
    pattern.render(|field| variables.get(field)).unwrap_or_default()
}

/// Whether an object store takes the key. One bad record must not make the whole batch fail, on every attempt.
fn check_object_key(key: &str) -> Result<(), String> {
    let bad_step = key.split('/').any(|step| matches!(step, "" | "." | ".."));
    let bad_character = key.chars().any(|character| character.is_control() || character == '\\');
    if bad_step || bad_character || key.len() > OBJECT_KEY_BYTES_MAX {
        return Err(format!("{key:?} cannot be the key of an object"));
    }
    Ok(())
}

/// A record as a hash. Numbers are as in JSON (`2.6`); null is an empty text, so that the same fields are set every
/// time and none of an earlier record stays.
fn hash(record: &Value) -> Hash {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    record.as_object().into_iter().flatten().map(|(field, value)| (field.clone(), text(value))).collect()
}

/// The object of these records, one a line; none where there are none.
fn ndjson<'a>(key: &str, records: impl Iterator<Item = &'a Value>) -> Option<NewObject> {
    let body: String = records.map(|record| format!("{record}\n")).collect();
    if body.is_empty() {
        return None;
    }
    Some(NewObject {
        key: key.to_owned(),
        content_type: "application/x-ndjson".into(),
        body: Bytes::from(body),
    })
}

async fn put_hashes(
    cache: &dyn Cache,
    hashes: &[(String, Hash)],
    time_to_live: Option<Duration>,
) -> Result<(), ServiceError> {
    for batch in hashes.chunks(BATCH_HASHES) {
        cache.put_hashes(batch, time_to_live).await?;
    }
    Ok(())
}

/// Puts the objects. Their progress is the task's: the cache is always ahead of them.
async fn put_objects(
    context: &TaskContext,
    objects: &dyn Objects,
    bucket: &str,
    new_objects: Vec<NewObject>,
    in_flight: usize,
) -> Result<(), ServiceError> {
    objects.ensure_bucket(bucket).await?;
    let meter = Mutex::new(Meter::new("stored", Some(new_objects.len() as u64)));
    let meter = || meter.lock().unwrap_or_else(PoisonError::into_inner);
    objects.put_all(bucket, new_objects, in_flight, &|done| meter().at(context, done as u64)).await
}

/// What came of it.
struct Counts {
    cached: usize,
    stored: usize,
    rejected: usize,
    records: usize,
}

impl Counts {
    fn of(work: &Work, records: usize) -> Self {
        Self { cached: work.hashes.len(), stored: work.stored, rejected: work.rejected, records }
    }

    fn finish(
        &self,
        context: &TaskContext,
        arguments: &Arguments,
        plan: &Plan,
    ) -> Result<TaskOutput, TaskError> {
        let Self { cached, stored, rejected, records } = *self;
        let bucket = &arguments.bucket;
        let (hashes, objects) = (counted(cached as u64, "reading"), counted(stored as u64, "object"));
        context.info(format!("{hashes} cached, {objects} stored in s3://{bucket}/"));
        if rejected > 0 {
            context.warn(format!(
                "{} rejected: see s3://{bucket}/{}",
                counted(rejected as u64, "record"),
                plan.rejected_key
            ));
        }
        match arguments.max_rejected {
            Some(max) if rejected as u64 > max => Err(TaskError::fatal(format!(
                "{rejected} records lack a field of their keys, and `max_rejected` is {max}"
            ))
            .hint(format!("they are in s3://{bucket}/{}", plan.rejected_key))),
            _ => Ok(TaskOutput::returning(json!({
                "cached": cached,
                "stored": stored,
                "rejected": rejected,
                "raw_object": (records > 0).then(|| format!("s3://{bucket}/{}", plan.raw_key)),
            }))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_object_store_takes_are_refused() {
        assert!(check_object_key("processed/10/03/2004_18.00.00.json").is_ok());
        for key in ["", "a//b", "../a", "a/./b", "/a", "a\nb", "a\\b", &"x".repeat(1025)] {
            assert!(check_object_key(key).is_err(), "{key}");
        }
    }

    #[test]
    fn patterns_and_buckets_are_checked() {
        assert!(check_record_pattern("sensor").is_err());
        assert!(check_run_pattern("raw/{date}.ndjson").unwrap_err().contains("{date}"));
        assert!(check_run_pattern("raw/{dag_id}.ndjson").is_err());
        assert!(check_run_pattern(&raw_key_default()).is_ok());
        assert!(check_bucket("air-quality").is_ok() && check_bucket("Air_Quality").is_err());
        assert!(check_in_flight(0).is_err());
    }

    #[test]
    fn a_hash_holds_json_texts() {
        let hash = hash(&json!({"date": "10/03/2004", "CO": 2.6, "n": 113.0, "none": null, "list": [1]}));
        let values: Vec<&str> = hash.values().map(String::as_str).collect();
        assert_eq!(values, ["10/03/2004", "2.6", "113.0", "", "[1]"]);
    }
}
