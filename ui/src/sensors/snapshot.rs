//! The readings in the cache, kept in this process so that a page does not read thousands of hashes each time.
//!
//! A snapshot is refreshed when somebody asks and it has grown old, by one asker at a time: keys are listed, hashes
//! of keys that are new are read, and from time to time all hashes are, because a hash may be written over.

use super::reading::Reading;
use crate::data_api::DataState;
use esteira_tasks::cache::Cache;
use esteira_tasks::service::ServiceError;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash as _, Hasher};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A snapshot this young is given as it is.
const AGE_FRESH: Duration = Duration::from_millis(200);

/// How old what was read of a hash may become before it is read again, for it may have been written over; and how many
/// times as long as reading all of them takes: so that no more than a twentieth of the time goes into that.
const AGE_MAX: Duration = Duration::from_millis(700);
const AGE_MAX_TIMES: u32 = 20;

/// Keys and hashes in one request.
const PAGE: usize = 1000;

/// More readings than this are not shown: 57 years of hours.
const READINGS_MAX: usize = 500_000;

/// The readings at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// In the order of their times, one for a time.
    pub(crate) readings: Vec<Reading>,
    /// Hashes that are no readings.
    pub(crate) unreadable: usize,
    /// The same for the same readings, in every process.
    pub(crate) version: u64,
}

impl Snapshot {
    fn new(readings: impl Iterator<Item = Option<Reading>>) -> Self {
        let (mut found, mut unreadable) = (Vec::new(), 0);
        for reading in readings {
            match reading {
                Some(reading) => found.push(reading),
                None => unreadable += 1,
            }
        }
        found.sort_by_key(|reading| reading.time);
        found.dedup_by_key(|reading| reading.time);
        let mut hasher = DefaultHasher::new();
        for reading in &found {
            reading.time.hash(&mut hasher);
            reading.values.map(|value| value.map(f64::to_bits)).hash(&mut hasher);
        }
        Self { readings: found, unreadable, version: hasher.finish() }
    }

    /// The readings from one time to another, both included.
    pub(crate) fn between(&self, from: i64, to: i64) -> &[Reading] {
        let start = self.readings.partition_point(|reading| reading.time < from);
        let end = self.readings.partition_point(|reading| reading.time <= to);
        self.readings.get(start..end).unwrap_or_default()
    }

    /// The same, and the reading before them and the one after: what a line between two edges of a chart goes through.
    pub(crate) fn around(&self, from: i64, to: i64) -> &[Reading] {
        let start = self.readings.partition_point(|reading| reading.time < from).saturating_sub(1);
        let end = self.readings.partition_point(|reading| reading.time <= to) + 1;
        self.readings.get(start..end.min(self.readings.len())).unwrap_or_default()
    }

    /// The last reading.
    pub(crate) fn last(&self) -> Option<&Reading> {
        self.readings.last()
    }
}

/// The newest snapshot, and what it was made from.
#[derive(Default)]
pub(crate) struct Snapshots {
    newest: RwLock<Option<(Instant, Arc<Snapshot>)>>,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_key: BTreeMap<String, Option<Reading>>,
    /// When all hashes were last read, and how long that took.
    all_read: Option<(Instant, Duration)>,
}

impl Snapshots {
    /// The readings as they are, or were half a second ago.
    pub(crate) async fn get(&self, data: &DataState) -> Result<Arc<Snapshot>, ServiceError> {
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        let mut known = self.known.lock().await;
        // Somebody else may have refreshed it while this one waited.
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        known.refresh(&*data.cache().await?, &data.settings.hash_prefix).await?;
        let snapshot = Arc::new(Snapshot::new(known.by_key.values().cloned()));
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// The readings as they were when they could last be read.
    pub(crate) fn last_known(&self) -> Option<Arc<Snapshot>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().map(|(_, snapshot)| Arc::clone(snapshot))
    }

