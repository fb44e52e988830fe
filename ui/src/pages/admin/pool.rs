//! One pool: who holds its slots, who waits for some, which tasks name it; and what removing it would do.

use super::Chosen;
use super::mentions::Claimants;
use super::pools::{Line, tab};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::dag::DEFAULT_POOL;
use esteira_runtime::{CommandError, PoolUse, PoolUser};

/// A task instance that holds slots or waits for some.
pub(crate) struct User {
    pub(crate) task: String,
    pub(crate) url: String,
    pub(crate) dag_id: String,
    pub(crate) dag_url: String,
    pub(crate) run_id: String,
    pub(crate) run_url: String,
    pub(crate) slots: u32,
    pub(crate) reason: String,
}

impl User {
    fn new(user: PoolUser) -> Self {
        let (dag_id, run_id, task_id) = (user.dag_id.as_str(), user.run_id.as_str(), user.task_id.as_str());
        let index = if user.map_index < 0 { String::new() } else { format!(" [{}]", user.map_index) };
        Self {
            task: format!("{task_id}{index}"),
            url: links::instance(dag_id, run_id, task_id, user.map_index),
            dag_url: links::dag(dag_id),
            run_url: links::run(dag_id, run_id),
            dag_id: dag_id.to_owned(),
            run_id: run_id.to_owned(),
            slots: user.pool_slots,
            reason: user.reason,
        }
    }
}

#[derive(Template)]
#[template(path = "admin_pool.html")]
struct PoolPage {
    frame: Frame,
    line: Line,
    holders: Vec<User>,
    waiters: Vec<User>,
    /// Whether there are more of them than are shown.
    has_more: bool,
    claimants: Claimants,
    is_default: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let line = find(&state, &name).await?;
    let PoolUse { holders, waiters } = state.handle.pool_use(name.clone()).await?;
    let page = PoolPage {
        frame: super::framed(&visitor, tab(), &name),
        has_more: holders.len().max(waiters.len()) >= PoolUse::LENGTH_MAX,
        holders: holders.into_iter().map(User::new).collect(),
        waiters: waiters.into_iter().map(User::new).collect(),
        is_default: name == DEFAULT_POOL,
        claimants: Claimants::of_pool(&state, &name),
        line,
    };
    Ok(frame::html(&page))
}

async fn find(state: &AppState, name: &str) -> Result<Line, PageError> {
    let found = state.handle.pools().await?.into_iter().find(|status| status.pool.name == name);
    Ok(Line::new(found.ok_or_else(|| PageError::not_found(t1("There is no pool {}", name)))?))
}

#[derive(Template)]
#[template(path = "admin_pool_removal.html")]
struct RemovalPage {
    frame: Frame,
    line: Line,
    claimants: Claimants,
    fault: Option<String>,
}

/// Says what removing a pool would do.
pub(crate) async fn removal(
    State(state): State<AppState>,
    Query(Chosen { name }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    show_removal(&state, &visitor, &name, None).await
}

async fn show_removal(
    state: &AppState,
    visitor: &Visitor,
    name: &str,
    fault: Option<String>,
) -> Result<Response, PageError> {
    let line = find(state, name).await?;
    let claimants = Claimants::of_pool(state, name);
    let frame = super::framed(visitor, tab(), &line.name);
    Ok(frame::html(&RemovalPage { frame, line, claimants, fault }))
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(Chosen { name }): Form<Chosen>,
) -> Result<Response, PageError> {
    match state.handle.remove_pool(name.clone(), actor).await {
        Ok(()) => Ok(Redirect::to(&links::with_query("/pools", &[("removed", &name)])).into_response()),
        Err(error @ CommandError::Invalid(_)) => {
            let fault = super::Fault::from(error);
            let page = show_removal(&state, &visitor, &name, Some(fault.message)).await?;
            Ok((fault.status, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
