//! `/api/stats`: how much there is, and how each service is.

use super::error::DataError;
use super::query::Query;
use super::{DataState, PROCESSED_PREFIX, RAW_PREFIX};
use axum::Json;
use axum::extract::{OriginalUri, State};
use esteira_tasks::service::ServiceError;
use serde::Serialize;

/// Objects in one request of a listing.
const LIST_PAGE: usize = 1000;

/// Objects are counted by listing them, so a count ends here.
const OBJECTS_COUNTED_MAX: u64 = 100_000;

/// How much there is, and how each service is. A count is missing where its service does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    pub(crate) readings_cached: Option<u64>,
    pub(crate) objects_processed: Option<u64>,
    pub(crate) objects_raw: Option<u64>,
    pub(crate) alerts_waiting: Option<u64>,
    pub(crate) services: Vec<ServiceHealth>,
}

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceHealth {
    /// The product's name.
    pub(crate) service: &'static str,
    /// The connection's id.
    pub(crate) connection: String,
    /// Whether it is the embedded twin.
    pub(crate) embedded: bool,
    /// Host and port, or `embedded`.
    pub(crate) address: String,
    pub(crate) healthy: bool,
    /// "answers", or what went wrong.
    pub(crate) message: String,
    /// What to do where it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<&'static str>,
}

/// Answers `/api/stats`. A service that is down is part of the answer, not a failure of it.
pub(super) async fn answer(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Stats>, DataError> {
    Query::parse(uri.query(), &[])?;
    Ok(Json(read(&data).await))
}

/// Reads all counts and asks all services, at the same time.
pub(crate) async fn read(data: &DataState) -> Stats {
    let (readings, alerts, processed, raw, services) = tokio::join!(
        count_readings(data),
        count_alerts(data),
        count_objects(data, PROCESSED_PREFIX),
        count_objects(data, RAW_PREFIX),
        services(data),
    );
    Stats {
        readings_cached: readings.ok(),
        objects_processed: processed.ok(),
        objects_raw: raw.ok(),
        alerts_waiting: alerts.ok(),
        services,
    }
}

/// How many readings the cache holds.
pub(crate) async fn count_readings(data: &DataState) -> Result<u64, ServiceError> {
    data.cache().await?.count(&data.settings.hash_prefix).await
}

/// How many alerts wait.
pub(crate) async fn count_alerts(data: &DataState) -> Result<u64, ServiceError> {
    data.queue().await?.count(&data.settings.alert_queue).await
}

async fn count_objects(data: &DataState, prefix: &str) -> Result<u64, ServiceError> {
    let objects = data.objects().await?;
    let (mut count, mut after) = (0, None);
    loop {
        let page = objects.list(&data.settings.bucket, prefix, after.as_deref(), LIST_PAGE).await?;
        count += page.objects.len() as u64;
        after = page.next;
        if after.is_none() || count >= OBJECTS_COUNTED_MAX {
            return Ok(count);
        }
    }
}

/// Asks each of the four services whether it answers.
pub(crate) async fn services(data: &DataState) -> Vec<ServiceHealth> {
    let stream = async { data.stream().await?.ping().await };
    let cache = async { data.cache().await?.ping().await };
    let queue = async { data.queue().await?.ping().await };
    let objects = async { data.objects().await?.ping().await };
    let (stream, cache, queue, objects) = tokio::join!(stream, cache, queue, objects);
    let settings = &data.settings;
    vec![
        health(data, "Kafka", &settings.stream_connection, stream),
        health(data, "Redis", &settings.cache_connection, cache),
        health(data, "RabbitMQ", &settings.queue_connection, queue),
        health(data, "MinIO", &settings.objects_connection, objects),
    ]
}

fn health(
    data: &DataState,
    service: &'static str,
    connection: &str,
    answer: Result<(), ServiceError>,
) -> ServiceHealth {
    let resolved = data.connectors.source().resolve(connection).ok();
    ServiceHealth {
        service,
        connection: connection.to_owned(),
        embedded: resolved.as_ref().is_some_and(|connection| connection.is_embedded()),
        address: resolved.map(|connection| connection.address()).unwrap_or_default(),
        healthy: answer.is_ok(),
        hint: answer.as_ref().err().map(ServiceError::hint),
        message: answer.err().map_or_else(|| "answers".to_owned(), |error| error.message),
    }
}
