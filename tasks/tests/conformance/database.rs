//! SQL databases: the embedded one, PostgreSQL and MariaDB.

use crate::support::{connect, url_in};
use esteira_tasks::connectors::Connectors;
use esteira_tasks::database::{Answer, Database, Statement};
use esteira_tasks::service::ServiceErrorKind;
use serde_json::{Value, json};
use std::sync::Arc;

struct Place {
    connectors: Connectors,
    /// Its placeholder for the first and for the second value.
    marks: [&'static str; 2],
    table: String,
    /// What the embedded database lies in.
    _home: tempfile::TempDir,
}

impl Place {
    fn database(&self) -> Arc<Database> {
        self.connectors.database_of("sql_default").unwrap()
    }

    async fn run(&self, sql: &str, parameters: &[Value]) -> Answer {
        let sql = self.sql(sql);
        let answers = self.database().run(&[Statement { sql: &sql, parameters }], 1_000).await;
        answers.unwrap_or_else(|error| panic!("{sql}: {error}")).remove(0)
    }

    /// The table's name, and the placeholders of this database.
    fn sql(&self, sql: &str) -> String {
        sql.replace("TABLE_NAME", &self.table).replace("?1", self.marks[0]).replace("?2", self.marks[1])
    }
}

fn place(url: Option<String>, marks: [&'static str; 2]) -> Place {
    let home = tempfile::tempdir().unwrap();
    let table = format!("t_{}", uuid::Uuid::now_v7().simple());
    Place {
        connectors: connect("sql_default", url.as_deref(), home.path().to_owned()),
        marks,
        table,
        _home: home,
    }
}

/// The databases that there are; one that is not says so.
fn places() -> Vec<Place> {
    let postgres = url_in("ESTEIRA_TEST_POSTGRES", "postgres").map(|url| place(Some(url), ["$1", "$2"]));
    let mysql = url_in("ESTEIRA_TEST_MYSQL", "mysql").map(|url| place(Some(url), ["?", "?"]));
    [place(None, ["?", "?"])].into_iter().chain(postgres).chain(mysql).collect()
}

#[tokio::test]
async fn rows_come_back_as_they_were_put() {
    for place in places() {
        place
            .run("create table TABLE_NAME (n bigint, x double precision, s varchar(100), b boolean)", &[])
            .await;
        let put = place
            .run(
                "insert into TABLE_NAME values (7, 2.5, ?1, true), (null, null, null, null)",
                &[json!("é 'quoted'")],
            )
            .await;
        assert_eq!((put.rows, put.rows_affected), (None, 2));
        let got = place
            .run("select * from TABLE_NAME where n = ?1 and s = ?2", &[json!(7), json!("é 'quoted'")])
            .await;
        let row = &got.rows.unwrap()[0];
        assert_eq!((&row["n"], &row["x"], &row["s"]), (&json!(7), &json!(2.5), &json!("é 'quoted'")));
        assert!(row["b"] == json!(true) || row["b"] == json!(1), "{row:?}");
        let nothing = place.run("select s from TABLE_NAME where n is null", &[]).await;
        assert_eq!(nothing.rows.unwrap()[0]["s"], json!(null));
        let none = place.run("select s from TABLE_NAME where n = 99", &[]).await;
        assert_eq!(none.rows, Some(Vec::new()));
        let changed = place.run("update TABLE_NAME set x = ?1 where n = 7", &[json!(3.5)]).await;
        assert_eq!((changed.rows, changed.rows_affected), (None, 1));
        place.run("drop table TABLE_NAME", &[]).await;
    }
}

#[tokio::test]
async fn statements_are_one_transaction_and_rows_are_cut() {
    for place in places() {
        place.run("create table TABLE_NAME (n bigint)", &[]).await;
        let (insert, wrong) =
            (place.sql("insert into TABLE_NAME values (1), (2), (3)"), "select * from nowhere_at_all");
        let statements = [insert.as_str(), wrong].map(|sql| Statement { sql, parameters: &[] });
        let error = place.database().run(&statements, 10).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Rejected);
        assert!(error.to_string().contains("nowhere_at_all"), "{error}");
        assert_eq!(
            place.run("select count(*) as n from TABLE_NAME", &[]).await.rows.unwrap()[0]["n"],
            json!(0)
        );
        place.run("insert into TABLE_NAME values (1), (2), (3)", &[]).await;
        let select = place.sql("select n from TABLE_NAME order by n");
        let cut =
            place.database().run(&[Statement { sql: &select, parameters: &[] }], 2).await.unwrap().remove(0);
        assert_eq!((cut.rows.unwrap().len(), cut.is_cut), (2, true));
        place.run("drop table TABLE_NAME", &[]).await;
        place.database().ping().await.unwrap();
    }
}

#[tokio::test]
async fn types_beyond_the_plain_ones_have_a_form_in_json() {
    let of = |name: &str| {
        places()
            .into_iter()
            .find(|place| place.connectors.source().resolve("sql_default").unwrap().url.scheme() == name)
    };
    if let Some(postgres) = of("postgres") {
        let parameters = [json!(5), json!("2026-01-31T00:00:00Z")];
        let row = postgres.run(
            "select 12345678901234567890.5::numeric as n, '2026-01-31'::date as d, '09:30'::time as t, \
             '2026-01-31 09:30:00.25+02'::timestamptz as z, '2026-01-31 09:30'::timestamp as l, '{\"a\": [1]}'::jsonb as j, \
             'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as u, array['a', null]::text[] as a, '\\x00ff'::bytea as b, \
             ?1::int as i, 'x'::char(3) as c, 'NaN'::float8 as f, ?2::timestamptz as p",
            &parameters,
        );
        let row = row.await.rows.unwrap().remove(0);
        assert_holds(
            &Value::Object(row),
            &json!({
                "n": "12345678901234567890.5", "d": "2026-01-31", "t": "9:30:00.0", "z": "2026-01-31T07:30:00.25Z",
                "l": "2026-01-31T09:30:00", "j": {"a": [1]}, "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a": ["a", null],
                "b": "AP8=", "i": 5, "c": "x  ", "f": null, "p": "2026-01-31T00:00:00Z",
            }),
        );
        let wrong = [json!("yesterday")];
        let statement = Statement { sql: "select 1 where now() > $1", parameters: &wrong };
        let error = postgres.database().run(&[statement], 1).await.unwrap_err().to_string();
        assert!(error.contains("takes an instant such as 2026-01-31T09:30:00Z as parameter 1"), "{error}");
        let error = postgres
            .database()
            .run(&[Statement { sql: "select point(1, 2) as p", parameters: &[] }], 1)
            .await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("\"p\" as POINT") && error.contains("cast it to text"), "{error}");
    }
    if let Some(mysql) = of("mysql") {
        let row = mysql.run(
            "select cast(12.50 as decimal(10, 2)) as n, date '2026-01-31' as d, timestamp '2026-01-31 09:30:00' as l, \
             cast(5 as unsigned) as u, x'00ff' as b, json_object('a', 1) as j, 1.5e0 as x, 'text' as s",
            &[],
        );
        let row = row.await.rows.unwrap().remove(0);
        assert_eq!(
            (&row["n"], &row["d"], &row["l"]),
            (&json!("12.5"), &json!("2026-01-31"), &json!("2026-01-31T09:30:00"))
        );
        assert_eq!(
            (&row["u"], &row["b"], &row["x"], &row["s"]),
            (&json!(5), &json!("AP8="), &json!(1.5), &json!("text"))
        );
    }
}

fn assert_holds(found: &Value, wanted: &Value) {
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_server_that_is_down_are_told_without_the_password() {
    for place in places() {
        let connection = place.connectors.source().resolve("sql_default").unwrap();
        if connection.url.scheme() == "embedded" {
            continue;
        }
        let mut url = connection.url.clone();
        url.set_password(Some("hunter2")).unwrap();
        let home = tempfile::tempdir().unwrap();
        let denied = connect("sql_default", Some(url.as_str()), home.path().to_owned());
        let error = denied.database_of("sql_default").unwrap().ping().await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Denied, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        url.set_port(Some(9)).unwrap();
        url.set_query(Some("timeout=300ms"));
        let down = connect("sql_default", Some(url.as_str()), home.path().to_owned());
        let error = down.database_of("sql_default").unwrap().ping().await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
    }
}
