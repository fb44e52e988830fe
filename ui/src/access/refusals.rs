//! What the history tells of refusals. A flood of them must not fill it, so they are told of up to a rate, and what was left
//! out is counted.

use super::caller::Caller;
use super::throttle::Bucket;
use esteira_runtime::{AccountRequest, Handle};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many refusals are told of at once, and how long it takes until one more may be.
const AT_ONCE: f64 = 50.0;
const ONE_MORE: Duration = Duration::from_secs(2);

/// How many refusals the history tells of at the moment.
pub(crate) struct Refusals(Mutex<(Bucket, u64)>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new((Bucket::full(AT_ONCE, ONE_MORE, Instant::now()), 0)))
    }
}

impl Refusals {
    /// Tells the history, in the background: whoever is refused does not wait for it.
    pub(crate) fn tell(&self, handle: &Handle, caller: &Caller, what: String, reason: String) {
        let Some(untold) = self.count(Instant::now()) else { return };
        let (handle, actor) = (handle.clone(), caller.api_actor());
        let request = AccountRequest::Refused { what, reason, from: caller.address.clone(), untold };
        tokio::spawn(async move {
            if let Err(error) = handle.change_account(request, actor).await {
                tracing::warn!(%error, "the history does not tell of a refusal");
            }
        });
    }

    /// How many were left out before this one; none, when this one is left out too.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, untold) = &mut *guard;
        if bucket.take(now).is_ok() {
            return Some(std::mem::take(untold));
        }
        *untold += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_told_one_by_one() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let told = (0..1_000).filter(|_| refusals.count(now).is_some()).count();
        assert!((49..=51).contains(&told), "{told}");
        assert_eq!(refusals.count(now + 2 * ONE_MORE), Some(1_000 - told as u64));
        assert_eq!(refusals.count(now + 4 * ONE_MORE), Some(0));
    }
}
