//! `…/hitlDetails`: what tasks ask people, and the answers (Airflow's human in the loop).

use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::{Pairs, unless_wildcard};
use super::{dags, listing, shapes, task_instances};
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use esteira_runtime::AnswerRequest;
use esteira_store::{QuestionColumn, QuestionRow};
use serde_json::{Value, json};

/// `GET /dags/{dag_id}/dagRuns/{run_id}/hitlDetails`, newest first; `~` stands for any DAG or any run.
pub(super) async fn list(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let mut asked = listing::questions(&pairs)?;
    for (column, name) in [(QuestionColumn::DagId, dag_id), (QuestionColumn::RunId, run_id)] {
        asked.listing.any_of.extend(unless_wildcard(&name).map(|name| (column, vec![Some(name)])));
    }
    let part = asked.part(&state).await?;
    let mut details = Vec::new();
    for row in &part.rows {
        details.push(shape(&state, row).await?);
    }
    Ok(Json(part.answer("hitl_details", details)))
}

/// `GET …/taskInstances/{task_id}/{map_index}/hitlDetails`: what the instance asked last.
pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, map_index)): Path<(String, String, String, i32)>,
) -> Result<Json<Value>, ApiError> {
    let row = find(&state, &dag_id, &run_id, &task_id, map_index, None).await?;
    Ok(Json(shape(&state, &row).await?))
}

/// `GET …/hitlDetails/tries/{try_number}`: what one attempt asked.
pub(super) async fn of_try(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, map_index, try_number)): Path<(String, String, String, i32, u32)>,
) -> Result<Json<Value>, ApiError> {
    let row = find(&state, &dag_id, &run_id, &task_id, map_index, Some(try_number)).await?;
    Ok(Json(shape(&state, &row).await?))
}

/// `PATCH …/hitlDetails`: answers.
pub(super) async fn answer(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, map_index)): Path<(String, String, String, i32)>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let chosen_options = body.texts("chosen_options");
    let params_input = body.object("params_input").unwrap_or_default();
    body.end()?;
    let row = find(&state, &dag_id, &run_id, &task_id, map_index, None).await?;
    if row.answer.is_some() && !row.is_open {
        let message = format!("what \"{task_id}\" asked in run \"{run_id}\" was answered already");
        return Err(ApiError::conflict(message));
    }
    let request = AnswerRequest {
        dag_id: dag_id.into(),
        run_id: run_id.into(),
        task_id: task_id.into(),
        map_index,
        chosen_options: chosen_options.unwrap_or_default(),
        params_input,
        actor,
    };
    let answer = state.handle.answer(request).await?;
    Ok(Json(json!({
        "responded_by": user(&answer.responded_by),
        "responded_at": shapes::instant(answer.responded_at),
        "chosen_options": answer.chosen_options,
        "params_input": answer.params_input,
    })))
}

async fn find(
    state: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
    try_number: Option<u32>,
) -> Result<QuestionRow, ApiError> {
    let reader = state.handle.reader();
    let found = reader.question((dag_id, run_id, task_id), map_index, try_number).await?;
    found.ok_or_else(|| {
        let place = if map_index < 0 { String::new() } else { format!(" with map index {map_index}") };
        ApiError::not_found(format!("the task \"{task_id}\" of run \"{run_id}\" has asked nothing{place}"))
    })
}

fn user(name: &str) -> Value {
    json!({ "id": name, "name": name })
}

async fn shape(state: &AppState, row: &QuestionRow) -> Result<Value, ApiError> {
    let (question, answer) = (&row.question, row.answer.as_ref());
    Ok(json!({
        "task_instance": task_instances::shape_of(state, row.run_key, &row.task_id, row.map_index).await?,
        "options": question.options,
        "subject": question.subject,
        "body": question.body,
        "defaults": question.defaults,
        "multiple": question.multiple,
        "params": dags::param_shapes(&question.fields().unwrap_or_default()),
        "assigned_users": [],
        "created_at": shapes::instant(row.created_at),
        "responded_by_user": answer.map(|answer| user(&answer.responded_by)),
        "responded_at": shapes::maybe(answer.map(|answer| answer.responded_at)),
        "chosen_options": answer.map(|answer| &answer.chosen_options),
        "params_input": answer.map(|answer| answer.params_input.clone()).unwrap_or_default(),
        "response_received": answer.is_some(),
    }))
}
