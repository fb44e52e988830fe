//! Files that are DAGs, and what they mean.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use esteira_core::dag::{Callback, CallbackKind, Callbacks, Dag, DeadlineReference, ParamKind, TaskIndex};
use esteira_core::schedule::{Missed, Schedule, TimetableKind};
use serde_json::json;
use std::time::Duration;
use support::read;

fn dag(text: &str) -> Dag {
    let parsed = read(text);
    let rendered: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.render()).collect();
    assert!(rendered.is_empty(), "{}", rendered.join("\n"));
    parsed.dag.unwrap()
}

const PIPELINE: &str = r#"
dag_id: air_quality_pipeline
description: CSV in the data lake -> Kafka -> Redis cache, MinIO history, RabbitMQ alerts
schedule: null
start_date: 2024-01-01
catchup: false
tags: [pipeline, iot]
default_args: {owner: admin, retries: 1, retry_delay: 1m}
params:
  source: {type: string, default: "s3://air-quality/AirQualityUCI_Treated.csv"}
tasks:
  load:
    operator: bash
    with: {command: "load {{ params.source }}"}
  consume:
    operator: kafka_consume
    depends_on: load
    with: {topic: sensor_raw, until: "{{ ti.xcom_pull('load') }}"}
  alert:
    operator: rabbitmq_alert
    depends_on: [consume]
    retries: 3
    execution_timeout: 1h30m
    with: {records: "{{ ti.xcom_pull('consume') }}", when: CO > 10 or NO2 > 200, queue: sensor_alert}
"#;

