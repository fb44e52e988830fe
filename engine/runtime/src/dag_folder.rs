//! The DAG folder: files are read, checked and watched. What comes out goes to the loop, which makes versions of it.

use esteira_core::catalog::Catalog;
use esteira_core::dag::Dag;
use esteira_core::ids::DagId;
use esteira_core::schedule::Tick;
use esteira_core::spec::{self, Diagnostic, Severity, Source};
use esteira_store::VersionId;
use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
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
    /// The next run that its schedule starts, if it does.
    pub next_tick: Option<Tick>,
}

impl LoadedDag {
    /// When its schedule starts the next run, if it does.
    pub fn next_run_at(&self) -> Option<Timestamp> {
        self.next_tick.map(|tick| tick.run_after)
    }
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

/// What tells that a file may have changed, without reading it: size, and the times of change of its content and of
/// its inode (a permission that was given).
type Fingerprint = (u64, Option<SystemTime>, i64, i64);

/// A file as it was at the last look.
struct SeenFile {
    fingerprint: Fingerprint,
    /// The DAG that it held or claimed.
    dag_id: Option<DagId>,
}

/// The files of the folder as they were at the last look.
pub(crate) struct DagFolder {
    root: PathBuf,
    catalog: Arc<dyn Catalog + Send + Sync>,
    seen: HashMap<String, SeenFile>,
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
        let found = files_below(&self.root)?;
        let mut change = FolderChange::default();
        let mut released = HashSet::new();
        let gone: Vec<String> =
            self.seen.keys().filter(|name| !found.contains_key(Path::new(name.as_str()))).cloned().collect();
        for name in gone {
            released.extend(self.seen.remove(&name).and_then(|seen| seen.dag_id));
            change.removed.push(name);
        }
        for (path, fingerprint) in &found {
            let name = path.to_string_lossy().into_owned();
            if self.seen.get(&name).is_none_or(|seen| seen.fingerprint != *fingerprint) {
                released.extend(self.read(path, name, *fingerprint, &mut change));
            }
        }
        self.read_claimants(&found, &released, &mut change);
        Ok(change)
    }

    /// Reads a file into the change; gives the DAG that it held before, if it holds it no more.
    fn read(
        &mut self,
        path: &Path,
        name: String,
        fingerprint: Fingerprint,
        change: &mut FolderChange,
    ) -> Option<DagId> {
        let content = read_dag_file(path, &name, self.catalog.as_ref());
        let dag_id = match &content {
            FileContent::Good { dag, .. } => Some(dag.dag_id.clone()),
            FileContent::Broken { .. } => None,
        };
        change.changed.push((name.clone(), content));
        let before = self.seen.insert(name, SeenFile { fingerprint, dag_id: dag_id.clone() });
        before.and_then(|before| before.dag_id).filter(|before| dag_id.as_ref() != Some(before))
    }

    /// Files that claim a DAG which another file has just let go of were refused before, and may have it now.
    fn read_claimants(
        &mut self,
        found: &BTreeMap<PathBuf, Fingerprint>,
        released: &HashSet<DagId>,
        change: &mut FolderChange,
    ) {
        for (path, fingerprint) in found {
            let name = path.to_string_lossy().into_owned();
            let claims = self.seen.get(&name).and_then(|seen| seen.dag_id.as_ref());
            let is_read = change.changed.iter().any(|(changed, _)| *changed == name);
            if claims.is_some_and(|dag_id| released.contains(dag_id)) && !is_read {
                self.read(path, name, *fingerprint, change);
            }
        }
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
fn files_below(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Fingerprint>> {
    let (mut found, mut visited) = (BTreeMap::new(), HashSet::new());
    collect(folder, &mut found, &mut visited)?;
    Ok(found)
}

/// Goes into each folder once, however many links lead to it, and takes plain files only: reading a pipe or a device
/// would never end.
fn collect(
    folder: &Path,
    found: &mut BTreeMap<PathBuf, Fingerprint>,
    visited: &mut HashSet<(u64, u64)>,
) -> std::io::Result<()> {
    let metadata = fs::metadata(folder)?;
    if !visited.insert((metadata.dev(), metadata.ino())) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // A file that vanishes between the listing and this look is not there.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if metadata.is_dir() {
            collect(&path, found, visited)?;
        } else if metadata.is_file() && is_yaml {
            let fingerprint =
                (metadata.len(), metadata.modified().ok(), metadata.ctime(), metadata.ctime_nsec());
            found.insert(path, fingerprint);
        }
    }
    Ok(())
}

/// Every DAG file at or below `path`, for commands that check files without an engine.
pub fn dag_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    Ok(files_below(path)?.into_keys().collect())
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
    let file = fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    // The limit holds for what is read, whatever the size was said to be.
    let mut bytes = Vec::new();
    file.take(spec::FILE_SIZE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > spec::FILE_SIZE_MAX {
        let message =
            format!("the file is {length} bytes, more than the limit of {} bytes", spec::FILE_SIZE_MAX);
        return Err(fault("file-too-large", message, "a DAG file describes tasks; keep data elsewhere"));
    }
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
