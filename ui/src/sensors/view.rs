//! What the dashboard says, in words and numbers, made from readings, counts and the last run. No I/O.

use super::alert_book::Alerts;
use super::alerts::Alert;
use super::health;
use super::period::{DAY, PRESETS, Period};
use super::reading::{QUANTITIES, Quantity, Reading, time_iso, time_text};
use super::series;
use super::snapshot::Snapshot;
use super::sparkline::{Sparkline, sparkline};
use crate::data_api::error::DataError;
use crate::data_api::query::{LIMIT_MAX, Query};
use crate::data_api::stats::Stats;
use crate::links;
use crate::locale::{t, t1, tm};
use crate::show::{Elapsed, Instant, Mark, count, decimal};
use askama::Template;
use esteira_core::states::RunState;
use esteira_store::RunRow;
use jiff::Timestamp;
use std::fmt;

/// Rows in a page of the table.
pub(crate) const ROWS: usize = 24;

/// How far from exactly a day before a reading may be to be compared with.
const DAY_BEFORE_TOLERANCE: i64 = 90 * 60;

/// A current value.
pub(crate) struct Card {
    pub(crate) quantity: &'static Quantity,
    /// The last value; a dash where there is none.
    pub(crate) value: String,
    /// When it was measured, where that is not the time of the last reading.
    pub(crate) measured: Option<String>,
    /// ▲ ▼ or =, and the change in 24 hours.
    pub(crate) change: Option<(&'static str, String)>,
    pub(crate) gauge: Option<Gauge>,
    /// The last week.
    pub(crate) spark: Option<Sparkline>,
}

impl Card {
    /// Whether the value is above its limit.
    pub(crate) fn is_over(&self) -> bool {
        self.gauge.as_ref().is_some_and(|gauge| gauge.is_over)
    }
}

/// Where a value stands, on a bar from 0 to 100.
pub(crate) struct Gauge {
    /// Whether there is a limit; else the bar is the range of 28 days.
    pub(crate) has_limit: bool,
    pub(crate) position: String,
    pub(crate) is_over: bool,
    pub(crate) text: String,
}

/// A fact at the top of the page.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// More, on hover.
    pub(crate) title: String,
    /// Where it leads, or empty.
    pub(crate) url: String,
    /// Whether somebody has to do something about it.
    pub(crate) is_bad: bool,
}

/// The last run of the pipeline.
pub(crate) struct LastRun {
    pub(crate) url: String,
    pub(crate) mark: Mark,
    pub(crate) is_active: bool,
    pub(crate) elapsed: Elapsed,
    pub(crate) ended: Option<Instant>,
    pub(crate) run_id: String,
    /// Rows and messages that were rejected, where the run tells.
    pub(crate) rejected: Option<u64>,
}

impl LastRun {
    /// A run, and how many it rejected.
    pub(crate) fn new(row: &RunRow, rejected: Option<u64>, now: Timestamp) -> Self {
        Self {
            url: links::run(row.dag_id.as_str(), row.run_id.as_str()),
            mark: Mark::of_run(row.state),
            is_active: matches!(row.state, RunState::Queued | RunState::Running),
            elapsed: Elapsed::between(row.started_at, row.ended_at, now),
            ended: row.ended_at.map(|ended_at| Instant::new(ended_at, now)),
            run_id: row.run_id.to_string(),
            rejected,
        }
    }
}

/// A page of the table, newest first.
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) count: usize,
    pub(crate) page: usize,
    pub(crate) page_count: usize,
}

impl Table {
    /// How many readings there are on all pages.
    pub(crate) fn count_text(&self) -> String {
        count(self.count as u64)
    }
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) when: String,
    /// The same for programs.
    pub(crate) iso: String,
    /// The query of the days around it.
    pub(crate) around: String,
    pub(crate) cells: Vec<Cell>,
}

/// A value in the table.
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) is_over: bool,
}

