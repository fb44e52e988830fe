//! How often somebody may try to sign in: a few wrong passwords at once, then one in a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords for one name from one address: so many at once, and then one more after this time.
const OF_NAME: (f64, Duration) = (5.0, Duration::from_secs(20));

/// Wrong passwords from one address, for whatever names.
const OF_ADDRESS: (f64, Duration) = (30.0, Duration::from_secs(5));

/// How many names and addresses are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// A number of tries that fills up again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tries: f64,
    most: f64,
    one_more: Duration,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(most: f64, one_more: Duration, now: Instant) -> Self {
        Self { tries: most, most, one_more, at: now }
    }

    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.tries = (self.tries + since / self.one_more.as_secs_f64()).min(self.most);
        self.at = now;
    }

    /// How long until the next try; nothing if it may be now.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        (self.tries < 1.0).then(|| self.one_more.mul_f64(1.0 - self.tries))
    }

    /// Takes a try, or says how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        match self.wait(now) {
            Some(wait) => Err(wait),
            None => {
                self.tries -= 1.0;
                Ok(())
            }
        }
    }
}

/// Who has tried how often.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<(String, String), Bucket>>);

impl Throttle {
    /// Takes a try for this name from this address, or says how long until there is one. A try that turns out well is
    /// [given back](Throttle::forgive).
    pub(crate) fn take(&self, address: &str, name: &str, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > REMEMBERED_MAX {
            // Those that are full again say nothing.
            buckets.retain(|_, bucket| {
                bucket.fill(now);
                bucket.tries < bucket.most
            });
        }
        let keys = [((address, ""), OF_ADDRESS), ((address, name), OF_NAME)];
        let keys = keys.map(|((address, name), limits)| ((address.to_owned(), name.to_owned()), limits));
        let mut longest = None;
        for (key, (most, one_more)) in &keys {
            let bucket = buckets.entry(key.clone()).or_insert_with(|| Bucket::full(*most, *one_more, now));
            longest = longest.max(bucket.wait(now));
        }
        // A try that is not let through costs nothing: else whoever goes on trying would never be let through.
        if let Some(wait) = longest {
            return Err(wait);
        }
        for (key, _) in &keys {
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.tries -= 1.0;
            }
        }
        Ok(())
    }

    /// Gives a try back: the password was right.
    pub(crate) fn forgive(&self, address: &str, name: &str) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.remove(&(address.to_owned(), name.to_owned()));
        if let Some(bucket) = buckets.get_mut(&(address.to_owned(), String::new())) {
            bucket.tries = (bucket.tries + 1.0).min(bucket.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wrong_passwords_are_let_through_and_then_one_in_a_while() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let tries = (0..100).filter(|_| throttle.take("a", "maria", now).is_ok()).count();
        assert_eq!(tries, 5);
        let wait = throttle.take("a", "maria", now).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(throttle.take("a", "maria", now + wait).is_ok());
        assert!(throttle.take("b", "maria", now).is_ok(), "others are not kept out by it");
    }

    #[test]
    fn whoever_tries_many_names_is_slowed_down_too() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let tries = (0..1_000).filter(|name| throttle.take("a", &name.to_string(), now).is_ok()).count();
        assert_eq!(tries, 30);
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            assert!(throttle.take("a", "maria", now).is_ok());
            throttle.forgive("a", "maria");
        }
    }
}
