//! `s3_key_sensor`: waits for an object in S3 or MinIO, or for objects by a pattern.

use super::{Look, Looked, SensorKind};
use crate::connectors::Connectors;
use crate::objects::{check_bucket, check_key};
use crate::operators::support::minio_default;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use glob::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most keys that a result names, and that one page of a look lists.
const KEYS_MAX: usize = 1_000;

/// Waits for objects (Airflow's `S3KeySensor`).
pub(crate) struct S3KeySensor {
    connectors: Connectors,
}

impl S3KeySensor {
    /// The sensor, on these connections.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    bucket: String,
    key: String,
    #[serde(default = "minio_default")]
    connection: String,
}

#[async_trait]
impl SensorKind for S3KeySensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::Text;
        Signature {
            name: "s3_key_sensor",
            summary: "Waits for an object in S3 or MinIO, or for objects by a pattern.",
            arguments: vec![
                Argument::required("bucket", Text, "The bucket."),
                Argument::required(
                    "key",
                    Text,
                    "The key; with * ? [ ] a pattern. The result is the list of the keys found.",
                ),
                Argument::optional("connection", Text, "The connection to the object store.")
                    .with_default(minio_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "bucket" => check_bucket(text),
            "key" => {
                Pattern::new(text).map(drop).map_err(|error| format!("`key` is no pattern: {}", error.msg))
            }
            _ => Ok(()),
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let plain = arguments.key.split(['*', '?', '[']).next().unwrap_or_default().to_owned();
        let is_pattern = plain.len() < arguments.key.len();
        if !is_pattern {
            check_key(&arguments.key).map_err(TaskError::fatal)?;
        }
        let pattern = Pattern::new(&arguments.key)
            .map_err(|error| TaskError::fatal(format!("key is no pattern: {}", error.msg)))?;
        let pattern = is_pattern.then_some(pattern);
        Ok(Arc::new(S3KeyLook { connectors: self.connectors.clone(), arguments, plain, pattern }))
    }
}

struct S3KeyLook {
    connectors: Connectors,
    arguments: Arguments,
    /// What every key that is meant begins with.
    plain: String,
    pattern: Option<Pattern>,
}

#[async_trait]
impl Look for S3KeyLook {
    fn what(&self) -> String {
        format!("the object {}/{}", self.arguments.bucket, self.arguments.key)
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let objects = self.connectors.objects(&self.arguments.connection).await?;
        let limit = if self.pattern.is_some() { KEYS_MAX } else { 1 };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = objects.list(&self.arguments.bucket, &self.plain, after.as_deref(), limit).await?;
            let keys = page.objects.iter().map(|object| object.key.as_str());
            found.extend(keys.filter(|key| self.is_meant(key)).map(str::to_owned));
            after = page.next;
            if after.is_none() || self.pattern.is_none() || found.len() >= KEYS_MAX {
                break;
            }
        }
        Ok(if found.is_empty() { Looked::NotYet } else { Looked::here(TaskOutput::returning(json!(found))) })
    }
}

impl S3KeyLook {
    fn is_meant(&self, key: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(key),
            None => key == self.arguments.key,
        }
    }
}
