//! The mission's pipeline, end to end, by the real binary: on the embedded twins and on the real services, over the
//! real data set where it is present.
#![allow(clippy::unwrap_used)]

mod support;

use esteira_core::states::RunState;
use esteira_tasks::cache::Hash;
use esteira_tasks::connectors::Connectors;
use support::{World, real_data, real_services, skip};

const READINGS: u64 = 6_941;
const ALERTS: u64 = 343;

#[tokio::test(flavor = "multi_thread")]
async fn the_real_data_goes_through_the_embedded_twins() {
    let world = World::new();
    run_and_check(&world, "the_real_data_goes_through_the_embedded_twins").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_data_goes_through_the_real_services() {
    let test = "the_real_data_goes_through_the_real_services";
    let Some(connections) = real_services() else {
        return skip(
            test,
            "the four ESTEIRA_CONN_*_DEFAULT are not set; scripts/services up, then scripts/services env",
        );
    };
    let mut world = World::new();
    world.connections = connections;
    empty_services(&world.connectors()).await;
    run_and_check(&world, test).await;
}

async fn run_and_check(world: &World, test: &str) {
    let Some(data) = real_data() else { return skip(test, "the real data set is not present") };
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/air_quality_pipeline.yaml");
    world.write_dag("air_quality_pipeline.yaml", &std::fs::read_to_string(shipped).unwrap());
    // Twice: what is stored must be the same, and the second run must read only what it sent itself.
    for _ in 0..2 {
        let output = world.esteira().arg("demo").arg("--csv").arg(&data).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        for line in [
            "6,941  sent",
            "6,941  consumed",
            "6,941  cached",
            "6,941  stored",
            "343  alerts",
            " 0  rejected",
        ] {
            assert!(said.contains(line), "\"{line}\" is missing:\n{said}");
        }
    }
    check_history(world).await;
    check_services(&world.connectors()).await;
    let verify = world.esteira().args(["audit", "verify"]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

async fn check_history(world: &World) {
    let runs = world.reader().await.runs(&Default::default(), 10).await.unwrap().rows;
    assert_eq!(runs.iter().map(|run| run.state).collect::<Vec<_>>(), [RunState::Success, RunState::Success]);
    let reader = world.reader().await;
    let records =
        reader.xcom_value(runs[0].run_key, "consume_from_kafka", -1, "return_value").await.unwrap().unwrap();
    assert_eq!(records.as_array().unwrap().len() as u64, READINGS);
    assert_eq!(
        records[0],
        serde_json::json!({"date": "10/03/2004", "time": "18.00.00", "CO": 2.6, "NO2": 113.0, "Temperature": 13.6,
            "Relative_Humidity": 48.9, "Absolute_Humidity": 0.7578})
    );
}

async fn check_services(connectors: &Connectors) {
    let cache = connectors.cache("redis_default").await.unwrap();
    assert_eq!(cache.count("sensor:").await.unwrap(), READINGS);
    let first: Hash = cache.hash("sensor:10/03/2004:18.00.00").await.unwrap().unwrap();
    assert_eq!((first["CO"].as_str(), first["Absolute_Humidity"].as_str()), ("2.6", "0.7578"));
    let objects = connectors.objects("minio_default").await.unwrap();
    assert_eq!(count_objects(connectors, "processed/").await, READINGS);
    assert_eq!(count_objects(connectors, "raw/").await, 2);
    let last = objects.get("air-quality", "processed/04/04/2005_14.00.00.json").await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&last).unwrap()["NO2"], 168.0);
    let queue = connectors.queue("rabbitmq_default").await.unwrap();
    assert_eq!(queue.count("sensor_alert").await.unwrap(), 2 * ALERTS);
    let alerts = queue.peek("sensor_alert", 2 * ALERTS as usize).await.unwrap();
    let ids: std::collections::HashSet<_> = alerts.iter().map(|alert| &alert.message_id).collect();
    assert_eq!(ids.len() as u64, ALERTS, "an alert has the same id when it is sent again");
}

async fn count_objects(connectors: &Connectors, prefix: &str) -> u64 {
    let objects = connectors.objects("minio_default").await.unwrap();
    let (mut count, mut after) = (0, None);
    loop {
        let page = objects.list("air-quality", prefix, after.as_deref(), 1_000).await.unwrap();
        count += page.objects.len() as u64;
        after = page.next;
        if after.is_none() {
            return count;
        }
    }
}

/// Takes out what an earlier test run left in services that outlive it.
async fn empty_services(connectors: &Connectors) {
    let cache = connectors.cache("redis_default").await.unwrap();
    loop {
        let page = cache.keys("sensor:", None, 1_000).await.unwrap();
        if !page.keys.is_empty() {
            cache.delete(&page.keys).await.unwrap();
        } else if page.next.is_none() {
            break;
        }
        if cache.count("sensor:").await.unwrap() == 0 {
            break;
        }
    }
    let queue = connectors.queue("rabbitmq_default").await.unwrap();
    while !queue.take("sensor_alert", 1_000).await.unwrap().is_empty() {}
    let objects = connectors.objects("minio_default").await.unwrap();
    for prefix in ["raw/", "processed/"] {
        loop {
            let page = objects.list("air-quality", prefix, None, 1_000).await.unwrap();
            for object in &page.objects {
                objects.delete("air-quality", &object.key).await.unwrap();
            }
            if page.next.is_none() {
                break;
            }
        }
    }
}
