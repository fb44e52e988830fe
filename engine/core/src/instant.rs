//! Instants that are far away.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The last instant that the history keeps. The very last ones of [`Timestamp`] cannot be read back from microseconds.
pub const LAST: Timestamp = Timestamp::constant(253_402_207_199, 0);

/// The instant so long after another, or the last one.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    from.checked_add(by).unwrap_or(LAST).min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_far_is_the_last_and_can_be_read_back() {
        assert_eq!(later(Timestamp::UNIX_EPOCH, Duration::from_secs(1)).as_second(), 1);
        for (from, by) in [(Timestamp::UNIX_EPOCH, Duration::MAX), (Timestamp::MAX, Duration::ZERO)] {
            assert_eq!(later(from, by), LAST);
        }
        assert_eq!(Timestamp::from_microsecond(LAST.as_microsecond()).ok(), Some(LAST));
    }
}