/// Why the readings shown are not those that are there.
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// All that the page shows.
pub(crate) struct View {
    pub(crate) period: Period,
    pub(crate) facts: Vec<Fact>,
    pub(crate) cards: Vec<Card>,
    pub(crate) alerts: AlertsView,
    pub(crate) services: Vec<health::Line>,
    /// Whether counts and services are as they are now.
    pub(crate) is_fresh: bool,
    pub(crate) run: Option<LastRun>,
    /// The pipeline's name, when it can be triggered.
    pub(crate) pipeline: Option<String>,
    pub(crate) problem: Option<Problem>,
    pub(crate) is_empty: bool,
    pub(crate) dates: Dates,
    pub(crate) choice: Choice,
    pub(crate) table: TableView,
}

/// The table, and the query of what it shows. It is a part of the page, and one of its own when it is turned over.
#[derive(Template)]
#[template(path = "sensors_table.html")]
pub(crate) struct TableView {
    pub(crate) table: Table,
    pub(crate) query: String,
}

impl TableView {
    /// The query of another page of the table.
    fn page_query(&self, page: usize) -> String {
        format!("{}&page={page}", self.query)
    }

    /// What is in its columns.
    #[expect(clippy::unused_self, reason = "templates call methods of what they show")]
    fn quantities(&self) -> &'static [Quantity] {
        &QUANTITIES
    }
}

/// The period in words that a form takes, and the first and the last reading.
pub(crate) struct Dates {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) first: String,
    pub(crate) last: String,
}

/// Which charts are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The places of the quantities; all, unless some were chosen.
    series: Vec<usize>,
    /// The quantity whose hours of the day are shown.
    hours: usize,
}

/// The quantity whose hours of the day are shown unless another is chosen.
const HOURS_OF: usize = 1;

impl Choice {
    /// What an address chooses.
    pub(crate) fn from_query(query: &Query) -> Result<Self, DataError> {
        let hours = series::quantities(query.get("hours"))?;
        let hours = if hours.len() == 1 { hours[0] } else { HOURS_OF };
        Ok(Self { series: series::quantities(query.get("series"))?, hours })
    }

    fn is_all(&self) -> bool {
        self.series.len() == QUANTITIES.len()
    }

    /// Whether a quantity's chart is shown.
    pub(crate) fn shows(&self, quantity: &Quantity) -> bool {
        self.series.iter().any(|place| QUANTITIES[*place] == *quantity)
    }

    /// Whether the hours of the day are those of this quantity.
    pub(crate) fn is_by_hour(&self, quantity: &Quantity) -> bool {
        QUANTITIES[self.hours] == *quantity
    }

    /// The query of a period with what is chosen.
    pub(crate) fn query(&self, period: Period) -> String {
        let mut query = period.query();
        if !self.is_all() {
            let fields: Vec<&str> = self.series.iter().map(|place| QUANTITIES[*place].field).collect();
            query.push_str(&format!("&series={}", fields.join(",")));
        }
        if self.hours != HOURS_OF {
            query.push_str(&format!("&hours={}", QUANTITIES[self.hours].field));
        }
        query
    }

    /// The same, with one chart more or less; never with none.
    fn toggled(&self, place: usize) -> Self {
        let mut series: Vec<usize> = self.series.iter().copied().filter(|other| *other != place).collect();
        if series.len() == self.series.len() {
            series.push(place);
            series.sort_unstable();
        }
        if series.is_empty() {
            series.clone_from(&self.series);
        }
        Self { series, hours: self.hours }
    }
}

/// The alerts beside the charts.
pub(crate) struct AlertsView {
    /// The newest: those that are open, and then others while there is room.
    pub(crate) rows: Vec<Alert>,
    pub(crate) waiting: Option<u64>,
    pub(crate) open: usize,
    /// The times of the readings whose alerts are acknowledged, for the marks of charts.
    pub(crate) acknowledged_times: String,
}

