//! What buttons do: pause and unpause a DAG; cancel, mark and delete a run. Each answers by going back to a page that shows what came of it.

use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::{AppState, links};
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use esteira_core::states::RunState;
use esteira_runtime::CommandError;
use serde::Deserialize;

/// A pause button.
#[derive(Debug, Deserialize)]
pub(crate) struct Pause {
    is_paused: bool,
    #[serde(default)]
    back: String,
}

/// Pauses or unpauses a DAG.
pub(crate) async fn pause(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    PageActor(actor): PageActor,
    Form(form): Form<Pause>,
) -> Result<Redirect, PageError> {
    state.handle.set_paused(dag_id.as_str().into(), form.is_paused, actor).await?;
    let back = if is_own_path(&form.back) { form.back } else { links::dag(&dag_id) };
    Ok(Redirect::to(&back))
}

/// Cancels a run.
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    PageActor(actor): PageActor,
) -> Result<Redirect, PageError> {
    state.handle.cancel(dag_id.as_str().into(), run_id.as_str().into(), actor).await?;
    Ok(after(&dag_id, &run_id, "cancelled"))
}

/// The end that a run is to get.
#[derive(Debug, Deserialize)]
pub(crate) struct Mark {
    state: String,
}

/// Gives a run that is over another end.
pub(crate) async fn mark_run(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    PageActor(actor): PageActor,
    Form(form): Form<Mark>,
) -> Result<Redirect, PageError> {
    let end = RunState::from_label(&form.state).filter(|state| state.is_terminal());
    let invalid = || CommandError::Invalid(format!("a run cannot be marked as \"{}\"", form.state));
    let end = end.ok_or_else(invalid)?;
    state.handle.mark_run(dag_id.as_str().into(), run_id.as_str().into(), end, actor).await?;
    Ok(after(&dag_id, &run_id, "run-marked"))
}

/// Removes a run, and goes to those that are left.
pub(crate) async fn delete_run(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    PageActor(actor): PageActor,
) -> Result<Redirect, PageError> {
    state.handle.delete_run(dag_id.as_str().into(), run_id.as_str().into(), actor).await?;
    let list = format!("{}/runs", links::dag(&dag_id));
    Ok(Redirect::to(&links::with_query(&list, &[("done", "deleted"), ("deleted", &run_id)])))
}

/// To the page of a run, which says what was done.
fn after(dag_id: &str, run_id: &str, done: &str) -> Redirect {
    Redirect::to(&links::with_query(&links::run(dag_id, run_id), &[("done", done)]))
}

/// Whether it is a path of this server: `//evil.example` and `/\evil.example` lead elsewhere.
pub(super) fn is_own_path(path: &str) -> bool {
    path.starts_with('/') && !path[1..].starts_with(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_never_leads_to_another_site() {
        assert!(is_own_path("/dags") && is_own_path("/"));
        for bad in ["", "dags", "//evil.example", "/\\evil.example", "https://evil.example"] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
