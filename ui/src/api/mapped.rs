//! The addresses of one mapped instance, `…/taskInstances/{task_id}/{map_index}` and what is under it: the same as without,
//! with `?map_index=`.

use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use super::{dag_runs, listing, reruns, task_instances};
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use esteira_store::{Bound, InstanceColumn};
use serde_json::Value;

/// The DAG, the run, the task, and the place among its mapped instances.
type Address = Path<(String, String, String, i32)>;

type Answer = Result<Json<Value>, ApiError>;

fn apart(Path((dag_id, run_id, task_id, map_index)): Address) -> (Path<(String, String, String)>, Pairs) {
    let pairs = Pairs::new(vec![("map_index".to_owned(), map_index.to_string())]);
    (Path((dag_id, run_id, task_id)), pairs)
}

/// `GET …/{map_index}`.
pub(super) async fn one(state: State<AppState>, address: Address) -> Answer {
    let (path, pairs) = apart(address);
    task_instances::one(state, path, pairs).await
}

/// `PATCH …/{map_index}`.
pub(super) async fn mark(state: State<AppState>, address: Address, actor: ApiActor, body: Body) -> Answer {
    let (path, pairs) = apart(address);
    reruns::mark_instance(state, path, pairs, actor, body).await
}

/// `PATCH …/{map_index}/dry_run`.
pub(super) async fn would_mark(
    state: State<AppState>,
    address: Address,
    actor: ApiActor,
    body: Body,
) -> Answer {
    let (path, pairs) = apart(address);
    reruns::would_mark_instance(state, path, pairs, actor, body).await
}

/// `GET …/{map_index}/tries`.
pub(super) async fn tries(state: State<AppState>, address: Address) -> Answer {
    let (path, pairs) = apart(address);
    task_instances::tries(state, path, pairs).await
}

/// `GET …/{map_index}/tries/{try_number}`.
pub(super) async fn one_try(
    state: State<AppState>,
    Path((dag_id, run_id, task_id, map_index, number)): Path<(String, String, String, i32, u32)>,
) -> Answer {
    let (Path((dag_id, run_id, task_id)), pairs) = apart(Path((dag_id, run_id, task_id, map_index)));
    task_instances::one_try(state, Path((dag_id, run_id, task_id, number)), pairs).await
}

/// `GET …/{task_id}/listMapped`: the mapped instances of a task.
pub(super) async fn list(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: Pairs,
) -> Answer {
    let run = dag_runs::find(&state, &dag_id, &run_id).await?;
    let has_task = state.handle.reader().has_instances(run.run_key, &task_id).await?;
    if !has_task {
        return Err(ApiError::not_found(format!("there is no task \"{task_id}\" in that run")));
    }
    let mut asked = listing::instances(&pairs)?;
    let listing = &mut asked.listing;
    let names =
        [(InstanceColumn::DagId, dag_id), (InstanceColumn::RunId, run_id), (InstanceColumn::TaskId, task_id)];
    listing.any_of.extend(names.map(|(column, name)| (column, vec![Some(name)])));
    listing.within.push((InstanceColumn::MapIndex, Bound::AtLeast, 0));
    task_instances::listed(&state, &asked).await
}
