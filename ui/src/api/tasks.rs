//! `/dags/{dag_id}/tasks`: the tasks of the DAG as it is now.

use super::error::ApiError;
use super::ordered::{self, Column};
use super::path::Path;
use super::query::Pairs;
use super::{dags, shapes};
use crate::AppState;
use crate::definition::{Definition, Task};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// What tasks can be ordered by.
fn columns<'a>() -> [Column<(usize, &'a Task)>; 4] {
    [
        ("task_id", |one, other| one.1.task_id.cmp(&other.1.task_id)),
        ("task_display_name", |one, other| one.1.task_id.cmp(&other.1.task_id)),
        ("operator_name", |one, other| one.1.operator.cmp(&other.1.operator)),
        ("owner", |one, other| one.1.owner.cmp(&other.1.owner)),
    ]
}

/// `GET /dags/{dag_id}/tasks`, in the order of the file unless `order_by` says otherwise.
pub(super) async fn list(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let definition = Definition::read(&dags::find(&state, &dag_id).await?.definition);
    let mut tasks: Vec<(usize, &Task)> = definition.tasks.iter().enumerate().collect();
    ordered::order(&pairs, &mut tasks, &columns())?;
    let tasks: Vec<Value> = tasks.iter().map(|(place, _)| shape(&definition, *place)).collect();
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
