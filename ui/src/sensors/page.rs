//! `/sensors` and its parts: what is read for the page, and how it is answered.

use super::alerts::Alert;
use super::period::{PARAMETERS, Period};
use super::snapshot::Snapshot;
use super::view::{self, LastRun, Problem, View};
use super::{Dashboard, PIPELINE};
use crate::access::PageActor;
use crate::data_api::DataState;
use crate::data_api::alerts::document;
use crate::data_api::error::DataError;
use crate::data_api::query::{LIMIT_MAX, Query};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::{AppState, data_api, show};
use askama::Template;
use axum::Extension;
use axum::extract::{FromRef, OriginalUri, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::TriggerRequest;
use esteira_store::{RunFilter, RunRow, StoreError};
use esteira_tasks::service::ServiceError;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Alerts beside the charts.
const ALERTS_BESIDE: usize = 20;

/// Alerts on their own page, unless it is asked for more.
const ALERTS_LISTED: usize = 200;

/// XCom values that may hold counts are no longer than this.
const SUMMARY_BYTES_MAX: u64 = 4096;

#[derive(Template)]
#[template(path = "sensors.html")]
struct SensorsPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "sensors_live.html")]
struct LivePart {
    view: View,
}

#[derive(Template)]
#[template(path = "sensors_alerts.html")]
struct AlertsPage {
    frame: Frame,
    alerts: Vec<Alert>,
    waiting: String,
    taken: Option<u64>,
}

/// The dashboard.
pub(super) async fn sensors(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let view = read(&state, &dashboard, &uri).await?;
    let frame = visitor
        .frame(Section::Sensors, "Air quality")
        .crumb("Sensors", "/sensors")
        .crumb("Air quality", "")
        .style("sensors/sensors.css")
        .script("sensors/page.js");
    Ok(frame::html(&SensorsPage { frame, view }))
}

