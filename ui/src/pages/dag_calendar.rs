//! The days of a DAG: how the runs of each went, and which days its schedule will start runs on. It begins with this month and
//! the next, and goes back from there; a year can be looked at as a whole. The days are those of the zone of whoever looks.

use super::dag_head::DagHead;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::locale::{self, Language};
use crate::show::{self, Mark};
use crate::{AppState, links, t, t1, tm, tn};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::RunState;
use esteira_runtime::{PREVIEW_MAX, preview};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which year is wanted as a whole; the months around today if none.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    year: Option<i16>,
}

/// How many months are shown that are over, before this one.
const MONTHS_BEFORE: i32 = 10;

/// The years that have a page.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

#[derive(Template)]
#[template(path = "dag_calendar.html")]
struct CalendarPage {
    frame: Frame,
    head: DagHead,
    /// The year, where one is looked at as a whole.
    whole: Option<i16>,
    /// This year, or the one that is looked at.
    year: i16,
    before: Option<i16>,
    after: Option<i16>,
    /// How many runs were made in these months, in each state.
    totals: Vec<(Mark, String, String)>,
    weekdays: Vec<&'static str>,
    /// The months under their headings.
    parts: Vec<(String, Vec<Month>)>,
    /// What is to be known about the runs that are to come.
    outlook: Option<String>,
}

/// A month: its name, its address in the list of runs, and its weeks, with none for days of other months.
struct Month {
    name: String,
    url: String,
    weeks: Vec<Vec<Option<Day>>>,
}

/// A day.
struct Day {
    number: i8,
    is_today: bool,
    /// How its worst run is; none where it has none.
    mark: Option<Mark>,
    /// Whether runs are to come.
    is_planned: bool,
    says: String,
    url: String,
}

/// The runs of a day.
#[derive(Clone, Debug, Default)]
struct Runs {
    made: Vec<(RunState, u64)>,
    planned: u64,
}

/// The months that are shown.
struct Span {
    /// Its first day.
    first: Date,
    /// The day after its last.
    end: Date,
    /// The year, where it is one.
    whole: Option<i16>,
}

impl Span {
    fn new(wanted: Option<i16>, today: Date) -> Option<Self> {
        if let Some(year) = wanted {
            let is_known = YEARS.contains(&year);
            return is_known.then(|| Self {
                first: date(year, 1, 1),
                end: date(year + 1, 1, 1),
                whole: wanted,
            });
        }
        let this = today.first_of_month();
        let (before, after) = (MONTHS_BEFORE.months(), 2.months());
        Some(Self { first: this.checked_sub(before).ok()?, end: this.checked_add(after).ok()?, whole: None })
    }

    /// The first days of its months: of a year in their order; else of this and the next, and then from the last one on back.
    fn parts(&self) -> Vec<(String, Vec<Date>)> {
        let months = self.first.series(1.month()).take_while(|month| *month < self.end);
        let mut months: Vec<Date> = months.collect();
        if let Some(year) = self.whole {
            return vec![(year.to_string(), months)];
        }
        let now = months.split_off(months.len().saturating_sub(2));
        months.reverse();
        vec![(t("This month and the next").to_owned(), now), (t("Before").to_owned(), months)]
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "calendar").await?;
    let now = Timestamp::now();
    let zone = locale::with(|locale| locale.zone.clone());
    let today = now.to_zoned(zone.clone()).date();
    let year = wanted.year.unwrap_or(today.year());
    let span = Span::new(wanted.year, today)
        .ok_or_else(|| PageError::not_found(t1("the calendar has no year {}", year)))?;
    let (from, until) = (beginning(&zone, span.first)?, beginning(&zone, span.end)?);
    let mut days: BTreeMap<Date, Runs> = BTreeMap::new();
    let mut totals = Vec::new();
    for (at, run_state, count) in state.handle.reader().runs_by_quarter(&dag_id, from, until).await? {
        add(&mut days.entry(at.to_zoned(zone.clone()).date()).or_default().made, run_state, count);
        add(&mut totals, run_state, count);
    }
    let planned = if until > now { planned(&state, &head, now).await? } else { Vec::new() };
    for at in planned.iter().filter(|at| **at >= from && **at < until) {
        days.entry(at.to_zoned(zone.clone()).date()).or_default().planned += 1;
    }
    let month = |first: Date| Month::new(&head.url, first, span.whole.is_none(), today, &days);
    let parts = span.parts().into_iter();
    let page = CalendarPage {
        frame: head.frame(&visitor, t("Calendar")).style("dag_views.css"),
        year,
        before: Some(year - 1).filter(|year| YEARS.contains(year)),
        after: Some(year + 1).filter(|year| YEARS.contains(year)),
        totals: totals.iter().map(|(state, count)| total(&head, &span, *state, *count)).collect(),
        weekdays: weekdays(),
        parts: parts.map(|(title, months)| (title, months.into_iter().map(month).collect())).collect(),
        outlook: outlook(&head, &planned, until > now, until),
        whole: span.whole,
        head,
    };
    Ok(frame::html(&page))
}

