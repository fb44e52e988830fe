//! The form that starts a run: a field for each param, more conf as JSON, a note. It works without scripts; what
//! does not fit is said beside its field, and nothing that was typed is lost.

use super::dag_head::unknown_dag;
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::param_form::{self, Entry, Field, FieldFaults, PARAM_PREFIX, Typed, as_typed};
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::dag::Dag;
use esteira_runtime::{Actor, CommandError, LoadedDag, TriggerRequest};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The name of the run whose conf the form begins with, in the address.
const LIKE: &str = "like";

#[derive(Template)]
#[template(path = "trigger.html")]
struct TriggerPage {
    frame: Frame,
    dag_id: String,
    url: String,
    description: String,
    is_paused: bool,
    version: i64,
    fields: Vec<Field>,
    conf: Entry,
    note: Entry,
    run_id: Entry,
    /// What the run would be called if it were started now.
    run_id_preview: String,
    logical_date: Entry,
    fault: Option<String>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(given): Query<Typed>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let loaded = load(&state, &dag_id).await?;
    let mut typed = Typed::new();
    if let Some(like) = given.get(LIKE).filter(|like| !like.is_empty()) {
        let run = super::run::find(&state, &dag_id, like).await?;
        typed = typed_from_conf(&loaded.dag, run.conf.as_object().cloned().unwrap_or_default());
    }
    // A link fills fields in: `?param.day=2026-01-01&note=again`, or by the name of the param alone.
    for (name, value) in given.into_iter().filter(|(name, _)| name != LIKE) {
        let is_param = loaded.dag.params.contains_key(&name);
        let (name, value) = match name.as_str() {
            _ if is_param => (format!("{PARAM_PREFIX}{name}"), value),
            "logical_date" => (name, param_form::local(&value).unwrap_or(value)),
            _ => (name, value),
        };
        typed.insert(name, value);
    }
    Ok(frame::html(&form(&visitor, &loaded, &typed, &Faults::default())))
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(typed): Form<Typed>,
) -> Result<Response, PageError> {
    let loaded = load(&state, &dag_id).await?;
    let mut faults = Faults::default();
    if let Some(request) = request(&loaded.dag, &typed, &mut faults, actor) {
        match state.handle.trigger(request).await {
            Ok(run) => {
                return Ok(Redirect::to(&links::with_query(
                    &links::run(&dag_id, run.run_id.as_str()),
                    &[("done", "triggered")],
                ))
                .into_response());
            }
            Err(error @ (CommandError::Invalid(_) | CommandError::RunExists { .. })) => {
                faults.whole = Some(error.to_string())
            }
            Err(error) => return Err(error.into()),
        }
    }
    let page = form(&visitor, &loaded, &typed, &faults);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, frame::html(&page)).into_response())
}

async fn load(state: &AppState, dag_id: &str) -> Result<Arc<LoadedDag>, PageError> {
    if let Some(loaded) = state.handle.dag(dag_id) {
        return Ok(loaded);
    }
    match state.handle.reader().dag(dag_id).await? {
        Some(_) => Err(CommandError::Stale(dag_id.to_owned()).into()),
        None => Err(unknown_dag(dag_id)),
    }
}

/// What is wrong, by the name of the field, and with the whole.
#[derive(Debug, Default)]
struct Faults {
    fields: FieldFaults,
    whole: Option<String>,
}

impl Faults {
    fn add(&mut self, field: impl Into<String>, fault: impl Into<String>) {
        self.fields.insert(field.into(), fault.into());
    }
}

/// The fields of a form that is filled like an earlier run.
fn typed_from_conf(dag: &Dag, conf: Map<String, Value>) -> Typed {
    let mut typed = Typed::new();
    let mut rest = Map::new();
    for (name, value) in conf {
        match dag.params.get(&name) {
            Some(param) => drop(typed.insert(format!("{PARAM_PREFIX}{name}"), as_typed(param, &value))),
            None => drop(rest.insert(name, value)),
        }
    }
    if !rest.is_empty() {
        typed.insert("conf".to_owned(), serde_json::to_string_pretty(&rest).unwrap_or_default());
    }
    typed
}

fn form(visitor: &Visitor, loaded: &LoadedDag, typed: &Typed, faults: &Faults) -> TriggerPage {
    let dag = &loaded.dag;
    let dag_id = dag.dag_id.to_string();
    let url = links::dag(&dag_id);
    let entry = |name: &str| Entry {
        text: typed.get(name).cloned().unwrap_or_default(),
        fault: faults.fields.get(name).cloned(),
    };
    let frame = visitor.frame(Section::Dags, t1("Trigger {}", &dag_id)).script("trigger.js");
    TriggerPage {
        frame: frame.crumb("DAGs", "/dags").crumb(dag_id.clone(), url.clone()).crumb(t("Trigger"), ""),
        url,
        description: dag.description.clone().unwrap_or_default(),
        is_paused: loaded.is_paused,
        version: loaded.version_number,
        fields: param_form::fields(&dag.params, typed, &faults.fields),
        conf: entry("conf"),
        note: entry("note"),
        run_id: entry("run_id"),
        run_id_preview: Timestamp::now().strftime("manual__%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        logical_date: entry("logical_date"),
        fault: faults.whole.clone(),
        dag_id,
    }
}

/// The request that the form asks for; none when something does not fit.
fn request(dag: &Dag, typed: &Typed, faults: &mut Faults, actor: Actor) -> Option<TriggerRequest> {
    let given = |name: &str| typed.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut conf = more_conf(dag, given("conf"), faults);
    conf.extend(param_form::values(&dag.params, typed, &mut faults.fields));
    let logical_date = given("logical_date").and_then(|text| {
        let at = param_form::instant(text);
        if at.is_none() {
            faults.add("logical_date", t("write it like 2026-11-22T09:00:00Z"));
        }
        at
    });
    if let Some(run_id) = given("run_id").filter(|run_id| !esteira_core::ids::is_valid_run_id(run_id)) {
        faults.add("run_id", t1("\"{}\" is no run id: letters, digits and _ . ~ : + - only", run_id));
    }
    if !faults.fields.is_empty() {
        return None;
    }
    Some(TriggerRequest {
        run_id: given("run_id").map(Into::into),
        logical_date,
        conf,
        note: given("note").map(str::to_owned),
        ..TriggerRequest::manual(dag.dag_id.as_str(), actor)
    })
}

/// The conf beyond the params.
fn more_conf(dag: &Dag, text: Option<&str>, faults: &mut Faults) -> Map<String, Value> {
    let Some(text) = text else { return Map::new() };
    let conf = match serde_json::from_str(text) {
        Ok(Value::Object(conf)) => conf,
        Ok(_) => {
            faults.add("conf", t("conf must be a JSON object, with names and values"));
            return Map::new();
        }
        Err(error) => {
            faults.add("conf", t1("this is no JSON: {}", error));
            return Map::new();
        }
    };
    if let Some(name) = conf.keys().find(|name| dag.params.contains_key(*name)) {
        faults.add("conf", t1("\"{}\" has a field of its own above", name));
    }
    conf
}
