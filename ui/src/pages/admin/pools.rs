//! The pools: how the slots of each are used, and the form that makes or changes one.

use super::{Chosen, Done, Fault, answered};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_core::dag::DEFAULT_POOL;
use esteira_runtime::PoolStatus;
use esteira_store::PoolRow;
use serde::Deserialize;

/// The tab that all this is under.
pub(super) fn tab() -> (&'static str, &'static str) {
    (t("Pools"), "/pools")
}

#[derive(Template)]
#[template(path = "admin_pools.html")]
struct PoolsPage {
    frame: Frame,
    rows: Vec<Line>,
    done: Done,
}

/// A pool and how it is used.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Empty for no limit.
    pub(crate) slots: String,
    pub(crate) description: String,
    pub(crate) used: u32,
    pub(crate) wanted: u32,
    /// How many slots nobody holds; none where there is no limit.
    pub(crate) free: Option<u32>,
    /// The parts in use and waited for, in thousandths of the bar.
    pub(crate) used_share: u64,
    pub(crate) wanted_share: u64,
    pub(crate) can_be_removed: bool,
}

impl Line {
    pub(super) fn new(status: PoolStatus) -> Self {
        let PoolStatus { pool, used, wanted } = status;
        // What is waited for stands behind what is there, so that both are seen in one bar.
        let whole = u64::from(pool.slots.unwrap_or(0).max(used)) + u64::from(wanted);
        let share = |part: u32| u64::from(part) * 1000 / whole.max(1);
        Self {
            url: links::pool(&pool.name),
            can_be_removed: pool.name != DEFAULT_POOL,
            slots: pool.slots.map(|slots| slots.to_string()).unwrap_or_default(),
            free: pool.slots.map(|slots| slots.saturating_sub(used)),
            name: pool.name,
            description: pool.description,
            used,
            wanted,
            used_share: share(used),
            wanted_share: share(wanted),
        }
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(done): Query<Done>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let pools = state.handle.pools().await?;
    let page = PoolsPage {
        frame: super::framed(&visitor, tab(), ""),
        rows: pools.into_iter().map(Line::new).collect(),
        done,
    };
    Ok(frame::html(&page))
}

/// A pool as the form has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    name: String,
    slots: String,
    description: String,
    /// Whether there is to be none of this name yet.
    is_new: bool,
}

#[derive(Template)]
#[template(path = "admin_pool_form.html")]
struct PoolForm {
    frame: Frame,
    typed: Typed,
    fault: Option<String>,
}

pub(crate) async fn form(
    State(state): State<AppState>,
    Query(Chosen { name }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let typed = match name.as_str() {
        "" => Typed { is_new: true, ..Typed::default() },
        name => {
            let pool = state.handle.reader().pool(name).await?;
            let pool = pool.ok_or_else(|| PageError::not_found(t1("There is no pool {}", name)))?;
            let slots = pool.slots.map(|slots| slots.to_string()).unwrap_or_default();
            Typed { name: pool.name, slots, description: pool.description, is_new: false }
        }
    };
    Ok(show(&visitor, typed, None))
}

fn show(visitor: &Visitor, typed: Typed, fault: Option<String>) -> Response {
    let title = if typed.is_new { t("New pool").to_owned() } else { typed.name.clone() };
    let frame = super::framed(visitor, tab(), &title);
    frame::html(&PoolForm { frame, typed, fault })
}

pub(crate) async fn save(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(mut typed): Form<Typed>,
) -> Response {
    typed.name = typed.name.trim().to_owned();
    let saved = match check(&state, &typed).await {
        Ok(pool) => state.handle.set_pool(pool, actor).await.map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    let name = typed.name.clone();
    answered(saved, "/pools", &name, |fault| show(&visitor, typed, Some(fault)))
}

async fn check(state: &AppState, typed: &Typed) -> Result<PoolRow, Fault> {
    let name = typed.name.clone();
    let slots = match typed.slots.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            Fault::invalid(t1(
                "\"{}\" is no number of slots: write a whole number from 0 on, or nothing for no limit",
                text,
            ))
        })?),
    };
    let known = state.handle.reader().pool(&name).await;
    if typed.is_new && known.is_ok_and(|pool| pool.is_some()) {
        return Err(Fault::invalid(t1("There is a pool {} already: change that one", &name)));
    }
    Ok(PoolRow { name, slots, description: typed.description.trim().to_owned() })
}
