//! Backfills: the runs of a range of the past, one after the other, and which of them are to be run.

use crate::dag::Dag;
use crate::schedule::{Tick, When};
use crate::states::RunState;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

crate::states::labelled! {
    /// Which dates of a backfill that have a run already are run again (Airflow's names).
    Reprocess {
        /// None of them.
        None = "none",
        /// Those whose newest run has failed.
        Failed = "failed",
        /// Those whose newest run has ended, however.
        Completed = "completed",
    }
}

/// The dates of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first logical date.
    pub from: Timestamp,
    /// The last one.
    pub to: Timestamp,
    /// Whether it begins with the last one.
    pub is_newest_first: bool,
}

impl Range {
    /// The first run of the range, in its order; or, after a logical date, the next one. None when there is no other.
    pub fn next(&self, dag: &Dag, after: Option<Timestamp>) -> Option<Tick> {
        if !matches!(dag.schedule.when, When::Lines(_)) {
            return None;
        }
        match (self.is_newest_first, after) {
            (false, None) => self.at_or_after(dag, self.from),
            (false, Some(date)) => {
                self.at_or_after(dag, date.checked_add(SignedDuration::from_micros(1)).ok()?)
            }
            (true, None) => self.last_until(dag, self.to),
            (true, Some(date)) => {
                self.last_until(dag, date.checked_sub(SignedDuration::from_micros(1)).ok()?)
            }
        }
    }

    /// All runs of the range, in its order.
    pub fn all<'a>(&'a self, dag: &'a Dag) -> impl Iterator<Item = Tick> + 'a {
        std::iter::successors(self.next(dag, None), |tick| self.next(dag, Some(tick.logical_date)))
    }

    fn at_or_after(&self, dag: &Dag, from: Timestamp) -> Option<Tick> {
        let ticks = dag.ticks();
        // A run is due at its logical date or after it; so none of those before `from` is missed.
        let mut tick = ticks.after(from.checked_sub(SignedDuration::from_micros(1)).ok()?)?;
        while tick.logical_date < from {
            tick = ticks.after(tick.run_after)?;
        }
        (tick.logical_date <= self.to).then_some(tick)
    }

    /// The newest run whose logical date is not after `until`: by halving the time in which it may lie.
    fn last_until(&self, dag: &Dag, until: Timestamp) -> Option<Tick> {
        let fits = |tick: &Tick| tick.logical_date <= until;
        let mut newest = self.at_or_after(dag, self.from).filter(fits)?;
        let (mut low, mut high) = (newest.logical_date, until);
        let later = |date: Timestamp| {
            let from = date.checked_add(SignedDuration::from_micros(1)).ok()?;
            self.at_or_after(dag, from).filter(fits)
        };
        while let Some(found) = later(low) {
            newest = found;
            low = newest.logical_date;
            let middle = low + high.duration_since(low) / 2;
            match later(middle) {
                Some(found) => (newest, low) = (found, found.logical_date),
                None => high = middle,
            }
        }
        Some(newest)
    }
}

impl Reprocess {
    /// Whether a date is to be run, whose newest run is in this state, if it has one.
    pub fn runs(self, newest: Option<RunState>) -> bool {
        match newest {
            None => true,
            Some(state) => match self {
                Self::None => false,
                Self::Failed => state == RunState::Failed,
                Self::Completed => state.is_terminal(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Graph;
    use crate::schedule::{Schedule, TimetableKind};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn dates(line: &str, timetable: TimetableKind, is_newest_first: bool) -> Vec<String> {
        let schedule = Schedule { when: When::parse(line).unwrap(), timetable, ..Schedule::default() };
        let dag = Dag { schedule, ..Dag::new("d", Vec::new(), Graph::default()) };
        let range =
            Range { from: at("2026-01-01T00:00:00Z"), to: at("2026-01-03T12:00:00Z"), is_newest_first };
        range.all(&dag).map(|tick| format!("{} {}", tick.logical_date, tick.run_after)).collect()
    }

    #[test]
    fn a_range_has_the_logical_dates_from_its_first_to_its_last_in_either_order() {
        let days = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"];
        let mut expected: Vec<String> = days.iter().map(|day| format!("{day} {day}")).collect();
        assert_eq!(dates("@daily", TimetableKind::Trigger, false), expected);
        expected.reverse();
        assert_eq!(dates("@daily", TimetableKind::Trigger, true), expected);
        let mut about: Vec<String> = days
            .iter()
            .zip(["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"])
            .map(|(day, due)| format!("{day} {due}"))
            .collect();
        assert_eq!(dates("@daily", TimetableKind::DataInterval, false), about);
        about.reverse();
        assert_eq!(dates("@daily", TimetableKind::DataInterval, true), about);
        assert_eq!(dates("@once", TimetableKind::Trigger, false), [""; 0]);
        assert_eq!(dates("*/7 * * * *", TimetableKind::Trigger, true).len(), 541);
    }

    #[test]
    fn what_has_run_is_run_again_as_asked() {
        use RunState::{Failed, Running, Success};
        let table = [
            (Reprocess::None, [true, false, false, false]),
            (Reprocess::Failed, [true, false, true, false]),
            (Reprocess::Completed, [true, true, true, false]),
        ];
        for (reprocess, expected) in table {
            let found =
                [None, Some(Success), Some(Failed), Some(Running)].map(|newest| reprocess.runs(newest));
            assert_eq!(found, expected, "{reprocess}");
        }
    }
}
