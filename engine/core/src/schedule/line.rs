//! One line of a schedule: a crontab line, a preset that stands for one, or an interval. croner reads crontab lines and
//! finds the wall times that fit them.

use super::wall_clock;
use crate::spec::duration;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::time::Duration;

/// One line of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Five crontab fields, or a preset.
    Cron(Box<Crontab>),
    /// Every so often, in time that passes, not by the wall clock.
    Interval {
        /// The time between two runs.
        every: Duration,
    },
}

/// A crontab line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    /// As it is written in the DAG: `0 9 * * *` or `@daily`.
    text: String,
    cron: Cron,
    is_every_hour: bool,
}

/// Airflow's presets that stand for a crontab line, and cron's other names for two of them.
pub const PRESETS: [(&str, &str); 8] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@quarterly", "0 0 1 */3 *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The shortest interval: a run costs more than nothing.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The days in which a crontab line must fire at least once, or never will. Leap days that must also be a given
/// weekday are at most 40 years apart, when a century without a leap day lies between.
const SEARCH_DAYS: i64 = 41 * 366;

impl Line {
    /// Reads a crontab line, a preset, or `every 15m`. The error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if let Some(length) = trimmed.strip_prefix("every ") {
            return interval(length);
        }
        crontab(trimmed).map(|crontab| Self::Cron(Box::new(crontab)))
    }

    /// The first instant after `after` at which it is due. Intervals are counted from `anchor` (the DAG's start date),
    /// or from 1970. None when there is none: 30 February, or the end of time.
    pub fn next(&self, after: Timestamp, zone: &TimeZone, anchor: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::Cron(crontab) => wall_clock::next(crontab, zone, after),
            Self::Interval { every } => next_of_interval(*every, after, anchor),
        }
    }

    /// Whether it can be due at all.
    pub fn ever_fires(&self, zone: &TimeZone) -> bool {
        self.next(Timestamp::UNIX_EPOCH, zone, None).is_some()
    }

    /// Whether the time zone matters to it.
    pub fn goes_by_the_wall_clock(&self) -> bool {
        matches!(self, Self::Cron(_))
    }
}

/// As it is written in the DAG.
impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(crontab) => formatter.write_str(&crontab.text),
            Self::Interval { every } => write!(formatter, "every {}", duration::display(*every)),
        }
    }
}

impl Crontab {
    /// The first wall time from `from` on that fits.
    pub(super) fn next(&self, from: DateTime) -> Option<DateTime> {
        let from = whole_second_up(from)?;
        if !self.has_a_day(from.date()) {
            return None;
        }
        self.cron.find_next_occurrence(&from, true).ok()
    }

    /// Whether its hour field is `*`.
    pub(super) fn is_every_hour(&self) -> bool {
        self.is_every_hour
    }

    /// Whether some day near `from` fits. croner itself would walk every day up to the year 5000.
    fn has_a_day(&self, from: Date) -> bool {
        let mut day = from;
        for _ in 0..SEARCH_DAYS {
            if self.day_fits(day) {
                return true;
            }
            match day.tomorrow() {
                Ok(tomorrow) => day = tomorrow,
                Err(_) => return false,
            }
        }
        false
    }

    fn day_fits(&self, day: Date) -> bool {
        let month = u32::from(day.month().unsigned_abs());
        if !self.cron.pattern.month_match(month).unwrap_or(false) {
            return false;
        }
        let weekday =
            Weekday::from_days_from_sunday(u32::from(day.weekday().to_sunday_zero_offset().unsigned_abs()));
        let number = u32::from(day.day().unsigned_abs());
        self.cron.pattern.day_match(i32::from(day.year()), month, number, weekday).unwrap_or(false)
    }
}

fn interval(length: &str) -> Result<Line, String> {
    let every = duration::parse(length)?;
    if every < INTERVAL_MIN {
        return Err(format!("an interval of {} is too short; 1s is the least", duration::display(every)));
    }
    Ok(Line::Interval { every })
}

fn crontab(text: &str) -> Result<Crontab, String> {
    let line = PRESETS.iter().find(|(preset, _)| *preset == text).map_or(text, |(_, crontab)| crontab);
    if line.starts_with('@') && !line.contains(char::is_whitespace) {
        let names: Vec<_> =
            PRESETS.iter().map(|(preset, _)| *preset).chain(["@once", "@continuous"]).collect();
        return Err(format!("{text} is no preset; the presets are {}", names.join(", ")));
    }
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(field_count_message(line, fields.len()));
    }
    if line.contains('@') {
        return Err(format!("{line:?} mixes a preset with a crontab line"));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser
        .parse(line)
        .map_err(|error| format!("{line:?} is no crontab line: {}", lowercase_start(&error.to_string())))?;
    Ok(Crontab { text: text.to_owned(), cron, is_every_hour: fields[1] == "*" })
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

/// The time itself, or the start of the next second: croner counts in whole ones.
fn whole_second_up(time: DateTime) -> Option<DateTime> {
    if time.subsec_nanosecond() == 0 {
        return Some(time);
    }
    time.with().subsec_nanosecond(0).build().ok()?.checked_add(SignedDuration::from_secs(1)).ok()
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
