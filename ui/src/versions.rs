//! What lists tell of DAG versions, kept in memory: a version never changes, and reading one's definition for each row of a
//! list is what makes it slow.

use crate::definition::{Definition, Task};
use esteira_store::{Reader, StoreError, VersionId};
use jiff::Timestamp;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

/// How many tasks are kept, over all versions: some 100 bytes each.
const TASKS_MAX: usize = 50_000;

/// What lists tell of a version.
#[derive(Debug, Default)]
pub(crate) struct Version {
    /// When it was first seen; none if the store does not know it.
    pub(crate) created_at: Option<Timestamp>,
    /// Its tasks, in the order of the file.
    pub(crate) tasks: Vec<VersionTask>,
}

/// What lists tell of a task.
#[derive(Debug)]
pub(crate) struct VersionTask {
    pub(crate) operator: Box<str>,
    pub(crate) retries: u32,
    pub(crate) pool: Box<str>,
    pub(crate) pool_slots: u32,
    pub(crate) priority_weight: i64,
}

/// The versions that were asked for last. Cloning shares them.
#[derive(Clone)]
pub struct Versions {
    reader: Reader,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    versions: LruCache<VersionId, Arc<Version>>,
    tasks: usize,
}

impl Versions {
    /// Of this store.
    pub fn new(reader: Reader) -> Self {
        Self { reader, kept: Arc::new(Mutex::new(Kept { versions: LruCache::unbounded(), tasks: 0 })) }
    }

    /// The version with this number.
    pub(crate) async fn of(&self, version_id: VersionId) -> Result<Arc<Version>, StoreError> {
        if let Some(known) = self.kept().versions.get(&version_id) {
            return Ok(Arc::clone(known));
        }
        let Some((created_at, definition)) = self.reader.version_definition(version_id).await? else {
            return Ok(Arc::default());
        };
        let tasks = Definition::read(&definition).tasks.iter().map(VersionTask::of).collect();
        let version = Arc::new(Version { created_at: Some(created_at), tasks });
        self.kept().keep(version_id, Arc::clone(&version), TASKS_MAX);
        Ok(version)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a version, and lets go of those that were not asked for longest while there are more tasks than `most`.
    fn keep(&mut self, version_id: VersionId, version: Arc<Version>, most: usize) {
        self.tasks += version.tasks.len();
        if let Some(replaced) = self.versions.put(version_id, version) {
            self.tasks -= replaced.tasks.len();
        }
        while self.tasks > most {
            let Some((_, gone)) = self.versions.pop_lru() else { break };
            self.tasks -= gone.tasks.len();
        }
    }
}

impl VersionTask {
    fn of(task: &Task) -> Self {
        Self {
            operator: task.operator.as_str().into(),
            retries: task.retries,
            pool: task.pool.as_str().into(),
            pool_slots: task.pool_slots,
            priority_weight: task.priority_weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_tasks_are_kept_than_allowed() {
        let version = |count: usize| {
            let tasks = (0..count).map(|_| VersionTask::of(&Task::default())).collect();
            Arc::new(Version { created_at: None, tasks })
        };
        let mut kept = Kept { versions: LruCache::unbounded(), tasks: 0 };
        for (version_id, count) in [(1, 4), (2, 4), (1, 3), (3, 3)] {
            kept.keep(version_id, version(count), 8);
        }
        // The first was asked for again after the second.
        let ids: Vec<VersionId> = kept.versions.iter().map(|(version_id, _)| *version_id).collect();
        assert_eq!((ids, kept.tasks), (vec![3, 1], 6));
    }
}
