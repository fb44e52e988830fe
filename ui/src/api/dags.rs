//! `/dags`: the DAGs, their details, and pausing them.

use super::body::Body;
use super::error::{ApiError, Fault};
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::Pairs;
use super::shapes;
use crate::AppState;
use crate::access::ApiActor;
use crate::definition::Definition;
use axum::Json;
use axum::extract::State;
use esteira_core::dag::{Param, Params};
use esteira_core::states::RunState;
use esteira_store::{DagHead, DagRow, RunFilter};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The DAG of this name; 404 when there is none.
pub(super) async fn find(state: &AppState, dag_id: &str) -> Result<DagRow, ApiError> {
    let dag = state.handle.reader().dag(dag_id).await?;
    dag.ok_or_else(|| ApiError::not_found(format!("there is no DAG \"{dag_id}\"")))
}

/// What DAGs can be ordered by.
const COLUMNS: [Column<DagHead>; 4] = [
    ("dag_id", |one, other| one.dag_id.cmp(&other.dag_id)),
    ("dag_display_name", |one, other| one.dag_id.cmp(&other.dag_id)),
    ("is_paused", |one, other| one.is_paused.cmp(&other.is_paused)),
    ("last_parsed_time", |one, other| one.loaded_at.cmp(&other.loaded_at)),
];

/// `GET /dags`, with `dag_id_pattern`, `tags`, `owners`, `paused`, `has_import_errors` and `exclude_stale` as filters.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let paused = pairs.boolean("paused")?;
    let exclude_stale = pairs.boolean("exclude_stale")?.unwrap_or(true);
    let has_import_errors = pairs.boolean("has_import_errors")?;
    let pattern = Patterns::of(&pairs, &["dag_id", "dag_display_name"])?;
    let mentions = Mentions::read(&pairs)?;
    let broken = broken_files(&state).await?;
    let mut found = state.handle.reader().dag_heads().await?;
    if !mentions.is_empty() {
        let dags = state.handle.reader().dags().await?;
        let named: HashSet<_> =
            dags.iter().filter(|dag| mentions.are_in(&dag.definition)).map(|dag| &dag.dag_id).collect();
        found.retain(|dag| named.contains(&dag.dag_id));
    }
    found.retain(|dag| {
        (!exclude_stale || !dag.is_stale)
            && paused.is_none_or(|paused| dag.is_paused == paused)
            && has_import_errors.is_none_or(|wanted| broken.contains(&dag.file) == wanted)
            && pattern.fits(dag.dag_id.as_str())
    });
    ordered::order(&pairs, &mut found, &COLUMNS)?;
    let part = pairs.window()?.page(found, |head| head.dag_id.to_string())?;
    // Reading what a file says is the dear part: only for those that are shown.
    let names: Vec<&str> = part.rows.iter().map(|head| head.dag_id.as_str()).collect();
    let rows = state.handle.reader().dags_named(&names).await?;
    let rows: HashMap<&str, &DagRow> = rows.iter().map(|dag| (dag.dag_id.as_str(), dag)).collect();
    // One of them may have been removed meanwhile.
    let shown = names.iter().filter_map(|name| rows.get(name));
    let page: Vec<Value> =
        shown.map(|dag| shape(&state, dag, &Definition::read(&dag.definition), &broken).into()).collect();
    Ok(Json(part.answer("dags", page)))
}

/// Tags and owners that are asked for.
struct Mentions {
    tags: Vec<String>,
    /// All of the tags, and not one of them.
    all_tags: bool,
    owners: Vec<String>,
}

impl Mentions {
    fn read(pairs: &Pairs) -> Result<Self, ApiError> {
        let given = |name| pairs.all(name).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let mode = pairs.text("tags_match_mode");
        let all_tags = match mode.as_deref() {
            None | Some("any") => false,
            Some("all") => true,
            Some(other) => {
                let message = "Input should be 'any' or 'all'";
                let fault = Fault::of("query", "tags_match_mode", "enum", message, json!(other));
                return Err(ApiError::invalid(vec![fault]));
            }
        };
        Ok(Self { tags: given("tags"), all_tags, owners: given("owners") })
    }

    fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.owners.is_empty()
    }

    fn are_in(&self, definition: &str) -> bool {
        let definition = Definition::read(definition);
        let mut tags = self.tags.iter();
        let is_tagged = match self.all_tags {
            _ if self.tags.is_empty() => true,
            true => tags.all(|tag| definition.tags.contains(tag)),
            false => tags.any(|tag| definition.tags.contains(tag)),
        };
        let is_owned = self.owners.is_empty()
            || self.owners.iter().any(|owner| definition.owners.iter().any(|known| known == owner));
        is_tagged && is_owned
    }
}

/// `GET /dags/{dag_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    answer(&state, &dag_id).await
}

async fn answer(state: &AppState, dag_id: &str) -> Result<Json<Value>, ApiError> {
    let dag = find(state, dag_id).await?;
    let definition = Definition::read(&dag.definition);
    let broken = broken_files(state).await?;
    Ok(Json(Value::Object(shape(state, &dag, &definition, &broken))))
}

/// `PATCH /dags/{dag_id}`: pauses and unpauses.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    ApiActor(actor): ApiActor,
    pairs: Pairs,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let masked: Vec<&str> =
        pairs.all("update_mask").flat_map(|mask| mask.split(',')).filter(|name| !name.is_empty()).collect();
    if let Some(other) = masked.iter().find(|field| **field != "is_paused") {
        return Err(ApiError::bad_request(format!("only is_paused can be updated, not {other}")));
    }
    let is_paused = body.boolean("is_paused");
    if is_paused.is_none() {
        body.fault("is_paused", "missing", "Field required", Value::Null);
    }
    body.end()?;
    find(&state, &dag_id).await?;
    state.handle.set_paused(dag_id.as_str().into(), is_paused.unwrap_or_default(), actor).await?;
    answer(&state, &dag_id).await
}

