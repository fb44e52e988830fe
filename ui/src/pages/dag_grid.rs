//! The grid of a DAG: runs as columns with their durations, tasks as rows, a cell for each instance.

use super::cells::Cell;
use super::dag_head::DagHead;
use super::grid_cells::{self, Drawing};
use super::grid_rows::{self, Folded, Row, Rows};
use super::runs_table::{self, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::{self, Mark};
use crate::{links, t};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::RunType;
use esteira_store::{RunFilter, RunKey, RunRow};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// How many runs can be columns; the second is usual.
const COLUMNS: [u32; 4] = [10, 25, 50, 100];

/// The height of the longest run's bar.
const BAR_HEIGHT: f64 = 52.0;

/// Which runs are wanted, and which groups are folded. Empty fields, as forms send them, say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    before: Option<RunKey>,
    /// How many runs.
    runs: String,
    /// Groups with commas between.
    folded: String,
    /// The kind of run: `scheduled`, `manual`, …
    kind: String,
    /// Whether a large grid is made of links, for those whose browser runs no scripts: `true`.
    plain: String,
    /// The state of runs.
    state: String,
}

impl Wanted {
    /// How many runs are columns.
    fn columns(&self) -> u32 {
        let known = self.runs.parse().ok().filter(|number| COLUMNS.contains(number));
        known.unwrap_or(COLUMNS[1])
    }

    /// All of it but the place, as an address has it; the state comes last.
    fn filters(&self) -> [(&'static str, &str); 5] {
        [
            ("runs", &self.runs),
            ("folded", &self.folded),
            ("kind", &self.kind),
            ("plain", &self.plain),
            ("state", &self.state),
        ]
    }

    /// The address at `path` with another value for one name.
    fn with(&self, path: &str, name: &str, value: &str) -> String {
        let pairs = self.filters().map(|(known, old)| (known, if known == name { value } else { old }));
        links::with_query(path, &pairs)
    }

    fn filter(&self, dag_id: &str) -> RunFilter {
        RunFilter {
            dag_id: Some(dag_id.to_owned()),
            before: self.before,
            states: runs_table::states(&self.state),
            run_types: RunType::from_label(&self.kind).into_iter().collect(),
            ..RunFilter::default()
        }
    }
}

/// How many runs: the number, its address, and whether it is chosen.
struct LengthChoice {
    number: u32,
    url: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "dag_grid.html")]
struct GridPage {
    frame: Frame,
    head: DagHead,
    wanted: Wanted,
    columns: Vec<Column>,
    blocks: Vec<Vec<Row>>,
    /// Of a grid that a script draws: what its letters mean, and where it is made of links.
    letters: Option<(String, String)>,
    /// The style of the column of names: `narrow`, `medium` or `broad`.
    names: &'static str,
    rows_left_out: String,
    longest: String,
    older: Option<String>,
    newest: Option<String>,
    lengths: Vec<LengthChoice>,
    states: Vec<StateChoice>,
    kinds: &'static [RunType],
    /// Whether runs are left out by kind or state.
    is_narrowed: bool,
}

impl GridPage {
    /// What is said of a row beside its name.
    fn about(&self, row: &Row) -> String {
        match self.head.definition.task(&row.name) {
            Some(task) => task.operator.clone(),
            None if row.fold.is_some() => String::new(),
            None => t("no longer in the DAG").to_owned(),
        }
    }

    /// The choices that the form for the kind keeps.
    fn kept(&self) -> Vec<(&'static str, &str)> {
        let filters = self.wanted.filters().into_iter();
        filters.filter(|(name, value)| *name != "kind" && !value.is_empty()).collect()
    }

    fn is_gone(&self, row: &Row) -> bool {
        row.fold.is_none() && self.head.definition.task(&row.name).is_none()
    }
}

