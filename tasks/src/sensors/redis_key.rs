//! `redis_key_sensor`: waits for a key in Redis.

use super::{Look, Looked, SensorKind};
use crate::connectors::Connectors;
use crate::operators::support::redis_default;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Waits for a key (Airflow's `RedisKeySensor`).
pub(crate) struct RedisKeySensor {
    connectors: Connectors,
}

impl RedisKeySensor {
    /// The sensor, on these connections.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    key: String,
    #[serde(default = "redis_default")]
    connection: String,
}

#[async_trait]
impl SensorKind for RedisKeySensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::Text;
        Signature {
            name: "redis_key_sensor",
            summary: "Waits for a key in Redis.",
            arguments: vec![
                Argument::required("key", Text, "The key, of a value of any type."),
                Argument::optional("connection", Text, "The connection to Redis.")
                    .with_default(redis_default()),
            ],
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        Ok(Arc::new(RedisKeyLook {
            connectors: self.connectors.clone(),
            arguments: parse_arguments(arguments)?,
        }))
    }
}

struct RedisKeyLook {
    connectors: Connectors,
    arguments: Arguments,
}

#[async_trait]
impl Look for RedisKeyLook {
    fn what(&self) -> String {
        format!("the key \"{}\" in Redis", self.arguments.key)
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let cache = self.connectors.cache(&self.arguments.connection).await?;
        let found = cache.command(&["EXISTS".to_owned(), self.arguments.key.clone()]).await?;
        let is_there = found.as_i64().is_some_and(|count| count > 0);
        Ok(if is_there {
            Looked::here(TaskOutput::returning(json!(self.arguments.key)))
        } else {
            Looked::NotYet
        })
    }
}
