//! The REST API under `/api/v2`, in Airflow's shapes: its field names, its strictness, its errors. One file a
//! resource. What Airflow's clients need and Esteira has no notion of is answered with Airflow's defaults.

mod assets;
mod auth;
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
mod tokens;
mod users;
mod variables;
mod versions;
mod waiting;
mod xcoms;

pub(crate) use error::ApiError;
pub(crate) use query::Pairs;

use crate::AppState;
use crate::access::Routes;
use crate::access::{ADMIN, Access, OPERATOR, USER, VIEWER};
use axum::extract::Request;

/// The part of an address that all of a run's resources share.
const RUN: &str = "/api/v2/dags/{dag_id}/dagRuns/{run_id}";

pub(crate) fn routes() -> Routes<AppState> {
    dags_routes()
        .merge(runs_routes())
        .merge(instances_routes())
        .merge(home_routes())
        .merge(shared_routes())
        .merge(own_routes())
        .merge(account_routes())
        .map(|router| {
            router
                .route("/api/{*rest}", axum::routing::any(not_found))
                .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        })
}

/// DAGs, their versions, and runs as lists.
fn dags_routes() -> Routes<AppState> {
    Routes::new()
        .get("/api/v2/dags", VIEWER, dags::list)
        .get("/api/v2/dags/{dag_id}", VIEWER, dags::one)
        .patch("/api/v2/dags/{dag_id}", USER, dags::patch)
        .delete("/api/v2/dags/{dag_id}", OPERATOR, dags::delete)
        .get("/api/v2/dagStats", VIEWER, dags::stats)
        .get("/api/v2/dagTags", VIEWER, dags::tags)
        .get("/api/v2/dags/{dag_id}/details", VIEWER, dags::details)
        .get("/api/v2/dags/{dag_id}/tasks", VIEWER, tasks::list)
        .get("/api/v2/dags/{dag_id}/tasks/{task_id}", VIEWER, tasks::one)
        .get("/api/v2/dags/{dag_id}/dagVersions", VIEWER, versions::list)
        .get("/api/v2/dags/{dag_id}/dagVersions/{number}", VIEWER, versions::one)
        .get("/api/v2/dagSources/{dag_id}", VIEWER, versions::source)
        .get("/api/v2/dags/{dag_id}/dagRuns", VIEWER, dag_runs::list)
        .post("/api/v2/dags/{dag_id}/dagRuns", USER, dag_runs::trigger)
        .post("/api/v2/dags/{dag_id}/dagRuns/list", VIEWER, dag_runs::batch)
        .get("/api/v2/dags/{dag_id}/dagRuns/list", VIEWER, dag_runs::called_list)
        .post("/api/v2/dags/{dag_id}/clearTaskInstances", USER, reruns::clear_instances)
}

/// One run.
fn runs_routes() -> Routes<AppState> {
    let of_run = |rest: &str| format!("{RUN}{rest}");
    Routes::new()
        .get(RUN, VIEWER, dag_runs::one)
        .patch(RUN, USER, dag_runs::patch)
        .delete(RUN, USER, dag_runs::delete)
        .get(&of_run("/wait"), VIEWER, run_wait::wait)
        .post(&of_run("/clear"), USER, reruns::clear_run)
        .get(&of_run("/hitlDetails"), VIEWER, hitl::list)
        .get(&of_run("/taskInstances"), VIEWER, task_instances::list)
        .post(&of_run("/taskInstances/list"), VIEWER, task_instances::batch)
        .get(&of_run("/taskInstances/list"), VIEWER, task_instances::called_list)
}

/// One task instance, and what is in it.
fn instances_routes() -> Routes<AppState> {
    let of_task = |rest: &str| format!("{RUN}/taskInstances/{{task_id}}{rest}");
    Routes::new()
        .get(&of_task(""), VIEWER, task_instances::one)
        .patch(&of_task(""), USER, reruns::mark_instance)
        .patch(&of_task("/dry_run"), VIEWER, reruns::would_mark_instance)
        .get(&of_task("/tries"), VIEWER, task_instances::tries)
        .get(&of_task("/tries/{try_number}"), VIEWER, task_instances::one_try)
        .get(&of_task("/listMapped"), VIEWER, mapped::list)
        .get(&of_task("/{map_index}"), VIEWER, mapped::one)
        .patch(&of_task("/{map_index}"), USER, mapped::mark)
        .patch(&of_task("/{map_index}/dry_run"), VIEWER, mapped::would_mark)
        .get(&of_task("/{map_index}/tries"), VIEWER, mapped::tries)
        .get(&of_task("/{map_index}/tries/{try_number}"), VIEWER, mapped::one_try)
        .get(&of_task("/logs/{try_number}"), VIEWER, logs::read)
        .get(&of_task("/xcomEntries"), VIEWER, xcoms::list)
        .post(&of_task("/xcomEntries"), USER, xcoms::create)
        .get(&of_task("/xcomEntries/{key}"), VIEWER, xcoms::one)
        .get(&of_task("/{map_index}/hitlDetails"), VIEWER, hitl::one)
        .patch(&of_task("/{map_index}/hitlDetails"), USER, hitl::answer)
        .get(&of_task("/{map_index}/hitlDetails/tries/{try_number}"), VIEWER, hitl::of_try)
}

