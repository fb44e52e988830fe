//! croniter, which Airflow reads crontab lines with, as a witness: thousands of random lines and instants, wherever it
//! is right.
//!
//! It is told by environment where croniter lies (scripts/test installs it): `ESTEIRA_TEST_CRONITER`, a folder for
//! Python's module path. Without it the test skips itself.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use esteira_core::schedule::{Schedule, Ticks, When};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// How many lines are tried, and how many instants of each.
const LINES: u64 = 4000;
const INSTANTS: usize = 8;

/// Answers a list of `[line, zone, seconds since 1970, count]` with a list of instants each; null for a line that
/// croniter does not read.
const WITNESS: &str = r#"
import json, sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from croniter import croniter

def ask(line, zone, start, count):
    try:
        ticks = croniter(line, datetime.fromtimestamp(start, timezone.utc).astimezone(ZoneInfo(zone)))
        return [int(ticks.get_next(datetime).timestamp()) for _ in range(count)]
    except Exception:
        return None

json.dump([ask(*question) for question in json.load(sys.stdin)], sys.stdout)
"#;

/// Numbers that only look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn field(&mut self, low: u64, high: u64, names: &[&str]) -> String {
        let size = high - low + 1;
        let (first, second) = (low + self.below(size), low + self.below(size));
        let (first, second) = (first.min(second), first.max(second));
        match self.below(9) {
            0..=2 => "*".to_owned(),
            3 => format!("*/{}", 1 + self.below(size)),
            4 if first < second => format!("{first}-{second}"),
            5 if first < second => format!("{first}-{second}/{}", 1 + self.below(second - first)),
            6 => format!("{first},{second}"),
            7 if !names.is_empty() => names[self.below(names.len() as u64) as usize].to_owned(),
            _ => first.to_string(),
        }
    }

    fn line(&mut self) -> String {
        const MONTHS: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        [
            self.field(0, 59, &[]),
            self.field(0, 23, &[]),
            self.field(1, 31, &[]),
            self.field(1, 12, &MONTHS),
            self.field(0, 7, &DAYS),
        ]
        .join(" ")
    }
}

fn witness(folder: &str, questions: &[Value]) -> Vec<Option<Vec<i64>>> {
    let mut python = Command::new("python3")
        .args(["-c", WITNESS])
        .env("PYTHONPATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let questions = serde_json::to_vec(questions).unwrap();
    python.stdin.take().unwrap().write_all(&questions).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(line: &str, zone: &str, start: i64) -> Option<Vec<i64>> {
    let schedule = Schedule {
        when: When::parse(line).ok()?,
        timezone: TimeZone::get(zone).unwrap(),
        ..Schedule::default()
    };
    let ticks = Ticks { schedule: &schedule, start_date: None, end_date: None };
    let first = ticks.after(Timestamp::from_second(start).unwrap());
    let found = std::iter::successors(first, |tick| ticks.after(tick.run_after));
    Some(found.take(INSTANTS).map(|tick| tick.run_after.as_second()).collect())
}

/// The deliberate differences, besides the repeated hour ([`a_repeated_wall_time_runs_once`]).
///
/// - A day field that begins with `*/`, beside another that names every day, such as `0-6`: croniter lets only the first
///   count. Either of two restricted days is enough: that is what croniter itself says of `1-31/n`, and of a number.
fn differs_on_purpose(line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let names_every_day =
        |field: &str| ["*", "0-6", "0-7", "1-7", "1-31"].contains(&field.strip_suffix("/1").unwrap_or(field));
    (fields[2].starts_with("*/") && fields[4] != "*" && names_every_day(fields[4]))
        || (fields[4].starts_with("*/") && fields[2] != "*" && names_every_day(fields[2]))
}

#[test]
fn a_repeated_wall_time_runs_once() {
    let Ok(folder) = std::env::var("ESTEIRA_TEST_CRONITER") else { return };
    // The evening before 27 October 2024, when Rome's clocks go back from 03:00 to 02:00.
    let start = 1_729_965_600;
    let theirs = witness(&folder, &[json!(["30 2 * * *", "Europe/Rome", start, 2])]).remove(0).unwrap();
    assert_eq!(theirs[1] - theirs[0], 3600, "croniter runs it twice");
    let ours = ours("30 2 * * *", "Europe/Rome", start).unwrap();
    assert_eq!((ours[0], ours[1] - ours[0]), (theirs[0], 25 * 3600), "we do not");
}

#[test]
fn croniter_agrees_wherever_it_is_right() {
    let Ok(folder) = std::env::var("ESTEIRA_TEST_CRONITER") else {
        skip("croniter_agrees_wherever_it_is_right: ESTEIRA_TEST_CRONITER is not set");
        return;
    };
    let mut numbers = Numbers(20_261_125);
    let zones = ["UTC", "UTC", "Europe/Rome", "America/Sao_Paulo", "Asia/Kolkata"];
    let questions: Vec<(String, &str, i64)> = (0..LINES)
        .map(|_| {
            let zone = zones[numbers.below(zones.len() as u64) as usize];
            (numbers.line(), zone, 1_577_836_800 + numbers.below(86_400 * 366 * 10) as i64)
        })
        .collect();
    let asked: Vec<Value> =
        questions.iter().map(|(line, zone, start)| json!([line, zone, start, INSTANTS])).collect();
    let mut on_purpose = 0;
    let mut faults = Vec::new();
    for ((line, zone, start), theirs) in questions.iter().zip(witness(&folder, &asked)) {
        let found = ours(line, zone, *start);
        if found != theirs && differs_on_purpose(line) {
            on_purpose += 1;
        } else if found != theirs {
            faults.push(format!("{line:30} {zone:18} {start}\n  ours   {found:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(faults.is_empty(), "{} of {LINES} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(on_purpose < LINES / 100, "{on_purpose} are left out, far more than the difference explains");
}

fn skip(line: &str) {
    if let Ok(path) = std::env::var("ESTEIRA_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
}