impl AlertsView {
    /// The alerts, so many of which are listed.
    pub(crate) fn new(alerts: Alerts, rows_max: usize) -> Self {
        let Alerts { waiting, open, acknowledged } = alerts;
        let times = acknowledged.iter().filter_map(|alert| alert.time).map(|time| time.to_string());
        let acknowledged_times = times.collect::<Vec<_>>().join(" ");
        let open_count = open.len();
        let rows = open.into_iter().chain(acknowledged).take(rows_max).collect();
        Self { rows, waiting, open: open_count, acknowledged_times }
    }

    /// What to say of the queue beneath the list of alerts.
    pub(crate) fn text(&self) -> String {
        let text = match self.waiting {
            None => t("The queue does not answer."),
            Some(0) => {
                t("No alerts wait. The pipeline puts one into the queue for each reading above a limit.")
            }
            Some(waiting) if waiting > LIMIT_MAX as u64 => {
                let counts: [&dyn fmt::Display; 2] = [&count(LIMIT_MAX as u64), &count(waiting)];
                return tm("These are of the {} oldest messages of {} in the queue.", &counts);
            }
            Some(_) if self.open == 0 => t("All are acknowledged."),
            Some(_) => "",
        };
        text.to_owned()
    }
}

impl View {
    /// The buttons of periods: name, label, query, whether it is this one.
    pub(crate) fn presets(&self) -> Vec<(&'static str, &'static str, String, bool)> {
        let button = |(name, label, period): &(&'static str, &'static str, Period)| {
            let label = if *period == Period::All { t("All") } else { *label };
            (*name, label, self.choice.query(*period), *period == self.period)
        };
        PRESETS.iter().map(button).collect()
    }

    /// The buttons of charts: quantity, query of the page with that one more or less, whether it is shown.
    pub(crate) fn chips(&self) -> Vec<(&'static Quantity, String, bool)> {
        let chip = |(place, quantity): (usize, &'static Quantity)| {
            (quantity, self.choice.toggled(place).query(self.period), self.choice.shows(quantity))
        };
        QUANTITIES.iter().enumerate().map(chip).collect()
    }

    /// The query of this page.
    pub(crate) fn query(&self) -> String {
        self.choice.query(self.period)
    }
}

/// The period as a form takes it.
pub(crate) fn dates(period: Period, snapshot: &Snapshot) -> Dates {
    let minutes = |time: i64| time_iso(time)[..16].to_owned();
    let Some((first, last)) = snapshot.readings.first().zip(snapshot.last()) else {
        return Dates { from: String::new(), to: String::new(), first: String::new(), last: String::new() };
    };
    let (from, to) = period.bounds(snapshot);
    Dates {
        from: minutes(from.max(first.time)),
        to: minutes(to.min(last.time)),
        first: minutes(first.time),
        last: minutes(last.time),
    }
}

/// The current value of each quantity.
pub(crate) fn cards(snapshot: &Snapshot) -> Vec<Card> {
    QUANTITIES.iter().enumerate().map(|(index, quantity)| card(snapshot, index, quantity)).collect()
}

fn card(snapshot: &Snapshot, index: usize, quantity: &'static Quantity) -> Card {
    let newest =
        snapshot.readings.iter().rev().find_map(|reading| Some((reading.time, reading.values[index]?)));
    let Some((time, value)) = newest else {
        return Card {
            quantity,
            value: "–".to_owned(),
            measured: None,
            change: None,
            gauge: None,
            spark: None,
        };
    };
    let is_last = snapshot.last().is_some_and(|last| last.time == time);
    let change = day_before(snapshot, index, time).map(|before| {
        let change = value - before;
        let text = quantity.text(change.abs());
        let is_none = text == quantity.text(0.0);
        let glyph = if is_none {
            "="
        } else if change > 0.0 {
            "▲"
        } else {
            "▼"
        };
        (glyph, if is_none { t("no change in 24 h").to_owned() } else { t1("{} in 24 h", text) })
    });
    Card {
        quantity,
        value: quantity.text(value),
        measured: (!is_last).then(|| time_text(time)),
        change,
        gauge: gauge(snapshot, index, quantity, value),
        spark: sparkline(snapshot, index),
    }
}

