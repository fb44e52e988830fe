//! The embedded object store: one file an object, in a folder a bucket.
//!
//! An object appears whole or not at all: it is written aside, made durable, and renamed into place. A batch pays for
//! the disk twice, not once a file: `syncfs` makes all of its content durable, and once more all of its names.

use super::file_names::{key_part, path_of};
use super::{
    NewObject, ObjectEntry, ObjectName, ObjectPage, Objects, check_bucket, check_key, last_of_each_key,
};
use crate::embedded::file_fault;
use crate::service::{ServiceError, ServiceErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const SERVICE: &str = "Embedded object store";

/// The folder for what is being written. No bucket's name begins with a dot.
const TEMPORARY: &str = ".temporary";

/// After this time, what is being written has been left behind by a process that died.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Objects that become durable together.
const BATCH_OBJECTS_MAX: usize = 10_000;

/// How often a batch tells of its progress.
const PROGRESS_STEP: usize = 500;

/// The embedded twin of S3. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedObjects {
    root: Arc<Path>,
}

impl EmbeddedObjects {
    /// The store in this folder, which is made if it is missing.
    pub(crate) fn open(root: PathBuf) -> Result<Self, ServiceError> {
        let temporary = root.join(TEMPORARY);
        let prepared = fs::create_dir_all(&temporary).and_then(|()| remove_leftovers(&temporary));
        prepared.map_err(|error| file_fault(SERVICE, &root, &format!("could not be made: {error}")))?;
        Ok(Self { root: root.into() })
    }

    fn rejected(&self, message: String) -> ServiceError {
        let address = self.root.display().to_string();
        ServiceError { service: SERVICE, address, kind: ServiceErrorKind::Rejected, message }
    }

    fn bucket_folder(&self, bucket: &str) -> Result<PathBuf, ServiceError> {
        check_bucket(bucket).map_err(|message| self.rejected(message))?;
        Ok(self.root.join(bucket))
    }

    fn check_key(&self, key: &str) -> Result<(), ServiceError> {
        check_key(key).map_err(|message| self.rejected(message))
    }

    /// Runs what blocks on a thread for that, and tells of its faults in this store's name.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let root = Arc::clone(&self.root);
        let result = tokio::task::spawn_blocking(move || work(&root)).await;
        let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
        result.map_err(|error| file_fault(SERVICE, &self.root, &format!("could not {what}: {error}")))
    }

    async fn put_batch(
        &self,
        folder: &Path,
        objects: Vec<NewObject>,
        on_written: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(), ServiceError> {
        let batch = Arc::new(Batch::create(&self.root, folder, objects).map_err(|error| {
            file_fault(SERVICE, &self.root, &format!("could not begin to write: {error}"))
        })?);
        let mut written = 0;
        while written < batch.objects.len() {
            let end = (written + PROGRESS_STEP).min(batch.objects.len());
            let (writing, range) = (Arc::clone(&batch), written..end);
            self.blocking("write", move |_| writing.write(range)).await?;
            written = end;
            on_written(written);
        }
        self.blocking("make what was written durable", move |root| {
            sync_file_system(root)?;
            batch.rename()?;
            sync_file_system(root)
        })
        .await
    }
}

/// Objects on their way: written to a folder of their own, then renamed into place. The folder goes with it.
struct Batch {
    objects: Vec<NewObject>,
    bucket_folder: PathBuf,
    temporary: PathBuf,
    /// The places of those that are to be renamed.
    written: Mutex<Vec<usize>>,
}

impl Batch {
    fn create(root: &Path, bucket_folder: &Path, objects: Vec<NewObject>) -> io::Result<Self> {
        let temporary = root.join(TEMPORARY).join(uuid::Uuid::now_v7().to_string());
        fs::create_dir_all(&temporary)?;
        let bucket_folder = bucket_folder.to_owned();
        Ok(Self { objects, bucket_folder, temporary, written: Mutex::default() })
    }

    fn temporary_path(&self, index: usize) -> PathBuf {
        self.temporary.join(index.to_string())
    }

    /// Writes some of the objects aside. Those that are there with the same content are left as they are: putting
    /// a batch again is common (a task's second attempt), and thousands of new files are not cheap.
    fn write(&self, range: Range<usize>) -> io::Result<()> {
        for index in range {
            let object = &self.objects[index];
            if holds(&path_of(&self.bucket_folder, &object.key), &object.body) {
                continue;
            }
            fs::write(self.temporary_path(index), &object.body)?;
            self.written.lock().unwrap_or_else(PoisonError::into_inner).push(index);
        }
        Ok(())
    }

    fn rename(&self) -> io::Result<()> {
        for &index in self.written.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let target = path_of(&self.bucket_folder, &self.objects[index].key);
            let temporary = self.temporary_path(index);
            // The folder is mostly there. It may be missing at first, or go at any time: a delete removes folders
            // that it leaves empty.
            while let Err(error) = fs::rename(&temporary, &target) {
                if error.kind() != io::ErrorKind::NotFound
                    || !temporary.exists()
                    || !self.bucket_folder.exists()
                {
                    return Err(error);
                }
                fs::create_dir_all(target.parent().unwrap_or(&self.bucket_folder))?;
            }
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // What stays behind is removed when the store is opened after a day.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

/// Whether a file is there and has this content.
fn holds(path: &Path, body: &[u8]) -> bool {
    let has_size =
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == body.len() as u64);
    has_size && fs::read(path).is_ok_and(|content| content == body)
}

fn remove_leftovers(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        if age > TEMPORARY_AGE_MAX {
            // Another process may be removing it at this moment; that is as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn sync_file_system(folder: &Path) -> io::Result<()> {
    let folder = fs::File::open(folder)?;
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(&folder)?;
    #[cfg(not(target_os = "linux"))]
    {
        nix::unistd::sync();
        folder.sync_all()?;
    }
    Ok(())
}

/// What a listing looks for, and what it has found.
struct Listing<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    /// One more than the page takes, to learn whether there is another page.
    wanted: usize,
    found: Vec<ObjectEntry>,
}

impl Listing<'_> {
    /// Whether keys that begin with this can be among those looked for.
    fn may_hold(&self, beginning: &str) -> bool {
        let is_past = self.after.is_none_or(|after| beginning > after || after.starts_with(beginning));
        is_past && (beginning.starts_with(self.prefix) || self.prefix.starts_with(beginning))
    }

