//! What templates render to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use esteira_core::template::{
    Context, MappedValues, OUTPUT_SIZE_MAX, PreviousRun, RunFacts, TemplateSource, context_variables, render,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

struct Values(Value);

impl TemplateSource for Values {
    fn pull(&self, task_id: &str, key: &str, map_index: Option<i32>) -> Result<Option<Value>, String> {
        match (task_id, map_index) {
            ("broken", _) => Err("the store is gone".into()),
            ("mapped", Some(index)) => Ok(Some(json!(index))),
            _ => Ok(self.0.get(task_id).and_then(|values| values.get(key)).cloned()),
        }
    }

    fn pull_all(&self, task_id: &str, _key: &str) -> Result<Option<Arc<dyn MappedValues>>, String> {
        Ok((task_id == "many").then(|| Arc::new(Many(AtomicUsize::new(0))) as Arc<dyn MappedValues>))
    }

    fn variable(&self, key: &str) -> Result<Option<String>, String> {
        match key {
            "locked" => Err("\"variable:locked\" is sealed with a key that is not here".into()),
            "limit" => Ok(Some("12".into())),
            "sites" => Ok(Some(r#"{"rome": [1, 2]}"#.into())),
            _ => Ok(None),
        }
    }

    fn connection(&self, id: &str) -> Result<Option<Value>, String> {
        let fields = json!({"host": "db", "port": 5432, "login": "ana", "extra_dejson": {"mode": "on"}, "uri": "postgresql://ana@db:5432"});
        Ok((id == "warehouse").then_some(fields))
    }

    fn now(&self) -> Option<Timestamp> {
        "2026-02-01T00:00:00Z".parse().ok()
    }

    fn random(&self) -> Option<[u8; 16]> {
        Some([0xff; 16])
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, String> {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (start, end) = (at("2026-01-30T00:00:00Z"), at("2026-01-31T00:00:00Z"));
        Ok(Some(PreviousRun { data_interval: Some((start, end)), started_at: Some(end), ended_at: None }))
    }
}

/// The results of 10,000 instances, each twice its place; counts how many were read.
struct Many(AtomicUsize);

impl MappedValues for Many {
    fn count(&self) -> usize {
        10_000
    }

    fn page(&self, from: usize, count: usize) -> Result<Vec<Value>, String> {
        let read = self.0.fetch_add(count, Ordering::Relaxed);
        assert!(count <= 500 && from.is_multiple_of(500), "it reads in pages");
        assert!(read < 40 * 500, "a page is read again");
        Ok((from..(from + count).min(10_000)).map(|place| json!(place * 2)).collect())
    }
}

fn context_at(logical_date: Option<&str>, xcom: Value) -> Context {
    let logical_date: Option<Timestamp> = logical_date.map(|text| text.parse().unwrap());
    let params = json!({"source": "s3://bucket/file.csv", "n": 5, "nested": {"z": 1, "a": [1, 2.5, null]}, "no-name": true});
    let facts = RunFacts {
        dag_id: "example",
        run_id: "manual__1",
        run_type: "manual",
        logical_date,
        data_interval_start: logical_date,
        data_interval_end: logical_date,
        start_date: None,
        conf: &json!({"given": "conf"}),
        params: &params,
        task_id: "one",
        try_number: 2,
        asset_events: &Value::Null,
        map_index: None,
        expanded_ti_count: None,
        outlets: &[],
        expand: None,
    };
    Context { variables: context_variables(&facts), source: Arc::new(Values(xcom)) }
}

fn context() -> Context {
    let xcom = json!({
        "load": {"return_value": {"sent": 3, "rows": [{"CO": 1.5}, {"CO": 12}]}, "other": "text"},
        "odd": {"return_value": [1, "two", null, true]},
        "nothing": {"return_value": null},
    });
    context_at(Some("2024-01-31T09:05:06Z"), xcom)
}

fn rendered(template: &str) -> Value {
    render(&json!(template), &context()).unwrap_or_else(|error| panic!("{template}: {error}"))
}

fn fault(template: &str) -> String {
    match render(&json!({"key": [template]}), &context()) {
        Ok(value) => panic!("{template}: {value}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_whole_expression_keeps_its_type() {
    let table = [
        ("{{ params.n }}", json!(5)),
        ("{{ params.n + 1 }}", json!(6)),
        ("{{ params.n / 2 }}", json!(2.5)),
        ("{{ params.n > 3 }}", json!(true)),
        ("{{ none }}", Value::Null),
        ("{{ params.nested }}", json!({"z": 1, "a": [1, 2.5, null]})),
        ("{{ params['no-name'] }}", json!(true)),
        ("{{- params.n -}}", json!(5)),
        ("{{ params.n }}\n", json!(5)),
        ("{{ [1, 'a', {'b': none}] }}", json!([1, "a", {"b": null}])),
        ("{{ ti.xcom_pull('load').rows | map(attribute='CO') | list }}", json!([1.5, 12])),
        ("{{ '}}' }}", json!("}}")),
        ("{{ range(3) | list }}", json!([0, 1, 2])),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template), expected, "{template}");
    }
    assert_eq!(
        rendered("{{ params.nested }}").to_string(),
        r#"{"z":1,"a":[1,2.5,null]}"#,
        "the order of keys is kept"
    );
}

#[test]
fn inside_a_longer_string_a_value_is_text() {
    let table = [
        ("n={{ params.n }}", "n=5"),
        (" {{ params.n }}", " 5"),
        ("{{ params.n }}{{ params.n }}", "55"),
        ("{{ ds }} and {{ ds_nodash }}", "2024-01-31 and 20240131"),
        ("x={{ params.nested }}", r#"x={"z":1,"a":[1,2.5,null]}"#),
        ("{% if params.n > 3 %}many{% else %}few{% endif %}", "many"),
        ("{% for row in ti.xcom_pull('load').rows %}{{ row.CO }};{% endfor %}", "1.5;12;"),
        ("{% set x = params.n %}{{ x * 2 }}", "10"),
        ("{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
        ("a{# a remark #}b", "ab"),
        ("a\n{{ ds }}\n", "a\n2024-01-31\n"),
        ("<{{ '<&>' }}>", "<<&>>"),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template), json!(expected), "{template}");
    }
}

#[test]
fn the_names_are_airflows() {
    let table = [
        ("{{ ds }}", json!("2024-01-31")),
        ("{{ ds_nodash }}", json!("20240131")),
        ("{{ ts }}", json!("2024-01-31T09:05:06+00:00")),
        ("{{ ts_nodash }}", json!("20240131T090506")),
        ("{{ ts_nodash_with_tz }}", json!("20240131T090506+0000")),
        ("{{ logical_date }}", json!("2024-01-31T09:05:06+00:00")),
        ("{{ logical_date | ds }}", json!("2024-01-31")),
        ("{{ data_interval_end | ts_nodash }}", json!("20240131T090506")),
        ("{{ '2024-02-03' | ts }}", json!("2024-02-03T00:00:00+00:00")),
        ("{{ dag.dag_id }}/{{ run_id }}/{{ task.task_id }}", json!("example/manual__1/one")),
        ("{{ dag_run.conf.given }}", json!("conf")),
        ("{{ dag_run.conf.get('absent', 7) }}", json!(7)),
        ("{{ dag_run.run_type }}", json!("manual")),
        ("{{ ti.try_number }}", json!(2)),
        ("{{ task_instance.map_index }}", json!(-1)),
        ("{{ ti.task_id }}", json!("one")),
        ("{{ macros.ds_add(ds, 30) }}", json!("2024-03-01")),
        (
            "{{ logical_date.add(macros.timedelta(days=1, hours=-1)) | ts }}",
            json!("2024-02-01T08:05:06+00:00"),
        ),
        ("{{ logical_date.subtract(macros.timedelta(2)) | ds }}", json!("2024-01-29")),
        ("{{ macros.timedelta(hours=36).total_seconds() }}", json!(129_600.0)),
        ("in {{ macros.timedelta(hours=36) }}", json!("in 1 day, 12:00:00")),
        ("{{ macros.timedelta(minutes=-1).days }}", json!(-1)),
        ("{{ macros.datetime.now() | ds }}", json!("2026-02-01")),
        ("{{ macros.datetime(2024, 2, 29, 12).strftime('%d %H') }}", json!("29 12")),
        (
            "{{ macros.datetime.strptime('29/02/2024', '%d/%m/%Y').isoformat() }}",
            json!("2024-02-29T00:00:00+00:00"),
        ),
        ("{{ macros.dateutil.parser.parse('2024-02-29') | ds_nodash }}", json!("20240229")),
        ("{{ macros.time.time() }}", json!(1_769_904_000.0)),
        ("{{ macros.json.loads('{\"a\": [1, 2]}').a[1] }}", json!(2)),
        ("{{ macros.json.dumps({'a': [1, none]}) }}", json!("{\"a\":[1,null]}")),
        ("{{ macros.yaml.safe_load('a: [1, two]').a }}", json!([1, "two"])),
        ("{{ macros.uuid.uuid4() }}", json!("ffffffff-ffff-4fff-bfff-ffffffffffff")),
        ("{{ macros.random() < 1 }}", json!(true)),
        ("{{ macros.datetime_diff_for_humans('2026-01-30T00:00:00Z') }}", json!("2 days ago")),
        ("{{ macros.datetime_diff_for_humans('2026-03-30', '2026-01-29') }}", json!("2 months after")),
        ("{{ macros.datetime_diff_for_humans('2026-02-01T00:00:05Z') }}", json!("in a few seconds")),
        ("{{ macros.ds_add('2024-03-01', -1) }}", json!("2024-02-29")),
        ("{{ macros.ds_format(ds, '%Y-%m-%d', '%d/%m/%Y') }}", json!("31/01/2024")),
        ("{{ params.nested | tojson | fromjson }}", json!({"z": 1, "a": [1, 2.5, null]})),
        ("{{ ds.replace('-', '/') }}", json!("2024/01/31")),
        ("{{ ds.split('-') | first }}", json!("2024")),
        ("{{ logical_date.strftime('%H:%M') }}", json!("09:05")),
        ("{{ params.nested.keys() | list }}", json!(["z", "a"])),
        ("{{ logical_date.add(months=1, hours=2) }}", json!("2024-02-29T11:05:06+00:00")),
        ("{{ logical_date.subtract(days=31) | ds }}", json!("2023-12-31")),
        ("{{ logical_date.in_timezone('Europe/Rome') }}", json!("2024-01-31T10:05:06+01:00")),
        ("{{ logical_date.in_tz('Europe/Rome').strftime('%H:%M') }}", json!("10:05")),
        ("{{ try_number }}", json!(2)),
        ("{{ task_instance_key_str }}", json!("example__one__20240131")),
        ("{{ prev_data_interval_start_success | ds }}", json!("2026-01-30")),
        ("{{ prev_end_date_success }}", Value::Null),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn variables_and_connections_are_looked_up_when_they_are_read() {
    let table = [
        ("{{ var.value.limit }}", json!("12")),
        ("{{ var.json.limit + 1 }}", json!(13)),
        ("{{ var.json.sites.rome[1] }}", json!(2)),
        ("{{ var.value.get('absent', 'none') }}", json!("none")),
        ("{{ var.json.get('limit', 0) }}", json!(12)),
        ("{{ var.value.absent | default('none') }}", json!("none")),
        ("{{ conn.warehouse.host }}:{{ conn.warehouse.port }}", json!("db:5432")),
        ("{{ conn.warehouse.extra_dejson.mode }}", json!("on")),
        ("{{ conn.warehouse.get_uri() }}", json!("postgresql://ana@db:5432")),
        ("{{ conn.get('warehouse').login }}", json!("ana")),
        ("{{ conn.get('absent', none) }}", Value::Null),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template), expected, "{template}");
    }
    let faults = [
        ("{{ var.value.absent }}", "with.key[0]: there is no variable \"absent\""),
        ("x {{ var.value.absent }}", "with.key[0]: there is no variable \"absent\""),
        ("{{ var.value.get('absent') }}", "there is no variable \"absent\""),
        ("{{ var.value.locked }}", "is sealed with a key that is not here"),
        ("{{ var.json.get('locked', 1) | int + 1 }}{{ nope }}", "is sealed with a key that is not here"),
        ("{{ var.limit }}", "var has value and json, and no limit"),
        ("{{ conn.absent.host }}", "there is no connection \"absent\""),
        ("{{ conn.warehouse.hostt }}", "is undefined"),
        ("{{ var.value }}", "which is no JSON value"),
        ("{{ conn.warehouse }}", "which is no JSON value"),
    ];
    for (template, expected) in faults {
        let message = fault(template);
        assert!(message.contains(expected), "{template}: {message}");
    }
}

#[test]
fn xcom_pull_takes_its_arguments_as_airflow_does() {
    let table = [
        ("{{ ti.xcom_pull('load').sent }}", json!(3)),
        ("{{ ti.xcom_pull('load', key='other') }}", json!("text")),
        ("{{ ti.xcom_pull(task_ids='load', key='other') }}", json!("text")),
        ("{{ ti.xcom_pull(key='other', task_ids='load') }}", json!("text")),
        ("{{ task_instance.xcom_pull(\"odd\") }}", json!([1, "two", null, true])),
        ("{{ ti.xcom_pull(task_ids=['odd', 'absent']) }}", json!([[1, "two", null, true], null])),
        ("{{ ti.xcom_pull('absent') }}", Value::Null),
        ("{{ ti.xcom_pull('load', key='absent') }}", Value::Null),
        ("{{ ti.xcom_pull('nothing') }}", Value::Null),
        ("{{ ti.xcom_pull('absent', default=4) }}", json!(4)),
        ("{{ ti.xcom_pull('mapped', map_indexes=2) }}", json!(2)),
        ("{{ ti.xcom_pull('lo' ~ 'ad').sent }}", json!(3)),
        ("{{ ti.xcom_pull('many') | length }}", json!(10_000)),
        ("{{ ti.xcom_pull('many')[7_003] }}", json!(14_006)),
        ("{{ ti.xcom_pull('many') | sum }}", json!(99_990_000)),
        ("{{ ti.xcom_pull('many') | first }}", json!(0)),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn every_string_is_rendered_and_nothing_else() {
    let arguments =
        json!({"a": ["{{ params.n }}", 1, {"b": "{{ ds }}"}], "{{ ds }}": null, "c": "plain { text }"});
    let expected = json!({"a": [5, 1, {"b": "2024-01-31"}], "{{ ds }}": null, "c": "plain { text }"});
    assert_eq!(render(&arguments, &context()).unwrap(), expected);
}

#[test]
fn faults_say_where_and_what() {
    let table = [
        ("{{ nope }}", "is undefined"),
        ("{{ params.nope }}", "is undefined"),
        ("x {{ params.nope }}", "is undefined"),
        ("{{ params.nope.deeper }}", "with.key[0]: "),
        ("{{ ds | }}", "with.key[0]: "),
        ("{% if ds %}", "with.key[0]: "),
        ("{{ ti.xcom_pull() }}", "must be told the task"),
        (
            "{{ ti.xcom_pull('broken') }}",
            "\"return_value\" of the task \"broken\" could not be read: the store is gone",
        ),
        ("x {{ ti.xcom_pull('broken') }}", "of the task \"broken\" could not be read: the store is gone"),
        ("{{ ti.xcom_pull('load', dag_id='x') }}", "unknown keyword argument 'dag_id'"),
        ("{{ ti.xcom_push('x') }}", "ti has no method xcom_push"),
        ("{{ macros.uuid() }}", "macros has no uuid; it has datetime"),
        ("{{ macros.yaml.dump(1) }}", "macros.yaml has no dump; it has safe_load"),
        ("{{ macros.timedelta(day=1) }}", "unknown keyword argument"),
        ("{{ macros.yaml.safe_load('a: [') }}", "is no YAML"),
        ("{{ logical_date + macros.timedelta(days=1) }}", "write logical_date.add(days=1)"),
        ("{{ 'x' | ds }}", "\"x\" is no date"),
        ("{{ '[' | fromjson }}", "is no JSON"),
        ("{{ 5 | nofilter }}", "nofilter"),
        ("{% include 'x' %}", "with.key[0]: "),
        ("{{ range }}", "which is no JSON value"),
        ("{{ 1 / 0 }}", "with.key[0]: "),
        ("{{ macros.ds_add(ds, 99999999999) }}", "out of the calendar"),
    ];
    for (template, expected) in table {
        let message = fault(template);
        assert!(message.contains(expected), "{template}: {message}");
    }
}

#[test]
fn without_a_logical_date_the_message_says_so() {
    let error = render(&json!("{{ ds }}"), &context_at(None, json!({}))).unwrap_err();
    assert!(error.message.contains("this run has no logical date"), "{error}");
    assert_eq!(render(&json!("{{ logical_date }}"), &context_at(None, json!({}))), Ok(Value::Null));
}

#[test]
fn a_template_that_works_too_hard_or_writes_too_much_is_stopped() {
    let started = Instant::now();
    let table = [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' * 100 }}{% endfor %}",
        "{{ 'x' * 99999999 }}",
        "{{ 'x' * 99999999999 }}",
        "a {{ 'x' * 99999999 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(x='xxxxxxxxxx') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{{ range(99999) | map('tojson') | join(range(99999) | list | string) }}",
    ];
    for template in table {
        assert!(fault(template).len() < 300, "{template}");
    }
    // A guard against a limit that does not hold, not a measurement.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let large = "x".repeat(OUTPUT_SIZE_MAX - 10);
    assert_eq!(
        render(&json!(format!("{large}{{{{ ds }}}}")), &context()).unwrap().as_str().unwrap().len(),
        OUTPUT_SIZE_MAX
    );
}

fn readings(count: usize) -> Value {
    let reading = |place: usize| {
        json!({
            "date": "10/03/2004", "time": format!("{place:06}"), "CO": 2.6, "NO2": 113.0,
            "Temperature": 13.6, "Relative_Humidity": 48.9, "Absolute_Humidity": 0.7578,
        })
    };
    (0..count).map(reading).collect()
}

#[test]
fn a_large_value_is_handed_on_unchanged() {
    let records = readings(7_000);
    let context = context_at(None, json!({"consume": {"return_value": records}}));
    for template in ["{{ ti.xcom_pull('consume') }}", "{{ ti.xcom_pull('con' ~ 'sume') }}"] {
        let started = Instant::now();
        let value = render(&json!({"records": template}), &context).unwrap();
        println!("{template}: {:?}", started.elapsed());
        assert_eq!(value["records"], records);
    }
}

proptest! {
    #[test]
    fn no_template_makes_it_panic(template in "(\\{\\{|\\}\\}|\\{%|%\\}|ds|params|ti\\.xcom_pull|\\(|\\)|'|\\||\\.|if|for|[a-z0-9 =+*/\\[\\]]){0,24}") {
        let _ = render(&json!(template), &context());
    }

    #[test]
    fn any_value_comes_through_a_pull_unchanged(text in ".{0,20}", number in any::<i64>(), float in -1e15..1e15f64) {
        let value = json!({"t": text, "n": number, "f": float, "l": [[], {}, null, true, u64::MAX]});
        let context = context_at(None, json!({"x": {"return_value": value}}));
        prop_assert_eq!(render(&json!("{{ ti.xcom_pull('x') }}"), &context).unwrap(), value.clone());
        prop_assert_eq!(render(&json!("{{ ti.xcom_pull('x' ~ '') }}"), &context).unwrap(), value);
    }
}
