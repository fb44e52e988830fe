//! Stores of objects in buckets: S3/MinIO, and its embedded twin.

use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;

/// An object's name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its key in the bucket.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, in the byte order of their keys.
    pub objects: Vec<ObjectEntry>,
    /// What to pass as `after` to get the next page; none when this is the last.
    pub next: Option<String>,
}

/// An object to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Its key in the bucket.
    pub key: String,
    /// The media type: `application/json`.
    pub content_type: &'static str,
    /// The content.
    pub body: Bytes,
}

/// A service that keeps objects. Keys are any text that S3 takes: they hold slashes, colons, dots and spaces.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Makes the bucket if it is missing.
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ServiceError>;

    /// Puts objects, up to `in_flight` at once, over what is there. All are durable when it returns; after a fault
    /// some may be there, and putting all again gives the same state. `on_progress` is told how many are done.
    async fn put_all(
        &self,
        bucket: &str,
        objects: Vec<NewObject>,
        in_flight: usize,
        on_progress: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(), ServiceError>;

    /// The content of an object; none where there is no such object or bucket.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, ServiceError>;

    /// Objects whose key has the prefix, in order, at most `limit`, after the key `after`. A bucket that does not
    /// exist is empty.
    async fn list(&self, bucket: &str, prefix: &str, after: Option<&str>, limit: usize) -> Result<ObjectPage, ServiceError>;

    /// Removes an object, if it is there.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}
