//! `file_sensor`: waits for a file, for files by a pattern, or for a folder with something in it.

use super::{Look, Looked, SensorKind};
use async_trait::async_trait;
use esteira_operator::{
    Argument, ArgumentKind, Signature, TaskContext, TaskError, TaskOutput, parse_arguments,
};
use glob::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// The most paths that a result names.
const PATHS_MAX: usize = 1_000;

/// Waits for files (Airflow's `FileSensor`).
pub(crate) struct FileSensor;

#[derive(Deserialize)]
struct Arguments {
    filepath: String,
    #[serde(default)]
    recursive: bool,
}

#[async_trait]
impl SensorKind for FileSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Boolean, Text};
        Signature {
            name: "file_sensor",
            summary: "Waits for a file, for files by a pattern, or for a folder with something in it.",
            arguments: vec![
                Argument::required(
                    "filepath",
                    Text,
                    "The path; with * ? [ ] and ** a pattern. The result is the list of the paths found.",
                ),
                Argument::optional(
                    "recursive",
                    Boolean,
                    "Whether a file somewhere below a folder counts, and not only one in it.",
                )
                .with_default(false),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        match (argument, value.as_str()) {
            ("filepath", Some(path)) => Pattern::new(path)
                .map(drop)
                .map_err(|error| format!("`filepath` is no pattern: {}", error.msg)),
            _ => Ok(()),
        }
    }

    async fn prepare(&self, _: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError> {
        let arguments: Arguments = parse_arguments(arguments)?;
        Ok(Arc::new(FileLook { filepath: arguments.filepath.into(), recursive: arguments.recursive }))
    }
}

struct FileLook {
    filepath: Box<str>,
    recursive: bool,
}

#[async_trait]
impl Look for FileLook {
    fn what(&self) -> String {
        format!("the file {}", self.filepath)
    }

    async fn look(&self) -> Result<Looked, TaskError> {
        let (filepath, recursive) = (self.filepath.clone(), self.recursive);
        // A file system may be slow: not on a thread that others need.
        let found = tokio::task::spawn_blocking(move || find(&filepath, recursive)).await;
        let found = found.map_err(|panic| TaskError::failed(format!("the look stopped: {panic}")))??;
        Ok(if found.is_empty() { Looked::NotYet } else { Looked::here(TaskOutput::returning(json!(found))) })
    }
}

/// The paths that are there. A folder counts when it holds a file.
fn find(filepath: &str, recursive: bool) -> Result<Vec<String>, TaskError> {
    let is_pattern = filepath.contains(['*', '?', '[']);
    if !is_pattern {
        let path = Path::new(filepath);
        return Ok(if counts(path, recursive) { vec![filepath.to_owned()] } else { Vec::new() });
    }
    let paths = glob::glob(filepath)
        .map_err(|error| TaskError::fatal(format!("filepath is no pattern: {}", error.msg)))?;
    // What cannot be read is not there yet.
    let there = paths.filter_map(Result::ok).filter(|path| counts(path, recursive));
    Ok(there.take(PATHS_MAX).map(|path| path.to_string_lossy().into_owned()).collect())
}

fn counts(path: &Path, recursive: bool) -> bool {
    match path.metadata() {
        Err(_) => false,
        Ok(metadata) if !metadata.is_dir() => true,
        Ok(_) => std::fs::read_dir(path).is_ok_and(|entries| {
            entries.filter_map(Result::ok).any(|entry| {
                let path = entry.path();
                if path.is_dir() { recursive && counts(&path, true) } else { true }
            })
        }),
    }
}
