//! When a DAG runs by itself, and between which dates.

use super::duration;
use super::keys::{ASSETS, Fields, SCHEDULE};
use super::marked::{Content, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::settings::choice;
use super::suggest::did_you_mean;
use super::values;
use crate::asset::AssetCondition;
use crate::schedule::{Missed, PRESETS, Schedule, TimetableKind, When};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What a DAG's keys say about when it runs.
pub(super) struct Dates {
    pub(super) schedule: Schedule,
    pub(super) start_date: Option<Timestamp>,
    pub(super) end_date: Option<Timestamp>,
}

pub(super) fn dates(fields: &Fields<'_>, report: &mut Report<'_>) -> Dates {
    let timezone = fields.given("timezone").and_then(|node| timezone(node, report)).unwrap_or(TimeZone::UTC);
    let (start_date, end_date) = bounds(fields, &timezone, report);
    let when = fields.given("schedule").and_then(|node| when(node, report)).unwrap_or_default();
    let assets = fields.given("schedule").and_then(|node| assets(node, report));
    let timetable = choice(fields, "timetable", TimetableKind::ALL, TimetableKind::as_str, report);
    let schedule = Schedule {
        when,
        timezone,
        timetable: timetable.unwrap_or(TimetableKind::Trigger),
        missed: missed(fields, report),
        assets,
    };
    report_never_due(fields, &schedule, report);
    let has_start = start_date.is_some() || fields.given("start_date").is_some();
    if schedule.missed == Missed::All && !has_start && matches!(schedule.when, When::Lines(_)) {
        report_nothing_to_catch_up(fields, report);
    }
    Dates { schedule, start_date, end_date }
}

fn timezone(node: &Node, report: &mut Report<'_>) -> Option<TimeZone> {
    let name = values::text(node, "timezone", report)?;
    let zone = TimeZone::get(&name).ok();
    if zone.is_none() {
        let message = format!("there is no time zone {}", quoted(&name));
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let hint = did_you_mean(&name, names.iter().map(String::as_str)).unwrap_or_else(|| {
            "write a name of the tz database, such as Europe/Rome or America/Sao_Paulo".to_owned()
        });
        report.add(Fault::error("unknown-timezone", node.mark, message).hint(hint));
    }
    zone
}

fn bounds(
    fields: &Fields<'_>,
    zone: &TimeZone,
    report: &mut Report<'_>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let mut date = |key| fields.given(key).and_then(|node| values::instant(node, key, zone, report));
    let (start, end) = (date("start_date"), date("end_date"));
    if let (Some(from), Some(to), Some(node)) = (start, end, fields.given("end_date"))
        && to < from
    {
        report.add(Fault::error("bad-date", node.mark, "end_date is before start_date"));
    }
    (start, end)
}

fn missed(fields: &Fields<'_>, report: &mut Report<'_>) -> Missed {
    let missed = choice(fields, "missed", Missed::ALL, Missed::as_str, report);
    let catchup = fields.given("catchup").and_then(|node| values::boolean(node, "catchup", report));
    if let (Some(_), Some(_), Some(entry)) = (missed, catchup, fields.get("catchup")) {
        let message = "catchup and missed say the same thing twice";
        let hint = "leave catchup out: catchup: true is missed: all, catchup: false is missed: skip";
        report.add(Fault::error("catchup-and-missed", entry.mark, message).hint(hint.to_owned()));
    }
    missed.unwrap_or(if catchup == Some(true) { Missed::All } else { Missed::Skip })
}

fn report_nothing_to_catch_up(fields: &Fields<'_>, report: &mut Report<'_>) {
    let entry = fields.get("missed").or_else(|| fields.get("catchup"));
    let (key, mark) = entry.map_or(("missed", fields.mark), |entry| (entry.key.as_str(), entry.mark));
    let fault =
        Fault::warning("nothing-to-catch-up", mark, format!("{key} has little effect without a start_date"));
    report.add(fault.hint("write start_date: the first run is due there".to_owned()));
}

fn report_never_due(fields: &Fields<'_>, schedule: &Schedule, report: &mut Report<'_>) {
    if let Some(node) = fields.given("schedule")
        && schedule.when != When::Never
        && !schedule.ever_fires()
    {
        let message = format!("the schedule {} never comes round", quoted(&schedule.when.to_string()));
        report.add(Fault::warning("never-due", node.mark, message));
    }
}

fn when(node: &Node, report: &mut Report<'_>) -> Option<When> {
    match &node.content {
        Content::List(lines) => several(lines, node.mark, report),
        Content::Map(_) => {
            let fields = SCHEDULE.fields(node, node.mark, report)?;
            if fields.given("assets").is_none() {
                let fault = Fault::error("bad-schedule", node.mark, "the schedule names no assets");
                report.add(fault.hint("write assets: [name], and lines beside it for the times".to_owned()));
            }
            fields.given("lines").and_then(|lines| when(lines, report))
        }
        _ => one(node, report),
    }
}

/// The assets of a schedule: a list of names, all of which are waited for, or `all` and `any` in each other.
fn assets(node: &Node, report: &mut Report<'_>) -> Option<AssetCondition> {
    // The keys are reported where the lines are read.
    let Content::Map(entries) = &node.content else { return None };
    let entry = entries.iter().find(|entry| entry.key == "assets" && !entry.value.is_null())?;
    condition(&entry.value, report)
}

fn condition(node: &Node, report: &mut Report<'_>) -> Option<AssetCondition> {
    let list = |items: &[Node], report: &mut Report<'_>| {
        if items.is_empty() {
            report.add(Fault::error("bad-schedule", node.mark, "the list of assets is empty"));
        }
        let conditions: Vec<_> = items.iter().map(|item| condition(item, report)).collect();
        conditions.into_iter().collect::<Option<Vec<_>>>()
    };
    match &node.content {
        Content::List(items) => list(items, report).map(AssetCondition::All),
        Content::Map(_) => {
            let fields = ASSETS.fields(node, node.mark, report)?;
            match (fields.given("all"), fields.given("any")) {
                (Some(node), None) => {
                    items(node, report).and_then(|items| list(items, report)).map(AssetCondition::All)
                }
                (None, Some(node)) => {
                    items(node, report).and_then(|items| list(items, report)).map(AssetCondition::Any)
                }
                _ => {
                    let message = "a condition on assets is a list under all, or one under any";
                    report.add(Fault::error("bad-schedule", node.mark, message));
                    None
                }
            }
        }
        _ => values::text(node, "an asset", report).map(AssetCondition::Asset),
    }
}

