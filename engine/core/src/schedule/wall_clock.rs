//! From a wall clock to instants, where clocks are changed.
//!
//! Two rules:
//! - A wall time that is skipped when clocks go forward runs once, right after the gap, with whatever else was skipped.
//! - A wall time that comes twice when clocks go back runs the first time only.
//!
//! A line whose hour field is `*` means every hour that passes, and not an hour of the wall clock: neither rule
//! touches it. It runs in both passes of a repeated hour, and an hour that does not exist has no runs to make up for.

use super::line::Crontab;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A stretch of time in which the zone's clocks are not changed.
struct Stretch {
    offset: Offset,
    /// What the clocks show at its start, and what they showed right before; none for the first stretch.
    start: Option<Change>,
    end: Option<Timestamp>,
}

/// A change of the clocks.
#[derive(Clone, Copy)]
struct Change {
    at: Timestamp,
    before: DateTime,
    after: DateTime,
}

/// The first instant after `from` at which the line is due on the clocks of `zone`; none if it never is again.
pub(super) fn next(crontab: &Crontab, zone: &TimeZone, from: Timestamp) -> Option<Timestamp> {
    let mut stretch = Stretch::around(zone, from)?;
    // Past the instant itself, which is not asked for.
    let mut wall = stretch.offset.to_datetime(from).checked_add(SignedDuration::from_nanos(1)).ok()?;
    if let Some(change) = stretch.start
        && !crontab.is_every_hour()
    {
        wall = wall.max(change.before);
    }
    loop {
        let due = crontab.next(wall)?;
        let end = match stretch.end {
            None => return stretch.offset.to_timestamp(due).ok(),
            Some(end) => end,
        };
        let last_wall = stretch.offset.to_datetime(end);
        if due < last_wall {
            return stretch.offset.to_timestamp(due).ok();
        }
        stretch = Stretch::around(zone, end)?;
        wall = match stretch.start {
            Some(change) if change.is_gap() && due < change.after && !crontab.is_every_hour() => {
                return Some(change.at);
            }
            // What is shown again up to here was due in the pass before.
            Some(change) if !change.is_gap() && !crontab.is_every_hour() => change.before,
            Some(change) => change.after,
            None => last_wall,
        };
    }
}

impl Stretch {
    /// The stretch that `instant` is in; a change of the clocks belongs to what comes after it.
    fn around(zone: &TimeZone, instant: Timestamp) -> Option<Self> {
        let offset = zone.to_offset(instant);
        let just_after = instant.checked_add(SignedDuration::from_nanos(1)).unwrap_or(instant);
        let start = zone
            .preceding(just_after)
            .next()
            .map(|change| change.timestamp())
            .map(|at| Change::at(zone, at))
            .filter(|change| change.before != change.after);
        let end = zone.following(instant).next().map(|change| change.timestamp());
        Some(Self { offset, start, end })
    }
}

impl Change {
    /// Whether clocks go forward.
    fn is_gap(self) -> bool {
        self.after > self.before
    }

    fn at(zone: &TimeZone, at: Timestamp) -> Self {
        let just_before = at.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(at);
        Self {
            at,
            before: zone.to_offset(just_before).to_datetime(at),
            after: zone.to_offset(at).to_datetime(at),
        }
    }
}
