//! When a DAG is due: crontab lines, presets and intervals. croner reads the crontab lines; the instants come in as
//! arguments.

use crate::spec::duration;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// When a DAG runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// Only when it is triggered.
    #[default]
    Never,
    /// By a crontab line (five fields) or a preset that stands for one, in UTC.
    Cron {
        /// The line as it is written in the DAG: `0 9 * * *` or `@daily`.
        line: String,
    },
    /// Every so often.
    Interval {
        /// The time between two runs.
        #[serde(rename = "every_seconds", serialize_with = "seconds")]
        every: Duration,
    },
}

fn seconds<S: serde::Serializer>(every: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(every.as_secs_f64())
}

/// Airflow's presets and the crontab lines that they stand for.
pub const PRESETS: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@quarterly", "0 0 1 */3 *"),
    ("@yearly", "0 0 1 1 *"),
];

/// The shortest interval: a run costs more than nothing.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The days in which a crontab line must fire at least once, or never will. Leap days that must also be a given
/// weekday are at most 40 years apart, when a century without a leap day lies between.
const SEARCH_DAYS: i64 = 41 * 366;

impl Schedule {
    /// Reads a schedule as it is written in a DAG: a crontab line, a preset, or `every 15m`. The error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if let Some(length) = trimmed.strip_prefix("every ") {
            return interval(length);
        }
        if trimmed.starts_with('@') {
            return preset(trimmed);
        }
        cron(trimmed)?;
        Ok(Self::Cron { line: trimmed.to_owned() })
    }

    /// The first tick after `after`, and not before `anchor` (the DAG's start date), to which intervals are aligned.
    /// `None` when there is none: no schedule, or a line that never fires, such as 30 February.
    pub fn next_after(&self, after: Timestamp, anchor: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Cron { line } => next_of_cron(line, after, anchor),
            Self::Interval { every } => next_of_interval(*every, after, anchor),
        }
    }

    /// Whether it can be due at all: a crontab line may name a day that no year has.
    pub fn ever_fires(&self) -> bool {
        !matches!(self, Self::Never) && self.next_after(Timestamp::UNIX_EPOCH, None).is_some()
    }

    /// The schedule for people: as it was written, or `never`.
    pub fn describe(&self) -> String {
        match self {
            Self::Never => "never".into(),
            Self::Cron { line } => line.clone(),
            Self::Interval { every } => format!("every {}", duration::display(*every)),
        }
    }
}

fn interval(length: &str) -> Result<Schedule, String> {
    let every = duration::parse(length)?;
    if every < INTERVAL_MIN {
        return Err(format!("an interval of {} is too short; 1s is the least", duration::display(every)));
    }
    Ok(Schedule::Interval { every })
}

fn preset(name: &str) -> Result<Schedule, String> {
    if PRESETS.iter().any(|(preset, _)| *preset == name) {
        return Ok(Schedule::Cron { line: name.to_owned() });
    }
    if matches!(name, "@once" | "@continuous") {
        return Err(format!("the preset {name} is not supported yet"));
    }
    let names: Vec<_> = PRESETS.iter().map(|(preset, _)| *preset).collect();
    Err(format!("{name} is no preset; the presets are {}", names.join(", ")))
}

