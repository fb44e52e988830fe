//! Counts of long lists. One that takes long is used for a while, so that a client that reads page after page, or asks every
//! second, does not have a million rows counted each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A count that takes less than this is made each time.
const DEAR: Duration = Duration::from_millis(5);

/// For how many times as long as it took a count is used, and for how long at the most.
const USED_FOR: u32 = 400;
const USED_AT_MOST: Duration = Duration::from_secs(10);

/// How many counts are kept.
const KEPT_MAX: usize = 1_000;

/// Counts that took long, by what was counted: numbers, or lists of them.
pub(crate) struct Counts<V>(Mutex<HashMap<String, Count<V>>>);

struct Count<V> {
    value: V,
    used_until: Instant,
}

impl<V> Default for Counts<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Counts<V> {
    /// The count of this, if it is still of use.
    pub(crate) fn known(&self, of: &str, now: Instant) -> Option<V> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(of).filter(|count| now < count.used_until).map(|count| count.value.clone())
    }

    /// Keeps a count that took so long, if that is worth it.
    pub(crate) fn keep(&self, of: String, value: V, took: Duration, now: Instant) {
        if took < DEAR {
            return;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KEPT_MAX {
            counts.retain(|_, count| now < count.used_until);
        }
        if counts.len() < KEPT_MAX {
            let used_until = now + (took * USED_FOR).min(USED_AT_MOST);
            counts.insert(of, Count { value, used_until });
        }
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
        assert_eq!(counts.known("cheap", now), None);
        assert_eq!(counts.known("dear", now + Duration::from_millis(1_999)), Some(2));
        assert_eq!(counts.known("dear", now + Duration::from_millis(2_001)), None);
        assert_eq!(counts.known("dearest", now + Duration::from_secs(11)), None);
    }
}
