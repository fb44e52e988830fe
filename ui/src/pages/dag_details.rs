//! What a DAG says of itself: when it runs and next does, its params, limits and timeouts, the assets that it waits for and
//! updates, who answers for it, who is told of what.

use super::dag_callbacks::{self, Told};
use super::dag_head::DagHead;
use super::dag_runs::Planned;
use super::dag_tasks::length;
use crate::definition::{Definition, assets_of};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show;
use crate::{AppState, links, t};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use esteira_runtime::preview;
use jiff::Timestamp;
use serde_json::Value;

#[derive(Template)]
#[template(path = "dag_details.html")]
struct DetailsPage {
    frame: Frame,
    head: DagHead,
    doc: String,
    /// What it is about, each with what it says.
    facts: Vec<(&'static str, String)>,
    owners: Vec<(String, String)>,
    params: Vec<Param>,
    /// The assets whose updates start it, and those that its tasks update.
    waits_for: Vec<Asset>,
    updates: Vec<Asset>,
    told: Vec<Told>,
    planned: Vec<Planned>,
}

/// How many of the runs that are to come are shown.
const PLANNED_SHOWN: usize = 10;

/// An asset: its URI, and the address of its page.
struct Asset {
    uri: String,
    url: String,
}

impl Asset {
    fn new(uri: String) -> Self {
        Self { url: links::asset(&uri), uri }
    }
}

/// A param.
struct Param {
    name: String,
    kind: String,
    default: String,
    description: String,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "details").await?;
    let now = Timestamp::now();
    let planned = match state.handle.dag(&dag_id) {
        Some(loaded) => {
            let last = state.handle.reader().last_scheduled(&dag_id).await?;
            preview(&loaded.dag, last, now, PLANNED_SHOWN)
        }
        None => Vec::new(),
    };
    let definition = &head.definition;
    let owner = |owner: &String| (links::with_query("/dags", &[("owner", owner)]), owner.clone());
    let mut updates: Vec<String> = definition.tasks.iter().flat_map(|task| task.outlets.clone()).collect();
    updates.sort();
    updates.dedup();
    let waits_for = definition.schedule.assets.as_ref().map(assets_of).unwrap_or_default();
    let page = DetailsPage {
        frame: head.frame(&visitor, t("Details")).style("dag_views.css"),
        doc: definition.doc_md.clone().unwrap_or_default(),
        facts: facts(definition),
        owners: definition.owners.iter().map(owner).collect(),
        params: definition.params.iter().map(|(name, param)| Param::new(name, param)).collect(),
        waits_for: waits_for.into_iter().map(Asset::new).collect(),
        updates: updates.into_iter().map(Asset::new).collect(),
        told: dag_callbacks::of(definition),
        planned: planned.iter().map(|run| Planned::new(run, now)).collect(),
        head,
    };
    Ok(frame::html(&page))
}

/// The schedule, the limits and the timeouts; what is not said is left out.
fn facts(definition: &Definition) -> Vec<(&'static str, String)> {
    let number = |number: Option<u32>| number.filter(|number| *number > 0).map(|number| number.to_string());
    let schedule = &definition.schedule;
    let has_times = !schedule.when.is_empty();
    let facts = [
        (t("time zone"), has_times.then(|| schedule.timezone.clone())),
        (t("runs that were missed"), has_times.then(|| schedule.missed.clone())),
        (t("start date"), definition.start_date.map(show::exact)),
        (t("end date"), definition.end_date.map(show::exact)),
        (t("runs at a time"), number(definition.max_active_runs)),
        (t("tasks at a time in a run"), number(definition.max_active_tasks)),
        (t("when runs overlap"), Some(definition.overlap.clone()).filter(|overlap| !overlap.is_empty())),
        (t("a run may take"), definition.dagrun_timeout.map(length)),
        (t("first failure ends the run"), definition.fail_fast.then(|| t("yes").to_owned())),
        (t("paused after failed runs in a row"), number(definition.max_consecutive_failed_dag_runs)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Param {
    fn new(name: &str, param: &Value) -> Self {
        let text = |key: &str| param[key].as_str().unwrap_or_default().to_owned();
        let default = &param["default"];
        Self {
            name: name.to_owned(),
            kind: text("kind"),
            default: if default.is_null() { String::new() } else { default.to_string() },
            description: text("description"),
        }
    }
}
