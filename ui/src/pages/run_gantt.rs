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
    let folds = Folds { url: &url, open: &open };
    let mut bars = Vec::new();
    for states in tasks.chunk_by(|one, other| {
        group(one.task_id.as_str()).is_some() && group(one.task_id.as_str()) == group(other.task_id.as_str())
            || one.task_index == other.task_index
    }) {
        let group = group(states[0].task_id.as_str());
        let is_open = group.is_none_or(|group| open.contains(group));
        if let Some(group) = group {
            bars.push(Bar { row: rows.of_group(group, states), depth: 0, fold: Some(folds.of(group)) });
        }
        if !is_open {
            continue;
        }
        for row in rows.of_tasks(states) {
            let (depth, name) = (usize::from(group.is_some()), row.name.clone());
            let is_mapped = !row.counts.is_empty();
            bars.push(Bar { row, depth, fold: is_mapped.then(|| folds.of(&name)) });
            if is_mapped && open.contains(name.as_str()) {
                let list = state.handle.reader().list(&run_rows::listing(&run, &name, None, 0)).await?;
                let instances = list.rows.iter().map(|instance| rows.of_instance(instance));
                bars.extend(instances.map(|row| Bar { row, depth: depth + 1, fold: None }));
            }
        }
    }
    let (total, from) = (bars.len(), wanted.from);
    let until = (from + PAGE_LENGTH).min(total);
    let page_from =
        |from: usize| links::with_query(&url, &[("open", &wanted.open), ("from", &from.to_string())]);
    let page = RunGanttPage {
        frame: head.frame(&visitor, t("Gantt")),
        bars: bars.into_iter().skip(from).take(PAGE_LENGTH).collect(),
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
