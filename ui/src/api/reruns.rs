//! Clearing and marking: `POST …/clearTaskInstances`, `POST …/dagRuns/{run_id}/clear`, `PATCH …/taskInstances/{task_id}`.

use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use super::{dag_runs, task_instances};
use crate::AppState;
use crate::actor::ApiActor;
use axum::Json;
use axum::extract::State;
use esteira_core::states::TaskInstanceState;
use esteira_runtime::{Actor, RerunRequest};
use serde_json::{Value, json};

/// `POST /dags/{dag_id}/clearTaskInstances`. As in Airflow, it only says what it would clear unless `dry_run` is false,
/// and only clears what failed unless `only_failed` is false.
pub(super) async fn clear_instances(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let run_id = body.text("dag_run_id");
    if run_id.is_none() {
        let message = "dag_run_id is needed: task instances are cleared in one run at a time";
        body.fault("dag_run_id", "missing", message, Value::Null);
    }
    let mut request = request(&dag_id, run_id.as_deref().unwrap_or_default(), actor);
    let (task_ids, map_index) = body.tasks("task_ids");
    request.task_ids = task_ids.into_iter().map(Into::into).collect();
    request.map_index = map_index;
    request.dry_run = body.boolean("dry_run").unwrap_or(true);
    request.only_failed = body.boolean("only_failed").unwrap_or(true);
    request.upstream = body.boolean("include_upstream").unwrap_or(false);
    request.downstream = body.boolean("include_downstream").unwrap_or(false);
    // A run that has ended always goes on when something in it is cleared.
    body.boolean("reset_dag_runs");
    for key in
        ["include_future", "include_past", "only_running", "run_on_latest_version", "prevent_running_task"]
    {
        body.unsupported_unless_false(key);
    }
    body.unsupported("start_date");
    body.unsupported("end_date");
    body.unsupported("note");
    body.end()?;
    affected(&state, request).await
}

/// `POST /dags/{dag_id}/dagRuns/{run_id}/clear`. A dry run, which is the default, gives the task instances; otherwise the
/// run is given.
pub(super) async fn clear_run(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut request = request(&dag_id, &run_id, actor);
    request.dry_run = body.boolean("dry_run").unwrap_or(true);
    request.only_failed = body.boolean("only_failed").unwrap_or(false);
    for key in ["only_new", "run_on_latest_version"] {
        body.unsupported_unless_false(key);
    }
    body.unsupported("note");
    body.end()?;
    if request.dry_run {
        return affected(&state, request).await;
    }
    state.handle.rerun(request).await?;
    let run = dag_runs::find(&state, &dag_id, &run_id).await?;
    dag_runs::answer(&state, &run).await
}

/// `PATCH …/taskInstances/{task_id}`: `new_state` marks it, and more with `include_upstream` and `include_downstream`.
pub(super) async fn mark_instance(
    state: State<AppState>,
    path: Path<(String, String, String)>,
    pairs: Pairs,
    actor: ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    mark(state, path, &pairs, actor, body, false).await
}

/// `PATCH …/taskInstances/{task_id}/dry_run`: what that would mark.
pub(super) async fn would_mark_instance(
    state: State<AppState>,
    path: Path<(String, String, String)>,
    pairs: Pairs,
    actor: ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    mark(state, path, &pairs, actor, body, true).await
}

async fn mark(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: &Pairs,
    ApiActor(actor): ApiActor,
    mut body: Body,
    dry_run: bool,
) -> Result<Json<Value>, ApiError> {
    let mut request = request(&dag_id, &run_id, actor);
    let new_state = body.text("new_state");
    request.mark = new_state.as_deref().and_then(TaskInstanceState::from_label);
    if request.mark.is_none() {
        let message = "Input should be 'success', 'failed' or 'skipped'";
        body.fault("new_state", "enum", message, json!(new_state));
    }
    request.task_ids = vec![task_id.into()];
    request.map_index = pairs.integer("map_index")?.filter(|map_index: &i32| *map_index >= 0);
    request.dry_run = dry_run;
    request.upstream = body.boolean("include_upstream").unwrap_or(false);
    request.downstream = body.boolean("include_downstream").unwrap_or(false);
    for key in ["include_future", "include_past"] {
        body.unsupported_unless_false(key);
    }
    body.unsupported("note");
    body.end()?;
    affected(&state, request).await
}

fn request(dag_id: &str, run_id: &str, actor: Actor) -> RerunRequest {
    RerunRequest {
        dag_id: dag_id.into(),
        run_id: run_id.into(),
        task_ids: Vec::new(),
        map_index: None,
        upstream: false,
        downstream: false,
        only_failed: false,
        mark: None,
        dry_run: false,
        actor,
    }
}

/// Carries the request out, and gives the task instances that it is about, as they were before.
async fn affected(state: &AppState, request: RerunRequest) -> Result<Json<Value>, ApiError> {
    let (dag_id, run_id) = (request.dag_id.to_string(), request.run_id.to_string());
    let instances = state.handle.rerun(request).await?;
    let run = dag_runs::find(state, &dag_id, &run_id).await?;
    let shapes = task_instances::shapes_before(state, &run, &instances).await?;
    let total = shapes.len();
    Ok(Json(json!({ "task_instances": shapes, "total_entries": total })))
}
