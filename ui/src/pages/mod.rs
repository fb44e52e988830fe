//! The pages. One file a page; what pages of the same thing share stands in [`dag_head`] and [`cells`].

mod actions;
mod audit;
mod cells;
mod commands;
mod dag_audit;
mod dag_graph;
mod dag_grid;
mod dag_head;
mod dag_runs;
mod dag_source;
mod dags;
mod events_table;
mod import_errors;
mod instance;
mod instance_log;
mod instance_xcom;
mod pools;
mod question;
mod rerun;
mod run;
mod run_audit;
mod run_graph;
mod run_head;
mod run_tasks;
mod runs;
mod runs_table;
mod trigger;

use crate::AppState;
use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};

pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/dags") }))
        .route("/dags", get(dags::page))
        .route("/dags/{dag_id}", get(dag_grid::page))
        .route("/dags/{dag_id}/graph", get(dag_graph::page))
        .route("/dags/{dag_id}/runs", get(dag_runs::page))
        .route("/dags/{dag_id}/source", get(dag_source::page))
        .route("/dags/{dag_id}/audit", get(dag_audit::page))
        .route("/dags/{dag_id}/trigger", get(trigger::page).post(trigger::submit))
        .route("/dags/{dag_id}/pause", post(commands::pause))
        .route("/dags/{dag_id}/runs/{run_id}", get(run_tasks::page))
        .route("/dags/{dag_id}/runs/{run_id}/graph", get(run_graph::page))
        .route("/dags/{dag_id}/runs/{run_id}/audit", get(run_audit::page))
        .route("/dags/{dag_id}/runs/{run_id}/cancel", post(commands::cancel))
        .route("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", get(instance::page))
        .route("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/answer", post(question::submit))
        .route("/actions", get(actions::page))
        .route("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log", get(instance_log::lines))
        .route("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log.txt", get(instance_log::text))
        .route("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/xcom/{key}", get(instance_xcom::raw))
        .route("/dags/{dag_id}/runs/{run_id}/rerun", get(rerun::page).post(rerun::submit))
        .route("/pools", get(pools::page).post(pools::submit))
        .route("/runs", get(runs::page))
        .route("/audit", get(audit::page))
        .route("/audit/verify", get(|| async { Redirect::to("/audit") }).post(audit::verify))
        .route("/import-errors", get(import_errors::page))
}
