//! `/assets`: what tasks bring up to date and DAGs are run for.

use super::body::{Body, MaybeBody};
use super::error::ApiError;
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::Pairs;
use super::{dag_runs, listing, shapes};
use crate::AppState;
use crate::access::ApiActor;
use crate::definition::Definition;
use axum::Json;
use axum::extract::State;
use esteira_core::dag::Dag;
use esteira_core::ids::DagId;
use esteira_runtime::TriggerRequest;
use esteira_store::{AssetEventRow, AssetRow};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What assets can be ordered by.
const COLUMNS: [Column<AssetRow>; 3] = [
    ("id", |one, other| one.asset_id.cmp(&other.asset_id)),
    ("name", |one, other| one.uri.cmp(&other.uri)),
    ("uri", |one, other| one.uri.cmp(&other.uri)),
];

/// The assets that these DAGs are run for or bring up to date.
fn named_by(state: &AppState, dag_ids: &[&str]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for dag_id in dag_ids {
        let Some(loaded) = state.handle.dag(dag_id) else { continue };
        let condition = loaded.dag.schedule.assets.as_ref();
        named.extend(condition.into_iter().flat_map(|it| it.uris()).map(ToString::to_string));
        named.extend(loaded.dag.tasks.iter().flat_map(|task| task.outlets.iter().cloned()));
    }
    named
}

/// `GET /assets`, by name unless `order_by` says otherwise, each with the DAGs that are run for it and the tasks that bring it up to date.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let pattern = Patterns::of(&pairs, &["uri", "name"])?;
    let mut assets = state.handle.reader().assets().await?;
    assets.retain(|asset| pattern.fits(&asset.uri));
    let dag_ids: Vec<&str> = pairs.all("dag_ids").collect();
    if !dag_ids.is_empty() {
        let named = named_by(&state, &dag_ids);
        assets.retain(|asset| named.contains(&asset.uri));
    }
    ordered::order(&pairs, &mut assets, &COLUMNS)?;
    let part = pairs.window()?.page(assets, |asset| asset.uri.clone())?;
    let mut shapes = Vec::new();
    for asset in &part.rows {
        shapes.push(shape(&state, asset).await?);
    }
    Ok(Json(part.answer("assets", shapes)))
}

/// An asset. When it and what refers to it came to be is not kept: the versions of the DAGs that name it tell, and its last
/// update.
async fn shape(state: &AppState, asset: &AssetRow) -> Result<Value, ApiError> {
    let (mut scheduled, mut producing, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for loaded in state.handle.dags() {
        let dag = &loaded.dag;
        let condition = dag.schedule.assets.as_ref();
        let is_scheduled = condition.is_some_and(|it| it.uris().contains(asset.uri.as_str()));
        let makers: Vec<_> = dag.tasks.iter().filter(|task| task.outlets.contains(&asset.uri)).collect();
        if !is_scheduled && makers.is_empty() {
            continue;
        }
        let version = state.handle.reader().version_by_id(loaded.version_id).await?;
        let at = version.map_or(Timestamp::UNIX_EPOCH, |version| version.created_at);
        times.push(at);
        let reference = |mut fields: Value| {
            fields["created_at"] = json!(shapes::instant(at));
            fields["updated_at"] = fields["created_at"].clone();
            fields
        };
        if is_scheduled {
            scheduled.push(reference(json!({ "dag_id": dag.dag_id })));
        }
        for task in makers {
            producing.push(reference(json!({ "dag_id": dag.dag_id, "task_id": task.task_id })));
        }
    }
    let last = state.handle.reader().newest_asset_event(&asset.uri).await?;
    times.extend(last.as_ref().map(|event| event.at));
    let time = |found: Option<&Timestamp>| shapes::instant(found.copied().unwrap_or(Timestamp::UNIX_EPOCH));
    Ok(json!({
        "id": asset.asset_id,
        "name": asset.uri,
        "uri": asset.uri,
        "group": "asset",
        "extra": {},
        "created_at": time(times.iter().min()),
        "updated_at": time(times.iter().max()),
        "scheduled_dags": scheduled,
        "producing_tasks": producing,
        "consuming_tasks": [],
        "aliases": [],
        "watchers": [],
        "last_asset_event":
            last.map(|event| json!({ "id": event.asset_event_id, "timestamp": shapes::instant(event.at) })),
    }))
}

/// `GET /assets/{asset_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(asset_id): Path<i64>,
) -> Result<Json<Value>, ApiError> {
    let assets = state.handle.reader().assets().await?;
    let uri = named(&assets, asset_id)?;
    Ok(Json(shape(&state, &AssetRow { asset_id, uri }).await?))
}

