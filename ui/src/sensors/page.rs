//! `/sensors` and its parts: what is read for the page, and how it is answered.

use super::alert_book::{self, Alerts, Fault};
use super::health;
use super::period::{PARAMETERS, Period};
use super::snapshot::Snapshot;
use super::view::{self, AlertsView, Choice, LastRun, Problem, TableView, View};
use super::{Dashboard, PIPELINE};
use crate::AppState;
use crate::access::PageActor;
use crate::data_api::DataState;
use crate::data_api::error::DataError;
use crate::data_api::query::Query;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::locale::t;
use askama::Template;
use axum::Extension;
use axum::extract::{FromRef, OriginalUri, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::TriggerRequest;
use esteira_store::{RunFilter, RunRow, StoreError};
use esteira_tasks::service::ServiceError;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Alerts beside the charts.
const ALERTS_BESIDE: usize = 15;

/// XCom values that may hold counts are no longer than this.
const SUMMARY_BYTES_MAX: u64 = 4096;

/// What the address of the page may say, besides the period.
const CHOICES: [&str; 4] = ["page", "series", "hours", "theme"];

#[derive(Template)]
#[template(path = "sensors.html")]
struct SensorsPage {
    frame: Frame,
    view: View,
    may_run: bool,
    /// The address of this server, for the commands that the empty page names.
    origin: String,
}

#[derive(Template)]
#[template(path = "sensors_live.html")]
struct LivePart {
    view: View,
    may_run: bool,
}

/// What an address asks to be shown.
struct Asked {
    period: Period,
    page: usize,
    choice: Choice,
}

impl Asked {
    fn from_uri(uri: &Uri) -> Result<Self, PageError> {
        let known: Vec<&str> = PARAMETERS.into_iter().chain(CHOICES).collect();
        let query = Query::parse(uri.query(), &known)?;
        Ok(Self {
            period: Period::from_query(&query, Period::Last(28))?,
            page: query.page()?,
            choice: Choice::from_query(&query)?,
        })
    }

    fn table(&self, snapshot: &Snapshot) -> TableView {
        let (start, end) = self.period.bounds(snapshot);
        let table = view::table(snapshot.between(start, end), self.page);
        TableView { table, query: self.choice.query(self.period) }
    }
}

/// The dashboard.
pub(super) async fn sensors(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let view = read(&state, &dashboard, Asked::from_uri(&uri)?).await?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:8080");
    let scheme = if state.settings.is_https { "https" } else { "http" };
    let origin = format!("{scheme}://{host}");
    let frame = visitor
        .frame(Section::Sensors, t("Air quality"))
        .crumb(t("Sensors"), "/sensors")
        .crumb(t("Air quality"), "")
        .style("sensors/sensors.css")
        .script("sensors/page.js");
    Ok(frame::html(&SensorsPage { may_run: frame.may.run, frame, view, origin }))
}

/// The parts of the dashboard that change while a run is on: facts, values, alerts, services.
pub(super) async fn live(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let view = read(&state, &dashboard, Asked::from_uri(&uri)?).await?;
    let may_run = visitor.frame(Section::Sensors, "").may.run;
    Ok(frame::html(&LivePart { view, may_run }))
}

/// A page of the table of readings.
pub(super) async fn table(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, PageError> {
    let asked = Asked::from_uri(&uri)?;
    let data = DataState::from_ref(&state);
    let (snapshot, _) = or_last_known(dashboard.snapshots.get(&data).await, &dashboard);
    Ok(frame::html(&asked.table(&snapshot)))
}

/// Starts a run of the pipeline, and goes back to the page as it was.
pub(super) async fn run(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    OriginalUri(uri): OriginalUri,
) -> Result<Redirect, PageError> {
    let Asked { period, choice, .. } = Asked::from_uri(&uri)?;
    state.handle.trigger(TriggerRequest::manual(PIPELINE, actor)).await?;
    Ok(Redirect::to(&format!("/sensors?{}", choice.query(period))))
}

async fn read(state: &AppState, dashboard: &Dashboard, asked: Asked) -> Result<View, PageError> {
    let data = DataState::from_ref(state);
    let (snapshot, (stats, is_fresh), alerts, run) = tokio::join!(
        dashboard.snapshots.get(&data),
        dashboard.stats.get(&data),
        alert_book::read(state, dashboard, &data),
        last_run(state),
    );
    let (snapshot, problem) = or_last_known(snapshot, dashboard);
    let hashes = problem.is_none().then_some(snapshot.hashes);
    let alerts = match alerts {
        Ok(alerts) => alerts,
        // What the page says of the service, it says of the queue.
        Err(Fault::Queue(_)) => Alerts::default(),
        Err(Fault::Store(error)) => return Err(error.into()),
    };
    let run = run?;
    Ok(View {
        facts: view::facts(&snapshot, hashes, alerts.waiting, stats.as_ref(), run.as_ref()),
        cards: view::cards(&snapshot),
        alerts: AlertsView::new(alerts, ALERTS_BESIDE),
        run,
        pipeline: state.handle.dag(PIPELINE).map(|_| PIPELINE.to_owned()),
        is_empty: snapshot.readings.is_empty(),
        problem,
        dates: view::dates(asked.period, &snapshot),
        table: asked.table(&snapshot),
        services: health::lines(stats.as_ref().map(|stats| stats.services.as_slice()).unwrap_or_default()),
        is_fresh,
        period: asked.period,
        choice: asked.choice,
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

pub(super) fn service_error(error: ServiceError) -> PageError {
    DataError::Service(error).into()
}

impl From<DataError> for PageError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::BadRequest { message, hint } => Self::bad_request(message).hint(hint),
            DataError::Engine(error) => error.into(),
            DataError::Service(error) => Self::internal(&error).hint(error.hint()),
            other => Self::internal(other),
        }
    }
}

/// Answers what is asked of the dashboard's address with a wrong method, so that a reload after a run is harmless.
pub(super) async fn back() -> impl IntoResponse {
    Redirect::to("/sensors")
}
