//! Schedules by example, the clock changes of every zone, and croniter as a witness.

use super::line::Line;
use super::*;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A schedule as it is written, in this zone.
fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule {
        when: When::parse(text).unwrap(),
        timezone: TimeZone::get(zone).unwrap(),
        ..Schedule::default()
    }
}

fn of<'a>(schedule: &'a Schedule, start: Option<&str>) -> Ticks<'a> {
    Ticks { schedule, start_date: start.map(at), end_date: None }
}

/// The next ticks of a schedule in UTC, as text.
fn ticks(text: &str, after: &str, start: Option<&str>, count: usize) -> Vec<String> {
    ticks_in("UTC", text, after, start, count)
}

fn ticks_in(zone: &str, text: &str, after: &str, start: Option<&str>, count: usize) -> Vec<String> {
    let schedule = schedule(text, zone);
    let ticks = of(&schedule, start);
    std::iter::successors(ticks.after(at(after)), |tick| {
        let next = ticks.after(tick.run_after);
        assert!(next.is_none_or(|next| next > *tick));
        next
    })
    .take(count)
    .map(|tick| tick.run_after.to_string())
    .collect()
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
        assert_eq!(ticks(line, "2024-01-01T00:00:00Z", None, 1), [""; 0], "{line}");
        assert!(!schedule(line, "Europe/Rome").ever_fires());
    }
    assert!(schedule("0 0 29 2 *", "UTC").ever_fires());
    assert_eq!(of(&Schedule::default(), None).after(Timestamp::MIN), None);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for text in ["* * * * *", "@yearly", "every 1s", "every 36525d", "@once", "@continuous"] {
        let schedule = Schedule { timetable: TimetableKind::DataInterval, ..schedule(text, "Asia/Tehran") };
        for instant in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            for start_date in [None, Some(Timestamp::MIN), Some(Timestamp::MAX)] {
                let ticks = Ticks { schedule: &schedule, start_date, end_date: None };
                let next = ticks.after(instant);
                assert!(next.is_none_or(|next| next.run_after > instant), "{text} {instant} {start_date:?}");
                ticks.resume(None, instant);
                ticks.newest(Timestamp::MIN, instant);
            }
        }
    }
}

#[test]
fn schedules_keep_the_text_of_their_author() {
    for text in ["@daily", "0 9 * * 1-5", "every 1h30m", "@once", "@continuous"] {
        assert_eq!(When::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(When::parse("  every 90m ").unwrap().to_string(), "every 1h30m");
    assert_eq!(Schedule::default().describe(), "never");
    assert_eq!(schedule("@daily", "America/Sao_Paulo").describe(), "@daily (America/Sao_Paulo)");
    assert_eq!(schedule("every 1h", "America/Sao_Paulo").describe(), "every 1h");
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
        ("every", "is no schedule"),
        ("every now", "is no duration"),
        ("every 0s", "too short"),
        ("every 250ms", "too short"),
        ("0 0 * * @daily", "mixes"),
    ];
    for (text, reason) in table {
        let message = When::parse(text).unwrap_err();
        assert!(message.contains(reason), "{text}: {message}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[-0-9*/,#LW?@+ a-zA-Z]{0,24}") {
        if let Ok(when) = When::parse(&text) {
            let schedule = Schedule { when, ..Schedule::default() };
            let after = at("2024-01-01T00:00:00Z");
            prop_assert!(of(&schedule, None).after(after).is_none_or(|next| next.run_after > after));
        }
    }

    #[test]
    fn no_crontab_line_makes_it_panic(fields in prop::collection::vec("[0-9*]{1,2}([-/,][0-9L#W]{1,2})?", 5)) {
        if let Ok(when) = When::parse(&fields.join(" ")) {
            let schedule = Schedule { when, ..Schedule::default() };
            let after = at("2024-01-01T00:00:00Z");
            prop_assert!(of(&schedule, None).after(after).is_none_or(|next| next.run_after > after));
        }
    }
}

#[test]
fn several_lines_are_one_schedule_and_run_once_where_they_meet() {
    let line = |text| Line::parse(text).unwrap();
    let lines = vec![line("0 9 * * *"), line("0 */12 * * *"), line("every 12h")];
    let schedule = Schedule { when: When::Lines(lines), ..Schedule::default() };
    let found: Vec<_> = of(&schedule, None).preview(None, at("2024-01-01T00:00:00Z")).take(4).collect();
    let found: Vec<_> = found.iter().map(|tick| tick.run_after.to_string()).collect();
    assert_eq!(
        found,
        ["2024-01-01T09:00:00Z", "2024-01-01T12:00:00Z", "2024-01-02T00:00:00Z", "2024-01-02T09:00:00Z"]
    );
    assert_eq!(schedule.describe(), "0 9 * * *; 0 */12 * * *; every 12h");
}

#[test]
fn wall_times_follow_the_clocks_of_the_zone() {
    // Rome: forward at 2024-03-31T01:00Z (02:00 to 03:00), back at 2024-10-27T01:00Z (03:00 to 02:00).
    let table: [(&str, &str, &[&str]); 7] = [
        ("30 2 * * *", "2024-03-30T12:00:00Z", &["2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"]),
        // All that was skipped runs once, and with what is due at the gap's end.
        ("*/20 2,3 31 3 *", "2024-03-30T12:00:00Z", &["2024-03-31T01:00:00Z", "2024-03-31T01:20:00Z"]),
        ("30 2 * * *", "2024-10-26T12:00:00Z", &["2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"]),
        // From within the second pass.
        ("30 2 * * *", "2024-10-27T01:10:00Z", &["2024-10-28T01:30:00Z"]),
        // Every hour is every hour that passes.
        ("30 * * * *", "2024-03-31T00:00:00Z", &["2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z"]),
        (
            "30 * * * *",
            "2024-10-27T00:00:00Z",
            &["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T02:30:00Z"],
        ),
        ("0 0 * * *", "2024-07-01T00:00:00Z", &["2024-07-01T22:00:00Z"]),
    ];
    for (text, after, expected) in table {
        assert_eq!(
            ticks_in("Europe/Rome", text, after, None, expected.len()),
            expected,
            "{text} after {after}"
        );
    }
}

/// What the two rules say of `line` at hour and minute, read off the zone for each day on its own.
fn by_the_rules(zone: &TimeZone, first: jiff::civil::Date, days: i8, hour: i8, minute: i8) -> Vec<Timestamp> {
    let mut due: Vec<Timestamp> = (0..days)
        .map(|day| {
            let wall = first.checked_add(jiff::Span::new().days(day)).unwrap().at(hour, minute, 0, 0);
            match zone.to_ambiguous_timestamp(wall).offset() {
                jiff::tz::AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).unwrap(),
                jiff::tz::AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).unwrap(),
                jiff::tz::AmbiguousOffset::Gap { before, .. } => {
                    let after_the_gap = before.to_timestamp(wall).unwrap() + SignedDuration::from_nanos(1);
                    zone.preceding(after_the_gap).next().unwrap().timestamp()
                }
            }
        })
        .collect();
    due.dedup();
    due
}