/// `DELETE /dags/{dag_id}`: with all its runs, of which none may be under way.
pub(super) async fn delete(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<Json<Value>, ApiError> {
    state.handle.delete_dag(dag_id.into(), actor).await?;
    Ok(Json(Value::Null))
}

/// `GET /dagTags`: all tags, with `tag_name_pattern` as a filter.
pub(super) async fn tags(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let pattern = Patterns::of(&pairs, &["tag_name"])?;
    let mut tags: BTreeSet<String> = BTreeSet::new();
    for loaded in state.handle.dags() {
        tags.extend(loaded.dag.tags.iter().cloned());
    }
    let mut tags: Vec<String> = tags.into_iter().filter(|tag| pattern.fits(tag)).collect();
    ordered::order(&pairs, &mut tags, &[("name", |one: &String, other: &String| one.cmp(other))])?;
    let part = pairs.window()?.page(tags, String::clone)?;
    Ok(Json(part.shaped("tags", |tag| json!(tag))))
}

/// `GET /dagStats`: how many runs of each DAG are in each state; `dag_ids` chooses some.
pub(super) async fn stats(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let wanted: Vec<&str> = pairs.all("dag_ids").collect();
    let counts = state.handle.reader().run_stats().await?;
    let mut shapes = Vec::new();
    for dag in state.handle.reader().dag_heads().await? {
        let dag_id = dag.dag_id.as_str();
        if dag.is_stale || (!wanted.is_empty() && !wanted.contains(&dag_id)) {
            continue;
        }
        let count = |state: RunState| {
            let known = counts.get(dag_id).into_iter().flatten();
            known.filter(|(of, _)| *of == state).map(|(_, count)| count).sum::<u64>()
        };
        let stats: Vec<Value> =
            RunState::ALL.iter().map(|state| json!({ "state": state, "count": count(*state) })).collect();
        shapes.push(json!({ "dag_id": dag_id, "dag_display_name": dag_id, "stats": stats }));
    }
    let total = shapes.len();
    Ok(Json(json!({ "dags": shapes, "total_entries": total })))
}

/// `GET /dags/{dag_id}/details`.
pub(super) async fn details(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let dag = find(&state, &dag_id).await?;
    let definition = Definition::read(&dag.definition);
    let filter = RunFilter {
        dag_id: Some(dag_id.clone()),
        states: vec![RunState::Queued, RunState::Running],
        ..RunFilter::default()
    };
    let active = state.handle.reader().run_count(&filter).await?;
    let version = state.handle.reader().version_by_id(dag.version_id).await?;
    let mut shape = shape(&state, &dag, &definition, &broken_files(&state).await?);
    let more = json!({
        "catchup": definition.schedule.missed == "all",
        "dag_run_timeout": null,
        "asset_expression": super::assets::expression(&definition),
        "doc_md": definition.doc_md,
        "start_date": shapes::maybe(definition.start_date),
        "end_date": shapes::maybe(definition.end_date),
        "is_paused_upon_creation": null,
        "params": params(&definition),
        "render_template_as_native_obj": true,
        "template_search_path": null,
        "timezone": definition.schedule.timezone,
        "last_parsed": shapes::instant(dag.loaded_at),
        "default_args": null,
        "owner_links": {},
        "concurrency": 0,
        "active_runs_count": active,
        "latest_dag_version": shapes::version(&dag_id, dag.version_number, version.map(|version| version.created_at)),
    });
    if let Value::Object(more) = more {
        shape.extend(more);
    }
    Ok(Json(Value::Object(shape)))
}

/// Params as Airflow tells them: a value and a schema each.
/// Params as Airflow shows them, by name.
pub(super) fn param_shapes(params: &Params) -> Value {
    let shape = |(name, param): (&String, &Param)| {
        (name.clone(), param_shape(&serde_json::to_value(param).unwrap_or_default()))
    };
    Value::Object(params.iter().map(shape).collect())
}

fn param_shape(param: &Value) -> Value {
    json!({ "value": param["default"], "description": param["description"], "schema": schema(param) })
}

fn params(definition: &Definition) -> Value {
    let param = |(name, param): (&String, &Value)| (name.clone(), param_shape(param));
    Value::Object(definition.params.iter().map(param).collect())
}

/// The param's JSON Schema without what stands beside it.
fn schema(param: &Value) -> Value {
    let mut schema = param["schema"].as_object().cloned().unwrap_or_default();
    schema.retain(|keyword, _| !matches!(keyword.as_str(), "default" | "description"));
    // "any" is no word of JSON Schema.
    schema.retain(|keyword, value| keyword != "type" || value != "any");
    // A param that is only a default has the type of its default; so have those of older versions.
    if !schema.contains_key("type") && param["kind"] != "any" {
        schema.insert("type".to_owned(), param["kind"].clone());
    }
    Value::Object(schema)
}

/// The files that do not make a DAG at the moment.
async fn broken_files(state: &AppState) -> Result<HashSet<String>, ApiError> {
    Ok(state.handle.reader().import_errors().await?.into_iter().map(|error| error.file).collect())
}

fn shape(
    state: &AppState,
    dag: &DagRow,
    definition: &Definition,
    broken: &HashSet<String>,
) -> Map<String, Value> {
    let dag_id = dag.dag_id.as_str();
    let loaded = state.handle.dag(dag_id);
    let next = shapes::maybe(loaded.and_then(|loaded| loaded.next_run_at()));
    let tag = |tag: &String| json!({ "name": tag, "dag_id": dag_id, "dag_display_name": dag_id });
    let schedule = definition.schedule.text();
    let shape = json!({
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "description": definition.description,
        "is_paused": dag.is_paused,
        "is_stale": dag.is_stale,
        "fileloc": dag.file,
        "relative_fileloc": dag.file,
        "file_token": shapes::uuid(&["file", &dag.file]),
        "bundle_name": "dags-folder",
        "bundle_version": null,
        "last_parsed_time": shapes::instant(dag.loaded_at),
        "last_parse_duration": null,
        "last_expired": null,
        "timetable_summary": schedule,
        "timetable_description": schedule.as_deref().unwrap_or("Never, external triggers only"),
        "timetable_partitioned": false,
        "timetable_periodic": schedule.is_some(),
        "tags": definition.tags.iter().map(tag).collect::<Vec<_>>(),
        "owners": definition.owners,
        "max_active_tasks": 16,
        "max_active_runs": 16,
        "max_consecutive_failed_dag_runs": 0,
        "has_task_concurrency_limits": false,
        "has_import_errors": broken.contains(&dag.file),
        "is_backfillable": false,
        "next_dagrun_logical_date": next,
        "next_dagrun_data_interval_start": next,
        "next_dagrun_data_interval_end": next,
        "next_dagrun_run_after": next,
    });
    match shape {
        Value::Object(shape) => shape,
        _ => Map::new(),
    }
}
