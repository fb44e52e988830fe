//! Times for people: exact in UTC, and how long ago that is; durations in two units.

use jiff::{SignedDuration, Timestamp};

/// An instant to the second: `2026-11-22 13:44:12Z`.
pub(crate) fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// An instant and how long ago that is: `2026-11-22 13:44:12Z (3 min ago)`.
pub(crate) fn both(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", exact(at), relative(at, now))
}

/// The time of day to the millisecond, for lines of a log: `13:44:12.123Z`.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3fZ").to_string()
}

/// A length of time: `4 ms`, `2.31 s`, `1 min 05 s`, `2 h 03 min`, `3 d 04 h`.
pub(crate) fn duration(length: SignedDuration) -> String {
    let millis = length.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{seconds}.{:02} s", millis % 1000 / 10),
        10..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// From the start to the end, or to now while there is no end; empty before the start.
pub(crate) fn elapsed(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> String {
    start.map_or_else(String::new, |start| duration(end.unwrap_or(now).duration_since(start)))
}

/// The seconds between two instants, for programs.
pub(crate) fn seconds(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<f64> {
    start.zip(end).map(|(start, end)| end.duration_since(start).as_secs_f64())
}

/// An instant seen from now: `just now`, `3 min ago`, `in 21 h`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let length = match seconds.unsigned_abs() {
        0..5 => return if seconds > 0 { "in a moment".to_owned() } else { "just now".to_owned() },
        length @ 5..60 => format!("{length} s"),
        length @ 60..3600 => format!("{} min", length / 60),
        length @ 3600..86_400 => format!("{} h", length / 3600),
        length => format!("{} d", length / 86_400),
    };
    if seconds > 0 { format!("in {length}") } else { format!("{length} ago") }
}

/// An instant as the API tells it, to the microsecond, so that home and server say the same.
pub(crate) fn of_api(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// An instant that an answer has as text, to the second; the text itself, if it is none.
pub(crate) fn shown(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), exact)
}

/// An instant as it is typed: a date (its beginning in UTC), or a date and a time with an offset.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| date().map(|zoned| zoned.timestamp()))
        .ok_or_else(|| "write 2026-01-31 (UTC) or 2026-01-31T09:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let lengths = [4, 2_319, 12_345, 65_000, 7_380_000, 273_600_000];
        let texts = lengths.map(|millis| duration(SignedDuration::from_millis(millis)));
        assert_eq!(texts, ["4 ms", "2.31 s", "12.3 s", "1 min 05 s", "2 h 03 min", "3 d 04 h"]);
    }

    #[test]
    fn instants_are_exact_and_seen_from_now() {
        let now: Timestamp = "2026-11-22T13:44:12.5Z".parse().unwrap();
        let seen = |seconds: i64| relative(now.checked_sub(SignedDuration::from_secs(seconds)).unwrap(), now);
        assert_eq!(
            [2, 42, 200, 7_500, 200_000, -200].map(seen),
            ["just now", "42 s ago", "3 min ago", "2 h ago", "2 d ago", "in 3 min"]
        );
        assert_eq!(both(now, now), "2026-11-22 13:44:12Z (just now)");
        assert_eq!(clock(now), "13:44:12.500Z");
    }
}
