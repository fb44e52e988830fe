//! The REST API under `/api/v2`, in Airflow's shapes: its field names, its strictness, its errors. One file a
//! resource. What Airflow's clients need and Esteira has no notion of is answered with Airflow's defaults.

mod assets;
mod audit;
mod auth;
mod backfills;
mod body;
mod connections;
mod dag_runs;
mod dags;
mod error;
pub(crate) mod etag;
mod event_logs;
mod hitl;
mod hooks;
mod import_errors;
mod listing;
mod logs;
mod mapped;
mod monitor;
mod ordered;
mod paging;
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

pub(crate) use error::{ApiError, Fault};
pub(crate) use query::Pairs;

use crate::AppState;
use crate::access::{ADMIN, Access, OPERATOR, Routes, USER, VIEWER};
use crate::openapi::{definitions, own, runs, shared};
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
        .is(definitions::list_dags())
        .get("/api/v2/dags/{dag_id}", VIEWER, dags::one)
        .is(definitions::one_dag())
        .patch("/api/v2/dags/{dag_id}", USER, dags::patch)
        .is(definitions::patch_dag())
        .delete("/api/v2/dags/{dag_id}", OPERATOR, dags::delete)
        .is(definitions::delete_dag())
        .get("/api/v2/dagStats", VIEWER, dags::stats)
        .is(definitions::stats())
        .get("/api/v2/dagTags", VIEWER, dags::tags)
        .is(definitions::tags())
        .get("/api/v2/dags/{dag_id}/details", VIEWER, dags::details)
        .is(definitions::dag_details())
        .get("/api/v2/dags/{dag_id}/tasks", VIEWER, tasks::list)
        .is(definitions::list_tasks())
        .get("/api/v2/dags/{dag_id}/tasks/{task_id}", VIEWER, tasks::one)
        .is(definitions::one_task())
        .get("/api/v2/dags/{dag_id}/dagVersions", VIEWER, versions::list)
        .is(definitions::list_versions())
        .get("/api/v2/dags/{dag_id}/dagVersions/{number}", VIEWER, versions::one)
        .is(definitions::one_version())
        .get("/api/v2/dagSources/{dag_id}", VIEWER, versions::source)
        .is(definitions::source())
        .get("/api/v2/dags/{dag_id}/dagRuns", VIEWER, dag_runs::list)
        .is(runs::list_runs())
        .post("/api/v2/dags/{dag_id}/dagRuns", USER, dag_runs::trigger)
        .is(runs::trigger())
        .post("/api/v2/dags/{dag_id}/dagRuns/list", VIEWER, dag_runs::batch)
        .is(runs::batch_runs())
        .get("/api/v2/dags/{dag_id}/dagRuns/list", VIEWER, dag_runs::called_list)
        .is(runs::run_called_list())
        .post("/api/v2/dags/{dag_id}/clearTaskInstances", USER, reruns::clear_instances)
        .is(runs::clear_instances())
}

/// One run.
fn runs_routes() -> Routes<AppState> {
    let of_run = |rest: &str| format!("{RUN}{rest}");
    Routes::new()
        .get(RUN, VIEWER, dag_runs::one)
        .is(runs::one_run())
        .patch(RUN, USER, dag_runs::patch)
        .is(runs::patch_run())
        .delete(RUN, USER, dag_runs::delete)
        .is(runs::delete_run())
        .get(&of_run("/wait"), VIEWER, run_wait::wait)
        .is(runs::wait())
        .post(&of_run("/clear"), USER, reruns::clear_run)
        .is(runs::clear_run())
        .get(&of_run("/hitlDetails"), VIEWER, hitl::list)
        .is(runs::list_hitl())
        .get(&of_run("/taskInstances"), VIEWER, task_instances::list)
        .is(runs::list_instances())
        .post(&of_run("/taskInstances/list"), VIEWER, task_instances::batch)
        .is(runs::batch_instances())
        .get(&of_run("/taskInstances/list"), VIEWER, task_instances::called_list)
        .is(runs::instance_called_list())
}

