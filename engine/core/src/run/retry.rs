//! Whether a failed attempt is followed by another, and when.
//!
//! The delay is Airflow's (3.3, `models/taskinstance.py:next_retry_datetime`) with one difference: what grows it is
//! the number of failures since the instance was last cleared, and not the attempt's number, so that a clear starts
//! with the short delay again.

use super::{AttemptError, AttemptErrorKind};
use crate::dag::{FailureClass, RetryPolicy};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Airflow's `max_task_retry_delay`: the longest delay there is.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl RetryPolicy {
    /// Whether an instance that has failed `failures` times before may be tried again after this error.
    pub fn allows(&self, error: &AttemptError, failures: u32) -> bool {
        let is_retryable = matches!(error.kind, AttemptErrorKind::Failed | AttemptErrorKind::TimedOut);
        let is_of = |classes: &[FailureClass]| classes.iter().any(|class| error.is_of(class));
        is_retryable
            && failures < self.retries
            && (self.retry_on.is_empty() || is_of(&self.retry_on))
            && !is_of(&self.never_retry_on)
    }

    /// How long after the failure that followed `failures` others the next attempt is due. `seed` names the instance
    /// in its run; it decides the jitter, so that many instances that failed together do not come back together.
    pub fn delay(&self, failures: u32, seed: &str) -> Duration {
        let delay = if self.exponential_backoff > 1.0 {
            let growth = self.exponential_backoff.powi(i32::try_from(failures).unwrap_or(i32::MAX));
            let least = (self.retry_delay.as_secs_f64() * growth).ceil().max(1.0);
            jittered(least.min(RETRY_DELAY_MAX.as_secs_f64()), seed, failures)
        } else {
            self.retry_delay
        };
        delay.min(self.max_retry_delay.unwrap_or(RETRY_DELAY_MAX)).min(RETRY_DELAY_MAX)
    }
}

/// Between once and twice `least` seconds, always the same for the same instance and failure.
fn jittered(least: f64, seed: &str, failures: u32) -> Duration {
    let least = least as u64;
    let digest = Sha256::digest(format!("{seed}#{failures}"));
    let number = digest[..8].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Duration::from_secs(least + number % least.max(1))
}

impl AttemptError {
    /// Whether it is of this class: its exit code, its error's class, or the kind of end itself.
    pub fn is_of(&self, class: &FailureClass) -> bool {
        match class {
            FailureClass::ExitCode(code) => self.exit_code == Some(*code),
            FailureClass::Error(name) => self.class.as_deref() == Some(name) || self.kind.as_str() == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy { retries: 9, retry_delay: Duration::from_secs(10), ..RetryPolicy::default() }
    }

    #[test]
    fn a_constant_delay_stays_and_is_capped() {
        assert_eq!(policy().delay(5, "x"), Duration::from_secs(10));
        let long = RetryPolicy { retry_delay: Duration::from_secs(1_000_000), ..policy() };
        assert_eq!(long.delay(0, "x"), RETRY_DELAY_MAX);
        let capped = RetryPolicy { max_retry_delay: Some(Duration::from_secs(4)), ..policy() };
        assert_eq!(capped.delay(0, "x"), Duration::from_secs(4));
    }

    #[test]
    fn a_growing_delay_lies_between_once_and_twice_its_least_and_is_always_the_same() {
        let growing = RetryPolicy { exponential_backoff: 2.0, ..policy() };
        for failures in 0..8 {
            let least = 10 << failures;
            let delays: Vec<u64> =
                (0..50).map(|n| growing.delay(failures, &format!("d#t{n}")).as_secs()).collect();
            assert!(delays.iter().all(|delay| (least..2 * least).contains(delay)), "{delays:?}");
            assert!(delays.iter().any(|delay| *delay != delays[0]), "no jitter");
        }
        assert_eq!(growing.delay(3, "x"), growing.delay(3, "x"));
        assert_eq!(growing.delay(u32::MAX, "x"), RETRY_DELAY_MAX);
        let short = RetryPolicy { retry_delay: Duration::ZERO, ..growing };
        assert!(short.delay(0, "x") >= Duration::from_secs(1), "an exponential delay is a second at least");
    }

    #[test]
    fn classes_decide_which_failures_are_tried_again() {
        let error = |kind, exit_code, class: Option<&str>| AttemptError {
            exit_code,
            class: class.map(str::to_owned),
            ..AttemptError::new(kind, "no")
        };
        let code = |code| FailureClass::ExitCode(code);
        let named = |name: &str| FailureClass::Error(name.to_owned());
        let plain = error(AttemptErrorKind::Failed, Some(75), None);
        let timed_out = error(AttemptErrorKind::TimedOut, None, None);
        let python = error(AttemptErrorKind::Failed, Some(1), Some("ValueError"));
        let only = |retry_on, never_retry_on| RetryPolicy { retry_on, never_retry_on, ..policy() };
        assert!(policy().allows(&plain, 8) && !policy().allows(&plain, 9));
        assert!(!policy().allows(&error(AttemptErrorKind::Fatal, None, None), 0));
        assert!(only(vec![code(75)], vec![]).allows(&plain, 0));
        assert!(!only(vec![code(75)], vec![]).allows(&timed_out, 0));
        assert!(only(vec![named("timed_out")], vec![]).allows(&timed_out, 0));
        assert!(!only(vec![], vec![named("ValueError")]).allows(&python, 0));
        assert!(!only(vec![code(1)], vec![named("ValueError")]).allows(&python, 0), "never is stronger");
    }
}
