//! The DAGs that ship with the product: each is valid, and runs to its end with the templates that it holds.

use super::Bench;
use super::pipeline::synthetic;
use esteira_core::dag::Dag;
use esteira_core::spec::{self, Source};
use esteira_core::template::{Context, RunFacts, TemplateSource, context_variables, render};
use esteira_operator::TaskOutput;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The results of the tasks that have run.
struct Results(HashMap<String, Value>);

impl TemplateSource for Results {
    fn pull(&self, task_id: &str, key: &str, _map_index: Option<i32>) -> Result<Option<Value>, String> {
        assert_eq!(key, TaskOutput::RETURN_VALUE);
        Ok(self.0.get(task_id).cloned())
    }
}

fn shipped(bench: &Bench, file: &str) -> Dag {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dags").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let parsed = spec::parse(Source { name: file, text: &text }, &bench.registry);
    let faults: Vec<String> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.render()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    parsed.dag.unwrap()
}

/// Runs a DAG's tasks one after the other, as the engine would, and gives their results.
async fn run(bench: &Bench, dag: &Dag, conf: Value) -> HashMap<String, Value> {
    let params = dag.resolve_params(conf.as_object().unwrap()).unwrap();
    let mut results = HashMap::new();
    for index in dag.graph.order() {
        let task = dag.task(*index);
        let facts = RunFacts {
            dag_id: dag.dag_id.as_str(),
            run_id: "manual__1",
            run_type: "manual",
            logical_date: None,
            data_interval_start: None,
            data_interval_end: None,
            start_date: None,
            conf: &Value::Object(Map::new()),
            params: &params,
            task_id: task.task_id.as_str(),
            try_number: 1,
            asset_events: &Value::Null,
            map_index: None,
            expanded_ti_count: None,
            outlets: &[],
            expand: None,
        };
        let source = Arc::new(Results(results.clone()));
        let context = Context { variables: context_variables(&facts), source };
        let arguments = render(&task.arguments, &context).unwrap();
        let result = bench.run(&task.operator, arguments).await;
        results.insert(
            task.task_id.to_string(),
            result.unwrap_or_else(|error| panic!("{}: {error}", task.task_id)),
        );
    }
    results
}

#[tokio::test]
async fn hello() {
    let bench = Bench::new();
    let dag = shipped(&bench, "hello.yaml");
    let results = run(&bench, &dag, json!({"name": "$(exit 1) \"Ana\""})).await;
    assert_eq!(results["greet"], "Hello, $(exit 1) \"Ana\"!");
    assert_eq!(results["count"], json!({"greeting": results["greet"], "letters": 12}));
}

#[tokio::test]
async fn air_quality_pipeline() {
    let bench = Bench::new();
    let dag = shipped(&bench, "air_quality_pipeline.yaml");
    let file = bench.home.path().join("readings.csv");
    std::fs::write(&file, synthetic(100)).unwrap();
    let results = run(&bench, &dag, json!({"source": file})).await;
    assert_eq!(results["load_csv_to_kafka"]["sent"], 100);
    assert_eq!(results["consume_from_kafka"].as_array().unwrap().len(), 100);
    assert_eq!(results["process_and_store_to_minio_and_redis"]["cached"], 100);
    assert_eq!(results["process_and_store_to_minio_and_redis"]["stored"], 100);
    assert_eq!(results["send_alert_to_rabbitmq"]["alerts"], 10);
}
