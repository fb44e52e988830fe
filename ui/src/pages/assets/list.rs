//! The list of assets: when each was updated last and by what, who is run for it, what waits.

use super::network::{self, Neighbours};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::{Instant, count};
use crate::{AppState, links, t};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_store::AssetEventRow;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// How many assets a page has.
const PAGE_LENGTH: usize = 100;

/// Which assets are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    search: String,
    /// The name that the page begins after.
    after: String,
}

#[derive(Template)]
#[template(path = "assets.html")]
struct AssetsPage {
    frame: Frame,
    wanted: Wanted,
    total: String,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    uri: String,
    url: String,
    neighbours: Neighbours,
    updated: Option<Instant>,
    /// The task that updated it last, with its page; the text alone where somebody outside did.
    by: Option<(String, String)>,
    waiting: u64,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let searched = wanted.search.trim().to_lowercase();
    let mut uris: Vec<String> = reader.assets().await?.into_iter().map(|asset| asset.uri).collect();
    uris.retain(|uri| uri.to_lowercase().contains(&searched));
    let total = uris.len();
    uris.retain(|uri| *uri > wanted.after);
    let has_more = uris.len() > PAGE_LENGTH;
    uris.truncate(PAGE_LENGTH);
    let names: Vec<&str> = uris.iter().map(String::as_str).collect();
    let newest: HashMap<String, AssetEventRow> = reader
        .newest_asset_events(&names)
        .await?
        .into_iter()
        .map(|event| (event.uri.clone(), event))
        .collect();
    let mut waiting: HashMap<String, u64> = HashMap::new();
    for (_, uri, count) in reader.waiting_asset_counts().await? {
        *waiting.entry(uri).or_default() += count;
    }
    let next = uris.last().filter(|_| has_more).map(|last| {
        links::with_query("/assets", &[("search", wanted.search.as_str()), ("after", last.as_str())])
    });
    let mut neighbours = network::all(&state);
    let now = Timestamp::now();
    let rows = uris.into_iter().map(|uri| {
        let event = newest.get(&uri);
        Row {
            url: links::asset(&uri),
            neighbours: neighbours.remove(&uri).unwrap_or_default(),
            updated: event.map(|event| Instant::new(event.at, now)),
            by: event.map(source),
            waiting: waiting.get(&uri).copied().unwrap_or_default(),
            uri,
        }
    });
    let page = AssetsPage {
        frame: visitor.frame(Section::Assets, t("Assets")).style("admin.css").crumb(t("Assets"), ""),
        total: count(total as u64),
        rows: rows.collect(),
        next,
        wanted,
    };
    Ok(frame::html(&page))
}

/// What an update came from, with its page; no page where somebody outside told of it.
pub(super) fn source(event: &AssetEventRow) -> (String, String) {
    let AssetEventRow { dag_id, run_id, task_id, map_index, .. } = event;
    if dag_id.is_empty() {
        return (t("from outside").to_owned(), String::new());
    }
    (format!("{dag_id} › {task_id}"), links::instance(dag_id, run_id, task_id, *map_index))
}