/// The parts of the dashboard that change while a run is on: facts, values, alerts, services.
pub(super) async fn live(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, PageError> {
    let view = read(&state, &dashboard, &uri).await?;
    Ok(frame::html(&LivePart { view }))
}

/// Starts a run of the pipeline, and goes back to the page as it was.
pub(super) async fn run(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    OriginalUri(uri): OriginalUri,
) -> Result<Redirect, PageError> {
    let period = Period::from_query(&Query::parse(uri.query(), &PARAMETERS)?, Period::Last(28))?;
    state.handle.trigger(TriggerRequest::manual(PIPELINE, actor)).await?;
    Ok(Redirect::to(&format!("/sensors?{}", period.query())))
}

/// All alerts that wait.
pub(super) async fn alerts(
    State(state): State<AppState>,
    OriginalUri(uri): OriginalUri,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let query = Query::parse(uri.query(), &["limit", "taken", "theme"])?;
    let limit = query.limit()?.unwrap_or(ALERTS_LISTED);
    let taken = query.get("taken").and_then(|taken| taken.parse().ok());
    let data = DataState::from_ref(&state);
    let waiting = data_api::stats::count_alerts(&data).await.map_err(service_error)?;
    let waiting = show::count(waiting);
    let alerts = peek(&data, limit).await.map_err(service_error)?;
    let frame = visitor
        .frame(Section::Sensors, "Alerts")
        .crumb("Sensors", "/sensors")
        .crumb("Alerts", "")
        .style("sensors/sensors.css");
    Ok(frame::html(&AlertsPage { frame, alerts, waiting, taken }))
}

/// Takes alerts out of the queue, for those who have seen them.
pub(super) async fn take_alerts(State(state): State<AppState>, form: String) -> Result<Redirect, PageError> {
    let limit = Query::parse(Some(form.trim()), &["limit"])?.limit()?.unwrap_or(1);
    let data = DataState::from_ref(&state);
    let queue = data.queue().await.map_err(service_error)?;
    let taken = queue.take(&data.settings.alert_queue, limit.min(LIMIT_MAX)).await.map_err(service_error)?;
    Ok(Redirect::to(&format!("/sensors/alerts?taken={}", taken.len())))
}

async fn read(state: &AppState, dashboard: &Dashboard, uri: &Uri) -> Result<View, PageError> {
    let [period, from, to] = PARAMETERS;
    let query = Query::parse(uri.query(), &[period, from, to, "page", "theme"])?;
    let period = Period::from_query(&query, Period::Last(28))?;
    let page = query.get("page").unwrap_or("1").parse().map_err(|_| {
        PageError::bad_request("This is no page of the table").hint("page is a number, from 1")
    })?;
    let data = DataState::from_ref(state);
    let (snapshot, stats, beside, run) = tokio::join!(
        dashboard.snapshots.get(&data),
        dashboard.stats(&data),
        peek(&data, ALERTS_BESIDE),
        last_run(state),
    );
    let (snapshot, problem) = or_last_known(snapshot, dashboard);
    let run = run?;
    let (start, end) = period.bounds(&snapshot);
    Ok(View {
        period,
        facts: view::facts(&snapshot, &stats, run.as_ref()),
        cards: view::cards(&snapshot),
        alerts: beside.unwrap_or_default(),
        alerts_waiting: stats.alerts_waiting,
        run,
        pipeline: state.handle.dag(PIPELINE).map(|_| PIPELINE.to_owned()),
        is_empty: snapshot.readings.is_empty(),
        problem,
        table: view::table(snapshot.between(start, end), page),
        services: stats.services,
    })
}

/// When the cache does not answer, the page shows what it held and says so.
fn or_last_known(
    snapshot: Result<Arc<Snapshot>, ServiceError>,
    dashboard: &Dashboard,
) -> (Arc<Snapshot>, Option<Problem>) {
    match snapshot {
        Ok(snapshot) => (snapshot, None),
        Err(error) => {
            let problem = Problem { message: error.to_string(), hint: error.hint().to_owned() };
            (dashboard.snapshots.last_known().unwrap_or_default(), Some(problem))
        }
    }
}

async fn peek(data: &DataState, limit: usize) -> Result<Vec<Alert>, ServiceError> {
    let messages = data.queue().await?.peek(&data.settings.alert_queue, limit).await?;
    Ok(messages.iter().map(|message| Alert::from_document(&document(message))).collect())
}

async fn last_run(state: &AppState) -> Result<Option<LastRun>, StoreError> {
    let filter = RunFilter { dag_id: Some(PIPELINE.to_owned()), ..RunFilter::default() };
    let newest = state.handle.reader().runs(&filter, 1).await?.rows.into_iter().next();
    let Some(row) = newest else { return Ok(None) };
    let rejected = rejected(state, &row).await?;
    Ok(Some(LastRun::new(&row, rejected, Timestamp::now())))
}

/// What the tasks of a run say that they rejected, together.
async fn rejected(state: &AppState, run: &RunRow) -> Result<Option<u64>, StoreError> {
    let reader = state.handle.reader();
    let mut total = None;
    for xcom in reader.xcoms(run.run_key, None).await? {
        if xcom.size > SUMMARY_BYTES_MAX || !matches!(xcom.key.as_str(), "return_value" | "summary") {
            continue;
        }
        let value = reader.xcom_value(run.run_key, xcom.task_id.as_str(), xcom.map_index, &xcom.key).await?;
        if let Some(count) = value.as_ref().and_then(|value| value.get("rejected")).and_then(Value::as_u64) {
            total = Some(total.unwrap_or(0) + count);
        }
    }
    Ok(total)
}

fn service_error(error: ServiceError) -> PageError {
    DataError::Service(error).into()
}

impl From<DataError> for PageError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::BadRequest { message, hint } => Self::bad_request(message).hint(hint),
            DataError::Service(error) => Self::internal(&error).hint(error.hint()),
            other => Self::internal(other),
        }
    }
}

/// Answers what is asked of the dashboard's address with a wrong method, so that a reload after a run is harmless.
pub(super) async fn back() -> impl IntoResponse {
    Redirect::to("/sensors")
}