#[test]
fn the_two_rules_hold_at_every_change_of_the_clocks_in_every_zone() {
    let mut changes = 0;
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let until = at("2031-01-01T00:00:00Z");
        for change in
            zone.following(at("2020-01-01T00:00:00Z")).take_while(|change| change.timestamp() < until)
        {
            let instant = change.timestamp();
            let before = zone.to_offset(instant - SignedDuration::from_nanos(1));
            let walls = [before.to_datetime(instant), zone.to_offset(instant).to_datetime(instant)];
            let (first, last) = (walls[0].min(walls[1]), walls[0].max(walls[1]));
            let middle = first + (last.duration_since(first) / 2);
            changes += usize::from(first != last);
            let minute = SignedDuration::from_mins(1);
            for wall in [first - minute, first, middle, last - minute, last] {
                check_around(name.as_str(), &zone, instant, wall.hour(), wall.minute());
            }
        }
    }
    assert!(changes > 3000, "only {changes} changes of the clocks: is this the whole tz database?");
}

fn check_around(name: &str, zone: &TimeZone, change: Timestamp, hour: i8, minute: i8) {
    let first = zone.to_datetime(change).date().checked_sub(jiff::Span::new().days(2)).unwrap();
    let due = by_the_rules(zone, first, 5, hour, minute);
    let schedule = schedule(&format!("{minute} {hour} * * *"), name);
    let from = due[0] - SignedDuration::from_nanos(1);
    let found: Vec<_> =
        of(&schedule, None).preview(None, from).take(due.len()).map(|tick| tick.run_after).collect();
    assert_eq!(found, due, "{minute} {hour} * * * in {name} around {change}");

    let hourly = self::schedule(&format!("{minute} * * * *"), name);
    let from = change - SignedDuration::from_hours(3);
    let passed = (1..=360).map(|minutes| from + SignedDuration::from_mins(minutes));
    let due: Vec<_> =
        passed.filter(|at| zone.to_datetime(*at).minute() == minute && at.as_second() % 60 == 0).collect();
    let found: Vec<_> =
        of(&hourly, None).preview(None, from).take(due.len()).map(|tick| tick.run_after).collect();
    assert_eq!(found, due, "{minute} * * * * in {name} around {change}");
}

/// What starts after a pause from 3 January to 5 January at noon, of a daily DAG that begins on 1 January.
fn after_a_pause(missed: Missed, timetable: TimetableKind, last: Option<&str>) -> Vec<String> {
    let schedule = Schedule { missed, timetable, ..schedule("@daily", "UTC") };
    let ticks = of(&schedule, Some("2024-01-01T00:00:00Z"));
    let found = ticks.preview(last.map(at), at("2024-01-05T12:00:00Z")).take(2);
    found.map(|tick| format!("{} due {}", tick.logical_date, tick.run_after)).collect()
}

