//! `/api/history`: the documents that the pipeline stored, by name: `processed/{name}.json` in the data lake.

use super::error::DataError;
use super::name::{Name, check_prefix};
use super::query::Query;
use super::{DataState, PROCESSED_PREFIX, PROCESSED_SUFFIX};
use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use esteira_tasks::service::{ServiceError, ServiceErrorKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const ROUTE: &str = "/api/history/";
const LIMIT_DEFAULT: usize = 100;

/// What S3 takes as a key.
const KEY_BYTES_MAX: usize = 1024;

/// One document, byte for byte as it was stored.
pub(super) async fn one(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, DataError> {
    Query::parse(uri.query(), &[])?;
    let key = key_of(Name::from_path(uri.path(), ROUTE)?.as_str())?;
    let bucket = &data.settings.bucket;
    let body = match data.objects().await?.get(bucket, &key).await {
        Ok(body) => body,
        Err(error) => return Err(blamed(&data, error).await),
    };
    let body =
        body.ok_or_else(|| DataError::NotFound(format!("There is no {key} in the bucket {bucket}")))?;
    if let Err(error) = serde_json::from_slice::<&RawValue>(&body) {
        return Err(DataError::Unusable(format!("{key} in the bucket {bucket} is not JSON: {error}")));
    }
    Ok(([(CONTENT_TYPE, "application/json")], body))
}

/// A page of names.
pub(super) async fn list(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    let query = Query::parse(uri.query(), &["prefix", "limit", "after"])?;
    let prefix = check_prefix(query.get("prefix").unwrap_or_default().to_owned())?;
    let limit = query.limit()?.unwrap_or(LIMIT_DEFAULT);
    let after = query.after()?.map(|name| key_of(Name::new(name.to_owned())?.as_str())).transpose()?;
    let (names, has_more) = names(&data, &prefix, after, limit).await?;
    let next = if has_more { names.last().cloned() } else { None };
    Ok(Json(json!({"names": names, "next": next})))
}

fn key_of(name: &str) -> Result<String, DataError> {
    let key = format!("{PROCESSED_PREFIX}{name}{PROCESSED_SUFFIX}");
    if key.len() > KEY_BYTES_MAX {
        let message = format!(
            "This name is too long: with {PROCESSED_PREFIX} and {PROCESSED_SUFFIX} it has more than {KEY_BYTES_MAX} bytes"
        );
        return Err(DataError::bad_request(message, "Names are at most 1009 bytes long"));
    }
    Ok(key)
}

/// Names after a key, and whether there may be more. Objects that are no documents are passed over.
async fn names(
    data: &DataState,
    prefix: &str,
    mut after: Option<String>,
    limit: usize,
) -> Result<(Vec<String>, bool), DataError> {
    let objects = data.objects().await?;
    let prefix = format!("{PROCESSED_PREFIX}{prefix}");
    let mut names = Vec::new();
    loop {
        let page =
            match objects.list(&data.settings.bucket, &prefix, after.as_deref(), limit - names.len()).await {
                Ok(page) => page,
                Err(error) => return Err(blamed(data, error).await),
            };
        names.extend(page.objects.iter().filter_map(|object| name_of(&object.key)));
        if page.next.is_none() || names.len() >= limit {
            return Ok((names, page.next.is_some()));
        }
        after = page.next;
    }
}

/// Finds out whose fault a refusal is: that of the name that was asked for, or that of the bucket, in which case
/// nothing else is answered either.
async fn blamed(data: &DataState, error: ServiceError) -> DataError {
    if error.kind != ServiceErrorKind::Rejected {
        return DataError::Service(error);
    }
    let bucket = match data.objects().await {
        Ok(objects) => objects.list(&data.settings.bucket, PROCESSED_PREFIX, None, 1).await.map(|_| ()),
        Err(error) => Err(error),
    };
    match bucket {
        Ok(()) => DataError::Service(error),
        Err(fault) => DataError::Setup(fault),
    }
}

fn name_of(key: &str) -> Option<String> {
    key.strip_prefix(PROCESSED_PREFIX)?.strip_suffix(PROCESSED_SUFFIX).map(str::to_owned)
}
