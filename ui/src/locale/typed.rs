//! Times that people type or addresses have.

use super::with;
use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, ToSpan};

/// A day (`2026-11-26`), or a day and a time (`2026-11-26T14:30`), in the zone of whoever asks: its beginning, or with `is_end`
/// the end of the day or the minute. An instant with a zone of its own (`2026-11-26T14:30:00Z`) is taken as it is. None for
/// what is neither.
pub(crate) fn typed_instant(text: &str, is_end: bool) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let is_day = !text.contains([':', 'T']);
    let civil = if is_day {
        text.parse::<Date>().ok()?.to_datetime(Time::midnight())
    } else {
        text.parse::<DateTime>().ok()?
    };
    let step = if is_day { 1.day() } else { 1.minute() };
    let civil = if is_end { civil.saturating_add(step) } else { civil };
    with(|locale| civil.to_zoned(locale.zone.clone())).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::super::{Language, as_in};
    use super::*;

    #[test]
    fn times_are_those_of_the_persons_zone() {
        let read = |text, is_end| typed_instant(text, is_end).map(|instant| instant.to_string());
        as_in(Language::English, "America/Sao_Paulo", || {
            assert_eq!(read("2026-11-26", false).as_deref(), Some("2026-11-26T03:00:00Z"));
            assert_eq!(read("2026-11-26", true).as_deref(), Some("2026-11-27T03:00:00Z"));
            assert_eq!(read("2026-11-26T14:30", false).as_deref(), Some("2026-11-26T17:30:00Z"));
            assert_eq!(read("2026-11-26T14:30", true).as_deref(), Some("2026-11-26T17:31:00Z"));
            assert_eq!(read("2026-11-26T14:30:00Z", true).as_deref(), Some("2026-11-26T14:30:00Z"));
            assert_eq!(read("yesterday", false), None);
        });
    }
}
