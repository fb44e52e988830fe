//! The small line in a card: the last week of a quantity. It is drawn here, so that it is there at the first paint and
//! without JavaScript.

use super::period::DAY;
use super::reading::QUANTITIES;
use super::sampling::{self, Point};
use super::snapshot::Snapshot;
use std::fmt::Write;

/// The days that it shows.
pub(crate) const DAYS: i64 = 7;

/// The picture's size, in units of its own: it is stretched to the width of the card.
pub(crate) const WIDTH: f64 = 200.0;
pub(crate) const HEIGHT: f64 = 36.0;
const MARGIN: f64 = 3.0;

/// A gap this wide parts the area.
const GAP_LEAST: f64 = 6.0;

/// How many parts the week is cut into, each with at most four points.
const BUCKETS: i64 = 100;

/// A small line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sparkline {
    /// The path of the line, and of what lies beneath it.
    pub(crate) line: String,
    pub(crate) area: String,
    /// The path of the last value, as a dot.
    pub(crate) end: String,
    /// The path of the limit, where it lies within the values.
    pub(crate) limit: Option<String>,
}

/// The last week of a quantity; none where there are fewer than two values.
pub(crate) fn sparkline(snapshot: &Snapshot, index: usize) -> Option<Sparkline> {
    let end = snapshot.last()?.time;
    let start = end - DAYS * DAY;
    let readings = snapshot.between(start, end);
    let points = sampling::line(readings, index, DAYS * DAY / BUCKETS, sampling::usual_step(readings));
    let values = || points.iter().filter_map(|(time, value)| Some((*time, (*value)?)));
    let (last_time, last_value) = values().next_back().filter(|_| values().count() > 1)?;
    let limit = QUANTITIES[index].limit;
    let low = values().map(|(_, value)| value).fold(last_value, f64::min);
    let high = values().map(|(_, value)| value).fold(last_value, f64::max);
    // From nothing up to the limit where there is one, so that a glance tells how far it is.
    let (low, high) = match limit {
        Some(limit) => (low.min(0.0), high.max(limit)),
        None => (low, high),
    };
    let span = if high > low { high - low } else { 1.0 };
    let x = |time: i64| (time - start) as f64 / (end - start) as f64 * WIDTH;
    let y = |value: f64| MARGIN + (1.0 - (value - low) / span) * (HEIGHT - 2.0 * MARGIN);
    let (line, area) = paths(&points, x, y);
    Some(Sparkline {
        line,
        area,
        end: format!("M{:.1} {:.1}h.01", x(last_time), y(last_value)),
        limit: limit.map(|limit| format!("M0 {:.1}H{WIDTH}", y(limit))),
    })
}

/// The line, which gaps break, and the area beneath it, which only wide ones do: it would flicker.
fn paths(points: &[Point], x: impl Fn(i64) -> f64, y: impl Fn(f64) -> f64) -> (String, String) {
    let (mut line, mut area) = (String::new(), String::new());
    let mut last = None::<f64>;
    for stretch in points.split(|(_, value)| value.is_none()).filter(|stretch| !stretch.is_empty()) {
        let path: Vec<String> = stretch
            .iter()
            .map(|(time, value)| format!("{:.1} {:.1}", x(*time), y(value.unwrap_or_default())))
            .collect();
        let path = path.join("L");
        let first = x(stretch[0].0);
        let _ = write!(line, "M{path}");
        let _ = match last {
            Some(last) if first - last < GAP_LEAST => write!(area, "L{path}"),
            Some(last) => write!(area, "L{last:.1} {HEIGHT}ZM{first:.1} {HEIGHT}L{path}"),
            None => write!(area, "M{first:.1} {HEIGHT}L{path}"),
        };
        last = Some(x(stretch[stretch.len() - 1].0));
    }
    if let Some(last) = last {
        let _ = write!(area, "L{last:.1} {HEIGHT}Z");
    }
    (line, area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::reading::Reading;

    fn snapshot(values: &[(i64, Option<f64>)]) -> Snapshot {
        let reading = |(hour, value): &(i64, Option<f64>)| Reading {
            time: hour * 3_600,
            values: [*value, None, *value, None, None],
        };
        Snapshot { readings: values.iter().map(reading).collect(), unreadable: 0, hashes: 0, version: 0 }
    }

    #[test]
    fn it_shows_the_last_week_and_how_far_the_limit_is() {
        let all = snapshot(&[(0, Some(99.0)), (200, Some(5.0)), (201, Some(0.0)), (300, Some(2.5))]);
        let spark = sparkline(&all, 0).unwrap();
        // What is older than a week is left out, and a gap breaks the line.
        assert_eq!(spark.line, "M81.0 18.0L82.1 33.0M200.0 25.5");
        assert_eq!(spark.area, "M81.0 36L81.0 18.0L82.1 33.0L82.1 36ZM200.0 36L200.0 25.5L200.0 36Z");
        assert_eq!(spark.limit.as_deref(), Some("M0 3.0H200"));
        assert_eq!(spark.end, "M200.0 25.5h.01");
        let spark = sparkline(&all, 2).unwrap();
        assert_eq!((spark.limit, spark.line.as_str()), (None, "M81.0 3.0L82.1 33.0M200.0 18.0"));
    }

    #[test]
    fn less_than_two_values_are_no_line() {
        assert_eq!(sparkline(&snapshot(&[(0, Some(1.0)), (1, None)]), 0), None);
        assert_eq!(sparkline(&Snapshot::default(), 0), None);
    }
}