    fn fresh(&self) -> Option<Arc<Snapshot>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let (taken_at, snapshot) = newest.as_ref()?;
        (taken_at.elapsed() < AGE_FRESH).then(|| Arc::clone(snapshot))
    }
}

impl Known {
    async fn refresh(&mut self, cache: &dyn Cache, prefix: &str) -> Result<(), ServiceError> {
        let keys = all_keys(cache, prefix).await?;
        let is_old = self.all_read.is_none_or(|(read_at, took)| {
            read_at.elapsed() >= AGE_MAX.max(took * AGE_MAX_TIMES)
        });
        let wanted: Vec<String> =
            keys.iter().filter(|key| is_old || !self.by_key.contains_key(*key)).cloned().collect();
        let begun_at = Instant::now();
        let mut gone = HashSet::new();
        for chunk in wanted.chunks(PAGE) {
            for (key, hash) in chunk.iter().zip(cache.hashes(chunk).await?) {
                match hash {
                    Some(hash) => drop(self.by_key.insert(key.clone(), Reading::from_hash(&hash))),
                    None => drop(gone.insert(key.clone())),
                }
            }
        }
        self.by_key.retain(|key, _| keys.contains(key) && !gone.contains(key));
        if is_old {
            self.all_read = Some((begun_at, begun_at.elapsed()));
        }
        Ok(())
    }
}

async fn all_keys(cache: &dyn Cache, prefix: &str) -> Result<HashSet<String>, ServiceError> {
    let (mut keys, mut after) = (HashSet::new(), None::<String>);
    loop {
        let page = cache.keys(prefix, after.as_deref(), PAGE).await?;
        keys.extend(page.keys);
        after = page.next;
        if after.is_none() || keys.len() >= READINGS_MAX {
            return Ok(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_api::tests::{hash, world};

    fn reading(time: i64, co: f64) -> Option<Reading> {
        Some(Reading { time, values: [Some(co), None, None, None, None] })
    }

    #[test]
    fn a_snapshot_is_ordered_and_its_version_follows_its_content() {
        let snapshot =
            Snapshot::new([reading(20, 2.0), None, reading(10, 1.0), reading(20, 2.0)].into_iter());
        let times: Vec<_> = snapshot.readings.iter().map(|reading| reading.time).collect();
        assert_eq!((times, snapshot.unreadable), (vec![10, 20], 1));
        assert_eq!(snapshot.between(10, 19).len(), 1);
        assert_eq!(snapshot.between(30, 10).len(), 0);
        let again = Snapshot::new([reading(10, 1.0), reading(20, 2.0)].into_iter());
        assert_eq!(again.version, snapshot.version);
        assert_ne!(Snapshot::new([reading(10, 1.0)].into_iter()).version, snapshot.version);
    }

    #[tokio::test]
    async fn it_follows_the_cache() {
        let (data, _home) = world(&[]);
        let cache = data.cache().await.unwrap();
        let snapshots = Snapshots::default();
        assert!(snapshots.get(&data).await.unwrap().last().is_none());
        let first = hash("10/03/2004", "18.00.00", "2.6", "113");
        let second = hash("10/03/2004", "19.00.00", "11.5", "");
        cache.put_hashes(&[first.clone(), second], None).await.unwrap();
        // What is fresh is not read again.
        assert!(snapshots.get(&data).await.unwrap().last().is_none());
        let mut known = Known::default();
        known.refresh(&*cache, "sensor:").await.unwrap();
        assert_eq!(known.by_key.len(), 2);
        cache.delete(&[first.0]).await.unwrap();
        known.refresh(&*cache, "sensor:").await.unwrap();
        let snapshot = Snapshot::new(known.by_key.values().cloned());
        assert_eq!(snapshot.readings.len(), 1);
        assert!(snapshot.last().unwrap().is_over(0));
        assert_eq!(snapshot.last().unwrap().values[1], None);
    }
}