/// `GET /assets/events`, newest first; `asset_id` or `uri` chooses one asset.
pub(super) async fn events(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let assets = state.handle.reader().assets().await?;
    let uri = match pairs.integer::<i64>("asset_id")? {
        Some(id) => Some(named(&assets, id)?),
        None => pairs.text("uri"),
    };
    let part = listing::asset_events(&pairs, uri)?.part(&state).await?;
    Ok(Json(part.shaped("asset_events", |row| event(row, &assets))))
}

/// `POST /assets/events`: `asset_id`, or `uri` for one that nobody has named before, and `extra`.
pub(super) async fn update(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let (id, uri) = (body.integer("asset_id"), body.text("uri"));
    if id.is_none() && uri.is_none() {
        body.fault("asset_id", "missing", "Field required", Value::Null);
    }
    let extra = body.object("extra").unwrap_or_default();
    body.unsupported("partition_key");
    body.end()?;
    let assets = state.handle.reader().assets().await?;
    let uri = match id {
        Some(id) => named(&assets, id)?,
        None => uri.unwrap_or_default(),
    };
    let row = state.handle.update_asset(uri, extra, actor).await?;
    let assets = state.handle.reader().assets().await?;
    Ok(Json(event(&row, &assets)))
}

/// `POST /assets/{asset_id}/materialize`: starts the DAG whose task brings the asset up to date.
pub(super) async fn materialize(
    State(state): State<AppState>,
    Path(asset_id): Path<i64>,
    ApiActor(actor): ApiActor,
    MaybeBody(body): MaybeBody,
) -> Result<Json<Value>, ApiError> {
    let assets = state.handle.reader().assets().await?;
    let uri = named(&assets, asset_id)?;
    let makes = |dag: &Dag| dag.tasks.iter().any(|task| task.outlets.contains(&uri));
    let makers: Vec<DagId> = state
        .handle
        .dags()
        .iter()
        .filter(|loaded| makes(&loaded.dag))
        .map(|loaded| loaded.dag.dag_id.clone())
        .collect();
    let [dag_id] = makers.as_slice() else {
        return Err(match makers.len() {
            0 => ApiError::not_found(format!("no DAG has a task that brings {uri} up to date")),
            _ => ApiError::bad_request(format!("several DAGs bring {uri} up to date: trigger one of them")),
        });
    };
    let mut request = TriggerRequest::manual(dag_id.as_str(), actor);
    if let Some(mut body) = body {
        request.conf = body.object("conf").unwrap_or_default();
        request.run_id = body.text("dag_run_id").map(Into::into);
        request.logical_date = body.instant("logical_date");
        request.note = body.text("note");
        body.end()?;
    }
    let run = state.handle.trigger(request).await?;
    dag_runs::answer(&state, &run).await
}

fn named(assets: &[AssetRow], id: i64) -> Result<String, ApiError> {
    let found = assets.iter().find(|asset| asset.asset_id == id).map(|asset| asset.uri.clone());
    found.ok_or_else(|| ApiError::not_found(format!("there is no asset {id}")))
}

fn event(row: &AssetEventRow, assets: &[AssetRow]) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let id = assets.iter().find(|asset| asset.uri == row.uri).map(|asset| asset.asset_id);
    json!({
        "id": row.asset_event_id,
        "asset_id": id,
        "uri": row.uri,
        "name": row.uri,
        "group": "asset",
        "extra": row.extra,
        "source_dag_id": text(&row.dag_id),
        "source_run_id": text(&row.run_id),
        "source_task_id": text(&row.task_id),
        "source_map_index": row.map_index,
        "created_dagruns": [],
        "timestamp": shapes::instant(row.at),
        "partition_key": null,
    })
}

/// The condition on assets of a DAG, for its details.
pub(super) fn expression(definition: &Definition) -> Option<&Value> {
    definition.schedule.assets.as_ref()
}