/// The first instant of a day in a zone.
fn beginning(zone: &TimeZone, day: Date) -> Result<Timestamp, PageError> {
    let zoned = day.to_zoned(zone.clone()).map_err(PageError::internal)?;
    Ok(zoned.timestamp())
}

fn add(counts: &mut Vec<(RunState, u64)>, state: RunState, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == state) {
        Some((_, sum)) => *sum += count,
        None => counts.push((state, count)),
    }
}

/// When the runs that the schedule will start are due, as far as is looked ahead; none while it is paused.
async fn planned(state: &AppState, head: &DagHead, now: Timestamp) -> Result<Vec<Timestamp>, PageError> {
    let Some(loaded) = state.handle.dag(&head.dag_id).filter(|loaded| !loaded.is_paused) else {
        return Ok(Vec::new());
    };
    let last = state.handle.reader().last_scheduled(&head.dag_id).await?;
    let planned = preview(&loaded.dag, last, now, PREVIEW_MAX);
    Ok(planned.iter().map(|run| run.run_after.max(now)).collect())
}

/// What is to be known about the runs that are to come: that there are none while it is paused, or how far they are drawn.
fn outlook(head: &DagHead, planned: &[Timestamp], is_ahead: bool, until: Timestamp) -> Option<String> {
    if !is_ahead || head.schedule.is_none() {
        return None;
    }
    if head.is_paused {
        return Some(t("The DAG is paused: its schedule starts no runs.").to_owned());
    }
    let last = planned.last().filter(|last| planned.len() == PREVIEW_MAX && **last < until)?;
    Some(t1("Runs to come are drawn up to {}.", show::exact(*last)))
}

fn total(head: &DagHead, span: &Span, state: RunState, count: u64) -> (Mark, String, String) {
    let last = span.end.yesterday().unwrap_or(span.end);
    let (from, until) = (span.first.to_string(), last.to_string());
    let pairs = [("from", from.as_str()), ("until", until.as_str()), ("state", state.as_str())];
    (Mark::of_run(state), show::count(count), links::with_query(&format!("{}/runs", head.url), &pairs))
}

impl Month {
    /// The month that begins on this day, with the name of its year or without.
    fn new(dag_url: &str, first: Date, has_year: bool, today: Date, days: &BTreeMap<Date, Runs>) -> Self {
        let last = first.last_of_month();
        let mut cells: Vec<Option<Day>> = (0..column(first.weekday())).map(|_| None).collect();
        cells.extend((1..=last.day()).map(|number| {
            let day = date(first.year(), first.month(), number);
            Some(Day::new(dag_url, day, today, days.get(&day)))
        }));
        cells.resize_with(cells.len().next_multiple_of(7), || None);
        let mut cells = cells.into_iter();
        let weeks = (0..cells.len() / 7).map(|_| cells.by_ref().take(7).collect()).collect();
        let name = month_name(first.month());
        let name = match locale::language() {
            _ if !has_year => name.to_owned(),
            Language::English => format!("{name} {}", first.year()),
            Language::Portuguese => format!("{name} de {}", first.year()),
        };
        Self { name, url: runs_between(dag_url, first, last), weeks }
    }
}