fn items<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<&'n [Node]> {
    if let Content::List(items) = &node.content {
        return Some(items);
    }
    let message = format!("assets stand in a list, not {}", node.describe());
    report.add(Fault::error("bad-schedule", node.mark, message));
    None
}

fn one(node: &Node, report: &mut Report<'_>) -> Option<When> {
    let Some(text) = node.as_text() else {
        let message =
            format!("schedule must be a string, a list of strings or null, not {}", node.describe());
        let hint =
            "write a crontab line such as \"0 9 * * *\", a preset such as \"@daily\", every 15m, or null";
        report.add(Fault::error("bad-schedule", node.mark, message).hint(hint.to_owned()));
        return None;
    };
    match When::parse(text) {
        Ok(when) => Some(when),
        Err(reason) => {
            report.add(Fault::error("bad-schedule", node.mark, reason).hint(hint(text)));
            None
        }
    }
}

fn several(nodes: &[Node], mark: Mark, report: &mut Report<'_>) -> Option<When> {
    let mut lines = Vec::with_capacity(nodes.len());
    let mut is_good = true;
    for node in nodes {
        match one(node, report) {
            Some(When::Lines(more)) => lines.extend(more),
            Some(alone) => {
                let message = format!("{alone} cannot stand beside other lines");
                report.add(Fault::error("bad-schedule", node.mark, message));
                is_good = false;
            }
            None => is_good = false,
        }
    }
    if is_good && lines.is_empty() {
        let fault = Fault::error("bad-schedule", mark, "the schedule has no line");
        report.add(fault.hint("write null for a DAG that only runs when it is triggered".to_owned()));
    }
    (is_good && !lines.is_empty()).then_some(When::Lines(lines))
}

fn hint(text: &str) -> Option<String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") || text.eq_ignore_ascii_case("never") {
        return Some("write null for a DAG that only runs when it is triggered".into());
    }
    if text.starts_with('@') {
        return did_you_mean(text, PRESETS.iter().map(|(name, _)| *name).chain(["@once", "@continuous"]));
    }
    if duration::parse(text).is_ok() {
        return Some(format!("for an interval write \"every {text}\""));
    }
    None
}
