//! The readings in the cache, kept in this process so that a page does not read thousands of hashes each time.
//!
//! A snapshot is refreshed when somebody asks and it has grown old, by one asker at a time: keys are listed, and hashes of
//! keys that are new are read. Because a hash may be written over, those of the newest readings are read again each time,
//! and of the others a part, one after another: so what is new shows at once, and no refresh takes long.

use super::reading::Reading;
use crate::data_api::DataState;
use esteira_tasks::cache::Cache;
use esteira_tasks::service::ServiceError;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash as _, Hasher};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A snapshot this young is given as it is.
const AGE_FRESH: Duration = Duration::from_millis(200);

/// How many hashes that are known are read again each time: those of the newest readings, and others in turn.
const NEWEST_AGAIN: usize = 100;
const OTHERS_AGAIN: usize = 400;

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
    /// Hashes, whatever they say.
    pub(crate) hashes: usize,
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
        let hashes = found.len() + unreadable;
        found.sort_by_key(|reading| reading.time);
        found.dedup_by_key(|reading| reading.time);
        let mut hasher = DefaultHasher::new();
        for reading in &found {
            reading.time.hash(&mut hasher);
            reading.values.map(|value| value.map(f64::to_bits)).hash(&mut hasher);
        }
        Self { hashes, readings: found, unreadable, version: hasher.finish() }
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
    /// The last key whose hash was read again in its turn.
    read_up_to: String,
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
        let again = self.again();
        let is_wanted = |key: &&String| again.contains(*key) || !self.by_key.contains_key(*key);
        let wanted: Vec<String> = keys.iter().filter(is_wanted).cloned().collect();
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
        Ok(())
    }

    /// The keys whose hashes are read again this time.
    fn again(&mut self) -> HashSet<String> {
        let mut newest: Vec<(i64, &String)> =
            self.by_key.iter().filter_map(|(key, reading)| Some((reading.as_ref()?.time, key))).collect();
        if newest.len() > NEWEST_AGAIN {
            newest.select_nth_unstable_by(NEWEST_AGAIN, |one, other| other.cmp(one));
            newest.truncate(NEWEST_AGAIN);
        }
        let others = self.by_key.range::<String, _>((Excluded(&self.read_up_to), Unbounded));
        let others: Vec<String> = others.take(OTHERS_AGAIN).map(|(key, _)| key.clone()).collect();
        let again = newest.into_iter().map(|(_, key)| key.clone()).chain(others.iter().cloned()).collect();
        // After the last, the first have their turn again.
        self.read_up_to =
            if others.len() < OTHERS_AGAIN { String::new() } else { others[OTHERS_AGAIN - 1].clone() };
        again
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

    /// A reading of an hour since the beginning of March.
    fn at(hour: usize, co: &str) -> (String, esteira_tasks::cache::Hash) {
        hash(&format!("{:02}/03/2004", 1 + hour / 24), &format!("{:02}.00.00", hour % 24), co, "113")
    }

    #[tokio::test]
    async fn what_is_written_over_is_seen_at_once_where_it_is_new_and_in_its_turn_elsewhere() {
        let (data, _home) = world(&[]);
        let cache = data.cache().await.unwrap();
        let hashes: Vec<_> = (0..700).map(|hour| at(hour, "1")).collect();
        cache.put_hashes(&hashes, None).await.unwrap();
        let mut known = Known::default();
        known.refresh(&*cache, "sensor:").await.unwrap();
        assert_eq!(known.by_key.len(), 700);
        let last = at(699, "7.5");
        cache.put_hashes(std::slice::from_ref(&last), None).await.unwrap();
        known.refresh(&*cache, "sensor:").await.unwrap();
        assert_eq!(known.by_key[&last.0].as_ref().unwrap().values[0], Some(7.5));
        for hour in [0, 350, 500] {
            let written = at(hour, "7.5");
            cache.put_hashes(std::slice::from_ref(&written), None).await.unwrap();
            let mut turns = 0;
            while known.by_key[&written.0].as_ref().unwrap().values[0] != Some(7.5) {
                turns += 1;
                assert!(turns <= 3, "{hour}");
                known.refresh(&*cache, "sensor:").await.unwrap();
            }
        }
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
