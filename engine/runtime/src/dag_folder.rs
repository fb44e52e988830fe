//! The DAG folder: files are read, checked and watched. What comes out goes to the loop, which makes versions of it.

use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::spec::{self, Diagnostic, Severity, Source};
use esteira_store::VersionId;
use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// A DAG as its file is at the moment.
#[derive(Clone, Debug)]
pub struct LoadedDag {
    /// The definition.
    pub dag: Arc<Dag>,
    /// The version in the history.
    pub version_id: VersionId,
    /// The version's number in the DAG, from 1.
    pub version_number: i64,
    /// The file, as people know it.
    pub file: String,
    /// Whether its schedule starts no runs.
    pub is_paused: bool,
    /// When its schedule starts the next run, if it does.
    pub next_run_at: Option<Timestamp>,
}

/// What a look at the folder found.
#[derive(Debug, Default)]
pub(crate) struct FolderChange {
    /// Files that are new or changed, by name, and what they hold.
    pub(crate) changed: Vec<(String, FileContent)>,
    /// Files that are gone.
    pub(crate) removed: Vec<String>,
}

impl FolderChange {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

/// What a DAG file holds.
#[derive(Debug)]
pub(crate) enum FileContent {
    /// A DAG.
    Good { source: String, dag: Box<Dag> },
    /// Faults.
    Broken { diagnostics: Vec<Diagnostic> },
}

/// What tells that a file may have changed, without reading it.
type Fingerprint = (u64, Option<SystemTime>);

/// The files of the folder as they were at the last look.
pub(crate) struct DagFolder {
    root: PathBuf,
    catalog: Arc<dyn Catalog + Send + Sync>,
    seen: HashMap<String, Fingerprint>,
}

/// How long to wait after a file event for the ones that come with it (an editor's rename, a checkout of many).
const SETTLE: Duration = Duration::from_millis(30);

/// How often to look even without a file event: network folders send none.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl DagFolder {
    pub(crate) fn new(root: PathBuf, catalog: Arc<dyn Catalog + Send + Sync>) -> Self {
        Self { root, catalog, seen: HashMap::new() }
    }

    /// What has changed since the last look. A folder that cannot be read at all is an error.
    pub(crate) fn look(&mut self) -> std::io::Result<FolderChange> {
        let mut found = BTreeMap::new();
        collect(&self.root, &mut found)?;
        let mut change = FolderChange::default();
        for (path, fingerprint) in &found {
            let name = path.to_string_lossy().into_owned();
            if self.seen.insert(name.clone(), *fingerprint) != Some(*fingerprint) {
                let content = read_dag_file(path, &name, self.catalog.as_ref());
                change.changed.push((name, content));
            }
        }
        let gone = |name: &&String| !found.contains_key(Path::new(name.as_str()));
        change.removed = self.seen.keys().filter(gone).cloned().collect();
        for name in &change.removed {
            self.seen.remove(name);
        }
        Ok(change)
    }

    /// Looks whenever a file event says so, until `stop`; changes go to `changes`.
    pub(crate) async fn watch(mut self, changes: mpsc::Sender<FolderChange>, stop: CancellationToken) {
        let stirred = Arc::new(Notify::new());
        let _watcher = self.start_watcher(Arc::clone(&stirred));
        // A file that changed after the first look and before the watcher was there sent no event.
        stirred.notify_one();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = stirred.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let change = self.look();
                (self, change)
            });
            let Ok((folder, change)) = looked.await else { return };
            self = folder;
            match change {
                Ok(change) if change.is_empty() => {}
                Ok(change) => {
                    if changes.send(change).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(folder = %self.root.display(), %error, "the DAG folder cannot be read; the DAGs stay as they were");
                }
            }
        }
    }

    /// File events wake the watcher; where the system gives none, the slow look still finds changes.
    fn start_watcher(&self, stirred: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                stirred.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            watcher.watch(&self.root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        watcher
            .inspect_err(|error| tracing::warn!(%error, "no file events here; DAG files are looked at every {LOOK_AGAIN:?}"))
            .ok()
    }
}

/// Every `.yaml` and `.yml` file below `folder`, hidden ones left out.
fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Fingerprint>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // A file that vanishes between the listing and this look is not there.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
    Ok(())
}

/// Every DAG file at or below `path`, for commands that check files without an engine.
pub fn dag_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = BTreeMap::new();
    collect(path, &mut found)?;
    Ok(found.into_keys().collect())
}

/// Reads and checks one DAG file: the DAG, if it has no errors, and everything there is to say about it.
pub fn check_dag_file(path: &Path, catalog: &dyn Catalog) -> (Option<(String, Dag)>, Vec<Diagnostic>) {
    let name = path.to_string_lossy();
    match read_source(path, &name) {
        Ok(source) => {
            let parsed = spec::parse(Source { name: &name, text: &source }, catalog);
            (parsed.dag.map(|dag| (source, dag)), parsed.diagnostics)
        }
        Err(diagnostic) => (None, vec![*diagnostic]),
    }
}

fn read_dag_file(path: &Path, name: &str, catalog: &dyn Catalog) -> FileContent {
    let (dag, diagnostics) = check_dag_file(path, catalog);
    match dag {
        Some((source, dag)) => {
            for diagnostic in diagnostics {
                tracing::warn!("{}", diagnostic.render());
            }
            FileContent::Good { source, dag: Box::new(dag) }
        }
        None => {
            tracing::error!(file = name, faults = diagnostics.len(), "a DAG file has faults");
            FileContent::Broken { diagnostics }
        }
    }
}

fn read_source(path: &Path, name: &str) -> Result<String, Box<Diagnostic>> {
    let fault = |code, message: String, hint: &str| Box::new(file_fault(name, code, message, hint));
    let unreadable = |error: std::io::Error| {
        fault(
            "unreadable-file",
            format!("the file cannot be read: {error}"),
            "check that it is there and may be read",
        )
    };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > spec::FILE_SIZE_MAX as u64 {
        let message =
            format!("the file is {length} bytes, more than the limit of {} bytes", spec::FILE_SIZE_MAX);
        return Err(fault("file-too-large", message, "a DAG file describes tasks; keep data elsewhere"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        fault("not-utf8", format!("the file is not UTF-8 text (byte {})", place + 1), "save it as UTF-8")
    })
}

/// A fault of a file as a whole.
fn file_fault(name: &str, code: &'static str, message: String, hint: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        file: name.to_owned(),
        line: 1,
        column: 1,
        length: 0,
        message,
        hint: Some(hint.to_owned()),
        snippet: None,
    }
}
