//! `/dags/{dag_id}/tasks`: the tasks of the DAG as it is now.

use super::error::ApiError;
use super::path::Path;
use super::{dags, shapes};
use crate::AppState;
use crate::definition::Definition;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(super) async fn list(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let definition = Definition::read(&dags::find(&state, &dag_id).await?.definition);
    let tasks: Vec<Value> = (0..definition.tasks.len()).map(|place| shape(&definition, place)).collect();
    let total = tasks.len();
    Ok(Json(json!({ "tasks": tasks, "total_entries": total })))
}

pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, task_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let definition = Definition::read(&dags::find(&state, &dag_id).await?.definition);
    let place = definition.tasks.iter().position(|task| task.task_id == task_id);
    let missing = || ApiError::not_found(format!("DAG \"{dag_id}\" has no task \"{task_id}\""));
    Ok(Json(shape(&definition, place.ok_or_else(missing)?)))
}

fn shape(definition: &Definition, place: usize) -> Value {
    let task = &definition.tasks[place];
    json!({
        "task_id": task.task_id,
        "task_display_name": task.task_id,
        "operator_name": task.operator,
        "owner": task.owner,
        "doc_md": task.doc_md,
        "start_date": shapes::maybe(definition.start_date),
        "end_date": shapes::maybe(definition.end_date),
        "trigger_rule": task.trigger_rule,
        "depends_on_past": false,
        "wait_for_downstream": false,
        "retries": task.retries,
        "retry_delay": shapes::time_delta(task.retry_delay),
        "retry_exponential_backoff": task.exponential_backoff,
        "execution_timeout": task.execution_timeout.map(shapes::time_delta),
        "queue": null,
        "pool": task.pool,
        "pool_slots": task.pool_slots,
        "priority_weight": task.priority_weight,
        "weight_rule": task.weight_rule,
        "ui_color": null,
        "ui_fgcolor": null,
        "template_fields": [],
        "upstream_task_ids": definition.upstream_of(place).collect::<Vec<_>>(),
        "downstream_task_ids": definition.downstream_of(place).collect::<Vec<_>>(),
        "class_ref": null,
        "is_mapped": false,
        "params": null,
        "extra_links": [],
    })
}
