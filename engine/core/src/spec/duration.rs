//! Lengths of time as people write them: `30s`, `5m`, `1h30m`, `250ms`, `2d`, or a number of seconds.

use serde_json::Value;
use std::time::Duration;

/// The longest duration that is taken: a hundred years. It keeps instants computed from it inside the calendar.
pub const DURATION_MAX: Duration = Duration::from_secs(36_525 * 86_400);

/// The units, longest first, with their length in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("w", 7 * 86_400_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// The most digits after the point that can matter: a nanosecond is 10^-15 of a week, rounded up.
const FRACTION_DIGITS_MAX: usize = 15;

/// Reads `30s`, `5m`, `1h30m`, `250ms`, `2d`, or a number of seconds. The error is one sentence.
pub fn from_value(value: &Value) -> Result<Duration, String> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => from_seconds(number.as_f64().unwrap_or(f64::NAN)),
        other => Err(format!("a duration is written 30s, 5m or 1h30m, not {other}")),
    }
}

/// Reads a duration from text. The error is one sentence.
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err("the duration is empty; write it as 30s, 5m or 1h30m".into());
    }
    if trimmed.starts_with('-') {
        return Err(format!("a duration cannot be negative: {trimmed}"));
    }
    if let Ok(seconds) = trimmed.parse::<f64>() {
        return from_seconds(seconds);
    }
    sum_of_parts(trimmed)
}

/// `1h30m` and the like: numbers, each with its unit, the longer unit first.
fn sum_of_parts(text: &str) -> Result<Duration, String> {
    let mut nanoseconds: u128 = 0;
    let mut last_unit: Option<usize> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after_number) = split_where(rest, |letter| !letter.is_ascii_digit() && letter != '.');
        let (unit, after_unit) = split_where(after_number.trim_start(), |letter| !letter.is_alphabetic());
        let place = unit_place(number, unit, text)?;
        if last_unit.is_some_and(|last| place <= last) {
            return Err(format!("in {text:?} the units must come once each, the longest first, as in 1h30m"));
        }
        last_unit = Some(place);
        nanoseconds = nanoseconds.saturating_add(scaled(number, UNITS[place].1, text)?);
        rest = after_unit.trim_start();
    }
    from_nanoseconds(nanoseconds, text)
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

fn unit_place(number: &str, unit: &str, text: &str) -> Result<usize, String> {
    if number.is_empty() {
        return Err(format!("{text:?} is no duration; write it as 30s, 5m or 1h30m"));
    }
    if let Some(place) = UNITS.iter().position(|(name, _)| *name == unit) {
        return Ok(place);
    }
    if unit.is_empty() {
        return Err(format!("{number} in {text:?} has no unit; the units are d, h, m, s and ms"));
    }
    let lower = unit.to_lowercase();
    let long_names = [("milli", "ms"), ("week", "w"), ("day", "d"), ("h", "h"), ("m", "m"), ("s", "s")];
    match long_names.iter().find(|(start, _)| lower.starts_with(start)) {
        Some((_, short)) => Err(format!("{unit:?} is no unit; write {number}{short}")),
        None => Err(format!("{unit:?} is no unit; the units are w, d, h, m, s and ms")),
    }
}

/// `number` (digits, perhaps with a point) times `unit`, exactly.
fn scaled(number: &str, unit: u128, text: &str) -> Result<u128, String> {
    let not_a_number = || format!("{number:?} in {text:?} is no number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(not_a_number());
    }
    if whole.len() > 18 || fraction.len() > FRACTION_DIGITS_MAX {
        return Err(format!("{number:?} in {text:?} has too many digits"));
    }
    let digits: u128 = format!("0{whole}{fraction}").parse().map_err(|_| not_a_number())?;
    Ok(digits * unit / 10u128.pow(fraction.len() as u32))
}

fn from_nanoseconds(nanoseconds: u128, text: &str) -> Result<Duration, String> {
    if nanoseconds > DURATION_MAX.as_nanos() {
        return Err(format!("{text} is too long; a hundred years is the most"));
    }
    Ok(Duration::new((nanoseconds / 1_000_000_000) as u64, (nanoseconds % 1_000_000_000) as u32))
}

fn from_seconds(seconds: f64) -> Result<Duration, String> {
    if seconds < 0.0 {
        return Err(format!("a duration cannot be negative: {seconds}"));
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err(format!("{seconds} seconds is too long; a hundred years is the most")),
    }
}

/// Writes a duration as [`parse`] reads it: `1h30m`, `250ms`, `0s`.
pub fn display(duration: Duration) -> String {
    let mut nanoseconds = duration.as_nanos();
    let mut text = String::new();
    for (name, unit) in UNITS.iter().skip(1) {
        let count = nanoseconds / unit;
        nanoseconds %= unit;
        let last = *name == "ms";
        if count == 0 && !(last && nanoseconds > 0) {
            continue;
        }
        text.push_str(&count.to_string());
        if last && nanoseconds > 0 {
            text.push('.');
            text.push_str(format!("{nanoseconds:06}").trim_end_matches('0'));
        }
        text.push_str(name);
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let table = [
            (json!("30s"), 30_000),
            (json!("5m"), 300_000),
            (json!("1h30m"), 5_400_000),
            (json!("1h 30m"), 5_400_000),
            (json!("1.5h"), 5_400_000),
            (json!("250ms"), 250),
            (json!("2d"), 172_800_000),
            (json!("1w"), 604_800_000),
            (json!("0s"), 0),
            (json!(30), 30_000),
            (json!(0.5), 500),
            (json!("45"), 45_000),
        ];
        for (value, milliseconds) in table {
            assert_eq!(from_value(&value), Ok(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_reason() {
        let table = [
            (json!(""), "empty"),
            (json!("-5m"), "negative"),
            (json!(-1), "negative"),
            (json!("5 minutes"), "write 5m"),
            (json!("5min"), "write 5m"),
            (json!("2 hours"), "write 2h"),
            (json!("30m1h"), "longest first"),
            (json!("1h1h"), "once each"),
            (json!("5x"), "is no unit"),
            (json!("soon"), "is no duration"),
            (json!("1h30"), "has no unit"),
            (json!("1.2.3s"), "is no number"),
            (json!("9999999999999999999999s"), "too many digits"),
            (json!("99999999d"), "too long"),
            (json!("NaN"), "too long"),
            (json!("inf"), "too long"),
            (json!(1e300), "too long"),
            (json!(true), "not true"),
            (json!(["5m"]), "a duration is written"),
        ];
        for (value, reason) in table {
            let message = from_value(&value).unwrap_err();
            assert!(message.contains(reason), "{value}: {message}");
        }
    }

    proptest! {
        #[test]
        fn display_is_read_back(seconds in 0..=36_525u64 * 86_400 - 1, nanoseconds in 0..1_000_000_000u32) {
            let duration = Duration::new(seconds, nanoseconds);
            prop_assert_eq!(parse(&display(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-0-9.a-z ]{0,24}") {
            let _ = parse(&text);
        }
    }
}
