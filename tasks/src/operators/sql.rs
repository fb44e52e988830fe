//! `sql`: statements to a SQL database; the rows of the last are the result.

use super::support::{counted, ensure, or_cancelled, sql_default, text_list};
use crate::connectors::Connectors;
use crate::database::Statement;
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Runs SQL.
pub(crate) struct Sql {
    connectors: Connectors,
}

impl Sql {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(deserialize_with = "text_list")]
    sql: Vec<String>,
    #[serde(default)]
    parameters: Vec<Value>,
    #[serde(default = "rows_max_default")]
    rows_max: usize,
    #[serde(default = "sql_default")]
    connection: String,
}

fn rows_max_default() -> usize {
    10_000
}

#[async_trait]
impl Operator for Sql {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Integer, List, Text, TextList};
        Signature {
            name: "sql",
            summary: "Runs SQL in SQLite, PostgreSQL or MySQL; the rows are the result.",
            arguments: vec![
                Argument::required(
                    "sql",
                    TextList,
                    "A statement, or a list of them, which are one transaction. Values belong into `parameters`.",
                ),
                Argument::optional(
                    "parameters",
                    List,
                    "The values for the last statement's placeholders: ? in SQLite and MySQL, $1 in PostgreSQL and SQLite.",
                ),
                Argument::optional("rows_max", Integer, "More rows than these are a failure.")
                    .with_default(rows_max_default()),
                Argument::optional("connection", Text, "The connection to the database.")
                    .with_default(sql_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "sql" => {
                let is_empty = value.as_str().is_some_and(|text| text.trim().is_empty())
                    || value.as_array().is_some_and(Vec::is_empty);
                ensure(!is_empty, "`sql` holds no statement")
            }
            "rows_max" => ensure(value.as_u64().is_some_and(|max| max > 0), "`rows_max` is above 0"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let texts = arguments.sql;
        let last = texts.len().saturating_sub(1);
        let parameters = |place: usize| if place == last { arguments.parameters.as_slice() } else { &[] };
        let statements: Vec<Statement<'_>> = texts
            .iter()
            .enumerate()
            .map(|(place, sql)| Statement { sql, parameters: parameters(place) })
            .collect();
        let database = self.connectors.database_of(&arguments.connection)?;
        let answers = or_cancelled(context, database.run(&statements, arguments.rows_max)).await?;
        for answer in &answers {
            let what = if answer.rows.is_some() { "row" } else { "changed row" };
            context.info(counted(answer.rows_affected, what));
        }
        let Some(answer) = answers.into_iter().next_back() else {
            return Err(TaskError::fatal("`sql` holds no statement"));
        };
        if answer.is_cut {
            let message = format!("the statement gives more rows than {}", arguments.rows_max);
            let hint =
                "ask for fewer, or raise rows_max; large results belong into a table or an object store";
            return Err(TaskError::fatal(message).hint(hint));
        }
        let affected = answer.rows_affected;
        let result = answer.rows.map_or_else(|| json!({ "rows_affected": affected }), |rows| json!(rows));
        Ok(TaskOutput::returning(result))
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::TaskErrorKind;
    use serde_json::json;

    #[tokio::test]
    async fn statements_are_one_transaction_and_rows_are_the_result() {
        let bench = Bench::new();
        let sql = |arguments| bench.run("sql", arguments);
        let made = sql(json!({"sql": [
            "create table reading (sensor text, value real, note text)",
            "insert into reading values ('co', 2.5, null), ('no2', 113, 'high')",
        ]}));
        assert_eq!(made.await.unwrap(), json!({"rows_affected": 2}));
        let rows =
            sql(json!({"sql": "select * from reading where value > ? order by sensor", "parameters": [1]}));
        assert_eq!(
            rows.await.unwrap(),
            json!([{"sensor": "co", "value": 2.5, "note": null}, {"sensor": "no2", "value": 113.0, "note": "high"}])
        );
        let hostile = "'; drop table reading; --";
        let none = sql(json!({"sql": "select * from reading where sensor = ?", "parameters": [hostile]}));
        assert_eq!(none.await.unwrap(), json!([]));
        let failed = sql(json!({"sql": ["delete from reading", "insert into nowhere values (1)"]}));
        let failed = failed.await.unwrap_err();
        assert!(failed.message.contains("no such table: nowhere"), "{failed}");
        let count = sql(json!({"sql": "select count(*) as n from reading"})).await.unwrap();
        assert_eq!(count, json!([{"n": 2}]), "the failed transaction changed nothing");
        let error = sql(json!({"sql": "select * from reading", "rows_max": 1})).await.unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Fatal);
        assert_eq!(error.message, "the statement gives more rows than 1");
    }
}
