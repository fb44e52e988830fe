//! What is drawn of many readings, and what is told of them: as few points as show the same picture, and sums. No I/O.
//!
//! A chart that is so many pixels wide can show the first, the least, the greatest and the last value in each pixel, and
//! no more: a line through those four is, pixel for pixel, the line through all (Jugel and others, "M4", 2014). So no peak
//! is lost, and every point is a reading that somebody took.

use super::period::DAY;
use super::reading::Reading;

/// Seconds in an hour.
const HOUR: i64 = 60 * 60;

/// Readings further apart than this many usual steps have a gap between them.
const GAP_STEPS: f64 = 1.5;

/// Means are of so many days together that there are at most so many of them.
const MEANS_MAX: i64 = 400;

/// A gap that is narrower than this share of the period is not drawn.
const GAP_SHARE_LEAST: i64 = 200;

/// A point of a line. No value ends a stretch of the line: what comes after is not joined to what was before.
pub(crate) type Point = (i64, Option<f64>);

/// What is told of the values of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) low: Option<f64>,
    pub(crate) median: Option<f64>,
    pub(crate) high: Option<f64>,
    /// How many are above the limit.
    pub(crate) over: usize,
}

/// The values of one hour of the day: how many, and where the middle 80 % of them lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hour {
    pub(crate) count: usize,
    pub(crate) low: Option<f64>,
    pub(crate) median: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// The time that mostly lies between two readings.
pub(crate) fn usual_step(readings: &[Reading]) -> i64 {
    let mut steps: Vec<i64> = readings.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
    if steps.is_empty() {
        return HOUR;
    }
    let middle = (steps.len() - 1) / 2;
    (*steps.select_nth_unstable(middle).1).max(1)
}

/// A quantity's line: at most four points for each of the buckets, which are `width` seconds wide.
pub(crate) fn line(readings: &[Reading], index: usize, width: i64, step: i64) -> Vec<Point> {
    let width = width.max(1);
    let apart = (step as f64 * GAP_STEPS).max(width as f64) as i64;
    let mut points: Vec<Point> = Vec::new();
    let mut bucket: Option<Bucket> = None;
    let mut last = None::<i64>;
    for reading in readings {
        let Some(value) = reading.values[index] else { continue };
        let (time, place) = (reading.time, reading.time.div_euclid(width));
        let is_apart = last.is_some_and(|last| time - last > apart);
        if let Some(open) = bucket.as_mut().filter(|open| open.place == place && !is_apart) {
            open.add(time, value);
        } else {
            flush(&mut points, bucket.take());
            if is_apart {
                points.push((time, None));
            }
            bucket = Some(Bucket::new(place, time, value));
        }
        last = Some(time);
    }
    flush(&mut points, bucket);
    points
}

/// The readings that share a pixel.
struct Bucket {
    place: i64,
    first: (i64, f64),
    least: (i64, f64),
    greatest: (i64, f64),
    last: (i64, f64),
}

impl Bucket {
    fn new(place: i64, time: i64, value: f64) -> Self {
        let point = (time, value);
        Self { place, first: point, least: point, greatest: point, last: point }
    }

    fn add(&mut self, time: i64, value: f64) {
        let point = (time, value);
        self.last = point;
        if value < self.least.1 {
            self.least = point;
        }
        if value > self.greatest.1 {
            self.greatest = point;
        }
    }
}

fn flush(points: &mut Vec<Point>, bucket: Option<Bucket>) {
    let Some(Bucket { first, least, greatest, last, .. }) = bucket else { return };
    let mut four = [first, least, greatest, last];
    four.sort_by_key(|(time, _)| *time);
    let begin = points.len();
    for (time, value) in four {
        if points.get(begin..).is_some_and(|known| known.last().is_none_or(|point| point.0 != time)) {
            points.push((time, Some(value)));
        }
    }
}

/// What is told of a quantity's values.
pub(crate) fn summary(readings: &[Reading], index: usize, limit: Option<f64>) -> Summary {
    let mut values: Vec<f64> = readings.iter().filter_map(|reading| reading.values[index]).collect();
    Summary {
        count: values.len(),
        low: values.iter().copied().reduce(f64::min),
        high: values.iter().copied().reduce(f64::max),
        over: limit.map_or(0, |limit| values.iter().filter(|value| **value > limit).count()),
        median: quantile(&mut values, 0.5),
    }
}

/// Where a share of the values lies below; between two of them, in proportion.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let place = values.len().checked_sub(1)? as f64 * share;
    let (_, low, above) = values.select_nth_unstable_by(place.floor() as usize, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().reduce(f64::min).unwrap_or(low);
    Some(low + (high - low) * place.fract())
}

/// The values of each hour of the day.
pub(crate) fn hours(readings: &[Reading], index: usize) -> [Hour; 24] {
    let mut by_hour: [Vec<f64>; 24] = Default::default();
    for reading in readings {
        let Some(value) = reading.values[index] else { continue };
        by_hour[(reading.time.rem_euclid(DAY) / HOUR) as usize].push(value);
    }
    by_hour.map(|mut values| Hour {
        count: values.len(),
        low: quantile(&mut values, 0.1),
        median: quantile(&mut values, 0.5),
        high: quantile(&mut values, 0.9),
    })
}

