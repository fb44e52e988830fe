//! Instants of databases as texts and back: RFC 3339, those without a zone without an offset.

use jiff::Timestamp;
use jiff::civil;
use sqlx::types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// `2026-01-31T09:00:00.5`
pub(super) fn local(at: PrimitiveDateTime) -> String {
    format!("{}T{}", at.date(), time(at.hour(), at.minute(), at.second(), at.microsecond()))
}

/// `2026-01-31T09:00:00Z`
pub(super) fn utc(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!("{}T{}Z", at.date(), time(at.hour(), at.minute(), at.second(), at.microsecond()))
}

fn time(hour: u8, minute: u8, second: u8, microsecond: u32) -> String {
    let whole = format!("{hour:02}:{minute:02}:{second:02}");
    match microsecond {
        0 => whole,
        _ => format!("{whole}.{microsecond:06}").trim_end_matches('0').to_owned(),
    }
}

/// `2026-01-31`, read.
pub(super) fn date(text: &str) -> Option<Date> {
    to_date(text.parse().ok()?)
}

/// `09:30` or `09:30:00.5`, read.
pub(super) fn time_of_day(text: &str) -> Option<Time> {
    to_time(text.parse().ok()?)
}

/// A time without a zone, read.
pub(super) fn read_local(text: &str) -> Option<PrimitiveDateTime> {
    let at: civil::DateTime = text.parse().ok()?;
    Some(PrimitiveDateTime::new(to_date(at.date())?, to_time(at.time())?))
}

/// An instant, read.
pub(super) fn read_utc(text: &str) -> Option<OffsetDateTime> {
    let at: Timestamp = text.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(at.as_nanosecond()).ok()
}

fn to_date(date: civil::Date) -> Option<Date> {
    let month = u8::try_from(date.month()).ok()?.try_into().ok()?;
    Date::from_calendar_date(date.year().into(), month, u8::try_from(date.day()).ok()?).ok()
}

fn to_time(time: civil::Time) -> Option<Time> {
    let part = |number: i8| u8::try_from(number).ok();
    let nanosecond = u32::try_from(time.subsec_nanosecond()).ok()?;
    Time::from_hms_nano(part(time.hour())?, part(time.minute())?, part(time.second())?, nanosecond).ok()
}
