//! The grid of a DAG: runs as columns with their durations, tasks as rows, a cell for each instance.

use super::cells::Cell;
use super::dag_head::DagHead;
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::links;
use crate::show::{self, Mark};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::{RunFilter, RunKey, RunRow, TaskInstanceRow};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::HashMap;

/// How many runs are columns.
const COLUMNS_MAX: u32 = 40;

/// How many tasks are rows; the rest is reached through the runs.
const ROWS_MAX: usize = 400;

/// The height of the longest run's bar.
const BAR_HEIGHT: f64 = 52.0;

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    before: Option<RunKey>,
}

#[derive(Template)]
#[template(path = "dag_grid.html")]
struct GridPage {
    frame: Frame,
    head: DagHead,
    columns: Vec<Column>,
    rows: Vec<Row>,
    rows_left_out: usize,
    longest: String,
    older: Option<String>,
    newest: Option<String>,
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

struct Row {
    task_id: String,
    operator: String,
    is_gone: bool,
    cells: Vec<Option<Cell>>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "grid").await?;
    let reader = state.handle.reader();
    let filter = RunFilter { dag_id: Some(dag_id), before: wanted.before, ..RunFilter::default() };
    let page = reader.runs(&filter, COLUMNS_MAX).await?;
    let older = page.rows.last().filter(|_| page.has_more).map(|run| run.run_key.to_string());
    let mut runs = page.rows;
    runs.reverse();
    let keys: Vec<RunKey> = runs.iter().map(|run| run.run_key).collect();
    let instances = reader.instances_of_runs(&keys).await?;
    let now = Timestamp::now();
    let (rows, rows_left_out) = rows(&head, &runs, &instances, now);
    let (columns, longest) = columns(&runs, now);
    let page = GridPage {
        frame: head.frame(&visitor, "").script("grid.js"),
        columns,
        rows,
        rows_left_out,
        longest: show::duration(longest),
        older: older.map(|key| links::with_query(&head.url, &[("before", &key)])),
        newest: wanted.before.map(|_| head.url.clone()),
        head,
    };
    Ok(frame::html(&page))
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

/// The tasks of the DAG as it is now, then those that only older versions had.
fn rows(head: &DagHead, runs: &[RunRow], instances: &[TaskInstanceRow], now: Timestamp) -> (Vec<Row>, usize) {
    let mut names: Vec<&str> = head.definition.tasks.iter().map(|task| task.task_id.as_str()).collect();
    let mut known: std::collections::HashSet<&str> = names.iter().copied().collect();
    for instance in instances.iter().rev() {
        if known.insert(instance.task_id.as_str()) {
            names.push(instance.task_id.as_str());
        }
    }
    let column_of: HashMap<RunKey, usize> =
        runs.iter().enumerate().map(|(place, run)| (run.run_key, place)).collect();
    let mut cells: HashMap<&str, Vec<Option<Cell>>> = HashMap::new();
    // The instances of a task in a run stand together.
    for of_task in
        instances.chunk_by(|one, other| (one.run_key, one.task_index) == (other.run_key, other.task_index))
    {
        let of_task: Vec<&TaskInstanceRow> = of_task.iter().collect();
        let Some(first) = of_task.first() else { continue };
        let row = cells.entry(first.task_id.as_str()).or_insert_with(|| vec![None; runs.len()]);
        if let Some(place) = column_of.get(&first.run_key) {
            row[*place] = Cell::of_task(&of_task, now);
        }
    }
    let left_out = names.len().saturating_sub(ROWS_MAX);
    let rows = names.into_iter().take(ROWS_MAX).map(|name| Row {
        task_id: name.to_owned(),
        operator: head.definition.task(name).map(|task| task.operator.clone()).unwrap_or_default(),
        is_gone: head.definition.task(name).is_none(),
        cells: cells.remove(name).unwrap_or_else(|| vec![None; runs.len()]),
    });
    (rows.collect(), left_out)
}
