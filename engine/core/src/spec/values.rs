//! From marked values to the engine's own types; what does not fit is reported, and `None` comes out.

use super::duration;
use super::marked::{Content, Mark, Node};
use super::report::{Fault, Report, quoted};
use crate::template::contains_template;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::time::Duration;

fn wrong_type(node: &Node, key: &str, wanted: &str, report: &mut Report<'_>) {
    let message = format!("{key} must be {wanted}, not {}", shown(node));
    let hint = hint(node, wanted);
    report.add(Fault::error("wrong-type", node.mark, message).hint(hint));
}

/// The value for a message: short text as it is written, anything else in words.
fn shown(node: &Node) -> String {
    match node.as_text() {
        Some(text) if text.chars().count() <= 30 => quoted(text),
        _ => node.describe(),
    }
}

fn hint(node: &Node, wanted: &str) -> Option<String> {
    match &node.content {
        Content::Text(text) if contains_template(text) => {
            Some("templates are rendered only under \"with\" of a task".to_owned())
        }
        Content::Text(text) if wanted == "true or false" => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write true".into()),
            "no" | "off" | "n" | "false" => Some("write false".into()),
            _ => None,
        },
        Content::Number(_) | Content::Bool(_) if wanted == "a string" => Some("put quotes around it".into()),
        _ => None,
    }
}

pub(super) fn text(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = node.as_text().map(str::to_owned);
    if text.is_none() {
        wrong_type(node, key, "a string", report);
    }
    text
}

pub(super) fn boolean(node: &Node, key: &str, report: &mut Report<'_>) -> Option<bool> {
    if let Content::Bool(value) = node.content {
        return Some(value);
    }
    wrong_type(node, key, "true or false", report);
    None
}

pub(super) fn count(node: &Node, key: &str, report: &mut Report<'_>) -> Option<u32> {
    if let Content::Number(number) = &node.content
        && let Some(count) = number.as_u64().and_then(|count| u32::try_from(count).ok())
    {
        return Some(count);
    }
    wrong_type(node, key, "a whole number from 0 up", report);
    None
}

/// A whole number from 1 up.
pub(super) fn positive(node: &Node, key: &str, report: &mut Report<'_>) -> Option<u32> {
    if let Content::Number(number) = &node.content
        && let Some(count) =
            number.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
    {
        return Some(count);
    }
    wrong_type(node, key, "a whole number from 1 up", report);
    None
}

/// Any whole number that fits 32 bits, which is what weights are added up in.
pub(super) fn whole(node: &Node, key: &str, report: &mut Report<'_>) -> Option<i64> {
    if let Content::Number(number) = &node.content
        && let Some(whole) = number.as_i64().and_then(|whole| i32::try_from(whole).ok())
    {
        return Some(i64::from(whole));
    }
    wrong_type(node, key, "a whole number", report);
    None
}

pub(super) fn length_of_time(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Duration> {
    if !matches!(node.content, Content::Text(_) | Content::Number(_)) {
        wrong_type(node, key, "a duration such as 30s, 5m or 1h30m", report);
        return None;
    }
    match duration::from_value(&node.to_value()) {
        Ok(duration) => Some(duration),
        Err(reason) => {
            let fault = Fault::error("bad-duration", node.mark, format!("{key}: {reason}"));
            report.add(fault.hint(hint(node, "a duration")));
            None
        }
    }
}

/// A list of strings, each with its place.
pub(super) fn text_list(node: &Node, key: &str, report: &mut Report<'_>) -> Vec<(String, Mark)> {
    let Content::List(items) = &node.content else {
        wrong_type(node, key, "a list of strings", report);
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match item.as_text() {
            Some(text) => texts.push((text.to_owned(), item.mark)),
            None => wrong_type(item, &format!("an item of {key}"), "a string", report),
        }
    }
    texts
}

/// A string, or a list of strings, each with its place.
pub(super) fn text_or_list(node: &Node, key: &str, report: &mut Report<'_>) -> Vec<(String, Mark)> {
    match &node.content {
        Content::Text(text) => vec![(text.clone(), node.mark)],
        Content::List(_) => text_list(node, key, report),
        _ => {
            wrong_type(node, key, "a string or a list of strings", report);
            Vec::new()
        }
    }
}

/// A date or a date and time; without an offset it is by the clocks of `zone`.
pub(super) fn instant(node: &Node, key: &str, zone: &TimeZone, report: &mut Report<'_>) -> Option<Timestamp> {
    let Some(text) = node.as_text() else {
        wrong_type(node, key, "a date such as 2024-01-31 or 2024-01-31T09:00:00Z", report);
        return None;
    };
    let instant = parse_instant(text, zone);
    if instant.is_none() {
        let message = format!("{key} is no date: {}", quoted(text));
        let hint = if text.contains('[') {
            "write the zone as the DAG's timezone, or an offset, as in 2024-01-31T09:00:00-03:00"
        } else {
            "write 2024-01-31, 2024-01-31T09:00:00 (on the clocks of the DAG's timezone) or 2024-01-31T09:00:00-03:00"
        };
        report.add(Fault::error("bad-date", node.mark, message).hint(hint.to_owned()));
    }
    instant
}

fn parse_instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if text.contains('[') {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(DateTime::from))?;
    // jiff takes 20240131 too; a reader of a DAG should not have to.
    let is_spelled_out = text.contains('-');
    let has_offset =
        text.rsplit_once(['T', 't', ' ']).is_some_and(|(_, time)| time.contains(['+', '-', 'Z', 'z']));
    if !is_spelled_out || has_offset {
        return None;
    }
    civil.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}