fn day_before(snapshot: &Snapshot, index: usize, time: i64) -> Option<f64> {
    let then = time - DAY;
    let near = snapshot.between(then - DAY_BEFORE_TOLERANCE, then + DAY_BEFORE_TOLERANCE).iter();
    let with_value = near.filter_map(|reading| Some((reading.time.abs_diff(then), reading.values[index]?)));
    with_value.min_by_key(|(distance, _)| *distance).map(|(_, value)| value)
}

fn gauge(snapshot: &Snapshot, index: usize, quantity: &Quantity, value: f64) -> Option<Gauge> {
    if let Some(limit) = quantity.limit {
        let share = value / limit * 100.0;
        let (share_text, limit_text) = (format!("{share:.0}"), decimal(limit.to_string()));
        let text = tm("{} % of the limit of {} {}", &[&share_text, &limit_text, &quantity.unit]);
        let position = format!("{:.1}", share.clamp(0.0, 100.0));
        return Some(Gauge { has_limit: true, position, is_over: value > limit, text });
    }
    let end = snapshot.last()?.time;
    let values = snapshot.between(end - 28 * DAY, end).iter().filter_map(|reading| reading.values[index]);
    let (low, high) = values.fold((value, value), |(low, high), value| (low.min(value), high.max(value)));
    let position = if high > low { (value - low) / (high - low) * 100.0 } else { 50.0 };
    let text = tm("28 days: {} – {} {}", &[&quantity.text(low), &quantity.text(high), &quantity.unit]);
    Some(Gauge { has_limit: false, position: format!("{position:.1}"), is_over: false, text })
}

/// The facts at the top of the page. `hashes` and `waiting` are none where the service does not answer; `stats` are, where
/// they are not known yet.
pub(crate) fn facts(
    snapshot: &Snapshot,
    hashes: Option<usize>,
    waiting: Option<u64>,
    stats: Option<&Stats>,
    run: Option<&LastRun>,
) -> Vec<Fact> {
    let services = stats.map(|stats| stats.services.as_slice()).unwrap_or_default();
    let name = |service: &str, twin: &'static str| {
        let is_embedded = services.iter().any(|health| health.service == service && health.embedded);
        if is_embedded { tm("{}'s embedded twin, {}", &[&service, &twin]) } else { service.to_owned() }
    };
    let unreadable = match snapshot.unreadable {
        0 => t("Hashes with a date and a time that can be read").to_owned(),
        more => t1("{} more hashes have no date and time that can be read", count(more as u64)),
    };
    let in_redis = t1("Hashes in {}", name("Redis", t("in Esteira's home")));
    let in_minio = t1("Objects in {}", name("MinIO", t("a folder in Esteira's home")));
    let in_queue = t1("Messages in {}", name("RabbitMQ", t("in Esteira's home")));
    let mut facts = vec![
        Fact::new(t("readings"), count(snapshot.readings.len() as u64), unreadable),
        Fact::new(t("in Redis"), counted(hashes.map(|hashes| hashes as u64)), in_redis),
        Fact::new(t("in MinIO"), stats.map_or_else(|| UNKNOWN.to_owned(), objects), in_minio),
        Fact::new(t("alerts waiting"), counted(waiting), in_queue).leading_to("/sensors/alerts"),
    ];
    if let Some(run) = run {
        let rejected = run.rejected.map_or_else(|| "–".to_owned(), count);
        facts.push(Fact::new(
            t("rejected"),
            rejected,
            t("Rows and messages that the last run set aside").to_owned(),
        ));
    }
    if let Some(last) = snapshot.last() {
        let title = t("As the data set tells it, without a zone").to_owned();
        facts.push(Fact::new(t("last reading"), time_text(last.time), title));
    }
    let up = if services.is_empty() { UNKNOWN.to_owned() } else { health::text(services) };
    let fact = Fact::new(t("services"), up, t("How each is, further below").to_owned());
    let is_bad = services.iter().any(|health| !health.healthy);
    facts.push(Fact { is_bad, ..fact.leading_to("#sensors-services") });
    facts
}

