//! Times relative for a glance and exact on hover; durations in h m s ms. Scripts keep both up to date
//! (`static/times.js` follows the same rules). The zone and the language are those of whoever looks.

use super::numbers::decimal;
use crate::locale::{self, Language};
use crate::{t, t1};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::fmt;

/// A time as a `<time>` element: relative text, exact title.
#[derive(Clone, Debug)]
pub(crate) struct Instant {
    at: Timestamp,
    now: Timestamp,
}

impl Instant {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = relative(self.at, self.now);
        write!(formatter, "<time datetime=\"{}\" title=\"{}\">{text}</time>", self.at, exact(self.at))
    }
}

impl askama::filters::HtmlSafe for Instant {}

/// A duration that goes on while what it measures goes on.
#[derive(Clone, Debug)]
pub(crate) enum Elapsed {
    /// Nothing has begun.
    None,
    /// It is over.
    Over(SignedDuration),
    /// It goes on; scripts count on from the start.
    Since {
        /// When it began.
        start: Timestamp,
        /// How long that is by now.
        so_far: SignedDuration,
    },
}

impl Elapsed {
    /// From `start` to `end`, or to now while there is no end.
    pub(crate) fn between(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Self {
        match (start, end) {
            (Some(start), Some(end)) => Self::Over(end.duration_since(start)),
            (Some(start), None) => Self::Since { start, so_far: now.duration_since(start) },
            (None, _) => Self::None,
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Over(length) => formatter.write_str(&duration(*length)),
            Self::Since { start, so_far } => {
                write!(formatter, "<span data-since=\"{start}\">{}</span>", duration(*so_far))
            }
        }
    }
}

impl askama::filters::HtmlSafe for Elapsed {}

/// The time between two instants, at least nothing.
pub(crate) fn span(start: Timestamp, end: Timestamp) -> SignedDuration {
    end.duration_since(start).max(SignedDuration::ZERO)
}

/// A length of time: `4 ms`, `2.31 s`, `1 m 05 s`, `2 h 03 m`, `3 d 04 h`.
pub(crate) fn duration(length: SignedDuration) -> String {
    let millis = length.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => decimal(format!("{}.{:02} s", seconds, millis % 1000 / 10)),
        10..60 => decimal(format!("{}.{} s", seconds, millis % 1000 / 100)),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// An instant seen from now: `just now`, `3 min ago`, `in 21 h 14 min`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let length = match seconds.unsigned_abs() {
        0..5 => return if seconds > 0 { t("in a moment") } else { t("just now") }.to_owned(),
        length @ 5..60 => format!("{length} s"),
        length @ 60..3600 => format!("{} min", length / 60),
        length @ 3600..86_400 if length / 60 % 60 > 0 && seconds > 0 => {
            format!("{} h {} min", length / 3600, length / 60 % 60)
        }
        length @ 3600..86_400 => format!("{} h", length / 3600),
        length => format!("{} d", length / 86_400),
    };
    if seconds > 0 { t1("in {}", length) } else { t1("{} ago", length) }
}

/// In the zone of whoever looks.
pub(crate) fn zoned(at: Timestamp) -> Zoned {
    locale::with(|locale| at.to_zoned(locale.zone.clone()))
}

/// An instant to the millisecond, with its zone: `2026-11-22 13:44:12.123 UTC`, `… -03` where the zone has no letters. A
/// whole second is told without them: dates of schedules are all of that kind.
pub(crate) fn exact(at: Timestamp) -> String {
    let is_whole = at.subsec_millisecond() == 0;
    zoned(at).strftime(if is_whole { "%Y-%m-%d %H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S%.3f %Z" }).to_string()
}

/// The time of day to the millisecond, for logs: `13:44:12.123`.
pub(crate) fn clock(at: Timestamp) -> String {
    zoned(at).strftime("%H:%M:%S%.3f").to_string()
}

/// A day without its year: `22 Nov`.
pub(crate) fn day(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"];
    let at = zoned(at);
    match locale::language() {
        Language::English => at.strftime("%-d %b").to_string(),
        Language::Portuguese => {
            format!("{} {}", at.day(), MONTHS[usize::from(at.month().unsigned_abs()) - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = |millis| duration(SignedDuration::from_millis(millis));
        let cases = [-3, 0, 4, 999, 2314, 12_390, 65_000, 7_385_000, 273_600_000].map(shown);
        assert_eq!(
            cases,
            ["0 ms", "0 ms", "4 ms", "999 ms", "2.31 s", "12.3 s", "1 m 05 s", "2 h 03 m", "3 d 04 h"]
        );
    }

    #[test]
    fn instants_are_seen_from_now() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let shown = |seconds| relative(now + SignedDuration::from_secs(seconds), now);
        let cases = [0, -3, -59, -200, -7300, -200_000, 3, 76_440, 7200].map(shown);
        assert_eq!(
            cases,
            [
                "just now",
                "just now",
                "59 s ago",
                "3 min ago",
                "2 h ago",
                "2 d ago",
                "in a moment",
                "in 21 h 14 min",
                "in 2 h"
            ]
        );
        assert_eq!(exact(now), "1970-01-12 13:46:40 UTC");
    }

    #[test]
    fn times_are_told_in_the_zone_and_the_language_of_whoever_looks() {
        let at: Timestamp = "2026-02-01T01:44:12.5Z".parse().unwrap();
        locale::as_in(Language::Portuguese, "America/Sao_Paulo", || {
            assert_eq!(exact(at), "2026-01-31 22:44:12.500 -03");
            assert_eq!((clock(at).as_str(), day(at).as_str()), ("22:44:12.500", "31 jan"));
            assert_eq!(relative(at, at + SignedDuration::from_mins(3)), "há 3 min");
            assert_eq!(duration(SignedDuration::from_millis(2_314)), "2,31 s");
        });
        locale::as_in(Language::English, "Europe/Rome", || {
            assert_eq!((exact(at).as_str(), day(at).as_str()), ("2026-02-01 02:44:12.500 CET", "1 Feb"));
        });
    }

    #[test]
    fn what_goes_on_counts_on() {
        let now = Timestamp::from_second(10).unwrap();
        let going = Elapsed::between(Some(Timestamp::UNIX_EPOCH), None, now).to_string();
        assert_eq!(going, "<span data-since=\"1970-01-01T00:00:00Z\">10.0 s</span>");
        assert_eq!(Elapsed::between(None, None, now).to_string(), "");
    }
}