impl Day {
    fn new(dag_url: &str, day: Date, today: Date, runs: Option<&Runs>) -> Self {
        let runs = runs.cloned().unwrap_or_default();
        let worst = WORST_FIRST.iter().find(|state| runs.made.iter().any(|(made, _)| made == *state));
        let mut parts: Vec<String> = Vec::new();
        for state in WORST_FIRST {
            let made = runs.made.iter().filter(|(made, _)| *made == state);
            parts.extend(
                made.map(|(_, count)| format!("{} {}", show::count(*count), Mark::of_run(state).word())),
            );
        }
        if runs.planned > 0 {
            parts.push(tn(runs.planned, "1 to come", "{} to come"));
        }
        Self {
            number: day.day(),
            is_today: day == today,
            mark: worst.map(|state| Mark::of_run(*state)),
            is_planned: runs.planned > 0,
            says: if parts.is_empty() { String::new() } else { tm("{}: {}", &[&day, &parts.join(", ")]) },
            // What is only planned has no runs to list yet: the list says what comes next.
            url: if worst.is_some() { runs_between(dag_url, day, day) } else { format!("{dag_url}/runs") },
        }
    }
}

/// The states, with the one that says most about a day first.
const WORST_FIRST: [RunState; 4] = [RunState::Failed, RunState::Running, RunState::Queued, RunState::Success];

fn runs_between(dag_url: &str, from: Date, until: Date) -> String {
    let (from, until) = (from.to_string(), until.to_string());
    links::with_query(&format!("{dag_url}/runs"), &[("from", &from), ("until", &until)])
}

/// How many days of the week are before this one: weeks begin on Sunday where Portuguese is spoken, else on Monday.
fn column(weekday: Weekday) -> i8 {
    match locale::language() {
        Language::English => weekday.to_monday_zero_offset(),
        Language::Portuguese => weekday.to_sunday_zero_offset(),
    }
}

/// The days of the week in short, in their order.
fn weekdays() -> Vec<&'static str> {
    match locale::language() {
        Language::English => vec!["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"],
        Language::Portuguese => vec!["dom", "seg", "ter", "qua", "qui", "sex", "sáb"],
    }
}

fn month_name(month: i8) -> &'static str {
    let place = usize::from(month.unsigned_abs()).saturating_sub(1) % 12;
    let months = match locale::language() {
        Language::English => [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        Language::Portuguese => [
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ],
    };
    months[place]
}

/// For templates: what the calendar is counted by.
fn zone_note() -> String {
    locale::with(|locale| t1("by the day on which they were made, in {}", locale.zone_name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::as_in;

    #[test]
    fn a_month_has_its_days_in_weeks_and_each_day_its_worst_state() {
        let day = date(2026, 11, 3);
        let runs = Runs { made: vec![(RunState::Success, 3), (RunState::Failed, 1)], planned: 2 };
        let days = BTreeMap::from([(day, runs)]);
        let shape = |month: &Month| (month.weeks.len(), month.weeks[0].iter().flatten().count());
        as_in(Language::English, "UTC", || {
            let month = Month::new("/dags/d", day.first_of_month(), false, day, &days);
            assert_eq!((month.name.as_str(), shape(&month)), ("November", (6, 1)));
            let day = month.weeks[1][1].as_ref().unwrap();
            assert_eq!((day.number, day.is_today, day.is_planned), (3, true, true));
            assert_eq!(day.mark.map(|mark| mark.name), Some("failed"));
            assert_eq!(day.says, "2026-11-03: 1 failed, 3 success, 2 to come");
            assert_eq!(day.url, "/dags/d/runs?from=2026-11-03&until=2026-11-03");
            assert!(month.weeks[1][2].as_ref().unwrap().says.is_empty());
        });
        as_in(Language::Portuguese, "UTC", || {
            let month = Month::new("/dags/d", day.first_of_month(), true, day, &days);
            assert_eq!((month.name.as_str(), shape(&month)), ("novembro de 2026", (5, 7)));
        });
    }

    #[test]
    fn it_begins_with_this_month_and_goes_back_from_there() {
        as_in(Language::English, "UTC", || {
            let span = Span::new(None, date(2026, 12, 31)).unwrap();
            assert_eq!((span.first, span.end), (date(2026, 2, 1), date(2027, 2, 1)));
            let parts = span.parts();
            assert_eq!(parts[0].1, [date(2026, 12, 1), date(2027, 1, 1)]);
            assert_eq!(
                (parts[1].1.len(), parts[1].1[0], parts[1].1[9]),
                (10, date(2026, 11, 1), date(2026, 2, 1))
            );
            let whole = Span::new(Some(2025), date(2026, 11, 3)).unwrap();
            let months = &whole.parts()[0].1;
            assert_eq!((months.len(), months[0], months[11]), (12, date(2025, 1, 1), date(2025, 12, 1)));
            assert!(Span::new(Some(1_900), date(2026, 11, 3)).is_none());
        });
    }
}
