//! The air-quality pipeline, stage by stage: on the embedded twins; and, where the four services are configured, on
//! them, beside the slowest stage driven alone by a bare client loop with the same concurrency.

use crate::world::World;
use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use esteira_operator::{Connection, ConnectionSource, EnvironmentConnections};
use esteira_store::RunRow;
use esteira_tasks::objects::NewObject;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use std::time::{Duration, Instant};

const DAG_ID: &str = "air_quality_pipeline";
const BUCKET: &str = "air-quality";
/// What `store_readings` keeps in flight unless told otherwise.
const IN_FLIGHT: usize = 64;

pub(crate) async fn measure() -> Result<()> {
    let yaml = std::fs::read_to_string("dags/air_quality_pipeline.yaml")
        .context("run this in the project's root")?;
    let data =
        std::fs::read(data_file()).with_context(|| format!("the data set is not at {}", data_file()))?;
    println!("on the embedded twins");
    let (embedded, _) = pipeline(&yaml, &data, EnvironmentConnections::default()).await?;
    println!("  {:<40} {:>8.2} s; wanted: under 3 s", "the whole DAG", embedded.as_secs_f64());
    let services = EnvironmentConnections::from_variables(std::env::vars())?;
    let store = services.resolve("minio_default")?;
    if services.all().iter().any(Connection::is_embedded) {
        println!("on the real services: not measured, since not all four ESTEIRA_CONN_*_DEFAULT are set");
        return Ok(());
    }
    println!("on the real services");
    let (real, records) = pipeline(&yaml, &data, services).await?;
    let bare = bare_puts(&store, &records).await?;
    println!("  {:<40} {:>8.2} s", "the whole DAG", real.as_secs_f64());
    println!("  {:<40} {:>8.2} s", "a bare loop of the same PUTs", bare.as_secs_f64());
    println!("  {:<40} {:>8.2}; wanted: no more than 1.5", "ratio", real.as_secs_f64() / bare.as_secs_f64());
    Ok(())
}

fn data_file() -> String {
    std::env::var("ESTEIRA_TEST_DATA")
        .unwrap_or_else(|_| "../shared/data/AirQualityUCI_Treated.csv".to_owned())
}

/// Runs the pipeline and gives how long the run took, and the records that it stored.
async fn pipeline(
    yaml: &str,
    data: &[u8],
    connections: EnvironmentConnections,
) -> Result<(Duration, Vec<Value>)> {
    let world = World::connected(yaml, connections).await?;
    let objects = world.connectors.objects("minio_default").await?;
    objects.ensure_bucket(BUCKET).await?;
    let key = "AirQualityUCI_Treated.csv".to_owned();
    objects
        .put_all(
            BUCKET,
            vec![NewObject { key, content_type: "text/csv".into(), body: data.to_vec().into() }],
            1,
            &|_| {},
        )
        .await?;
    let run = world.run(DAG_ID).await?;
    let reader = world.engine.handle().reader();
    for row in reader.instances(run.run_key).await? {
        let took =
            row.started_at.zip(row.ended_at).map(|(start, end)| end.duration_since(start).as_secs_f64());
        let state = row.state.map_or("none", |state| state.as_str());
        println!("  {:<40} {:>8.2} s {state}", row.task_id.as_str(), took.unwrap_or_default());
    }
    let records = reader.xcom_value(run.run_key, "consume_from_kafka", -1, "return_value").await?;
    let took = duration(&run)?;
    world.engine.stop().await?;
    Ok((took, records.and_then(|value| value.as_array().cloned()).unwrap_or_default()))
}

fn duration(run: &RunRow) -> Result<Duration> {
    let (start, end) = run.started_at.zip(run.ended_at).context("the run has no end")?;
    Ok(Duration::try_from(end.duration_since(start))?)
}

/// The same objects, put by the SDK's own client in the plainest loop.
async fn bare_puts(store: &Connection, records: &[Value]) -> Result<Duration> {
    let client = bare_client(store)?;
    let objects: Vec<(String, Vec<u8>)> = records
        .iter()
        .map(|record| {
            let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            (format!("bare/{}_{}.json", field("date"), field("time")), record.to_string().into_bytes())
        })
        .collect();
    let start = Instant::now();
    futures::stream::iter(objects)
        .map(|(key, body)| client.put_object().bucket(BUCKET).key(key).body(body.into()).send())
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(start.elapsed())
}

fn bare_client(store: &Connection) -> Result<Client> {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let (key, secret) =
        store.username().zip(store.password()).context("the connection has no credentials")?;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(format!("http://{}", store.address()))
        .region(Region::new(store.option("region").unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(Credentials::new(key, secret, None, None, "bench"))
        .force_path_style(true)
        .build();
    Ok(Client::from_conf(config))
}
