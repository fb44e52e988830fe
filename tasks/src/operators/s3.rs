//! `s3`: copy, list, delete, put and get objects in S3 or MinIO, and addresses to give out.

use super::support::{counted, ensure, from_body, minio_default, optional_duration, or_cancelled, to_body};
use crate::connectors::Connectors;
use crate::objects::{NewObject, ObjectName, Objects, check_bucket, check_key};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Works on objects.
pub(crate) struct S3 {
    connectors: Connectors,
}

impl S3 {
    /// The operator, with the services it may reach.
    pub(crate) fn new(connectors: Connectors) -> Self {
        Self { connectors }
    }
}

const ACTIONS: &[&str] = &["copy", "delete", "get", "list", "presign", "put"];
const EXPIRES_DEFAULT: Duration = Duration::from_secs(3_600);
/// S3's own limit.
const EXPIRES_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const LIMIT_DEFAULT: usize = 1_000;
/// Objects in one page of a listing.
const PAGE: usize = 1_000;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Copy,
    Delete,
    Get,
    List,
    Presign,
    Put,
}

#[derive(Deserialize)]
struct Arguments {
    action: Action,
    bucket: String,
    key: Option<String>,
    prefix: Option<String>,
    to_bucket: Option<String>,
    to_key: Option<String>,
    body: Option<Value>,
    content_type: Option<String>,
    limit: Option<usize>,
    #[serde(default, deserialize_with = "optional_duration")]
    expires_in: Option<Duration>,
    #[serde(default)]
    is_upload: bool,
    #[serde(default = "minio_default")]
    connection: String,
}

#[async_trait]
impl Operator for S3 {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Any, Boolean, Choice, Duration, Integer, Text};
        Signature {
            name: "s3",
            summary: "Copies, lists, deletes, puts and gets objects in S3 or MinIO, and makes addresses to give out.",
            arguments: vec![
                Argument::required("action", Choice(ACTIONS), "What to do."),
                Argument::required("bucket", Text, "The bucket."),
                Argument::optional("key", Text, "The object's key; for all but list."),
                Argument::optional(
                    "prefix",
                    Text,
                    "What the keys begin with: for list, and to delete several.",
                ),
                Argument::optional(
                    "to_bucket",
                    Text,
                    "copy: where to; the same bucket unless said. It is made if it is missing.",
                ),
                Argument::optional("to_key", Text, "copy: the key there; the same unless said."),
                Argument::optional("body", Any, "put: the content, a text as it is, anything else as JSON."),
                Argument::optional("content_type", Text, "put: the media type; by the body unless said."),
                Argument::optional("limit", Integer, "list: how many, at the most.")
                    .with_default(LIMIT_DEFAULT),
                Argument::optional(
                    "expires_in",
                    Duration,
                    "presign: how long the address works; 7d at the most.",
                )
                .with_default("1h"),
                Argument::optional("is_upload", Boolean, "presign: whether the address is for writing.")
                    .with_default(false),
                Argument::optional("connection", Text, "The connection to the object store.")
                    .with_default(minio_default()),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "bucket" | "to_bucket" => check_bucket(text),
            "key" | "to_key" => check_key(text),
            "limit" => ensure(value.as_u64().is_some_and(|limit| limit > 0), "`limit` is above 0"),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        let objects = self.connectors.objects(&arguments.connection).await?;
        let work = Work { context, objects: objects.as_ref(), arguments: &arguments };
        let result = or_cancelled(context, work.run()).await?;
        Ok(TaskOutput::returning(result))
    }
}

struct Work<'a> {
    context: &'a TaskContext,
    objects: &'a dyn Objects,
    arguments: &'a Arguments,
}

