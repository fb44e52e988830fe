//! The folder that holds all state of an Esteira, and the lock that keeps a second engine out.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A home that this process holds: nobody else writes to it.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    id: String,
    /// Held for as long as this value lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// What a running engine tells other processes about itself, in the home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its process.
    pub pid: u32,
    /// The address that it serves on, if it serves: `http://127.0.0.1:8080`.
    pub url: Option<String>,
}

/// A home that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The folder cannot be made or written.
    #[error("the home {} cannot be used: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another engine holds it.
    #[error("the home {} is in use by another engine{}", path.display(), describe(announcement.as_ref()))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// What that engine says of itself.
        announcement: Option<Announcement>,
    },
}

fn describe(announcement: Option<&Announcement>) -> String {
    match announcement {
        Some(Announcement { pid, url: Some(url) }) => format!(" (process {pid}, serving {url})"),
        Some(Announcement { pid, url: None }) => format!(" (process {pid})"),
        None => String::new(),
    }
}

impl Home {
    /// Makes the folder if it is missing and takes its lock.
    pub fn open(root: &Path) -> Result<Self, HomeError> {
        let unusable = |source| HomeError::Unusable { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        let path = root.join("engine.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(unusable)?;
        match take(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HomeError::InUse { announcement: read_announcement(&root), path: root });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let id = read_or_make_id(&root).map_err(unusable)?;
        let home = Self { root, id, _lock: lock };
        home.announce(None).map_err(|source| HomeError::Unusable { path: home.root.clone(), source })?;
        Ok(home)
    }

    /// Tells other processes that this one holds the home, and where it serves.
    pub fn announce(&self, url: Option<String>) -> io::Result<()> {
        let announcement = Announcement { pid: std::process::id(), url };
        write_whole(&announcement_file(&self.root), serde_json::to_string(&announcement)?.as_bytes())
    }

    /// Lays a secret into the home, which only its owner may read: whoever has it comes in as the owner.
    pub fn write_secret(&self, secret: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = secret_file(&self.root);
        let half = path.with_extension("new");
        // A file that is left from before may have other rights.
        let _ = fs::remove_file(&half);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&half)?;
        file.write_all(secret.as_bytes())?;
        fs::rename(half, path)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A name for this home that no other home has; it marks child processes.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Only tidiness: a stale announcement is told from a live one by the lock.
        let _ = fs::remove_file(announcement_file(&self.root));
        let _ = fs::remove_file(secret_file(&self.root));
    }
}

/// Takes the lock. Whoever only asks whether an engine runs holds it for a moment, which must not keep one out.
fn take(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..ASKERS_WAITED_FOR {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
    lock.try_lock()
}

/// How often the lock is tried again, 10 ms apart.
const ASKERS_WAITED_FOR: usize = 10;

/// What the engine that holds this home says of itself; none when nobody holds it.
pub fn running_engine(root: &Path) -> Option<Announcement> {
    let lock = File::options().write(true).open(root.join("engine.lock")).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_announcement(root),
        _ => None,
    }
}

/// The database of a home.
pub fn database(root: &Path) -> PathBuf {
    root.join("esteira.db")
}

/// The keys that secrets of a home are sealed with, unless they are somewhere else.
pub fn key_file(root: &Path) -> PathBuf {
    root.join("secret.key")
}

/// The logs of a home.
pub fn logs(root: &Path) -> PathBuf {
    root.join("logs")
}

/// What the embedded twins of the services keep in a home.
pub fn embedded(root: &Path) -> PathBuf {
    root.join("embedded")
}

/// The secret that the engine of this home has laid into it, if there is one and this user may read it.
pub fn read_secret(root: &Path) -> Option<String> {
    fs::read_to_string(secret_file(root)).ok().map(|secret| secret.trim().to_owned())
}

fn secret_file(root: &Path) -> PathBuf {
    root.join("engine.token")
}

fn announcement_file(root: &Path) -> PathBuf {
    root.join("engine.json")
}

fn read_announcement(root: &Path) -> Option<Announcement> {
    serde_json::from_slice(&fs::read(announcement_file(root)).ok()?).ok()
}

fn read_or_make_id(root: &Path) -> io::Result<String> {
    let path = root.join("home.id");
    match fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = uuid::Uuid::now_v7().simple().to_string();
    write_whole(&path, id.as_bytes())?;
    Ok(id)
}

/// Writes a file so that a reader sees the old content or the new, never a half.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let half = path.with_extension("new");
    let mut file = File::create(&half)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_engine_is_refused_by_name_and_let_in_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        home.announce(Some("http://127.0.0.1:8080".into())).unwrap();
        let refusal = Home::open(folder.path()).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("process {}, serving http://127.0.0.1:8080", std::process::id())),
            "{refusal}"
        );
        assert!(running_engine(folder.path()).is_some());
        let id = home.id().to_owned();
        drop(home);
        assert!(running_engine(folder.path()).is_none());
        assert_eq!(Home::open(folder.path()).unwrap().id(), id);
    }
}
