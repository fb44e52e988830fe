//! `kill -9` at random moments of a run loses nothing: the engine is killed again and again, and in the end every
//! task has succeeded once, every reading is where it belongs, and the audit check agrees.
#![allow(clippy::unwrap_used)]

mod support;

use esteira_core::states::TaskInstanceState;
use esteira_store::{Reader, RunFilter, RunRow};
use esteira_tasks::objects::NewObject;
use std::time::Duration;
use support::{Dice, World, until};

/// How often the engine is killed at the least.
const KILLS: usize = 24;

const ROWS: usize = 1_000;

/// Losses of one instance after which it is let run to its end: the fourth would fail it, which is the rule.
const LOSSES_SPARED: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_loses_nothing() {
    let seed = std::env::var("ESTEIRA_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(42);
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    let world = World::new();
    prepare(&world).await;
    let mut kills = 0;
    while kills < KILLS {
        let server = world.serve();
        let reader = world.reader().await;
        if unfinished(&reader).await.is_empty() {
            server.trigger("air_quality_pipeline").await;
        }
        if is_worn(&reader).await {
            all_ended(&reader).await;
            continue;
        }
        // About as long as a run takes on its own, so that most kills meet one.
        tokio::time::sleep(Duration::from_millis(dice.below(400))).await;
        server.kill();
        kills += 1;
    }
    let _server = world.serve();
    let reader = world.reader().await;
    all_ended(&reader).await;
    check_runs(&reader).await;
    check_services(&world).await;
    let verify = world.esteira().args(["audit", "verify"]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

async fn prepare(world: &World) {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/air_quality_pipeline.yaml");
    world.write_dag("air_quality_pipeline.yaml", &std::fs::read_to_string(shipped).unwrap());
    let sample = world.esteira().args(["sample", "--rows", &ROWS.to_string()]).output().unwrap();
    assert!(sample.status.success());
    let objects = world.connectors().objects("minio_default").await.unwrap();
    objects.ensure_bucket("air-quality").await.unwrap();
    let key = "AirQualityUCI_Treated.csv".to_owned();
    let object = NewObject { key, content_type: "text/csv".into(), body: sample.stdout.into() };
    objects.put_all("air-quality", vec![object], 1, &|_| {}).await.unwrap();
}

async fn unfinished(reader: &Reader) -> Vec<RunRow> {
    reader.unfinished_runs().await.unwrap()
}

async fn all_ended(reader: &Reader) {
    until("the end of all runs", || async { unfinished(reader).await.is_empty().then_some(()) }).await;
}

/// Whether an instance of a run that goes on has been lost so often that another kill could fail it.
async fn is_worn(reader: &Reader) -> bool {
    for run in unfinished(reader).await {
        let events = reader.events_of_run(run.run_key).await.unwrap();
        for task in reader.instances(run.run_key).await.unwrap() {
            let is_loss = |name: &str, task_id: &str| name == "task.lost" && task_id == task.task_id.as_str();
            if events.iter().filter(|event| is_loss(&event.name, &event.task_id)).count() >= LOSSES_SPARED {
                return true;
            }
        }
    }
    false
}

async fn check_runs(reader: &Reader) {
    let runs = reader.runs(&RunFilter::default(), 1_000).await.unwrap().rows;
    let mut losses = 0;
    for run in &runs {
        let events = reader.events_of_run(run.run_key).await.unwrap();
        losses += events.iter().filter(|event| event.name == "task.lost").count();
        for task in reader.instances(run.run_key).await.unwrap() {
            assert_eq!(task.state, Some(TaskInstanceState::Success), "{} of {}", task.task_id, run.run_id);
            let is_success =
                |name: &str, task_id: &str| name == "task.succeeded" && task_id == task.task_id.as_str();
            let successes = events.iter().filter(|event| is_success(&event.name, &event.task_id)).count();
            assert_eq!(successes, 1, "{} of {} succeeded once", task.task_id, run.run_id);
        }
        assert_eq!(events.iter().filter(|event| event.name == "run.ended").count(), 1);
    }
    eprintln!("{} runs, {losses} attempts lost and tried again", runs.len());
    assert!(losses > 0, "no kill met an attempt: the test has shown nothing");
}

/// Every reading is cached and stored, and the consumer group has come to the end of the topic.
async fn check_services(world: &World) {
    let connectors = world.connectors();
    let cache = connectors.cache("redis_default").await.unwrap();
    assert_eq!(cache.count("sensor:").await.unwrap(), ROWS as u64);
    let objects = connectors.objects("minio_default").await.unwrap();
    let page = objects.list("air-quality", "processed/", None, ROWS).await.unwrap();
    assert_eq!(page.objects.len(), ROWS);
}
