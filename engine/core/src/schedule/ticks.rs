//! The runs that a DAG's schedule asks for, between its dates; and which of them start after a pause.

use super::{Missed, Schedule, TimetableKind, When};
use jiff::{SignedDuration, Timestamp};

/// The least time between two starts of a DAG that runs continuously: one whose runs fail at once must not take the
/// whole machine.
const CONTINUOUS_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// A run that a schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick {
    /// When it is due.
    pub run_after: Timestamp,
    /// The instant that it stands for: `ds`, `ts` and their like come from it.
    pub logical_date: Timestamp,
    /// The start and the end of the data it is about.
    pub data_interval: (Timestamp, Timestamp),
}

impl Tick {
    /// A run about the instant at which it is due.
    fn at(instant: Timestamp) -> Self {
        Self { run_after: instant, logical_date: instant, data_interval: (instant, instant) }
    }

    /// A run about the time from `start` to `end`, due at its end.
    fn about(start: Timestamp, end: Timestamp) -> Self {
        Self { run_after: end, logical_date: start, data_interval: (start, end) }
    }
}

/// A DAG's schedule with its dates.
#[derive(Clone, Copy, Debug)]
pub struct Ticks<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// No logical date is before it.
    pub start_date: Option<Timestamp>,
    /// No logical date is after it.
    pub end_date: Option<Timestamp>,
}

impl Ticks<'_> {
    /// The first run that is due after this instant.
    pub fn after(&self, after: Timestamp) -> Option<Tick> {
        let tick = match &self.schedule.when {
            When::Never => return None,
            When::Once => Tick::at(self.start_date?),
            When::Continuous => {
                let pause_is_over = after.checked_add(CONTINUOUS_PAUSE).ok()?;
                Tick::about(after, self.start_date.map_or(pause_is_over, |start| start.max(pause_is_over)))
            }
            When::Lines(_) => self.of_lines_after(after)?,
        };
        let is_in_time = self.end_date.is_none_or(|end| tick.logical_date <= end);
        (is_in_time && tick.run_after > after).then_some(tick)
    }

    /// The newest run that is due after `after`, and at `until` at the latest.
    pub fn newest(&self, after: Timestamp, until: Timestamp) -> Option<Tick> {
        let mut newest = self.after(after).filter(|tick| tick.run_after <= until)?;
        let (mut low, mut high) = (newest.run_after, until);
        // Halves the time in which a newer one may lie; there may be millions of them, so they are not walked.
        while let Some(newer) = self.after(low).filter(|tick| tick.run_after <= until) {
            newest = newer;
            low = newest.run_after;
            let middle = low + high.duration_since(low) / 2;
            match self.after(middle).filter(|tick| tick.run_after <= until) {
                Some(newer) => (newest, low) = (newer, newer.run_after),
                None => high = middle,
            }
        }
        Some(newest)
    }

    /// The first run that starts when the schedule goes on at `now`, after a pause or with the engine. `last` is the
    /// newest instant at which a run of the schedule was due and started.
    pub fn resume(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Tick> {
        match self.schedule.when {
            When::Never => return None,
            When::Once if last.is_some() => return None,
            When::Once => {
                let tick = Tick::at(self.start_date.unwrap_or(now));
                return self.end_date.is_none_or(|end| tick.logical_date <= end).then_some(tick);
            }
            When::Continuous => {
                let begins =
                    last.and_then(|last| self.after(last)).map_or(now, |tick| tick.run_after.max(now));
                let begins = self.start_date.map_or(begins, |start| start.max(begins));
                let tick = Tick::about(last.unwrap_or(begins), begins);
                return self.end_date.is_none_or(|end| tick.logical_date <= end).then_some(tick);
            }
            When::Lines(_) => {}
        }
        // A run at the start date itself counts.
        let since = last.max(self.start_date.map(|start| just_before(start, SignedDuration::from_nanos(1))));
        let missed = since.filter(|since| *since < now).and_then(|since| match self.schedule.missed {
            Missed::Skip => None,
            Missed::Last => self.newest(since, now),
            Missed::All => self.after(since),
        });
        missed.or_else(|| self.after(now))
    }

    /// The run after this one, where `now` has come. What has become due meanwhile, on a machine that was suspended,
    /// counts as missed.
    pub fn following(&self, tick: Tick, now: Timestamp) -> Option<Tick> {
        let next = self.after(tick.run_after)?;
        let is_continuous = self.schedule.when == When::Continuous;
        if is_continuous || self.schedule.missed == Missed::All || next.run_after > now {
            return Some(next);
        }
        self.newest(tick.run_after, now).or(Some(next))
    }

    /// The run as it starts at `now`: one that had to wait for the run before is about the time until then.
    pub fn started(&self, tick: Tick, now: Timestamp) -> Tick {
        match self.schedule.when {
            When::Continuous => Tick::about(tick.logical_date, now.max(tick.run_after)),
            _ => tick,
        }
    }

    /// The runs that start when the schedule goes on at `from`, oldest first, however long the list gets.
    pub fn preview(&self, last: Option<Timestamp>, from: Timestamp) -> impl Iterator<Item = Tick> {
        std::iter::successors(self.resume(last, from), |tick| match self.schedule.when {
            // When the next one starts depends on how long this one takes.
            When::Once | When::Continuous | When::Never => None,
            When::Lines(_) => self.after(tick.run_after),
        })
    }

    fn of_lines_after(&self, after: Timestamp) -> Option<Tick> {
        let start = self.start_date;
        // Nothing before the start date is asked about; a run at the start date itself counts.
        let from = start.map_or(after, |start| after.max(just_before(start, SignedDuration::from_nanos(1))));
        let due = self.next_due(from)?;
        match self.schedule.timetable {
            TimetableKind::Trigger => Some(Tick::at(due)),
            TimetableKind::DataInterval => {
                if let Some(begins) =
                    self.due_before(due).filter(|begins| start.is_none_or(|start| *begins >= start))
                {
                    return Some(Tick::about(begins, due));
                }
                // The first interval begins at the start date or after it.
                Some(Tick::about(due, self.next_due(due)?))
            }
        }
    }

    fn next_due(&self, after: Timestamp) -> Option<Timestamp> {
        let When::Lines(lines) = &self.schedule.when else { return None };
        lines.iter().filter_map(|line| line.next(after, &self.schedule.timezone, self.start_date)).min()
    }

    /// When a line was due before `due`: by going back in growing steps until there is something, and then closing in.
    fn due_before(&self, due: Timestamp) -> Option<Timestamp> {
        let before = |instant: Timestamp| self.next_due(instant).filter(|found| *found < due);
        let mut step = SignedDuration::from_mins(1);
        let mut low = loop {
            let from = due.checked_sub(step).ok()?;
            match before(from) {
                Some(found) => break found,
                None => step = step.checked_mul(2)?,
            }
        };
        let mut high = due;
        while let Some(found) = before(low) {
            low = found;
            let middle = low + high.duration_since(low) / 2;
            match before(middle) {
                Some(found) => low = found,
                None => high = middle,
            }
        }
        Some(low)
    }
}

fn just_before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
