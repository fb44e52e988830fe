//! `sql_sensor`: waits until a query gives a value that is true.

use super::{Look, Looked, SensorKind};
use crate::connectors::Connectors;
use crate::database::Statement;
use crate::operators::support::sql_default;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Waits for a row (Airflow's `SqlSensor`).
pub(crate) struct SqlSensor {
    connectors: Connectors,
}

impl SqlSensor {
    /// The sensor, on these connections.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    sql: String,
    #[serde(default)]
    parameters: Vec<Value>,
    #[serde(default = "sql_default")]
    connection: String,
}

#[async_trait]
impl SensorKind for SqlSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::{List, Text};
        Signature {
            name: "sql_sensor",
            summary: "Waits until the first value of a query is not null, 0, false or empty; it is the result.",
            arguments: vec![
                Argument::required("sql", Text, "The query. Values belong into `parameters`."),
                Argument::optional("parameters", List, "The values for its placeholders."),
                Argument::optional("connection", Text, "The connection to the database.")
                    .with_default(sql_default()),
            ],
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        Ok(Arc::new(SqlLook { connectors: self.connectors.clone(), arguments: parse_arguments(arguments)? }))
    }
}

struct SqlLook {
    connectors: Connectors,
    arguments: Arguments,
}

#[async_trait]
impl Look for SqlLook {
    fn what(&self) -> String {
        format!("a row in the database \"{}\"", self.arguments.connection)
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let Arguments { sql, parameters, connection } = &self.arguments;
        let database = self.connectors.database_of(connection)?;
        let answers = database.run(&[Statement { sql, parameters }], 1).await?;
        let rows = answers.into_iter().next().and_then(|answer| answer.rows);
        let first = rows.and_then(|rows| rows.into_iter().next()).and_then(|row| row.into_iter().next());
        Ok(match first {
            Some((_, value)) if is_true(&value) => Looked::here(TaskOutput::returning(value)),
            _ => Looked::NotYet,
        })
    }
}

/// Airflow's rule: what is null, 0, "0", empty or false is not there yet.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Array(_) | Value::Object(_) => true,
    }
}