/// The server itself, its history, and what concerns several DAGs.
fn home_routes() -> Routes<AppState> {
    Routes::new()
        .get("/api/v2/monitor/health", Access::Public, monitor::health)
        .get("/api/v2/version", Access::Public, monitor::version)
        .get("/api/v2/eventLogs", VIEWER, event_logs::list)
        .get("/api/v2/eventLogs/{seq}", VIEWER, event_logs::one)
        .get("/api/v2/importErrors", VIEWER, import_errors::list)
        .get("/api/v2/importErrors/{import_error_id}", VIEWER, import_errors::one)
        .get("/api/v2/assets", VIEWER, assets::list)
        .get("/api/v2/assets/events", VIEWER, assets::events)
        .post("/api/v2/assets/events", OPERATOR, assets::update)
        .get("/api/v2/assets/{asset_id}", VIEWER, assets::one)
        .post("/api/v2/assets/{asset_id}/materialize", USER, assets::materialize)
        .get("/api/v2/backfills", VIEWER, backfills::list)
        .post("/api/v2/backfills", USER, backfills::create)
        .post("/api/v2/backfills/dry_run", VIEWER, backfills::dry_run)
        .get("/api/v2/backfills/{backfill_id}", VIEWER, backfills::one)
        .put("/api/v2/backfills/{backfill_id}/pause", USER, backfills::pause)
        .put("/api/v2/backfills/{backfill_id}/unpause", USER, backfills::unpause)
        .put("/api/v2/backfills/{backfill_id}/cancel", USER, backfills::cancel)
}

/// What DAGs share.
fn shared_routes() -> Routes<AppState> {
    Routes::new()
        .get("/api/v2/pools", VIEWER, pools::list)
        .post("/api/v2/pools", OPERATOR, pools::create)
        .get("/api/v2/pools/{name}", VIEWER, pools::one)
        .patch("/api/v2/pools/{name}", OPERATOR, pools::patch)
        .delete("/api/v2/pools/{name}", OPERATOR, pools::remove)
        .get("/api/v2/variables", OPERATOR, variables::list)
        .post("/api/v2/variables", OPERATOR, variables::create)
        .get("/api/v2/variables/{key}", OPERATOR, variables::one)
        .patch("/api/v2/variables/{key}", OPERATOR, variables::patch)
        .delete("/api/v2/variables/{key}", OPERATOR, variables::remove)
        .get("/api/v2/connections", OPERATOR, connections::list)
        .post("/api/v2/connections", OPERATOR, connections::create)
        .post("/api/v2/connections/test", OPERATOR, connections::test)
        .get("/api/v2/connections/{connection_id}", OPERATOR, connections::one)
        .patch("/api/v2/connections/{connection_id}", OPERATOR, connections::patch)
        .delete("/api/v2/connections/{connection_id}", OPERATOR, connections::remove)
}

/// What Airflow does not have.
fn own_routes() -> Routes<AppState> {
    Routes::new()
        .post("/hooks/{dag_id}", Access::Public, hooks::call)
        .put("/api/dags/{dag_id}/webhook", OPERATOR, hooks::renew)
        .delete("/api/dags/{dag_id}/webhook", OPERATOR, hooks::remove)
        .post("/api/secrets/rotate", ADMIN, variables::rotate)
        .get("/api/dags/{dag_id}/dagRuns/{run_id}/waiting", VIEWER, waiting::list)
        .get("/api/dags/{dag_id}/preview", VIEWER, preview::runs)
}

/// Who may come in.
fn account_routes() -> Routes<AppState> {
    Routes::new()
        .get("/auth/token", Access::Public, auth::token_for_nothing)
        .post("/auth/token", Access::Public, auth::token)
        .post("/auth/token/cli", Access::Public, auth::command_line_token)
        .get("/api/me", VIEWER, auth::me)
        .put("/api/me/password", VIEWER, auth::change_password)
        .get("/api/users", ADMIN, users::list)
        .post("/api/users", ADMIN, users::create)
        .get("/api/users/{name}", ADMIN, users::one)
        .patch("/api/users/{name}", ADMIN, users::patch)
        .delete("/api/users/{name}", ADMIN, users::remove)
        .get("/api/tokens", VIEWER, tokens::list)
        .post("/api/tokens", VIEWER, tokens::create)
        .delete("/api/tokens/{token_id}", VIEWER, tokens::revoke)
}

/// For addresses that nobody serves.
async fn not_found(request: Request) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", request.uri().path()))
}