#[test]
fn what_was_missed_starts_as_the_dag_says() {
    use TimetableKind::{DataInterval, Trigger};
    let last = Some("2024-01-03T00:00:00Z");
    let table: [(Missed, TimetableKind, Option<&str>, [&str; 2]); 7] = [
        (
            Missed::Skip,
            Trigger,
            last,
            [
                "2024-01-06T00:00:00Z due 2024-01-06T00:00:00Z",
                "2024-01-07T00:00:00Z due 2024-01-07T00:00:00Z",
            ],
        ),
        (
            Missed::Last,
            Trigger,
            last,
            [
                "2024-01-05T00:00:00Z due 2024-01-05T00:00:00Z",
                "2024-01-06T00:00:00Z due 2024-01-06T00:00:00Z",
            ],
        ),
        (
            Missed::All,
            Trigger,
            last,
            [
                "2024-01-04T00:00:00Z due 2024-01-04T00:00:00Z",
                "2024-01-05T00:00:00Z due 2024-01-05T00:00:00Z",
            ],
        ),
        (
            Missed::All,
            Trigger,
            None,
            [
                "2024-01-01T00:00:00Z due 2024-01-01T00:00:00Z",
                "2024-01-02T00:00:00Z due 2024-01-02T00:00:00Z",
            ],
        ),
        (
            Missed::Skip,
            DataInterval,
            last,
            [
                "2024-01-05T00:00:00Z due 2024-01-06T00:00:00Z",
                "2024-01-06T00:00:00Z due 2024-01-07T00:00:00Z",
            ],
        ),
        (
            Missed::Last,
            DataInterval,
            last,
            [
                "2024-01-04T00:00:00Z due 2024-01-05T00:00:00Z",
                "2024-01-05T00:00:00Z due 2024-01-06T00:00:00Z",
            ],
        ),
        (
            Missed::All,
            DataInterval,
            None,
            [
                "2024-01-01T00:00:00Z due 2024-01-02T00:00:00Z",
                "2024-01-02T00:00:00Z due 2024-01-03T00:00:00Z",
            ],
        ),
    ];
    for (missed, timetable, last, expected) in table {
        assert_eq!(after_a_pause(missed, timetable, last), expected, "{missed} {timetable} {last:?}");
    }
}

#[test]
fn the_end_date_is_the_last_logical_date() {
    let schedule =
        Schedule { missed: Missed::All, timetable: TimetableKind::DataInterval, ..schedule("@daily", "UTC") };
    let start_date = Some(at("2024-01-01T00:00:00Z"));
    let ticks = Ticks { schedule: &schedule, start_date, end_date: Some(at("2024-01-02T00:00:00Z")) };
    let due: Vec<_> =
        ticks.preview(None, at("2025-01-01T00:00:00Z")).map(|tick| tick.logical_date.to_string()).collect();
    assert_eq!(due, ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]);
}

#[test]
fn once_is_once_and_continuous_goes_on_when_the_run_before_has_ended() {
    let once = schedule("@once", "UTC");
    let now = at("2024-06-01T00:00:00Z");
    assert_eq!(of(&once, None).resume(None, now).unwrap().run_after, now);
    let in_the_past = of(&once, Some("2024-01-01T00:00:00Z")).resume(None, now).unwrap();
    assert_eq!(in_the_past.run_after, at("2024-01-01T00:00:00Z"));
    assert_eq!(of(&once, None).following(in_the_past, now), None);
    assert_eq!(of(&once, None).resume(Some(now), now), None);

    let continuous = schedule("@continuous", "UTC");
    let ticks = of(&continuous, None);
    let first = ticks.resume(None, now).unwrap();
    assert_eq!((first.run_after, first.logical_date), (now, now));
    let second = ticks.following(first, now).unwrap();
    assert_eq!(second.run_after, now + SignedDuration::from_secs(1));
    let an_hour_later = now + SignedDuration::from_hours(1);
    let started = ticks.started(second, an_hour_later);
    assert_eq!(started.data_interval, (now, an_hour_later));
}

proptest! {
    /// The newest of many is found without a walk over them, and is the one that a walk finds.
    #[test]
    fn the_newest_is_the_last_of_a_walk(
        text in prop::sample::select(vec!["*/7 * * * *", "0 9 * * 1-5", "30 2 * * *", "every 25m", "0 0 1 * *"]),
        zone in prop::sample::select(vec!["UTC", "Europe/Rome", "Australia/Lord_Howe"]),
        from in 1_700_000_000..1_760_000_000_i64,
        seconds in 0..400_000_i64,
        is_interval in any::<bool>(),
    ) {
        let timetable = if is_interval { TimetableKind::DataInterval } else { TimetableKind::Trigger };
        let schedule = Schedule { timetable, ..schedule(text, zone) };
        let ticks = of(&schedule, None);
        let from = Timestamp::from_second(from).unwrap();
        let until = from + SignedDuration::from_secs(seconds);
        let walked = std::iter::successors(ticks.after(from), |tick| ticks.after(tick.run_after))
            .take_while(|tick| tick.run_after <= until)
            .last();
        prop_assert_eq!(ticks.newest(from, until), walked);
        if let Some(tick) = walked.filter(|_| is_interval) {
            prop_assert_eq!(ticks.after(tick.data_interval.0).map(|next| next.run_after), Some(tick.data_interval.1));
        }
    }
}