/// What is being counted.
const UNKNOWN: &str = "…";

impl Fact {
    fn new(label: &'static str, value: String, title: String) -> Self {
        Self { label, value, title, url: String::new(), is_bad: false }
    }

    fn leading_to(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }
}

fn counted(number: Option<u64>) -> String {
    number.map_or_else(|| t("no answer").to_owned(), count)
}

fn objects(stats: &Stats) -> String {
    let processed = counted(stats.objects_processed);
    match stats.objects_raw {
        None | Some(0) => processed,
        Some(1) => t1("{} + 1 batch", processed),
        Some(raw) => tm("{} + {} batches", &[&processed, &count(raw)]),
    }
}

/// A page of the readings, newest first; the last page where there is no such page.
pub(crate) fn table(readings: &[Reading], page: usize) -> Table {
    let page_count = readings.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, page_count);
    let rows = readings.iter().rev().skip((page - 1) * ROWS).take(ROWS).map(row).collect();
    Table { rows, count: readings.len(), page, page_count }
}

fn row(reading: &Reading) -> Row {
    let cell = |(index, quantity): (usize, &Quantity)| Cell {
        text: reading.values[index].map_or_else(|| "–".to_owned(), |value| quantity.text(value)),
        is_over: reading.is_over(index),
    };
    let around = Period::Between(Some(reading.time - 3 * DAY), Some(reading.time + 3 * DAY)).query();
    Row {
        when: time_text(reading.time),
        iso: time_iso(reading.time),
        around,
        cells: QUANTITIES.iter().enumerate().map(cell).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(readings: &[(i64, Option<f64>)]) -> Snapshot {
        let readings = readings
            .iter()
            .map(|(hour, co)| Reading {
                time: hour * 3600,
                values: [*co, Some(168.0), Some(28.5), None, None],
            })
            .collect();
        Snapshot { readings, unreadable: 0, hashes: 0, version: 1 }
    }

    #[test]
    fn a_card_compares_with_the_day_before_and_the_limit() {
        let card = card(&snapshot(&[(0, Some(1.0)), (1, Some(9.0)), (24, Some(2.2))]), 0, &QUANTITIES[0]);
        assert_eq!((card.value.as_str(), card.change), ("2.2", Some(("▲", "1.2 in 24 h".to_owned()))));
        let gauge = card.gauge.unwrap();
        assert_eq!((gauge.text.as_str(), gauge.is_over), ("22 % of the limit of 10 mg/m³", false));
    }

    #[test]
    fn a_card_without_values_says_so() {
        let missing = card(&snapshot(&[(0, None)]), 3, &QUANTITIES[3]);
        assert_eq!((missing.value.as_str(), missing.change.is_some()), ("–", false));
        // The newest value is of an earlier reading, and there is none a day before it.
        let earlier = card(&snapshot(&[(0, Some(11.0)), (1, None)]), 0, &QUANTITIES[0]);
        assert_eq!(earlier.measured.as_deref(), Some("01/01/1970 00:00"));
        assert!(earlier.change.is_none() && earlier.gauge.unwrap().is_over);
    }

    #[test]
    fn the_table_is_newest_first_and_never_beyond_its_end() {
        let readings: Vec<_> = (0..50).map(|hour| (hour, Some(1.0))).collect();
        let snapshot = snapshot(&readings);
        let last = table(&snapshot.readings, 99);
        assert_eq!((last.page, last.page_count, last.rows.len()), (3, 3, 2));
        assert_eq!(table(&snapshot.readings, 0).rows[0].when, "03/01/1970 01:00");
        assert_eq!(table(&[], 1).page_count, 1);
    }
}
