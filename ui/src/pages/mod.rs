//! The pages. One file a page; what pages of the same thing share stands in [`dag_head`] and [`cells`].

mod actions;
mod activity;
mod admin;
mod assets;
mod audit;
mod cells;
mod commands;
mod dag_audit;
mod dag_backfills;
mod dag_calendar;
mod dag_callbacks;
mod dag_details;
mod dag_graph;
mod dag_grid;
mod dag_head;
mod dag_runs;
mod dag_source;
mod dag_tasks;
mod dags;
mod grid_cells;
mod grid_rows;
mod home;
mod instance;
mod instance_log;
mod instance_xcom;
mod keyset;
mod login;
mod notifications;
mod preferences;
mod question;
mod reasons;
mod rerun;
mod run;
mod run_audit;
mod run_gantt;
mod run_graph;
mod run_head;
mod run_rows;
mod run_tasks;
mod runs;
mod runs_table;
mod trigger;

// The table of events is the audit's, and other pages show it too.
use audit::table as events_table;

use crate::AppState;
use crate::access::{Access, Routes, USER, VIEWER};

pub(crate) fn routes() -> Routes<AppState> {
    sign_in_routes().merge(dag_routes()).merge(run_routes()).merge(home_routes())
}

/// Coming in and going out.
fn sign_in_routes() -> Routes<AppState> {
    Routes::new()
        .get("/login", Access::Public, login::page)
        .post("/login", Access::Public, login::submit)
        .post("/logout", Access::Public, login::sign_out)
}

/// A DAG and what is beneath it.
fn dag_routes() -> Routes<AppState> {
    Routes::new()
        .get("/", VIEWER, home::page)
        .get("/dags", VIEWER, dags::page)
        .get("/dags/{dag_id}", VIEWER, dag_grid::page)
        .get("/dags/{dag_id}/graph", VIEWER, dag_graph::page)
        .get("/dags/{dag_id}/runs", VIEWER, dag_runs::page)
        .get("/dags/{dag_id}/calendar", VIEWER, dag_calendar::page)
        .get("/dags/{dag_id}/tasks", VIEWER, dag_tasks::page)
        .get("/dags/{dag_id}/details", VIEWER, dag_details::page)
        .get("/dags/{dag_id}/backfills", VIEWER, dag_backfills::page)
        .post("/dags/{dag_id}/backfills", USER, dag_backfills::create)
        .post("/dags/{dag_id}/backfills/{backfill_id}", USER, dag_backfills::change)
        .get("/dags/{dag_id}/source", VIEWER, dag_source::page)
        .get("/dags/{dag_id}/audit", VIEWER, dag_audit::page)
        .get("/dags/{dag_id}/trigger", USER, trigger::page)
        .post("/dags/{dag_id}/trigger", USER, trigger::submit)
        .post("/dags/{dag_id}/pause", USER, commands::pause)
}

/// A run and what is beneath it.
fn run_routes() -> Routes<AppState> {
    Routes::new()
        .get("/dags/{dag_id}/runs/{run_id}", VIEWER, run_tasks::page)
        .get("/dags/{dag_id}/runs/{run_id}/graph", VIEWER, run_graph::page)
        .get("/dags/{dag_id}/runs/{run_id}/gantt", VIEWER, run_gantt::page)
        .get("/dags/{dag_id}/runs/{run_id}/audit", VIEWER, run_audit::page)
        .post("/dags/{dag_id}/runs/{run_id}/cancel", USER, commands::cancel)
        .post("/dags/{dag_id}/runs/{run_id}/mark", USER, commands::mark_run)
        .post("/dags/{dag_id}/runs/{run_id}/delete", USER, commands::delete_run)
        .get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", VIEWER, instance::page)
        .post("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/answer", USER, question::submit)
        .get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log", VIEWER, instance_log::lines)
        .get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log/search", VIEWER, instance_log::search)
        .get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/log.txt", VIEWER, instance_log::text)
        .get("/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/xcom/{key}", VIEWER, instance_xcom::raw)
        .get("/dags/{dag_id}/runs/{run_id}/rerun", USER, rerun::page)
        .post("/dags/{dag_id}/runs/{run_id}/rerun", USER, rerun::submit)
}

/// The rest of the rail.
fn home_routes() -> Routes<AppState> {
    Routes::new()
        .get("/preferences", VIEWER, preferences::page)
        .post("/preferences", VIEWER, preferences::save)
        .get("/actions", VIEWER, actions::page)
        .get("/runs", VIEWER, runs::page)
        .merge(assets::routes())
        .merge(audit::routes())
        .merge(admin::routes())
}
