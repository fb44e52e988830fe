//! One asset: its updates, the tasks and DAGs around it, what waits for a run; and the buttons to update it.

use super::drawing::Drawing;
use super::list::source;
use super::network::{self, Neighbours};
use crate::access::PageActor;
use crate::error_pages::{PageError, command_status};
use crate::frame::{self, Frame, Section, Visitor};
use crate::pages::keyset::{self, Beside};
use crate::show::{Instant, count};
use crate::{AppState, links, t, t1, tm};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::TriggerRequest;
use esteira_store::{AssetEventColumn, AssetEventRow, List, Listing};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How many updates a page has.
const PAGE_LENGTH: u32 = 50;

/// Which page of the updates is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    cursor: String,
    /// What was done before, to be told.
    done: String,
}

#[derive(Template)]
#[template(path = "asset.html")]
struct AssetPage {
    frame: Frame,
    uri: String,
    url: String,
    neighbours: Neighbours,
    drawing: Option<Drawing>,
    /// Which DAGs have updates that wait for their next run, with their page and how many.
    waiting: Vec<(String, String, u64)>,
    total: String,
    rows: Vec<Row>,
    beside: Beside,
    done: String,
    /// What was typed as extra, and what is wrong with it.
    extra: String,
    fault: Option<String>,
}

struct Row {
    at: Instant,
    number: i64,
    source: (String, String),
    run: Option<(String, String)>,
    /// Empty where nothing was said.
    extra: String,
}

impl Row {
    fn new(event: AssetEventRow, now: Timestamp) -> Self {
        let run = (!event.run_id.is_empty())
            .then(|| (event.run_id.clone(), links::run(&event.dag_id, &event.run_id)));
        let is_empty = event.extra.as_object().is_some_and(Map::is_empty) || event.extra.is_null();
        Self {
            at: Instant::new(event.at, now),
            number: event.asset_event_id,
            source: source(&event),
            run,
            extra: if is_empty { String::new() } else { event.extra.to_string() },
        }
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(uri): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    show(&state, uri, wanted, &visitor, String::new(), None).await
}

async fn show(
    state: &AppState,
    uri: String,
    wanted: Wanted,
    visitor: &Visitor,
    extra: String,
    fault: Option<String>,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let is_known = reader.assets().await?.iter().any(|asset| asset.uri == uri);
    if !is_known {
        return Err(PageError::not_found(t1("There is no asset {}", &uri)));
    }
    let url = links::asset(&uri);
    let updates = updates(state, &uri, &wanted).await?;
    let now = Timestamp::now();
    let waiting = reader.waiting_asset_counts().await?.into_iter().filter(|(_, other, _)| *other == uri);
    let neighbours = network::all(state).remove(&uri).unwrap_or_default();
    let frame = visitor
        .frame(Section::Assets, uri.clone())
        .style("admin.css")
        .crumb(t("Assets"), "/assets")
        .crumb(uri.clone(), "");
    let page = AssetPage {
        frame,
        drawing: Drawing::new(&uri, &neighbours),
        waiting: waiting
            .map(|(dag_id, _, count)| (dag_id.to_string(), links::dag(dag_id.as_str()), count))
            .collect(),
        total: count(updates.total.unwrap_or_default()),
        beside: Beside::of(&updates, &url, &[]),
        rows: updates.rows.into_iter().map(|event| Row::new(event, now)).collect(),
        done: wanted.done,
        neighbours,
        uri,
        url,
        extra,
        fault,
    };
    Ok(frame::html(&page))
}

/// A page of updates, newest first, and how many there are of all.
async fn updates(state: &AppState, uri: &str, wanted: &Wanted) -> Result<List<AssetEventRow>, PageError> {
    let mut listing = Listing::default().with(AssetEventColumn::Uri, uri);
    listing.order = vec![(AssetEventColumn::Id, true)];
    listing.limit = PAGE_LENGTH;
    keyset::narrow(&mut listing, &wanted.cursor)?;
    Ok(state.handle.reader().list(&listing).await?)
}

/// What somebody tells of an update.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    extra: String,
}

/// Says that the asset was updated outside.
pub(crate) async fn update(
    State(state): State<AppState>,
    Path(uri): Path<String>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(told): Form<Told>,
) -> Result<Response, PageError> {
    let refuse = |status: StatusCode, fault: String, extra: String| {
        let (state, uri, visitor) = (&state, uri.clone(), &visitor);
        async move {
            let page = show(state, uri, Wanted::default(), visitor, extra, Some(fault)).await?;
            Ok((status, page).into_response())
        }
    };
    let extra: Map<String, Value> = match told.extra.trim() {
        "" => Map::new(),
        text => match serde_json::from_str(text) {
            Ok(extra) => extra,
            Err(error) => {
                let fault = t1("Extra is a JSON object, such as {\"rows\": 12}, and this is none: {}", error);
                return refuse(StatusCode::UNPROCESSABLE_ENTITY, fault, told.extra.clone()).await;
            }
        },
    };
    match state.handle.update_asset(uri.clone(), extra, actor).await {
        Ok(_) => Ok(Redirect::to(&done(&uri, "updated")).into_response()),
        Err(error) => refuse(command_status(&error), error.to_string(), told.extra.clone()).await,
    }
}

/// Which DAG is to bring it up to date.
#[derive(Debug, Deserialize)]
pub(crate) struct Maker {
    dag: String,
}

/// Starts a DAG whose task brings the asset up to date, and goes to the run.
pub(crate) async fn materialize(
    State(state): State<AppState>,
    Path(uri): Path<String>,
    PageActor(actor): PageActor,
    Form(Maker { dag }): Form<Maker>,
) -> Result<Redirect, PageError> {
    let neighbours = network::all(&state).remove(&uri).unwrap_or_default();
    if !neighbours.producers.iter().any(|(dag_id, _)| *dag_id == dag) {
        return Err(PageError::not_found(tm("No task of {} brings {} up to date", &[&dag, &uri])));
    }
    let run = state.handle.trigger(TriggerRequest::manual(dag.as_str(), actor)).await?;
    Ok(Redirect::to(&links::run(run.dag_id.as_str(), run.run_id.as_str())))
}

/// The page of the asset, which says what was done.
fn done(uri: &str, what: &str) -> String {
    links::with_query(&links::asset(uri), &[("done", what)])
}
