//! The runs of a DAG.

use super::dag_head::DagHead;
use super::runs_table::{self, PAGE_LENGTH, RunLine, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::{self, Instant};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_runtime::{PlannedRun, preview};
use esteira_store::{RunFilter, RunKey};
use jiff::Timestamp;
use serde::Deserialize;

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    before: Option<RunKey>,
}

#[derive(Template)]
#[template(path = "dag_runs.html")]
struct DagRunsPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<RunLine>,
    states: Vec<StateChoice>,
    older: Option<String>,
    planned: Vec<Planned>,
}

/// How many of the runs that are to come are shown.
const PLANNED_SHOWN: usize = 5;

/// A run that the schedule will start.
struct Planned {
    /// When; none for one that was missed, which starts at once.
    due: Option<Instant>,
    logical_date: String,
    data_interval: Option<String>,
}

impl Planned {
    fn new(run: &PlannedRun, now: Timestamp) -> Self {
        let exact = |at: Timestamp| show::exact(at);
        let has_interval = run.data_interval_start != run.data_interval_end;
        Self {
            due: (!run.is_missed).then(|| Instant::new(run.run_after, now)),
            logical_date: exact(run.logical_date),
            data_interval: has_interval
                .then(|| format!("{} to {}", exact(run.data_interval_start), exact(run.data_interval_end))),
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
    let filter = RunFilter {
        dag_id: Some(dag_id),
        states: runs_table::states(&wanted.state),
        before: wanted.before,
        ..RunFilter::default()
    };
    let page = state.handle.reader().runs(&filter, PAGE_LENGTH).await?;
    let path = format!("{}/runs", head.url);
    let now = Timestamp::now();
    let planned = match state.handle.dag(&head.dag_id) {
        Some(loaded) if wanted.before.is_none() => {
            let last = state.handle.reader().last_scheduled(&head.dag_id).await?;
            preview(&loaded.dag, last, now, PLANNED_SHOWN)
        }
        _ => Vec::new(),
    };
    let page = DagRunsPage {
        planned: planned.iter().map(|run| Planned::new(run, now)).collect(),
        frame: head.frame(&visitor, "Runs"),
        states: runs_table::state_choices(&path, &[], &wanted.state),
        older: runs_table::older(&page, &path, &[("state", wanted.state.as_str())]),
        rows: page.rows.iter().map(|run| RunLine::new(run, now)).collect(),
        head,
    };
    Ok(frame::html(&page))
}
