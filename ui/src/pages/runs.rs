//! All runs, newest first, by state, DAG, kind and the time at which they were made.

use super::runs_table::{self, PAGE_LENGTH, RunLine, StateChoice};
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::locale::typed_instant;
use crate::show::count;
use crate::{links, t, t1};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_core::states::RunType;
use esteira_store::{RunFilter, RunKey};
use jiff::Timestamp;
use serde::Deserialize;

/// Which runs are wanted. Empty fields, as forms send them, say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    state: String,
    dag: String,
    /// The kind of run: `scheduled`, `manual`, …
    kind: String,
    /// A day, or a day and a time, in the zone of whoever asks.
    from: String,
    /// The same; the day or the minute itself is in.
    until: String,
    before: Option<RunKey>,
}

impl Wanted {
    /// All of it but the place, as an address has it; the state comes last.
    fn filters(&self) -> [(&'static str, &str); 5] {
        [
            ("dag", &self.dag),
            ("kind", &self.kind),
            ("from", &self.from),
            ("until", &self.until),
            ("state", &self.state),
        ]
    }

    fn filter(&self) -> Result<RunFilter, PageError> {
        Ok(RunFilter {
            dag_id: Some(self.dag.trim().to_owned()).filter(|dag_id| !dag_id.is_empty()),
            states: runs_table::states(&self.state),
            before: self.before,
            run_types: RunType::from_label(&self.kind).into_iter().collect(),
            made_from: typed_time(&self.from, false)?,
            made_until: typed_time(&self.until, true)?,
        })
    }
}

/// What a field for a time says; none where it is empty.
pub(super) fn typed_time(text: &str, is_end: bool) -> Result<Option<Timestamp>, PageError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let unreadable = || {
        PageError::bad_request(t1("\"{}\" is no time", text))
            .hint(t("write a day such as 2026-11-26, or a day and a time such as 2026-11-26T14:30"))
    };
    typed_instant(text, is_end).map(Some).ok_or_else(unreadable)
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<RunLine>,
    states: Vec<StateChoice>,
    kinds: &'static [RunType],
    total: String,
    older: Option<String>,
    /// The first page, where this is not it.
    newest: Option<String>,
    /// The list without its filters by time and kind, where there are any.
    is_narrowed: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let filter = wanted.filter()?;
    let page = reader.runs(&filter, PAGE_LENGTH).await?;
    let total = reader.kept_run_count(&filter).await?;
    let now = Timestamp::now();
    let filters = wanted.filters();
    let page = RunsPage {
        frame: visitor.frame(Section::Runs, t("Runs")).crumb(t("Runs"), ""),
        states: runs_table::state_choices("/runs", &filters[..4], &wanted.state),
        kinds: RunType::ALL,
        total: count(total),
        older: runs_table::older(&page, "/runs", &filters),
        newest: wanted.before.map(|_| links::with_query("/runs", &filters)),
        is_narrowed: filters.iter().any(|(_, value)| !value.is_empty()),
        rows: page.rows.iter().map(|run| RunLine::new(run, now)).collect(),
        wanted,
    };
    Ok(frame::html(&page))
}