/// The parsed crontab line that `line`, perhaps a preset, stands for.
fn cron(line: &str) -> Result<Cron, String> {
    let line = PRESETS.iter().find(|(preset, _)| *preset == line).map_or(line, |(_, crontab)| crontab);
    let fields = line.split_whitespace().count();
    if fields != 5 {
        return Err(field_count_message(line, fields));
    }
    if line.contains('@') {
        return Err(format!("{line:?} mixes a preset with a crontab line"));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser
        .parse(line)
        .map_err(|error| format!("{line:?} is no crontab line: {}", lowercase_start(&error.to_string())))
}

fn field_count_message(line: &str, fields: usize) -> String {
    match fields {
        0 => "the schedule is empty; write null for none".into(),
        6 | 7 => format!(
            "{line:?} has {fields} fields; a crontab line has five (minute, hour, day of month, month, day of week), \
             and no seconds or years"
        ),
        _ => format!(
            "{line:?} is no schedule: it is neither a crontab line (five fields), a preset, nor `every 15m`"
        ),
    }
}

fn lowercase_start(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn next_of_cron(line: &str, after: Timestamp, anchor: Option<Timestamp>) -> Option<Timestamp> {
    let cron = cron(line).ok()?;
    let (from, inclusive) = match anchor {
        Some(anchor) if anchor > after => (whole_second_up(anchor)?, true),
        _ => (after, false),
    };
    if !has_a_day(&cron, from) {
        return None;
    }
    let next = cron.find_next_occurrence(&from.to_zoned(TimeZone::UTC), inclusive).ok()?;
    Some(next.timestamp())
}

/// The instant itself, or the start of the next second: croner counts in whole ones.
fn whole_second_up(instant: Timestamp) -> Option<Timestamp> {
    let second = Timestamp::from_second(instant.as_second()).ok()?;
    if second < instant { second.checked_add(SignedDuration::from_secs(1)).ok() } else { Some(second) }
}

/// Whether some day near `from` fits the line. croner itself would walk every day up to the year 5000.
fn has_a_day(cron: &Cron, from: Timestamp) -> bool {
    let mut day = from.to_zoned(TimeZone::UTC).date();
    for _ in 0..SEARCH_DAYS {
        if day_fits(cron, day) {
            return true;
        }
        match day.tomorrow() {
            Ok(tomorrow) => day = tomorrow,
            Err(_) => return false,
        }
    }
    false
}

fn day_fits(cron: &Cron, day: jiff::civil::Date) -> bool {
    let month = u32::from(day.month().unsigned_abs());
    if !cron.pattern.month_match(month).unwrap_or(false) {
        return false;
    }
    let weekday =
        Weekday::from_days_from_sunday(u32::from(day.weekday().to_sunday_zero_offset().unsigned_abs()));
    let number = u32::from(day.day().unsigned_abs());
    cron.pattern.day_match(i32::from(day.year()), month, number, weekday).unwrap_or(false)
}

/// `anchor + n * every`, the first one after `after`; the anchor itself when it still lies ahead.
fn next_of_interval(every: Duration, after: Timestamp, anchor: Option<Timestamp>) -> Option<Timestamp> {
    let anchor = anchor.unwrap_or(Timestamp::UNIX_EPOCH);
    let step = i128::try_from(every.as_nanos()).ok().filter(|step| *step > 0)?;
    let passed = after.as_nanosecond() - anchor.as_nanosecond();
    if passed < 0 && anchor != Timestamp::UNIX_EPOCH {
        return Some(anchor);
    }
    let next = anchor.as_nanosecond() + (passed.div_euclid(step) + 1) * step;
    Timestamp::from_nanosecond(next).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next ticks of a schedule, as text.
    fn ticks(schedule: &str, after: &str, anchor: Option<&str>, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule).unwrap();
        let mut after = at(after);
        let mut ticks = Vec::new();
        for _ in 0..count {
            let Some(next) = schedule.next_after(after, anchor.map(at)) else { break };
            assert!(next > after);
            ticks.push(next.to_string());
            after = next;
        }
        ticks
    }

    #[test]
    fn crontab_lines_tick_as_crontab_says() {
        let table: [(&str, &str, &[&str]); 14] = [
            ("0 9 * * *", "2024-01-01T09:00:00Z", &["2024-01-02T09:00:00Z", "2024-01-03T09:00:00Z"]),
            ("0 9 * * *", "2024-01-01T08:59:59.999Z", &["2024-01-01T09:00:00Z"]),
            ("*/20 * * * *", "2024-01-01T00:00:00.5Z", &["2024-01-01T00:20:00Z", "2024-01-01T00:40:00Z"]),
            ("@hourly", "2024-12-31T23:30:00Z", &["2025-01-01T00:00:00Z"]),
            ("@daily", "2024-02-28T12:00:00Z", &["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]),
            ("@weekly", "2024-01-01T00:00:00Z", &["2024-01-07T00:00:00Z", "2024-01-14T00:00:00Z"]),
            ("@monthly", "2024-01-31T00:00:00Z", &["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"]),
            ("@quarterly", "2024-01-01T00:00:00Z", &["2024-04-01T00:00:00Z", "2024-07-01T00:00:00Z"]),
            ("@yearly", "2024-01-01T00:00:00Z", &["2025-01-01T00:00:00Z"]),
            // Both days restricted: either of them is enough (1 January 2024 is a Monday).
            (
                "0 0 13 * 5",
                "2024-01-01T00:00:00Z",
                &["2024-01-05T00:00:00Z", "2024-01-12T00:00:00Z", "2024-01-13T00:00:00Z"],
            ),
            // Sunday is 0 and 7.
            ("0 0 * * 7", "2024-01-01T00:00:00Z", &["2024-01-07T00:00:00Z"]),
            (
                "0 0 * * MON-WED",
                "2024-01-01T00:00:00Z",
                &["2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-08T00:00:00Z"],
            ),
            // 2100 is no leap year.
            ("0 0 29 2 *", "2096-01-01T00:00:00Z", &["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"]),
            ("0 0 31 * *", "2024-01-31T00:00:00Z", &["2024-03-31T00:00:00Z", "2024-05-31T00:00:00Z"]),
        ];
        for (schedule, after, expected) in table {
            assert_eq!(ticks(schedule, after, None, expected.len()), expected, "{schedule} after {after}");
        }
    }

    #[test]
    fn nothing_is_due_before_the_start_date() {
        let start = Some("2024-06-01T12:00:00Z");
        assert_eq!(ticks("0 12 * * *", "2024-01-01T00:00:00Z", start, 1), ["2024-06-01T12:00:00Z"]);
        assert_eq!(ticks("0 9 * * *", "2024-01-01T00:00:00Z", start, 1), ["2024-06-02T09:00:00Z"]);
        assert_eq!(ticks("0 12 * * *", "2024-06-01T12:00:00Z", start, 1), ["2024-06-02T12:00:00Z"]);
        assert_eq!(
            ticks("0 12 * * *", "2024-01-01T00:00:00Z", Some("2024-06-01T12:00:00.5Z"), 1),
            ["2024-06-02T12:00:00Z"]
        );
    }

    #[test]
    fn intervals_are_aligned_to_the_start_date_or_the_epoch() {
        let start = Some("2024-01-01T00:07:00Z");
        assert_eq!(
            ticks("every 15m", "2024-01-01T01:00:00Z", start, 2),
            ["2024-01-01T01:07:00Z", "2024-01-01T01:22:00Z"]
        );
        assert_eq!(ticks("every 15m", "2024-01-01T00:07:00Z", start, 1), ["2024-01-01T00:22:00Z"]);
        assert_eq!(ticks("every 15m", "2023-01-01T00:00:00Z", start, 1), ["2024-01-01T00:07:00Z"]);
        assert_eq!(ticks("every 6h", "2024-01-01T01:00:00Z", None, 1), ["2024-01-01T06:00:00Z"]);
        assert_eq!(ticks("every 6h", "1969-12-31T23:00:00Z", None, 1), ["1970-01-01T00:00:00Z"]);
        assert_eq!(ticks("every 1d12h", "1970-01-01T00:00:00Z", None, 1), ["1970-01-02T12:00:00Z"]);
    }

    #[test]
    fn a_line_that_never_fires_gives_none_soon() {
        for line in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let schedule = Schedule::parse(line).unwrap();
            assert_eq!(schedule.next_after(at("2024-01-01T00:00:00Z"), None), None, "{line}");
            assert!(!schedule.ever_fires());
        }
        assert!(Schedule::parse("0 0 29 2 *").unwrap().ever_fires());
        assert_eq!(Schedule::Never.next_after(Timestamp::MIN, None), None);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for schedule in ["* * * * *", "@yearly", "every 1s", "every 36525d"] {
            let schedule = Schedule::parse(schedule).unwrap();
            for instant in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
                for anchor in [None, Some(Timestamp::MIN), Some(Timestamp::MAX)] {
                    let next = schedule.next_after(instant, anchor);
                    assert!(next.is_none_or(|next| next > instant), "{schedule:?} {instant} {anchor:?}");
                }
            }
        }
    }

    #[test]
    fn schedules_keep_the_text_of_their_author() {
        for text in ["@daily", "0 9 * * 1-5", "every 1h30m"] {
            assert_eq!(Schedule::parse(text).unwrap().describe(), text);
        }
        assert_eq!(Schedule::parse("  every 90m ").unwrap().describe(), "every 1h30m");
        assert_eq!(Schedule::Never.describe(), "never");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_reason() {
        let table = [
            ("", "empty"),
            ("0 9 * * * *", "6 fields"),
            ("0 0 9 * * * 2024", "7 fields"),
            ("0 9 * *", "is no schedule"),
            ("60 * * * *", "is no crontab line"),
            ("* 24 * * *", "is no crontab line"),
            ("a b c d e", "is no crontab line"),
            ("@dayly", "is no preset"),
            ("@once", "not supported yet"),
            ("@continuous", "not supported yet"),
            ("every", "is no schedule"),
            ("every now", "is no duration"),
            ("every 0s", "too short"),
            ("every 250ms", "too short"),
            ("0 0 * * @daily", "mixes"),
        ];
        for (text, reason) in table {
            let message = Schedule::parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-0-9*/,#LW?@+ a-zA-Z]{0,24}") {
            if let Ok(schedule) = Schedule::parse(&text) {
                let after = at("2024-01-01T00:00:00Z");
                prop_assert!(schedule.next_after(after, None).is_none_or(|next| next > after));
            }
        }

        #[test]
        fn no_crontab_line_makes_it_panic(fields in prop::collection::vec("[0-9*]{1,2}([-/,][0-9L#W]{1,2})?", 5)) {
            if let Ok(schedule) = Schedule::parse(&fields.join(" ")) {
                let after = at("2024-01-01T00:00:00Z");
                prop_assert!(schedule.next_after(after, None).is_none_or(|next| next > after));
            }
        }
    }
}
