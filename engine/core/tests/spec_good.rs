//! Files that are DAGs, and what they mean.

mod support;

use esteira_core::dag::{Dag, ParamKind, TaskIndex};
use esteira_core::schedule::Schedule;
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
    assert_eq!(dag.schedule, Schedule::Never);
    assert_eq!(dag.start_date.unwrap().to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(dag.tags, ["pipeline", "iot"]);
    assert_eq!(dag.owners, ["admin"]);
    assert_eq!(dag.params["source"].kind, ParamKind::String);
    let [load, consume, alert] = &dag.tasks[..] else { panic!() };
    assert_eq!((load.retries, load.retry_delay), (1, Duration::from_secs(60)));
    assert_eq!((alert.retries, alert.execution_timeout), (3, Some(Duration::from_secs(5400))));
    assert!(consume.has_templates);
    assert_eq!(consume.arguments, json!({"topic": "sensor_raw", "until": "{{ ti.xcom_pull('load') }}"}));
    assert_eq!(dag.graph.upstream(TaskIndex(2)), [TaskIndex(1)]);
    assert_eq!(dag.graph.downstream(TaskIndex(0)), [TaskIndex(1)]);
}