/// One task instance, and what is in it.
fn instances_routes() -> Routes<AppState> {
    let of_task = |rest: &str| format!("{RUN}/taskInstances/{{task_id}}{rest}");
    Routes::new()
        .get(&of_task(""), VIEWER, task_instances::one)
        .is(runs::one_instance())
        .patch(&of_task(""), USER, reruns::mark_instance)
        .is(runs::mark_instance())
        .patch(&of_task("/dry_run"), VIEWER, reruns::would_mark_instance)
        .is(runs::would_mark_instance())
        .get(&of_task("/tries"), VIEWER, task_instances::tries)
        .is(runs::tries())
        .get(&of_task("/tries/{try_number}"), VIEWER, task_instances::one_try)
        .is(runs::one_try())
        .get(&of_task("/listMapped"), VIEWER, mapped::list)
        .is(runs::list_mapped())
        .get(&of_task("/{map_index}"), VIEWER, mapped::one)
        .is(runs::one_mapped())
        .patch(&of_task("/{map_index}"), USER, mapped::mark)
        .is(runs::mark_mapped())
        .patch(&of_task("/{map_index}/dry_run"), VIEWER, mapped::would_mark)
        .is(runs::would_mark_mapped())
        .get(&of_task("/{map_index}/tries"), VIEWER, mapped::tries)
        .is(runs::mapped_tries())
        .get(&of_task("/{map_index}/tries/{try_number}"), VIEWER, mapped::one_try)
        .is(runs::one_mapped_try())
        .get(&of_task("/logs/{try_number}"), VIEWER, logs::read)
        .is(runs::log())
        .get(&of_task("/xcomEntries"), VIEWER, xcoms::list)
        .is(runs::list_xcoms())
        .post(&of_task("/xcomEntries"), USER, xcoms::create)
        .is(runs::create_xcom())
        .get(&of_task("/xcomEntries/{key}"), VIEWER, xcoms::one)
        .is(runs::one_xcom())
        .get(&of_task("/{map_index}/hitlDetails"), VIEWER, hitl::one)
        .is(runs::one_hitl())
        .patch(&of_task("/{map_index}/hitlDetails"), USER, hitl::answer)
        .is(runs::answer())
        .get(&of_task("/{map_index}/hitlDetails/tries/{try_number}"), VIEWER, hitl::of_try)
        .is(runs::hitl_of_try())
}

/// The server itself, its history, and what concerns several DAGs.
fn home_routes() -> Routes<AppState> {
    Routes::new()
        .get("/api/v2/monitor/health", Access::Public, monitor::health)
        .is(shared::health())
        .get("/api/v2/version", Access::Public, monitor::version)
        .is(shared::version())
        .get("/api/v2/eventLogs", VIEWER, event_logs::list)
        .is(shared::list_events())
        .get("/api/v2/eventLogs/{seq}", VIEWER, event_logs::one)
        .is(shared::one_event())
        .get("/api/v2/importErrors", VIEWER, import_errors::list)
        .is(definitions::list_import_errors())
        .get("/api/v2/importErrors/{import_error_id}", VIEWER, import_errors::one)
        .is(definitions::one_import_error())
        .get("/api/v2/assets", VIEWER, assets::list)
        .is(shared::list_assets())
        .get("/api/v2/assets/events", VIEWER, assets::events)
        .is(shared::list_asset_events())
        .post("/api/v2/assets/events", OPERATOR, assets::update)
        .is(shared::update_asset())
        .get("/api/v2/assets/{asset_id}", VIEWER, assets::one)
        .is(shared::one_asset())
        .post("/api/v2/assets/{asset_id}/materialize", USER, assets::materialize)
        .is(shared::materialize())
        .get("/api/v2/backfills", VIEWER, backfills::list)
        .is(shared::list_backfills())
        .post("/api/v2/backfills", USER, backfills::create)
        .is(shared::create_backfill())
        .post("/api/v2/backfills/dry_run", VIEWER, backfills::dry_run)
        .is(shared::backfill_dry_run())
        .get("/api/v2/backfills/{backfill_id}", VIEWER, backfills::one)
        .is(shared::one_backfill())
        .put("/api/v2/backfills/{backfill_id}/pause", USER, backfills::pause)
        .is(shared::pause_backfill())
        .put("/api/v2/backfills/{backfill_id}/unpause", USER, backfills::unpause)
        .is(shared::unpause_backfill())
        .put("/api/v2/backfills/{backfill_id}/cancel", USER, backfills::cancel)
        .is(shared::cancel_backfill())
}

