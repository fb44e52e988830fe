//! The runs of the last day, hour by hour: a bar for each, with a part for each state.

use crate::links;
use crate::locale;
use crate::show::{Mark, count};
use esteira_core::states::RunState;
use jiff::{SignedDuration, Timestamp};

/// How many hours are drawn, the one that goes on among them.
pub(crate) const HOURS: usize = 24;

/// The height of the highest bar, in the units of the picture.
pub(crate) const HEIGHT: u64 = 1_000;

/// Every how many hours there is a label.
const LABELLED: usize = 4;

/// An hour.
#[derive(Debug)]
pub(crate) struct Hour {
    /// Its runs.
    pub(crate) url: String,
    /// What it is, and how many runs there are of each state.
    pub(crate) title: String,
    pub(crate) pieces: Vec<Piece>,
    /// The time of day at its beginning, or nothing.
    pub(crate) label: String,
}

/// The runs of an hour in one state, as a part of its bar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The state's name.
    pub(crate) state: &'static str,
    pub(crate) y: u64,
    pub(crate) height: u64,
}

/// When the first of the hours began.
pub(crate) fn since(now: Timestamp) -> Timestamp {
    let hour = now.as_second().div_euclid(3_600) - (HOURS as i64 - 1);
    Timestamp::from_second(hour * 3_600).unwrap_or(Timestamp::MIN)
}

/// The hours since then, with so many runs in each state.
pub(crate) fn hours(since: Timestamp, counts: &[(usize, RunState, u64)]) -> Vec<Hour> {
    let total = |hour: usize| {
        counts.iter().filter(|(at, _, _)| *at == hour).map(|(_, _, number)| number).sum::<u64>()
    };
    let highest = (0..HOURS).map(total).max().unwrap_or_default().max(1);
    (0..HOURS).map(|hour| one(since, hour, counts, highest)).collect()
}

fn one(since: Timestamp, hour: usize, counts: &[(usize, RunState, u64)], highest: u64) -> Hour {
    let start = since + SignedDuration::from_hours(hour as i64);
    let end = start + SignedDuration::from_hours(1);
    let clock =
        |at: Timestamp| locale::with(|locale| at.to_zoned(locale.zone.clone()).strftime("%H:%M").to_string());
    // From the bottom up, what went well first: failures stand on top, where bars end and eyes are.
    let order = [RunState::Success, RunState::Queued, RunState::Running, RunState::Failed];
    let (mut pieces, mut words, mut below) = (Vec::new(), Vec::new(), 0);
    for state in order {
        let number = counts
            .iter()
            .find(|(at, known, _)| *at == hour && *known == state)
            .map_or(0, |(_, _, number)| *number);
        if number == 0 {
            continue;
        }
        let mark = Mark::of_run(state);
        // A single failure among thousands is still seen.
        let height = (number * HEIGHT / highest).max(HEIGHT / 50).min(HEIGHT - below);
        below += height;
        pieces.push(Piece { state: mark.name, y: HEIGHT - below, height });
        words.push(format!("{} {}", count(number), mark.word()));
    }
    let words = if words.is_empty() { crate::t("no runs").to_owned() } else { words.join(", ") };
    let (from, until) = (start.to_string(), (end - SignedDuration::from_micros(1)).to_string());
    Hour {
        url: links::with_query("/runs", &[("from", &from), ("until", &until)]),
        title: format!("{} – {}: {words}", clock(start), clock(end)),
        pieces,
        label: if hour.is_multiple_of(LABELLED) { clock(start) } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_bars_as_high_as_their_runs_are_many() {
        let now = "2026-11-26T13:40:00Z".parse().unwrap();
        assert_eq!(since(now).to_string(), "2026-11-25T14:00:00Z");
        let counts = [(0, RunState::Success, 99), (0, RunState::Failed, 1), (23, RunState::Running, 50)];
        let hours = hours(since(now), &counts);
        assert_eq!(hours.len(), HOURS);
        assert_eq!(hours[0].title, "14:00 – 15:00: 99 success, 1 failed");
        let pieces = |hour: usize| {
            hours[hour].pieces.iter().map(|piece| (piece.state, piece.y, piece.height)).collect::<Vec<_>>()
        };
        assert_eq!(pieces(0), [("success", 10, 990), ("failed", 0, 10)]);
        assert_eq!(pieces(23), [("running", 500, 500)]);
        assert_eq!((hours[1].title.as_str(), hours[4].label.as_str()), ("15:00 – 16:00: no runs", "18:00"));
        assert!(hours[23].url.starts_with("/runs?from=2026-11-26T13:00:00Z&until=2026-11-26T13:59:59"));
    }
}
