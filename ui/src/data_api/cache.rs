//! `/api/cache`: hashes by key.

use super::DataState;
use super::error::DataError;
use super::name::{Name, check_prefix};
use super::query::Query;
use axum::Json;
use axum::extract::{OriginalUri, State};
use esteira_tasks::cache::Hash;
use serde_json::{Value, json};

const ROUTE: &str = "/api/cache/";
const LIMIT_DEFAULT: usize = 100;

/// One hash, as an object of texts.
pub(super) async fn one(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Hash>, DataError> {
    Query::parse(uri.query(), &[])?;
    let key = Name::from_path(uri.path(), ROUTE)?;
    let hash = data.cache().await?.hash(key.as_str()).await?;
    hash.map(Json).ok_or_else(|| DataError::NotFound("Key not found".to_owned()))
}

/// A page of keys.
pub(super) async fn list(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    let query = Query::parse(uri.query(), &["prefix", "limit", "after"])?;
    let prefix = check_prefix(query.get("prefix").unwrap_or_default().to_owned())?;
    let limit = query.limit()?.unwrap_or(LIMIT_DEFAULT);
    let page = data.cache().await?.keys(&prefix, query.after()?, limit).await?;
    Ok(Json(json!({"keys": page.keys, "next": page.next})))
}
