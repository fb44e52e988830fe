//! The REST API under `/api/v2`, in Airflow's shapes: its field names, its strictness, its errors. One file a
//! resource. What Airflow's clients need and Esteira has no notion of is answered with Airflow's defaults.

mod assets;
mod backfills;
mod body;
mod connections;
mod dag_runs;
mod dags;
mod error;
mod event_logs;
mod hitl;
mod hooks;
mod import_errors;
mod listing;
mod logs;
mod mapped;
mod monitor;
mod path;
mod pools;
mod preview;
mod query;
mod reruns;
mod run_wait;
mod shapes;
mod task_instances;
mod tasks;
mod variables;
mod versions;
mod waiting;
mod xcoms;

pub(crate) use error::ApiError;
pub(crate) use query::Pairs;

use crate::AppState;
use axum::Router;
use axum::extract::Request;
use axum::routing::{any, get, patch, post, put};

/// The part of an address that all of a run's resources share.
const RUN: &str = "/api/v2/dags/{dag_id}/dagRuns/{run_id}";

pub(crate) fn router() -> Router<AppState> {
    dags_router()
        .merge(runs_router())
        .merge(home_router())
        .merge(own_router())
        .route("/api/{*rest}", any(not_found))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
}

/// DAGs, their versions, and runs as lists.
fn dags_router() -> Router<AppState> {
    Router::new()
        .route("/api/v2/dags", get(dags::list))
        .route("/api/v2/dags/{dag_id}", get(dags::one).patch(dags::patch).delete(dags::delete))
        .route("/api/v2/dagStats", get(dags::stats))
        .route("/api/v2/dagTags", get(dags::tags))
        .route("/api/v2/dags/{dag_id}/details", get(dags::details))
        .route("/api/v2/dags/{dag_id}/tasks", get(tasks::list))
        .route("/api/v2/dags/{dag_id}/tasks/{task_id}", get(tasks::one))
        .route("/api/v2/dags/{dag_id}/dagVersions", get(versions::list))
        .route("/api/v2/dags/{dag_id}/dagVersions/{number}", get(versions::one))
        .route("/api/v2/dagSources/{dag_id}", get(versions::source))
        .route("/api/v2/dags/{dag_id}/dagRuns", get(dag_runs::list).post(dag_runs::trigger))
        .route("/api/v2/dags/{dag_id}/dagRuns/list", post(dag_runs::batch).get(dag_runs::called_list))
        .route("/api/v2/dags/{dag_id}/clearTaskInstances", post(reruns::clear_instances))
}

/// One run, and what is in it.
fn runs_router() -> Router<AppState> {
    let of_task = |rest: &str| format!("{RUN}/taskInstances/{{task_id}}{rest}");
    Router::new()
        .route(RUN, get(dag_runs::one).patch(dag_runs::patch).delete(dag_runs::delete))
        .route(&format!("{RUN}/wait"), get(run_wait::wait))
        .route(&format!("{RUN}/clear"), post(reruns::clear_run))
        .route(&format!("{RUN}/taskInstances"), get(task_instances::list))
        .route(
            &format!("{RUN}/taskInstances/list"),
            post(task_instances::batch).get(task_instances::called_list),
        )
        .route(&of_task(""), get(task_instances::one).patch(reruns::mark_instance))
        .route(&of_task("/dry_run"), patch(reruns::would_mark_instance))
        .route(&of_task("/tries"), get(task_instances::tries))
        .route(&of_task("/tries/{try_number}"), get(task_instances::one_try))
        .route(&of_task("/listMapped"), get(mapped::list))
        .route(&of_task("/{map_index}"), get(mapped::one).patch(mapped::mark))
        .route(&of_task("/{map_index}/dry_run"), patch(mapped::would_mark))
        .route(&of_task("/{map_index}/tries"), get(mapped::tries))
        .route(&of_task("/{map_index}/tries/{try_number}"), get(mapped::one_try))
        .route(&of_task("/logs/{try_number}"), get(logs::read))
        .route(&of_task("/xcomEntries"), get(xcoms::list).post(xcoms::create))
        .route(&of_task("/xcomEntries/{key}"), get(xcoms::one))
        .route(&format!("{RUN}/hitlDetails"), get(hitl::list))
        .route(&of_task("/{map_index}/hitlDetails"), get(hitl::one).patch(hitl::answer))
        .route(&of_task("/{map_index}/hitlDetails/tries/{try_number}"), get(hitl::of_try))
}

/// What DAGs share, and the server itself.
fn home_router() -> Router<AppState> {
    Router::new()
        .route("/api/v2/monitor/health", get(monitor::health))
        .route("/api/v2/version", get(monitor::version))
        .route("/api/v2/eventLogs", get(event_logs::list))
        .route("/api/v2/eventLogs/{seq}", get(event_logs::one))
        .route("/api/v2/importErrors", get(import_errors::list))
        .route("/api/v2/importErrors/{import_error_id}", get(import_errors::one))
        .route("/api/v2/assets", get(assets::list))
        .route("/api/v2/assets/events", get(assets::events).post(assets::update))
        .route("/api/v2/assets/{asset_id}", get(assets::one))
        .route("/api/v2/assets/{asset_id}/materialize", post(assets::materialize))
        .route("/api/v2/backfills", get(backfills::list).post(backfills::create))
        .route("/api/v2/backfills/dry_run", post(backfills::dry_run))
        .route("/api/v2/backfills/{backfill_id}", get(backfills::one))
        .route("/api/v2/backfills/{backfill_id}/pause", put(backfills::pause))
        .route("/api/v2/backfills/{backfill_id}/unpause", put(backfills::unpause))
        .route("/api/v2/backfills/{backfill_id}/cancel", put(backfills::cancel))
        .route("/api/v2/pools", get(pools::list).post(pools::create))
        .route("/api/v2/pools/{name}", get(pools::one).patch(pools::patch).delete(pools::remove))
        .route("/api/v2/variables", get(variables::list).post(variables::create))
        .route(
            "/api/v2/variables/{key}",
            get(variables::one).patch(variables::patch).delete(variables::remove),
        )
        .route("/api/v2/connections", get(connections::list).post(connections::create))
        .route("/api/v2/connections/test", post(connections::test))
        .route(
            "/api/v2/connections/{connection_id}",
            get(connections::one).patch(connections::patch).delete(connections::remove),
        )
}

/// What Airflow does not have.
fn own_router() -> Router<AppState> {
    Router::new()
        .route("/hooks/{dag_id}", post(hooks::call))
        .route("/api/dags/{dag_id}/webhook", put(hooks::renew).delete(hooks::remove))
        .route("/api/secrets/rotate", post(variables::rotate))
        .route("/api/dags/{dag_id}/dagRuns/{run_id}/waiting", get(waiting::list))
        .route("/api/dags/{dag_id}/preview", get(preview::runs))
}

/// For addresses that nobody serves.
async fn not_found(request: Request) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", request.uri().path()))
}
