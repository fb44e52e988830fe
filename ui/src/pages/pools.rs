//! The pools: slots that task instances share, how they are used, and a form to change them.

use crate::AppState;
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{Redirect, Response};
use esteira_core::dag::DEFAULT_POOL;
use esteira_runtime::PoolStatus;
use esteira_store::PoolRow;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "pools.html")]
struct PoolsPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    /// Empty for no limit.
    slots: String,
    description: String,
    used: u32,
    wanted: u32,
    /// The part in use, in thousandths.
    share: u64,
    can_be_removed: bool,
}

impl Row {
    fn new(status: PoolStatus) -> Self {
        let PoolStatus { pool, used, wanted } = status;
        let share = pool.slots.map_or(0, |slots| u64::from(used) * 1000 / u64::from(slots.max(1)));
        Self {
            can_be_removed: pool.name != DEFAULT_POOL,
            name: pool.name,
            slots: pool.slots.map(|slots| slots.to_string()).unwrap_or_default(),
            description: pool.description,
            used,
            wanted,
            share: share.min(1000),
        }
    }
}

/// A pool as the form has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default)]
    slots: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    remove: bool,
}

pub(crate) async fn page(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let pools = state.handle.pools().await?;
    let page = PoolsPage {
        frame: visitor.frame(Section::Pools, "Pools").crumb("Pools", ""),
        rows: pools.into_iter().map(Row::new).collect(),
    };
    Ok(frame::html(&page))
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    Form(wanted): Form<Wanted>,
) -> Result<Redirect, PageError> {
    if wanted.remove {
        state.handle.remove_pool(wanted.name, actor).await?;
        return Ok(Redirect::to("/pools"));
    }
    let slots = match wanted.slots.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            PageError::bad_request(format!("\"{text}\" is no number of slots"))
                .hint("write a whole number from 0 on, or leave it empty for no limit")
        })?),
    };
    let pool = PoolRow { name: wanted.name.trim().to_owned(), slots, description: wanted.description };
    state.handle.set_pool(pool, actor).await?;
    Ok(Redirect::to("/pools"))
}
