//! The audit history: every event, by DAG, run, task, name and actor.

use super::table::{self, EventLine, PAGE_LENGTH};
use crate::AppState;
use crate::api::verified;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::count;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_runtime::audit::Verification;
use esteira_store::EventFilter;
use serde::Deserialize;

/// Which events are wanted. Empty fields, as forms send them, say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    dag: String,
    run: String,
    task: String,
    name: String,
    actor: String,
    before: Option<i64>,
}

impl Wanted {
    fn filters(&self) -> [(&'static str, &str); 5] {
        [
            ("dag", &self.dag),
            ("run", &self.run),
            ("task", &self.task),
            ("name", &self.name),
            ("actor", &self.actor),
        ]
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<EventLine>,
    total: String,
    older: Option<String>,
    wanted: Wanted,
    verdict: Option<Verification>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    show(&state, wanted, &visitor, None).await
}

/// Recomputes the chain and replays every run, then shows the page with what was found.
pub(crate) async fn verify(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let verdict = verified(&state).await.map_err(PageError::internal)?;
    show(&state, Wanted::default(), &visitor, Some(verdict)).await
}

async fn show(
    state: &AppState,
    wanted: Wanted,
    visitor: &Visitor,
    verdict: Option<Verification>,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let run_key = match (given(&wanted.dag), given(&wanted.run)) {
        (_, None) => None,
        (None, Some(_)) => return Err(PageError::bad_request("a run is only found together with its DAG")),
        (Some(dag_id), Some(run_id)) => Some(crate::pages::run::find(state, &dag_id, &run_id).await?.run_key),
    };
    let filter = EventFilter {
        dag_id: given(&wanted.dag),
        run_key,
        task_id: given(&wanted.task),
        name: given(&wanted.name),
        actor: given(&wanted.actor),
        before: wanted.before,
        after: None,
    };
    let page = reader.events(&filter, PAGE_LENGTH).await?;
    let page = AuditPage {
        frame: visitor.frame(Section::Audit, "Audit").crumb("Audit", ""),
        total: count(reader.event_count().await?),
        older: table::older(&page, "/audit", &wanted.filters()),
        rows: EventLine::all(&page),
        wanted,
        verdict,
    };
    Ok(frame::html(&page))
}
