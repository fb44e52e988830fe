//! Stores of objects in buckets: S3/MinIO, and its embedded twin.

mod embedded;
mod file_names;
#[cfg(feature = "s3")]
mod s3;

pub(crate) use embedded::EmbeddedObjects;
#[cfg(feature = "s3")]
pub(crate) use s3::S3Objects;

use crate::service::ServiceError;
use async_trait::async_trait;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

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

/// Where an object is.
#[derive(Clone, Copy, Debug)]
pub struct ObjectName<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key in it.
    pub key: &'a str,
}

/// An object to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Its key in the bucket.
    pub key: String,
    /// The media type: `application/json`.
    pub content_type: Cow<'static, str>,
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
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, ServiceError>;

    /// Copies an object within the service, whatever its size up to 5 GiB; false if there is no such object. The bucket it
    /// goes to must exist.
    async fn copy(&self, from: ObjectName<'_>, to: ObjectName<'_>) -> Result<bool, ServiceError>;

    /// An address that lets anybody who has it read (or, with `is_upload`, write) the object without a password, for so
    /// long. The twin has none.
    async fn presign(
        &self,
        object: ObjectName<'_>,
        is_upload: bool,
        expires_in: Duration,
    ) -> Result<String, ServiceError>;

    /// Removes an object, if it is there.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ServiceError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ServiceError>;
}

/// S3's rule for the names of buckets. The twin keeps it too, so that what runs on one runs on the other.
pub(crate) fn check_bucket(bucket: &str) -> Result<(), String> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = bucket.as_bytes();
    let fits = (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(allowed)
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && !bucket.contains("..");
    if fits {
        Ok(())
    } else {
        Err(format!(
            "does not take the bucket name {bucket:?}: it must have 3 to 63 lower-case letters, digits, dots or dashes"
        ))
    }
}

/// S3's rule for keys, with MinIO's: no part of it may be `.` or `..`, and none may be longer than a file's name.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    let fault = if key.is_empty() || key.len() > 1024 {
        "it must have 1 to 1024 bytes"
    } else if key.split('/').any(|part| part == "." || part == "..") {
        "no part of it may be \".\" or \"..\""
    } else if key.split('/').any(|part| file_names::encode(part).len() > file_names::FILE_NAME_LENGTH_MAX) {
        "a part of it between slashes is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(format!("does not take the key {key:?}: {fault}"))
}

/// Without the objects that a later one of the same key would overwrite: with many in flight at once, either could be
/// the last.
pub(crate) fn last_of_each_key(objects: Vec<NewObject>) -> Vec<NewObject> {
    let last: HashMap<String, usize> =
        objects.iter().enumerate().map(|(index, object)| (object.key.clone(), index)).collect();
    if last.len() == objects.len() {
        return objects;
    }
    objects
        .into_iter()
        .enumerate()
        .filter(|(index, object)| last[&object.key] == *index)
        .map(|(_, object)| object)
        .collect()
}
