//! The runs of a DAG: what its schedule starts next, and what there is, by state, kind and the time at which they were made.

use super::dag_head::DagHead;
use super::runs::typed_time;
use super::runs_table::{self, PAGE_LENGTH, RunLine, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::{self, Instant};
use crate::{links, t, tm};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_core::states::RunType;
use esteira_runtime::{PlannedRun, preview};
use esteira_store::{RunFilter, RunKey};
use jiff::Timestamp;
use serde::Deserialize;

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    /// The kind of run: `scheduled`, `manual`, …
    kind: String,
    /// A day, or a day and a time, in the zone of whoever asks.
    from: String,
    /// The same; the day or the minute itself is in.
    until: String,
    before: Option<RunKey>,
    /// The run that was deleted before.
    deleted: String,
}

impl Wanted {
    /// All of it but the place, as an address has it; the state comes last.
    fn filters(&self) -> [(&'static str, &str); 4] {
        [("kind", &self.kind), ("from", &self.from), ("until", &self.until), ("state", &self.state)]
    }

    fn filter(&self, dag_id: String) -> Result<RunFilter, PageError> {
        Ok(RunFilter {
            dag_id: Some(dag_id),
            states: runs_table::states(&self.state),
            before: self.before,
            run_types: RunType::from_label(&self.kind).into_iter().collect(),
            made_from: typed_time(&self.from, false)?,
            made_until: typed_time(&self.until, true)?,
        })
    }
}

#[derive(Template)]
#[template(path = "dag_runs.html")]
struct DagRunsPage {
    frame: Frame,
    head: DagHead,
    /// The address of the list without filters.
    path: String,
    wanted: Wanted,
    rows: Vec<RunLine>,
    states: Vec<StateChoice>,
    kinds: &'static [RunType],
    is_narrowed: bool,
    /// The first page, where this is not it.
    newest: Option<String>,
    older: Option<String>,
    planned: Vec<Planned>,
}

/// How many of the runs that are to come are shown.
const PLANNED_SHOWN: usize = 5;

/// A run that the schedule will start.
pub(super) struct Planned {
    /// When; none for one that was missed, which starts at once.
    pub(super) due: Option<Instant>,
    pub(super) logical_date: String,
    pub(super) data_interval: Option<String>,
}

impl Planned {
    pub(super) fn new(run: &PlannedRun, now: Timestamp) -> Self {
        let exact = |at: Timestamp| show::exact(at);
        let has_interval = run.data_interval_start != run.data_interval_end;
        Self {
            due: (!run.is_missed).then(|| Instant::new(run.run_after, now)),
            logical_date: exact(run.logical_date),
            data_interval: has_interval
                .then(|| tm("{} to {}", &[&exact(run.data_interval_start), &exact(run.data_interval_end)])),
        }
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "runs").await?;
    let filter = wanted.filter(dag_id)?;
    let page = state.handle.reader().runs(&filter, PAGE_LENGTH).await?;
    let path = format!("{}/runs", head.url);
    let now = Timestamp::now();
    let filters = wanted.filters();
    let is_narrowed = filters.iter().any(|(_, value)| !value.is_empty());
    let planned = match state.handle.dag(&head.dag_id) {
        Some(loaded) if wanted.before.is_none() && !is_narrowed => {
            let last = state.handle.reader().last_scheduled(&head.dag_id).await?;
            preview(&loaded.dag, last, now, PLANNED_SHOWN)
        }
        _ => Vec::new(),
    };
    let page = DagRunsPage {
        planned: planned.iter().map(|run| Planned::new(run, now)).collect(),
        frame: head.frame(&visitor, t("Runs")).script("done.js"),
        states: runs_table::state_choices(&path, &filters[..3], &wanted.state),
        kinds: RunType::ALL,
        is_narrowed,
        newest: wanted.before.map(|_| links::with_query(&path, &filters)),
        older: runs_table::older(&page, &path, &filters),
        rows: page.rows.iter().map(|run| RunLine::new(run, now)).collect(),
        path,
        wanted,
        head,
    };
    Ok(frame::html(&page))
}
