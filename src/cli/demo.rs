//! `esteira demo`: the product at work, with nothing else installed. Puts a data set into the object store, runs the
//! air-quality pipeline in the foreground, and says what came of it.

use super::output::{offer, say};
use super::run::{ConfArguments, run_to_end};
use super::serve::{WebServer, check_users, listen, url};
use super::{Failure, grouped};
use crate::config::Settings;
use crate::wiring::{Parts, engine_failure, start_engine};
use clap::Args;
use esteira_core::states::RunState;
use esteira_runtime::{Engine, Handle};
use esteira_store::{RunFilter, RunRow};
use esteira_tasks::objects::NewObject;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(crate) struct DemoArguments {
    /// A file of readings; a synthetic one of the same shape is made when none is named
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Keep the web pages up afterwards, and while the pipeline runs
    #[arg(long)]
    serve: bool,
    /// Where to listen with --serve [default: 127.0.0.1:8080; ESTEIRA_LISTEN]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

const DAG_ID: &str = "air_quality_pipeline";
const BUCKET: &str = "air-quality";
const OBJECT: &str = "AirQualityUCI_Treated.csv";

/// The pipeline as it ships, for a demo outside of the source tree.
const SHIPPED_DAG: &str = include_str!("../../dags/air_quality_pipeline.yaml");

pub(crate) async fn demo(settings: &Settings, arguments: DemoArguments) -> Result<ExitCode, Failure> {
    let parts = Parts::new(settings);
    let data = data_set(arguments.csv.as_deref())?;
    let listener = match arguments.serve {
        true => Some(listen(arguments.listen.as_deref().unwrap_or(&settings.listen)).await?),
        false => None,
    };
    if let Some(listener) = &listener {
        check_users(settings, listener).await?;
    }
    let served = listener.as_ref().map(url).transpose()?;
    let settings = &served.map_or_else(|| settings.clone(), |url| settings.served_at(url));
    let engine = start_engine(settings, &parts, dag_folder(settings)?, arguments.serve).await?;
    let web = listener.map(|listener| WebServer::start(settings, &engine, &parts, listener)).transpose()?;
    if let Some(web) = web {
        // A server that is started again has its readings already: another run would only repeat the alerts.
        if arguments.csv.is_none() && has_succeeded(engine.handle()).await? {
            say!("the pipeline has run on this home already; trigger it again from its page");
        } else if let Err(failure) = run_pipeline(&engine, &parts, data, arguments.csv.is_some()).await {
            say!("{failure}");
        }
        web.until_stopped(engine).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let run = run_pipeline(&engine, &parts, data, arguments.csv.is_some()).await;
    engine.stop().await.map_err(engine_failure)?;
    Ok(if run?.state == RunState::Success { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn has_succeeded(handle: &Handle) -> Result<bool, Failure> {
    let filter = RunFilter {
        dag_id: Some(DAG_ID.to_owned()),
        states: vec![RunState::Success],
        ..RunFilter::default()
    };
    let count =
        handle.reader().run_count(&filter).await.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(count > 0)
}

async fn run_pipeline(
    engine: &Engine,
    parts: &Parts,
    data: Vec<u8>,
    is_named: bool,
) -> Result<RunRow, Failure> {
    upload(parts, data, is_named).await?;
    let run = run_to_end(engine, DAG_ID, &ConfArguments::default()).await?;
    print_summary(engine.handle(), &run).await?;
    Ok(run)
}

/// The bytes of the data set, and what it is called.
fn data_set(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match file {
        Some(path) => std::fs::read(path).map_err(|error| {
            Failure::usage(format!("the file {} cannot be read: {error}", path.display()))
                .hint("name a file with --csv FILE, or leave it out for a synthetic one")
        }),
        None => Ok(super::sample::generate(super::sample::ROWS, super::sample::SEED).into_bytes()),
    }
}

/// The folder with the pipeline: the one in use if it holds it, else one in the home with the shipped file.
fn dag_folder(settings: &Settings) -> Result<PathBuf, Failure> {
    let file_name = format!("{DAG_ID}.yaml");
    if settings.dags_were_chosen || settings.dags.join(&file_name).is_file() {
        return Ok(settings.dags.clone());
    }
    let folder = settings.home.join("demo-dags");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join(file_name), SHIPPED_DAG))
        .map_err(|error| {
            Failure::usage(format!("the folder {} cannot be written: {error}", folder.display()))
                .hint("choose another home with --home")
        })?;
    Ok(folder)
}

/// Puts the data set where the pipeline looks for it. A synthetic one never takes the place of a file that is there.
async fn upload(parts: &Parts, data: Vec<u8>, is_named: bool) -> Result<(), Failure> {
    let failure =
        |error: esteira_tasks::service::ServiceError| Failure::failed(error.to_string()).hint(error.hint());
    let objects = parts.connectors.objects("minio_default").await.map_err(failure)?;
    objects.ensure_bucket(BUCKET).await.map_err(failure)?;
    if !is_named && objects.get(BUCKET, OBJECT).await.map_err(failure)?.is_some_and(|there| there != data) {
        say!(
            "s3://{BUCKET}/{OBJECT} is there already and is used as it is; --csv FILE puts another in its place"
        );
        return Ok(());
    }
    let object = NewObject { key: OBJECT.to_owned(), content_type: "text/csv".into(), body: data.into() };
    objects.put_all(BUCKET, vec![object], 1, &|_| {}).await.map_err(failure)
}

/// What came of the run: sent, consumed, cached, stored, alerts, rejected, seconds.
async fn print_summary(handle: &Handle, run: &RunRow) -> Result<(), Failure> {
    let load = result(handle, run, "load_csv_to_kafka", "return_value").await?;
    let consume = result(handle, run, "consume_from_kafka", "summary").await?;
    let store = result(handle, run, "process_and_store_to_minio_and_redis", "return_value").await?;
    let alert = result(handle, run, "send_alert_to_rabbitmq", "return_value").await?;
    let count = |value: &Value, key: &str| value[key].as_u64().map_or_else(|| "-".to_owned(), grouped);
    let rejected = [&load, &consume, &store].iter().filter_map(|value| value["rejected"].as_u64()).sum();
    let seconds =
        run.started_at.zip(run.ended_at).map(|(start, end)| end.duration_since(start).as_secs_f64());
    offer("");
    offer(format_args!("{:>10}  sent to the stream", count(&load, "sent")));
    offer(format_args!("{:>10}  consumed from it", count(&consume, "consumed")));
    offer(format_args!("{:>10}  cached as hashes", count(&store, "cached")));
    offer(format_args!("{:>10}  stored as objects", count(&store, "stored")));
    offer(format_args!("{:>10}  alerts in the queue", count(&alert, "alerts")));
    offer(format_args!("{:>10}  rejected", grouped(rejected)));
    offer(format_args!("{:>10.2}  seconds, {}", seconds.unwrap_or_default(), super::follow::verdict(run)));
    offer(format_args!("{:>10}  run {}", "", run.run_id));
    say!("look closer with esteira runs show {DAG_ID} latest, or in a browser with esteira demo --serve");
    Ok(())
}

async fn result(handle: &Handle, run: &RunRow, task_id: &str, key: &str) -> Result<Value, Failure> {
    let value = handle.reader().xcom_value(run.run_key, task_id, -1, key).await;
    Ok(value.map_err(|error| Failure::failed(error.to_string()))?.unwrap_or_default())
}
