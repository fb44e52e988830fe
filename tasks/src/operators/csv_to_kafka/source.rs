//! Where a CSV file is, and how its bytes are got: an object in a bucket, or a file on this machine.

use crate::connectors::Connectors;
use esteira_operator::TaskError;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::PathBuf;
use url::Url;

/// Where a CSV file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `s3://bucket/key`.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key, as it is: nothing in it is decoded.
        key: String,
    },
    /// A path, or `file:///path`.
    File(PathBuf),
}

/// An opened source.
pub(super) struct Opened {
    /// Its bytes.
    pub(super) reader: Box<dyn BufRead + Send>,
    /// How many lines it has, where that costs no second reading.
    pub(super) lines: Option<u64>,
}

const FILE_BUFFER_BYTES: usize = 256 * 1024;

impl Source {
    /// Reads `s3://bucket/key`, `file:///path` or a path. The error is one sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return match rest.split_once('/') {
                Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                    Ok(Self::Object { bucket: bucket.to_owned(), key: key.to_owned() })
                }
                _ => Err(format!("\"{text}\" does not name an object: s3://bucket/key is expected")),
            };
        }
        if text.starts_with("file:") {
            let absolute = text.starts_with("file:///").then(|| Url::parse(text).ok()).flatten();
            return absolute
                .and_then(|url| url.to_file_path().ok())
                .map(Self::File)
                .ok_or_else(|| format!("\"{text}\" is not a file's URL: file:///absolute/path is expected"));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!(
                "\"{scheme}://\" cannot be read: s3://bucket/key, file:///path or a path is expected"
            ));
        }
        if text.is_empty() {
            return Err("the source is empty: s3://bucket/key, file:///path or a path is expected".to_owned());
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// Opens it; an object's bytes are fetched whole through the connection.
    pub(super) async fn open(&self, connectors: &Connectors, connection: &str) -> Result<Opened, TaskError> {
        match self {
            Self::Object { bucket, key } => {
                let objects = connectors.objects(connection).await?;
                let Some(body) = objects.get(bucket, key).await? else {
                    return Err(TaskError::failed(format!(
                        "there is no object {self} (connection {connection})"
                    ))
                    .hint("put the file into the bucket, or correct `source`"));
                };
                let lines = body.iter().filter(|byte| **byte == b'\n').count() as u64;
                Ok(Opened { reader: Box::new(Cursor::new(body)), lines: Some(lines) })
            }
            Self::File(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || open_file(&path)).await;
                opened.map_err(|error| TaskError::failed(format!("reading {self} ended early: {error}")))?
            }
        }
    }
}

fn open_file(path: &PathBuf) -> Result<Opened, TaskError> {
    let cannot = |error: std::io::Error| {
        TaskError::failed(format!("cannot read {}: {error}", path.display()))
            .hint("the path is looked up on the machine and in the folder where Esteira runs; is it right?")
    };
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(TaskError::failed(format!("{} is a folder, not a file", path.display())));
    }
    Ok(Opened { reader: Box::new(BufReader::with_capacity(FILE_BUFFER_BYTES, file)), lines: None })
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_files_and_paths_are_told_apart() {
        let object = Source::parse("s3://air-quality/in/a b.csv").unwrap();
        assert_eq!(object, Source::Object { bucket: "air-quality".into(), key: "in/a b.csv".into() });
        assert_eq!(Source::parse("file:///tmp/a%20b.csv").unwrap(), Source::File("/tmp/a b.csv".into()));
        assert_eq!(Source::parse("data/a.csv").unwrap(), Source::File("data/a.csv".into()));
        for bad in ["s3://bucket", "s3:///key", "http://x/y.csv", "file:x", ""] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }
}