#[test]
fn the_house_plans_example_is_a_dag() {
    let dag = dag(PIPELINE);
    assert_eq!(dag.dag_id.as_str(), "air_quality_pipeline");
    assert_eq!(dag.schedule, Schedule::default());
    assert_eq!(dag.start_date.unwrap().to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(dag.tags, ["pipeline", "iot"]);
    assert_eq!(dag.owners, ["admin"]);
    assert_eq!(dag.params["source"].kind, ParamKind::String);
    let [load, consume, alert] = &dag.tasks[..] else { panic!() };
    assert_eq!((load.retry.retries, load.retry.retry_delay), (1, Duration::from_secs(60)));
    assert_eq!((alert.retry.retries, alert.execution_timeout), (3, Some(Duration::from_secs(5400))));
    assert!(consume.has_templates);
    assert_eq!(consume.arguments, json!({"topic": "sensor_raw", "until": "{{ ti.xcom_pull('load') }}"}));
    assert_eq!(dag.graph.upstream(TaskIndex(2)), [TaskIndex(1)]);
    assert_eq!(dag.graph.downstream(TaskIndex(0)), [TaskIndex(1)]);
}

#[test]
fn callbacks_come_from_the_task_the_defaults_around_it_or_nowhere() {
    let dag = dag(r#"
dag_id: example
on_success_callback: {operator: bash, with: {command: "echo {{ reason }}"}, retries: 1, execution_timeout: null}
deadline: {interval: 30m, callback: [{operator: empty}, {operator: empty}]}
default_args:
  on_failure_callback: {operator: bash, with: {command: "echo {{ exception }}"}}
  on_retry_callback: {operator: empty}
tasks:
  one: {operator: empty}
  two: {operator: empty, on_failure_callback: [], on_retry_callback: null, on_success_callback: {operator: empty}}
"#);
    use CallbackKind::{OnFailure, OnRetry, OnSuccess};
    let kinds = |callbacks: &Callbacks| callbacks.keys().copied().collect::<Vec<_>>();
    assert_eq!(kinds(&dag.callbacks), [OnSuccess]);
    assert_eq!(kinds(&dag.tasks[0].callbacks), [OnFailure, OnRetry]);
    assert_eq!(kinds(&dag.tasks[1].callbacks), [OnSuccess]);
    let told = &dag.callbacks[&OnSuccess][0];
    assert_eq!((told.operator.as_str(), told.retry.retries, told.execution_timeout), ("bash", 1, None));
    assert!(told.has_templates);
    let usual = &dag.tasks[0].callbacks[&OnRetry][0];
    assert_eq!(
        (&usual.retry, usual.execution_timeout),
        (&Callback::retry_policy(), Some(Duration::from_secs(60)))
    );
    let [deadline] = &dag.deadlines[..] else { panic!() };
    assert_eq!(
        (deadline.reference, deadline.interval),
        (DeadlineReference::QueuedAt, Duration::from_secs(1800))
    );
    assert_eq!((deadline.max_runs, deadline.min_runs, deadline.callbacks.len()), (10, 10, 2));
}

fn example(rest: &str) -> Dag {
    dag(&format!("dag_id: example\n{rest}\n"))
}

fn with_tasks(rest: &str) -> Dag {
    example(&format!("{rest}\ntasks: {{one: {{operator: empty}}}}"))
}

#[test]
fn what_is_left_out_has_airflows_defaults() {
    let dag = with_tasks("");
    assert_eq!(dag.schedule, Schedule::default());
    assert!(!dag.is_paused_upon_creation);
    assert_eq!((dag.start_date, dag.end_date, &dag.description), (None, None, &None));
    let task = &dag.tasks[0];
    assert_eq!(
        (task.retry.retries, task.retry.retry_delay, task.execution_timeout),
        (0, Duration::from_secs(300), None)
    );
    assert_eq!((task.owner.as_str(), &task.arguments, task.has_templates), ("esteira", &json!({}), false));
    let nulls = with_tasks(
        "schedule: null\ndescription:\nstart_date: ~\ncatchup: null\ntags:\nparams:\ndefault_args:",
    );
    assert_eq!(format!("{nulls:?}"), format!("{dag:?}"));
}

#[test]
fn schedules_are_read() {
    let table = [
        ("schedule: null", "never"),
        ("schedule: 0 9 * * 1-5", "0 9 * * 1-5"),
        ("schedule: '@daily'\ntimezone: Europe/Rome", "@daily (Europe/Rome)"),
        ("schedule: every 15m", "every 15m"),
        ("schedule: [0 9 * * *, '@hourly', every 90m]", "0 9 * * *; @hourly; every 1h30m"),
        ("schedule: '@once'", "@once"),
        ("schedule: '@continuous'", "@continuous"),
    ];
    for (keys, expected) in table {
        assert_eq!(with_tasks(keys).schedule.describe(), expected, "{keys}");
    }
    let dag = with_tasks("schedule: '@continuous'\ntimetable: data_interval\nmissed: last");
    assert_eq!((dag.schedule.timetable, dag.schedule.missed), (TimetableKind::DataInterval, Missed::Last));
    assert_eq!(dag.max_active_runs, 1);
    for (catchup, missed) in [("true", Missed::All), ("false", Missed::Skip)] {
        let dag = with_tasks(&format!("schedule: '@daily'\nstart_date: 2024-01-01\ncatchup: {catchup}"));
        assert_eq!(dag.schedule.missed, missed);
    }
}

#[test]
fn a_date_without_an_offset_goes_by_the_clocks_of_the_dag() {
    let dag =
        with_tasks("timezone: America/Sao_Paulo\nstart_date: 2024-01-31\nend_date: 2024-02-01T00:00:00Z");
    assert_eq!(dag.start_date.unwrap().to_string(), "2024-01-31T03:00:00Z");
    assert_eq!(dag.end_date.unwrap().to_string(), "2024-02-01T00:00:00Z");
}

#[test]
fn dates_may_have_times_and_offsets() {
    let table = [
        ("2024-01-31", "2024-01-31T00:00:00Z"),
        ("\"2024-01-31\"", "2024-01-31T00:00:00Z"),
        ("2024-01-31T09:30:00", "2024-01-31T09:30:00Z"),
        ("2024-01-31 09:30:00", "2024-01-31T09:30:00Z"),
        ("2024-01-31T09:30:00Z", "2024-01-31T09:30:00Z"),
        ("2024-01-31T09:30:00-03:00", "2024-01-31T12:30:00Z"),
        ("2024-01-31 09:30:00+02:00", "2024-01-31T07:30:00Z"),
    ];
    for (text, expected) in table {
        let dag = with_tasks(&format!("start_date: {text}"));
        assert_eq!(dag.start_date.unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn params_have_a_short_and_a_long_form() {
    let dag = with_tasks(
        "params:\n  text: x\n  whole: 3\n  real: 1.5\n  flag: true\n  list: [1]\n  map: {a: 1}\n  nothing: null\n  \
         wanted: {type: integer, title: How many, description: A number}\n  choice: {enum: [a, b], default: b}\n  \
         mixed: {enum: [1, b]}",
    );
    let kinds: Vec<_> = dag.params.iter().map(|(name, param)| (name.as_str(), param.kind.as_str())).collect();
    let expected = [
        ("text", "string"),
        ("whole", "integer"),
        ("real", "number"),
        ("flag", "boolean"),
        ("list", "array"),
        ("map", "object"),
        ("nothing", "any"),
        ("wanted", "integer"),
        ("choice", "string"),
        ("mixed", "any"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(dag.params["map"].default, Some(json!({"a": 1})));
    assert_eq!(dag.params["wanted"].default, None);
    assert_eq!(dag.params["wanted"].title.as_deref(), Some("How many"));
    assert_eq!(dag.params["choice"].choices, [json!("a"), json!("b")]);
}

#[test]
fn tasks_override_the_defaults() {
    let dag = example(
        "default_args: {owner: ana, retries: 2, retry_delay: 90, execution_timeout: 1h}\n\
         tasks:\n  a: {operator: empty}\n  b: {operator: empty, owner: rui, retries: 0, execution_timeout: null}",
    );
    assert_eq!(dag.owners, ["ana", "rui"]);
    let [a, b] = &dag.tasks[..] else { panic!() };
    assert_eq!(
        (a.retry.retries, a.retry.retry_delay.as_secs(), a.execution_timeout),
        (2, 90, Some(Duration::from_secs(3600)))
    );
    assert_eq!((b.retry.retries, b.retry.retry_delay.as_secs(), b.execution_timeout), (0, 90, None));
}

#[test]
fn anchors_aliases_and_merge_keys_are_followed() {
    let dag = example(
        "tasks:\n  base: &base\n    operator: bash\n    retries: 3\n    with: &args {command: 'true', env: {A: '1'}}\n  \
         same: *base\n  merged:\n    retries: 5\n    <<: *base\n    with: {<<: *args, command: 'false'}\n  \
         both: {<<: [{retries: 7}, *base]}",
    );
    let of = |name: &str| dag.task(dag.index_of(name).unwrap());
    assert_eq!((of("same").retry.retries, &of("same").arguments), (3, &of("base").arguments));
    assert_eq!((of("merged").retry.retries, of("merged").operator.as_str()), (5, "bash"));
    assert_eq!(of("merged").arguments, json!({"command": "false", "env": {"A": "1"}}));
    assert_eq!((of("both").retry.retries, of("both").operator.as_str()), (7, "bash"));
}

#[test]
fn arguments_keep_their_types_and_their_order() {
    let dag = example(
        "tasks:\n  one:\n    operator: kafka_consume\n    with:\n      until: {z: 1, a: [1.5, null, yes, 2024-01-01, !!str 5]}\n      \
         topic: |\n        two\n        lines\n      messages: 0x10\n      format: >-\n        json",
    );
    let expected = json!({"until": {"z": 1, "a": [1.5, null, "yes", "2024-01-01", "5"]}, "topic": "two\nlines\n", "messages": 16, "format": "json"});
    assert_eq!(dag.tasks[0].arguments, expected);
    assert_eq!(dag.tasks[0].arguments.to_string(), expected.to_string());
}

#[test]
fn a_template_may_stand_for_any_kind_of_argument() {
    let dag = example(
        "params: {n: 1}\ntasks:\n  one:\n    operator: kafka_consume\n    with:\n      topic: '{{ params.n }}'\n      \
         messages: '{{ params.n }}'\n      columns: '{{ [params.n] }}'\n      commit: '{% if params.n %}true{% endif %}'\n      \
         format: '{{ params.get(\"f\", ds) }}'",
    );
    assert!(dag.tasks[0].has_templates);
}

#[test]
fn templates_may_set_and_loop_over_names_of_their_own() {
    let command = "{% set x = ds %}{% for row in ti.xcom_pull('load') %}{{ row.CO | round(1) }} {{ loop.index }} {{ x }} \
                   {{ macros.ds_add(ds, 1) }} {% if row is defined and row.a is not none %}{{ dict(x=1) }}{% endif %}{% endfor %}\
                   {# {{ nope }} #}{% raw %}{{ nope | nope }}{% endraw %}{{ 'nope | nope' | upper }}";
    let with = json!({ "command": command });
    let dag = example(&format!(
        "tasks:\n  load: {{operator: empty}}\n  one: {{operator: bash, depends_on: load, with: {with}}}"
    ));
    assert!(dag.tasks[1].has_templates);
}

#[test]
fn a_pull_from_further_up_is_no_fault() {
    let dag = example(
        "tasks:\n  a: {operator: empty}\n  b: {operator: empty, depends_on: a}\n  c: {operator: empty, depends_on: [b]}\n  \
         d: {operator: bash, depends_on: c, with: {command: \"{{ ti.xcom_pull(task_ids='a') }} {{ ti.xcom_pull(['b', 'c']) }}\"}}",
    );
    assert_eq!(dag.graph.order().len(), 4);
}

#[test]
fn a_groups_last_tasks_are_those_before_its_teardowns() {
    let dag = dag(r"
dag_id: d
task_groups:
  site:
    tasks:
      prepare: {operator: empty, is_setup: true}
      work: {operator: empty, depends_on: prepare}
      more: {operator: empty, depends_on: work}
      tidy: {operator: empty, is_teardown: true, depends_on: [prepare, more]}
    task_groups:
      tidying:
        tasks:
          sweep: {operator: empty, is_teardown: true}
tasks:
  after: {operator: empty, depends_on: site}
  after_sweep: {operator: empty, depends_on: site.tidying}
");
    let waits_for = |task_id: &str| -> Vec<&str> {
        let upstream = dag.graph.upstream(dag.index_of(task_id).unwrap()).iter();
        upstream.map(|task| dag.task(*task).task_id.as_str()).collect()
    };
    assert_eq!(waits_for("after"), ["site.more"], "not for what tidies up after it");
    assert_eq!(waits_for("after_sweep"), ["site.tidying.sweep"], "a group of teardowns has no other");
}
