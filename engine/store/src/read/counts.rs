//! Counts of long lists. One that takes long is used for a while, so that a client that reads page after page, or asks every
//! second, does not have a million rows counted each time, nor waits for it: an old count is handed out once more while the
//! new one is made.

use crate::error::StoreError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A count that takes less than this is made each time.
const DEAR: Duration = Duration::from_millis(5);

/// For how many times as long as it took a count is new, and for how long at the most.
const NEW_FOR: u32 = 400;
const NEW_AT_MOST: Duration = Duration::from_secs(10);

/// For how long a count is handed out at the most, while a new one is made.
const OLD_AT_MOST: Duration = Duration::from_secs(30);

/// How many counts are kept.
const KEPT_MAX: usize = 1_000;

/// Counts that took long, by what was counted: numbers, or lists of them. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Counts<V>(Arc<Mutex<HashMap<String, Count<V>>>>);

struct Count<V> {
    value: V,
    made: Instant,
    new_until: Instant,
    /// Whether a new one is being made.
    is_awaited: bool,
}

/// What there is of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known<V> {
    New(V),
    /// Old, and whoever asked is to make a new one.
    Old(V),
    Nothing,
}

impl<V> Default for Counts<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V: Clone + Send + 'static> Counts<V> {
    /// The count of this, made by `count` now, lately, or a little while ago.
    pub(crate) async fn get<F>(
        &self,
        of: String,
        count: impl FnOnce() -> F + Send + 'static,
    ) -> Result<V, StoreError>
    where
        F: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        match self.known(&of, Instant::now()) {
            Known::New(value) => Ok(value),
            Known::Old(value) => {
                let counts = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = counts.make(of, count()).await {
                        tracing::warn!(%error, "rows of a list could not be counted");
                    }
                });
                Ok(value)
            }
            Known::Nothing => self.make(of, count()).await,
        }
    }

    async fn make(
        &self,
        of: String,
        count: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        let begun = Instant::now();
        let made = count.await;
        let now = Instant::now();
        match &made {
            Ok(value) => self.keep(of, value.clone(), now - begun, now),
            Err(_) => self.forget(&of),
        }
        made
    }

    fn known(&self, of: &str, now: Instant) -> Known<V> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(of) else { return Known::Nothing };
        let value = count.value.clone();
        if now < count.new_until {
            return Known::New(value);
        }
        if now - count.made > OLD_AT_MOST {
            return Known::Nothing;
        }
        // One asker makes the new one; the others go on with the old one.
        if std::mem::replace(&mut count.is_awaited, true) { Known::New(value) } else { Known::Old(value) }
    }

    /// Keeps a count that took so long, if that is worth it.
    fn keep(&self, of: String, value: V, took: Duration, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&of);
        if took < DEAR {
            return;
        }
        if counts.len() >= KEPT_MAX {
            counts.retain(|_, count| now - count.made <= OLD_AT_MOST);
        }
        if counts.len() < KEPT_MAX {
            let new_until = now + (took * NEW_FOR).min(NEW_AT_MOST);
            counts.insert(of, Count { value, made: now, new_until, is_awaited: false });
        }
    }

    fn forget(&self, of: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dear_counts_are_kept_and_only_for_a_while() {
        let (counts, now) = (Counts::<u64>::default(), Instant::now());
        counts.keep("cheap".to_owned(), 1, Duration::from_millis(4), now);
        counts.keep("dear".to_owned(), 2, Duration::from_millis(5), now);
        counts.keep("dearest".to_owned(), 3, Duration::from_secs(60), now);
        assert_eq!(counts.known("cheap", now), Known::Nothing);
        assert_eq!(counts.known("dear", now + Duration::from_millis(1_999)), Known::New(2));
        assert_eq!(counts.known("dearest", now + Duration::from_secs(9)), Known::New(3));
        assert_eq!(counts.known("dearest", now + Duration::from_secs(31)), Known::Nothing);
    }

    #[test]
    fn one_asker_makes_the_new_count_and_the_others_do_not_wait() {
        let (counts, now) = (Counts::<u64>::default(), Instant::now());
        counts.keep("rows".to_owned(), 2, Duration::from_millis(5), now);
        let later = now + Duration::from_secs(3);
        assert_eq!(counts.known("rows", later), Known::Old(2));
        assert_eq!(counts.known("rows", later), Known::New(2));
        counts.keep("rows".to_owned(), 4, Duration::from_millis(5), later);
        assert_eq!(counts.known("rows", later + Duration::from_secs(1)), Known::New(4));
        assert_eq!(counts.known("rows", later + Duration::from_secs(3)), Known::Old(4));
    }

    #[tokio::test]
    async fn a_count_that_cannot_be_made_is_told_and_asked_for_again() {
        let counts = Counts::<u64>::default();
        let failing = async || Err(StoreError::Corrupt("no".to_owned()));
        assert!(counts.get("rows".to_owned(), failing).await.is_err());
        assert_eq!(counts.get("rows".to_owned(), async || Ok(7)).await.unwrap(), 7);
    }
}