/// The mean of each day, or of each of so many days that there are not too many, at its middle.
pub(crate) fn means(readings: &[Reading], index: usize) -> Vec<Point> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return Vec::new() };
    let size = ((last.time - first.time) / (DAY * MEANS_MAX) + 1) * DAY;
    let mut points: Vec<Point> = Vec::new();
    let mut open = None::<(i64, f64, f64)>;
    let mut close = |(place, sum, count): (i64, f64, f64)| {
        let middle = place * size + size / 2;
        if points.last().is_some_and(|(time, _)| middle - time > size) {
            points.push((middle, None));
        }
        points.push((middle, Some(sum / count)));
    };
    for reading in readings {
        let Some(value) = reading.values[index] else { continue };
        let place = reading.time.div_euclid(size);
        open = match open {
            Some((known, sum, count)) if known == place => Some((place, sum + value, count + 1.0)),
            other => {
                other.into_iter().for_each(&mut close);
                Some((place, value, 1.0))
            }
        };
    }
    open.into_iter().for_each(close);
    points
}

/// The stretches of time without any reading that are wide enough to be seen in a period of this length.
pub(crate) fn gaps(readings: &[Reading], step: i64, length: i64) -> Vec<(i64, i64)> {
    let least = ((step as f64 * GAP_STEPS) as i64).max(length / GAP_SHARE_LEAST);
    let pairs = readings.windows(2).map(|pair| (pair[0].time, pair[1].time));
    pairs.filter(|(start, end)| end - start > least).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: impl IntoIterator<Item = (i64, Option<f64>)>) -> Vec<Reading> {
        values
            .into_iter()
            .map(|(hour, value)| Reading { time: hour * HOUR, values: [value, None, None, None, None] })
            .collect()
    }

    #[test]
    fn four_points_stand_for_a_bucket_and_no_peak_is_lost() {
        let wave = readings((0..1_000).map(|hour| (hour, Some(f64::from((hour * 37 % 101) as u32)))));
        let points = line(&wave, 0, 100 * HOUR, HOUR);
        assert!((20..=40).contains(&points.len()), "{}", points.len());
        for all in wave.chunks(100) {
            let period = all[0].time..=all[99].time;
            let few: Vec<f64> =
                points.iter().filter(|point| period.contains(&point.0)).filter_map(|point| point.1).collect();
            let summary = summary(all, 0, None);
            assert_eq!(few.iter().copied().reduce(f64::max), summary.high);
            assert_eq!(few.iter().copied().reduce(f64::min), summary.low);
            assert_eq!((few.first(), few.last()), (all[0].values[0].as_ref(), all[99].values[0].as_ref()));
        }
        assert!(points.is_sorted_by_key(|point| point.0));
    }

    #[test]
    fn few_readings_are_all_there_and_gaps_break_the_line() {
        let few = readings([(0, Some(1.0)), (1, None), (2, Some(2.0)), (3, Some(3.0)), (9, Some(4.0))]);
        let expected = [(0, Some(1.0)), (2, None), (2, Some(2.0)), (3, Some(3.0)), (9, None), (9, Some(4.0))];
        assert_eq!(line(&few, 0, 60, HOUR), expected.map(|(hour, value)| (hour * HOUR, value)));
        assert_eq!(gaps(&few, HOUR, DAY), [(3 * HOUR, 9 * HOUR)]);
        assert_eq!(gaps(&few, HOUR, 2_000 * HOUR), []);
        assert_eq!(usual_step(&few), HOUR);
        assert_eq!(usual_step(&few[..1]), HOUR);
        assert_eq!(line(&few, 1, 60, HOUR), []);
    }

    #[test]
    fn a_summary_has_the_median_and_what_is_over_the_limit() {
        let some = readings([(0, Some(4.0)), (1, Some(1.0)), (2, None), (3, Some(12.0)), (4, Some(2.0))]);
        let expected = Summary { count: 4, low: Some(1.0), median: Some(3.0), high: Some(12.0), over: 1 };
        assert_eq!(summary(&some, 0, Some(10.0)), expected);
        assert_eq!(summary(&[], 0, Some(10.0)), Summary::default());
    }

    #[test]
    fn hours_and_means_are_of_the_wall_clock() {
        let days =
            readings((0..72).map(|hour| (hour, (hour % 24 != 5).then_some(f64::from(hour as u32 / 24)))));
        let hours = hours(&days, 0);
        assert_eq!(
            (hours[4].count, hours[4].median, hours[5].count, hours[5].median),
            (3, Some(1.0), 0, None)
        );
        assert_eq!(hours[4].high, Some(1.8));
        assert_eq!(means(&days, 0), [0.0, 1.0, 2.0].map(|day| (day as i64 * DAY + DAY / 2, Some(day))));
        let apart = readings([(0, Some(1.0)), (24, Some(2.0)), (72, Some(3.0))]);
        assert_eq!(means(&apart, 0)[2], (3 * DAY + DAY / 2, None));
    }
}