/// A run, with the bar of its duration.
struct Column {
    cell: Cell,
    url: String,
    title: String,
    height: u32,
    /// The day, where it differs from the column before.
    day: String,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "grid").await?;
    let reader = state.handle.reader();
    let page = reader.runs(&wanted.filter(&dag_id), wanted.columns()).await?;
    let older = page.rows.last().filter(|_| page.has_more).map(|run| run.run_key.to_string());
    let mut runs = page.rows;
    runs.reverse();
    let keys: Vec<RunKey> = runs.iter().map(|run| run.run_key).collect();
    let cells = reader.grid_cells(&keys).await?;
    let tasks = head.definition.tasks.iter().map(|task| task.task_id.as_str());
    let names = grid_rows::names(tasks, &cells);
    let folded = Folded::read(&wanted.folded);
    let address_with = |folded: &str| {
        let place = wanted.before.map(|key| key.to_string()).unwrap_or_default();
        links::with_query(&wanted.with(&head.url, "folded", folded), &[("before", &place)])
    };
    let is_plain = wanted.plain == "true";
    let Rows { blocks, left_out, drawing } =
        grid_rows::rows(&names, (&runs, &cells), &folded, is_plain, address_with);
    let (columns, longest) = columns(&runs, Timestamp::now());
    let filters = wanted.filters();
    let page = GridPage {
        frame: head.frame(&visitor, "").script("grid.js"),
        columns,
        letters: (drawing == Drawing::Letters)
            .then(|| (grid_cells::alphabet(), wanted.with(&head.url, "plain", "true"))),
        names: breadth(&blocks),
        blocks,
        rows_left_out: if left_out == 0 { String::new() } else { show::count(left_out as u64) },
        longest: show::duration(longest),
        older: older
            .map(|key| links::with_query(&links::with_query(&head.url, &filters), &[("before", &key)])),
        newest: wanted.before.map(|_| links::with_query(&head.url, &filters)),
        lengths: lengths(&wanted, &head.url),
        states: runs_table::state_choices(&head.url, &filters[..4], &wanted.state),
        kinds: RunType::ALL,
        is_narrowed: !wanted.kind.is_empty() || !wanted.state.is_empty(),
        wanted,
        head,
    };
    Ok(frame::html(&page))
}

fn lengths(wanted: &Wanted, path: &str) -> Vec<LengthChoice> {
    let choice = |number: u32| LengthChoice {
        number,
        url: wanted.with(path, "runs", &number.to_string()),
        is_on: number == wanted.columns(),
    };
    COLUMNS.map(choice).into()
}

/// How broad the column of names is: the same for all rows, since they are laid out apart.
fn breadth(blocks: &[Vec<Row>]) -> &'static str {
    let rows = blocks.iter().flatten();
    match rows.map(|row| row.label.chars().count() + 3 * row.depth).max().unwrap_or_default() {
        0..=16 => "narrow",
        17..=27 => "medium",
        _ => "broad",
    }
}

fn columns(runs: &[RunRow], now: Timestamp) -> (Vec<Column>, SignedDuration) {
    let length = |run: &RunRow| {
        run.started_at.map_or(SignedDuration::ZERO, |start| show::span(start, run.ended_at.unwrap_or(now)))
    };
    let longest = runs.iter().map(length).max().unwrap_or_default();
    let mut last_day = String::new();
    let columns = runs.iter().map(|run| {
        let share = if longest.is_zero() { 0.0 } else { length(run).div_duration_f64(longest) };
        let day = show::day(run.queued_at);
        let is_new_day = day != last_day;
        last_day.clone_from(&day);
        Column {
            cell: Cell::of_run(run, now),
            url: links::run(run.dag_id.as_str(), run.run_id.as_str()),
            title: format!(
                "{} · {} · {}",
                run.run_id,
                Mark::of_run(run.state).word(),
                show::duration(length(run))
            ),
            height: (share * BAR_HEIGHT).ceil().max(3.0) as u32,
            day: if is_new_day { day } else { String::new() },
        }
    });
    (columns.collect(), longest)
}