impl Work<'_> {
    async fn run(&self) -> Result<Value, TaskError> {
        match self.arguments.action {
            Action::Copy => self.copy().await,
            Action::Delete => self.delete().await,
            Action::Get => self.get().await,
            Action::List => self.list().await,
            Action::Presign => self.presign().await,
            Action::Put => self.put().await,
        }
    }

    fn key(&self) -> Result<&str, TaskError> {
        self.arguments.key.as_deref().ok_or_else(|| TaskError::fatal("this action needs a `key`"))
    }

    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.arguments.bucket)
    }

    fn missing(&self, key: &str) -> TaskError {
        TaskError::failed(format!("there is no object {}", self.place(key))).class("s3_missing")
    }

    async fn copy(&self) -> Result<Value, TaskError> {
        let Arguments { bucket, to_bucket, to_key, .. } = self.arguments;
        let key = self.key()?;
        let (to_bucket, to_key) = (to_bucket.as_ref().unwrap_or(bucket), to_key.as_deref().unwrap_or(key));
        if (to_bucket, to_key) == (bucket, key) {
            return Err(TaskError::fatal("`copy` needs a `to_bucket` or a `to_key` that differs"));
        }
        self.objects.ensure_bucket(to_bucket).await?;
        let (from, to) = (ObjectName { bucket, key }, ObjectName { bucket: to_bucket, key: to_key });
        if !self.objects.copy(from, to).await? {
            return Err(self.missing(key));
        }
        self.context.info(format!("copied {} to {to_bucket}/{to_key}", self.place(key)));
        Ok(json!({ "bucket": to_bucket, "key": to_key }))
    }

    /// The objects with the prefix, at most `limit`.
    async fn listed(&self, prefix: &str, limit: usize) -> Result<Vec<(String, u64)>, TaskError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = (limit - found.len()).min(PAGE);
            let page = self.objects.list(&self.arguments.bucket, prefix, after.as_deref(), page).await?;
            found.extend(page.objects.into_iter().map(|object| (object.key, object.size)));
            after = page.next;
            if after.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    async fn list(&self) -> Result<Value, TaskError> {
        let prefix = self.arguments.prefix.as_deref().unwrap_or_default();
        let found = self.listed(prefix, self.arguments.limit.unwrap_or(LIMIT_DEFAULT)).await?;
        self.context.info(format!("{} under {}", counted(found.len() as u64, "object"), self.place(prefix)));
        Ok(found.into_iter().map(|(key, size)| json!({ "key": key, "size": size })).collect())
    }

    async fn delete(&self) -> Result<Value, TaskError> {
        let keys = match (&self.arguments.key, &self.arguments.prefix) {
            (Some(key), None) => vec![key.clone()],
            (None, Some(prefix)) if !prefix.is_empty() => {
                self.listed(prefix, usize::MAX).await?.into_iter().map(|(key, _)| key).collect()
            }
            _ => {
                return Err(TaskError::fatal(
                    "`delete` needs either a `key` or a `prefix` that is not empty",
                ));
            }
        };
        for (done, key) in keys.iter().enumerate() {
            self.objects.delete(&self.arguments.bucket, key).await?;
            self.context.progress(done as u64 + 1, Some(keys.len() as u64), "deleted");
        }
        self.context.info(format!(
            "{} deleted in {}",
            counted(keys.len() as u64, "object"),
            self.arguments.bucket
        ));
        Ok(json!({ "deleted": keys.len() }))
    }

    async fn get(&self) -> Result<Value, TaskError> {
        let key = self.key()?;
        let body = self.objects.get(&self.arguments.bucket, key).await?.ok_or_else(|| self.missing(key))?;
        self.context.info(format!("read {} bytes of {}", body.len(), self.place(key)));
        Ok(from_body(&body))
    }

    async fn put(&self) -> Result<Value, TaskError> {
        let key = self.key()?;
        let body = self.arguments.body.as_ref().ok_or_else(|| TaskError::fatal("`put` needs a `body`"))?;
        let (body, content_type) = to_body(body);
        let content_type = self.arguments.content_type.clone().map_or(content_type.into(), Into::into);
        let size = body.len();
        self.objects.ensure_bucket(&self.arguments.bucket).await?;
        let object = NewObject { key: key.to_owned(), content_type, body };
        self.objects.put_all(&self.arguments.bucket, vec![object], 1, &|_| ()).await?;
        self.context.info(format!("wrote {size} bytes to {}", self.place(key)));
        Ok(json!({ "bucket": self.arguments.bucket, "key": key, "size": size }))
    }

    async fn presign(&self) -> Result<Value, TaskError> {
        let key = self.key()?;
        let expires_in = self.arguments.expires_in.unwrap_or(EXPIRES_DEFAULT);
        if expires_in > EXPIRES_MAX {
            return Err(TaskError::fatal("`expires_in` is 7d at the most: S3 takes no more"));
        }
        let object = ObjectName { bucket: &self.arguments.bucket, key };
        let url = self.objects.presign(object, self.arguments.is_upload, expires_in).await?;
        self.context.info(format!("an address for {} is the task's result", self.place(key)));
        Ok(url.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use serde_json::json;

    #[tokio::test]
    async fn objects_are_put_copied_listed_read_and_deleted() {
        let bench = Bench::new();
        let s3 = |arguments| bench.run("s3", arguments);
        let put = s3(json!({"action": "put", "bucket": "lake", "key": "in/a.json", "body": {"n": 1}})).await;
        assert_eq!(put.unwrap(), json!({"bucket": "lake", "key": "in/a.json", "size": 7}));
        let copy = json!({"action": "copy", "bucket": "lake", "key": "in/a.json", "to_bucket": "done", "to_key": "a b.json"});
        s3(copy).await.unwrap();
        assert_eq!(
            s3(json!({"action": "get", "bucket": "done", "key": "a b.json"})).await.unwrap(),
            json!({"n": 1})
        );
        let listed = s3(json!({"action": "list", "bucket": "done"})).await.unwrap();
        assert_eq!(listed, json!([{"key": "a b.json", "size": 7}]));
        assert_eq!(
            s3(json!({"action": "delete", "bucket": "lake", "prefix": "in/"})).await.unwrap(),
            json!({"deleted": 1})
        );
        assert_eq!(s3(json!({"action": "list", "bucket": "lake"})).await.unwrap(), json!([]));
        let missing =
            s3(json!({"action": "copy", "bucket": "lake", "key": "x", "to_key": "y"})).await.unwrap_err();
        assert_eq!(
            (missing.message.as_str(), missing.class.as_deref()),
            ("there is no object lake/x", Some("s3_missing"))
        );
        let all = s3(json!({"action": "delete", "bucket": "lake", "prefix": ""})).await.unwrap_err();
        assert!(all.message.contains("not empty"), "{all}");
        let address = s3(json!({"action": "presign", "bucket": "lake", "key": "x"})).await.unwrap_err();
        assert!(address.message.contains("ESTEIRA_CONN_MINIO_DEFAULT"), "{address}");
    }
}
