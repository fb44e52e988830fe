//! The Gantt chart of a run: when each task waited and ran, on one axis of time. A task that is mapped, and the tasks of a
//! group, are one row that opens; what is open stands in the address.

use super::run_head::RunHead;
use super::run_rows::{self, PAGE_LENGTH, Row, Rows};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::count;
use crate::{AppState, links, t, tm};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::{Counting, Listing, RunRow, TaskStateRow};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What is open, and which page of the rows is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// The names of groups and mapped tasks that are open, with commas between.
    open: String,
    from: usize,
}

/// A row of the chart.
struct Bar {
    row: Row,
    /// How deep it stands beneath what was opened.
    depth: usize,
    /// The address of the chart with this row opened or closed, and whether it is open.
    fold: Option<(String, bool)>,
}

#[derive(Template)]
#[template(path = "run_gantt.html")]
struct RunGanttPage {
    frame: Frame,
    head: RunHead,
    bars: Vec<Bar>,
    /// The axis: places in thousandths of the width, and the time since the beginning.
    ticks: Vec<(u32, String)>,
    shown: String,
    previous: Option<String>,
    next: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let (head, run, tasks) = RunHead::read(&state, &dag_id, &run_id, "gantt").await?;
    let rows = Rows::read(&state, &run, &tasks).await?;
    let open: BTreeSet<&str> = wanted.open.split(',').filter(|name| !name.is_empty()).collect();
    let url = format!("{}/gantt", head.url);
    let (parts, from) = (parts(&rows, &tasks, &Folds { url: &url, open: &open }), wanted.from);
    let total: usize = parts.iter().map(Part::length).sum();
    let mut bars = window(&state, &run, &rows, parts, from).await?;
    rows.explain(&state, bars.iter_mut().map(|bar| &mut bar.row)).await;
    let until = (from + PAGE_LENGTH).min(total);
    let page_from =
        |from: usize| links::with_query(&url, &[("open", &wanted.open), ("from", &from.to_string())]);
    let page = RunGanttPage {
        frame: head.frame(&visitor, t("Gantt")),
        bars,
        ticks: rows.window.ticks(),
        shown: match total > PAGE_LENGTH {
            true => tm(
                "{} of {}",
                &[&format!("{}–{}", count(from as u64 + 1), count(until as u64)), &count(total as u64)],
            ),
            false => String::new(),
        },
        previous: (from > 0).then(|| page_from(from.saturating_sub(PAGE_LENGTH))),
        next: (until < total).then(|| page_from(until)),
        head,
    };
    Ok(frame::html(&page))
}

/// A stretch of the chart.
enum Part {
    Bar(Box<Bar>),
    /// The instances of a mapped task that is open: they are read where they are shown.
    Instances {
        task: String,
        count: usize,
        depth: usize,
    },
}

impl Part {
    /// How many rows it has.
    fn length(&self) -> usize {
        match self {
            Self::Bar(_) => 1,
            Self::Instances { count, .. } => *count,
        }
    }
}

/// The whole chart, from its first row to its last.
fn parts(rows: &Rows<'_>, tasks: &[TaskStateRow], folds: &Folds<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for states in tasks.chunk_by(|one, other| {
        group(one.task_id.as_str()).is_some() && group(one.task_id.as_str()) == group(other.task_id.as_str())
            || one.task_index == other.task_index
    }) {
        let group = group(states[0].task_id.as_str());
        if let Some(group) = group {
            let row = rows.of_group(group, states);
            parts.push(Part::Bar(Box::new(Bar { row, depth: 0, fold: Some(folds.of(group)) })));
            if !folds.open.contains(group) {
                continue;
            }
        }
        let depth = usize::from(group.is_some());
        for states in states.chunk_by(|one, other| one.task_index == other.task_index) {
            for row in rows.of_tasks(states) {
                let (name, is_mapped) = (row.name.clone(), !row.counts.is_empty());
                let fold = is_mapped.then(|| folds.of(&name));
                parts.push(Part::Bar(Box::new(Bar { row, depth, fold })));
                if is_mapped && folds.open.contains(name.as_str()) {
                    let count = states.iter().map(|row| row.count).sum::<u64>();
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    parts.push(Part::Instances { task: name, count, depth: depth + 1 });
                }
            }
        }
    }
    parts
}

/// A page of the chart, from a row on.
async fn window(
    state: &AppState,
    run: &RunRow,
    rows: &Rows<'_>,
    parts: Vec<Part>,
    from: usize,
) -> Result<Vec<Bar>, PageError> {
    let (mut bars, mut before) = (Vec::new(), 0);
    for part in parts {
        let length = part.length();
        // The part of it that is on the page, counted from its own beginning.
        let (first, end) =
            (from.saturating_sub(before), (from + PAGE_LENGTH).saturating_sub(before).min(length));
        before += length;
        match part {
            _ if first >= end => {}
            Part::Bar(bar) => bars.push(*bar),
            Part::Instances { task, depth, .. } => {
                let listing = run_rows::listing(run, &task, None, (first, end - first));
                let listing = Listing { counting: Counting::Nothing, ..listing };
                let list = state.handle.reader().list(&listing).await?;
                let instances = list.rows.iter().map(|instance| rows.of_instance(instance));
                bars.extend(instances.map(|row| Bar { row, depth, fold: None }));
            }
        }
    }
    Ok(bars)
}

/// The group of a task: `site` of `site.fetch`.
fn group(task_id: &str) -> Option<&str> {
    task_id.split_once('.').map(|(group, _)| group)
}

/// The addresses that open and close.
struct Folds<'a> {
    url: &'a str,
    open: &'a BTreeSet<&'a str>,
}

impl Folds<'_> {
    fn of(&self, name: &str) -> (String, bool) {
        let mut open = self.open.clone();
        let is_open = open.remove(name);
        let mut names: Vec<&str> = open.into_iter().collect();
        if !is_open {
            names.push(name);
        }
        (links::with_query(self.url, &[("open", &names.join(","))]), is_open)
    }
}