    fn takes(&self, key: &str) -> bool {
        key.starts_with(self.prefix) && self.after.is_none_or(|after| key > after)
    }

    /// Goes through a folder in the order of keys: a folder sorts as its name with a slash, which is how the keys in
    /// it begin.
    fn walk(&mut self, folder: &Path, beginning: &str) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in read_folder(folder)? {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            let part = entry.file_name().to_str().and_then(|name| key_part(name, is_folder));
            if let Some(part) = part {
                entries.push((part, is_folder, entry));
            }
        }
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        for (part, is_folder, entry) in entries {
            let key = format!("{beginning}{part}");
            if is_folder && self.may_hold(&key) {
                self.walk(&entry.path(), &key)?;
            } else if !is_folder && self.takes(&key) {
                self.add(key, &entry)?;
            }
            if self.found.len() >= self.wanted {
                break;
            }
        }
        Ok(())
    }

    fn add(&mut self, key: String, entry: &fs::DirEntry) -> io::Result<()> {
        match entry.metadata() {
            Ok(metadata) => self.found.push(ObjectEntry { key, size: metadata.len() }),
            // Deleted since the folder was read.
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A folder's entries; none for a folder that is not there.
fn read_folder(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if is_missing(&error) => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn delete_object(bucket_folder: &Path, key: &str) -> io::Result<()> {
    let path = path_of(bucket_folder, key);
    match fs::remove_file(&path) {
        Err(error) if is_missing(&error) => return Ok(()),
        other => other?,
    }
    // S3 has no folders: those that are empty now go too. The first that is not empty ends it.
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket_folder) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    sync_file_system(bucket_folder)
}

#[async_trait]
impl Objects for EmbeddedObjects {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ServiceError> {
        let folder = self.bucket_folder(bucket)?;
        self.blocking("make the bucket", move |root| {
            if folder.is_dir() {
                return Ok(());
            }
            fs::create_dir_all(&folder)?;
            sync_file_system(root)
        })
        .await
    }

    async fn put_all(
        &self,
        bucket: &str,
        objects: Vec<NewObject>,
        _in_flight: usize,
        on_progress: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(), ServiceError> {
        let folder = self.bucket_folder(bucket)?;
        objects.iter().try_for_each(|object| self.check_key(&object.key))?;
        if !folder.is_dir() {
            return Err(self.rejected(format!("has no bucket {bucket:?}")));
        }
        let mut objects = last_of_each_key(objects);
        let mut done = 0;
        while !objects.is_empty() {
            let rest = objects.split_off(objects.len().min(BATCH_OBJECTS_MAX));
            let count = objects.len();
            self.put_batch(&folder, objects, &|written| on_progress(done + written)).await?;
            done += count;
            objects = rest;
        }
        Ok(())
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, ServiceError> {
        self.check_key(key)?;
        let path = path_of(&self.bucket_folder(bucket)?, key);
        self.blocking("read", move |_| match fs::read(path) {
            Ok(body) => Ok(Some(Bytes::from(body))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn copy(&self, from: ObjectName<'_>, to: ObjectName<'_>) -> Result<bool, ServiceError> {
        let Some(body) = self.get(from.bucket, from.key).await? else { return Ok(false) };
        let object = NewObject { key: to.key.to_owned(), content_type: "".into(), body };
        self.put_all(to.bucket, vec![object], 1, &|_| ()).await?;
        Ok(true)
    }

    async fn presign(&self, _: ObjectName<'_>, _: bool, _: Duration) -> Result<String, ServiceError> {
        Err(self.rejected(
            "has no addresses to give out: ESTEIRA_CONN_MINIO_DEFAULT names an S3 or MinIO, which has"
                .to_owned(),
        ))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, ServiceError> {
        let folder = self.bucket_folder(bucket)?;
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let limit = limit.max(1);
        let mut objects = self
            .blocking("list", move |_| {
                let wanted = limit.saturating_add(1);
                let mut listing =
                    Listing { prefix: &prefix, after: after.as_deref(), wanted, found: Vec::new() };
                listing.walk(&folder, "")?;
                Ok(listing.found)
            })
            .await?;
        let has_more = objects.len() > limit;
        objects.truncate(limit);
        let next = if has_more { objects.last().map(|last| last.key.clone()) } else { None };
        Ok(ObjectPage { objects, next })
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ServiceError> {
        self.check_key(key)?;
        let folder = self.bucket_folder(bucket)?;
        let key = key.to_owned();
        self.blocking("delete", move |_| delete_object(&folder, &key)).await
    }

    async fn ping(&self) -> Result<(), ServiceError> {
        self.blocking("read its folder", |root| fs::read_dir(root).map(drop)).await
    }
}