/// What DAGs share.
fn shared_routes() -> Routes<AppState> {
    Routes::new()
        .get("/api/v2/pools", VIEWER, pools::list)
        .is(shared::list_pools())
        .post("/api/v2/pools", OPERATOR, pools::create)
        .is(shared::create_pool())
        .get("/api/v2/pools/{name}", VIEWER, pools::one)
        .is(shared::one_pool())
        .patch("/api/v2/pools/{name}", OPERATOR, pools::patch)
        .is(shared::patch_pool())
        .delete("/api/v2/pools/{name}", OPERATOR, pools::remove)
        .is(shared::remove_pool())
        .get("/api/v2/variables", OPERATOR, variables::list)
        .is(shared::list_variables())
        .post("/api/v2/variables", OPERATOR, variables::create)
        .is(shared::create_variable())
        .get("/api/v2/variables/{key}", OPERATOR, variables::one)
        .is(shared::one_variable())
        .patch("/api/v2/variables/{key}", OPERATOR, variables::patch)
        .is(shared::patch_variable())
        .delete("/api/v2/variables/{key}", OPERATOR, variables::remove)
        .is(shared::remove_variable())
        .get("/api/v2/connections", OPERATOR, connections::list)
        .is(shared::list_connections())
        .post("/api/v2/connections", OPERATOR, connections::create)
        .is(shared::create_connection())
        .post("/api/v2/connections/test", OPERATOR, connections::test)
        .is(shared::test_connection())
        .get("/api/v2/connections/{connection_id}", OPERATOR, connections::one)
        .is(shared::one_connection())
        .patch("/api/v2/connections/{connection_id}", OPERATOR, connections::patch)
        .is(shared::patch_connection())
        .delete("/api/v2/connections/{connection_id}", OPERATOR, connections::remove)
        .is(shared::remove_connection())
}

/// What Airflow does not have.
fn own_routes() -> Routes<AppState> {
    Routes::new()
        .post("/hooks/{dag_id}", Access::Public, hooks::call)
        .is(own::call_webhook())
        .put("/api/dags/{dag_id}/webhook", OPERATOR, hooks::renew)
        .is(own::renew_webhook())
        .delete("/api/dags/{dag_id}/webhook", OPERATOR, hooks::remove)
        .is(own::remove_webhook())
        .post("/api/audit/verify", VIEWER, audit::verify)
        .is(own::verify())
        .post("/api/secrets/rotate", ADMIN, variables::rotate)
        .is(own::rotate())
        .get("/api/dags/{dag_id}/dagRuns/{run_id}/waiting", VIEWER, waiting::list)
        .is(runs::waiting())
        .get("/api/dags/{dag_id}/preview", VIEWER, preview::runs)
        .is(definitions::preview())
}

/// Who may come in.
fn account_routes() -> Routes<AppState> {
    Routes::new()
        .get("/auth/token", Access::Public, auth::token_for_nothing)
        .is(own::login_for_nothing())
        .post("/auth/token", Access::Public, auth::token)
        .is(own::login())
        .post("/auth/token/cli", Access::Public, auth::command_line_token)
        .is(own::login_of_command_line())
        .get("/api/me", VIEWER, auth::me)
        .is(own::me())
        .put("/api/me/password", VIEWER, auth::change_password)
        .is(own::change_password())
        .get("/api/users", ADMIN, users::list)
        .is(own::list_users())
        .post("/api/users", ADMIN, users::create)
        .is(own::create_user())
        .get("/api/users/{name}", ADMIN, users::one)
        .is(own::one_user())
        .patch("/api/users/{name}", ADMIN, users::patch)
        .is(own::patch_user())
        .delete("/api/users/{name}", ADMIN, users::remove)
        .is(own::remove_user())
        .get("/api/tokens", VIEWER, tokens::list)
        .is(own::list_tokens())
        .post("/api/tokens", VIEWER, tokens::create)
        .is(own::create_token())
        .delete("/api/tokens/{token_id}", VIEWER, tokens::revoke)
        .is(own::revoke_token())
}

/// For addresses that nobody serves.
async fn not_found(request: Request) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", request.uri().path()))
}
