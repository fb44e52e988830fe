//! `/sensors/alerts`: every alert that waits, what people do with them, and the same for programs.
//!
//! Acknowledging goes through the engine, which keeps who and when, and tells the history. The queue is left as it is:
//! other programs read it. Taking messages out of it is a thing of its own.

use super::Dashboard;
use super::alert_book::{self, Alerts, Fault};
use super::alerts::Alert;
use super::page::service_error;
use crate::access::{ApiActor, PageActor};
use crate::data_api::DataState;
use crate::data_api::alerts::documents;
use crate::data_api::error::DataError;
use crate::data_api::query::{LIMIT_MAX, Query};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::locale::{t, t1, tm, tn};
use crate::show::count;
use crate::{AppState, links};
use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRef, OriginalUri, State};
use axum::response::{Redirect, Response};
use axum::{Extension, Form, Json};
use esteira_runtime::{AcknowledgeRequest, Actor};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Alerts on a page, unless it is asked for more.
const ROWS: usize = 50;

/// Which alerts a list shows: names in addresses.
const STATES: [&str; 3] = ["open", "acknowledged", "all"];

/// What a list of these alerts is called.
fn label(state: &str) -> &'static str {
    match state {
        "open" => t("Open alerts"),
        "acknowledged" => t("Acknowledged"),
        _ => t("All"),
    }
}

#[derive(Template)]
#[template(path = "sensors_alerts.html")]
struct AlertsPage {
    frame: Frame,
    rows: Vec<Alert>,
    /// How many there are in this state.
    found: usize,
    state: &'static str,
    /// The states with their numbers.
    states: Vec<(&'static str, &'static str, String, bool)>,
    page: usize,
    page_count: usize,
    limit: usize,
    waiting: u64,
    waiting_text: String,
    told: Option<Told>,
}

/// What was done before this page.
struct Told {
    what: String,
    more: &'static str,
}

impl Told {
    /// What an address tells was done: `acknowledged=3`.
    fn from_query(query: &Query) -> Option<Self> {
        let count = |done: &str| query.get(done)?.parse::<u64>().ok();
        let acknowledged = count("acknowledged").map(|count| {
            (
                tn(count, "1 acknowledged", "{} acknowledged"),
                t("Who and when is kept, and told in the audit history. The queue is as it was."),
            )
        });
        let reopened = count("reopened").map(|count| {
            (tn(count, "1 reopened", "{} reopened"), t("They are open again. The audit history has both."))
        });
        let taken = count("taken").map(|count| {
            (
                tn(count, "1 taken", "{} taken"),
                t("They are out of the queue. Readings and history are as they were."),
            )
        });
        acknowledged.or(reopened).or(taken).map(|(what, more)| Self { what, more })
    }
}

impl AlertsPage {
    /// The address of another page of the list.
    fn address(&self, page: usize) -> String {
        let (page, limit) = (page.to_string(), self.limit.to_string());
        links::with_query("/sensors/alerts", &[("state", self.state), ("limit", &limit), ("page", &page)])
    }

    fn found_text(&self) -> String {
        tn(self.found as u64, "1 alert", "{} alerts")
    }

    fn take_count(&self) -> usize {
        usize::try_from(self.waiting).unwrap_or(LIMIT_MAX).min(LIMIT_MAX)
    }
}

/// How many messages wait, and how many alerts were seen among them: a broker lets only the first of a queue be looked
/// at, and one alert may have been sent more than once.
fn waiting_text(waiting: u64, seen: usize) -> String {
    let mut text = tn(waiting, "1 message waits in the queue.", "{} messages wait in the queue.");
    let behind = waiting.saturating_sub(LIMIT_MAX as u64);
    if behind > 0 {
        let counts: [&dyn std::fmt::Display; 3] =
            [&count(LIMIT_MAX as u64), &count(seen as u64), &count(behind)];
        text.push(' ');
        text.push_str(&tm(
            "Only the {} oldest are looked at: {} alerts, each shown once. The {} behind them come into view as older ones are taken out.",
            &counts,
        ));
    } else if seen as u64 != waiting {
        text.push(' ');
        text.push_str(&tn(
            seen as u64,
            "They are 1 alert, shown once.",
            "They are {} alerts, each shown once.",
        ));
    }
    text
}

/// All alerts that wait.
pub(super) async fn alerts(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let query =
        Query::parse(uri.query(), &["limit", "page", "state", "acknowledged", "reopened", "taken", "theme"])?;
    let limit = query.limit()?.unwrap_or(ROWS);
    let page = query.page()?;
    let wanted = query.get("state").unwrap_or("open");
    let Some(shown) = STATES.into_iter().find(|name| *name == wanted) else {
        let message = t1("There are no alerts of the state {}", format!("{wanted:?}"));
        return Err(PageError::bad_request(message).hint(t("state is open, acknowledged or all")));
    };
    let data = DataState::from_ref(&state);
    let Alerts { waiting, open, acknowledged } = alert_book::read(&state, &dashboard, &data).await?;
    let seen = open.len() + acknowledged.len();
    let states = STATES.map(|name| {
        let count = match name {
            "open" => open.len(),
            "acknowledged" => acknowledged.len(),
            _ => seen,
        };
        (name, label(name), self::count(count as u64), name == shown)
    });
    let mut rows = match shown {
        "open" => open,
        "acknowledged" => acknowledged,
        _ => open.into_iter().chain(acknowledged).collect(),
    };
    rows.sort_by_key(|alert| std::cmp::Reverse(alert.time));
    let found = rows.len();
    let page_count = found.div_ceil(limit).max(1);
    let page = page.clamp(1, page_count);
    let frame = visitor
        .frame(Section::Sensors, t("Alerts"))
        .crumb(t("Sensors"), "/sensors")
        .crumb(t("Alerts"), "")
        .style("sensors/sensors.css")
        .script("sensors/alerts.js");
    Ok(frame::html(&AlertsPage {
        frame,
        rows: rows.into_iter().skip((page - 1) * limit).take(limit).collect(),
        found,
        state: shown,
        states: states.to_vec(),
        page,
        page_count,
        limit,
        waiting: waiting.unwrap_or_default(),
        waiting_text: waiting_text(waiting.unwrap_or_default(), seen),
        told: Told::from_query(&query),
    }))
}

/// What a form says: the alerts, a note, what to do, and where to go afterwards.
struct Said {
    request: AcknowledgeRequest,
    back: String,
}

impl Said {
    fn new(pairs: Vec<(String, String)>, actor: Actor) -> Result<Self, PageError> {
        let mut request =
            AcknowledgeRequest { message_ids: Vec::new(), note: String::new(), is_withdrawn: false, actor };
        let mut back = "/sensors".to_owned();
        for (name, value) in pairs {
            match name.as_str() {
                "message_id" => request.message_ids.push(value),
                "note" => value.trim().clone_into(&mut request.note),
                "reopen" => request.is_withdrawn = value == "true",
                // Nowhere else: a form of another page must not lead people away.
                "back" if value.starts_with("/sensors") => back = value,
                _ => {
                    return Err(PageError::bad_request(t1("This form has no field {}", format!("{name:?}"))));
                }
            }
        }
        if request.message_ids.is_empty() {
            return Err(
                PageError::bad_request(t("No alert was chosen")).hint(t("tick those that you have seen"))
            );
        }
        Ok(Self { request, back })
    }
}

/// Acknowledges alerts, or takes that back, and goes back to where it was asked.
pub(super) async fn acknowledge(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Redirect, PageError> {
    let Said { request, back } = Said::new(pairs, actor)?;
    let what = if request.is_withdrawn { "reopened" } else { "acknowledged" };
    let changed = state.handle.acknowledge_alerts(request).await?;
    if !back.starts_with("/sensors/alerts") {
        return Ok(Redirect::to(&back));
    }
    let joint = if back.contains('?') { '&' } else { '?' };
    Ok(Redirect::to(&format!("{back}{joint}{what}={changed}")))
}

/// Takes alerts out of the queue, oldest first, and tells the history.
pub(super) async fn take(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    PageActor(actor): PageActor,
    form: String,
) -> Result<Redirect, PageError> {
    let limit = Query::parse(Some(form.trim()), &["limit"])?.limit()?.unwrap_or(1);
    let data = DataState::from_ref(&state);
    let queue = data.queue().await.map_err(service_error)?;
    let name = &data.settings.alert_queue;
    let taken = dashboard.queue.take(&*queue, name, limit.min(LIMIT_MAX)).await.map_err(service_error)?.len();
    if taken > 0 {
        // They are out of the queue by now, which whoever reads of the failure must know.
        let gone =
            t1("{} alerts are out of the queue all the same; only the history does not tell of it", taken);
        let told = state.handle.tell_alerts_taken(name.clone(), taken, actor).await;
        told.map_err(|error| PageError::from(error).hint(gone))?;
    }
    Ok(Redirect::to(&format!("/sensors/alerts?taken={taken}")))
}

/// `DELETE /api/alerts`: takes the first alerts out of the queue, one unless told otherwise, tells the history, and answers with
/// them and with how many are left.
pub(super) async fn take_for_programs(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    ApiActor(actor): ApiActor,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    let limit = Query::parse(uri.query(), &["limit"])?.limit()?.unwrap_or(1);
    let data = DataState::from_ref(&state);
    let queue = data.queue().await?;
    let name = &data.settings.alert_queue;
    let messages = dashboard.queue.take(&*queue, name, limit).await.map_err(DataError::Setup)?;
    // They are out of the queue by now: that something fails from here on must not lose them.
    if !messages.is_empty()
        && let Err(error) = state.handle.tell_alerts_taken(name.clone(), messages.len(), actor).await
    {
        tracing::error!(%error, count = messages.len(), "the history does not tell of alerts that were taken");
    }
    let waiting = dashboard.queue.count(&data).await.ok();
    Ok(Json(json!({"alerts": documents(&messages), "waiting": waiting})))
}

/// `GET /api/sensors/alerts`.
pub(super) async fn list(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    Query::parse(uri.query(), &[])?;
    let data = DataState::from_ref(&state);
    let Alerts { waiting, open, acknowledged } =
        alert_book::read(&state, &dashboard, &data).await.map_err(|fault| match fault {
            Fault::Queue(error) => DataError::Setup(error),
            Fault::Store(error) => DataError::Unusable(error.to_string()),
        })?;
    let alerts: Vec<Value> = open.iter().chain(&acknowledged).map(shape).collect();
    Ok(Json(json!({ "alerts": alerts, "open": open.len(), "waiting": waiting })))
}

fn shape(alert: &Alert) -> Value {
    let acknowledged = alert.acknowledged.as_ref();
    json!({
        "message_id": alert.message_id,
        "labels": alert.labels,
        "conditions": alert.conditions,
        "time": (!alert.when_iso.is_empty()).then_some(&alert.when_iso),
        "run_id": alert.run_id,
        "copies": alert.copies,
        "text": alert.text,
        "acknowledged_by": acknowledged.map(|seen| &seen.by),
        "acknowledged_at": acknowledged.map(|seen| seen.at.to_string()),
        "note": acknowledged.map(|seen| &seen.note),
    })
}

/// The body of `POST /api/sensors/alerts/acknowledge`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    message_ids: Vec<String>,
    #[serde(default)]
    note: String,
    #[serde(default)]
    reopen: bool,
}

/// `POST /api/sensors/alerts/acknowledge`.
pub(super) async fn acknowledge_for_programs(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    body: Bytes,
) -> Result<Json<Value>, DataError> {
    let Wanted { message_ids, note, reopen } = serde_json::from_slice(&body).map_err(|error| {
        let hint = "Send {\"message_ids\": [\"…\"]}, and note and reopen where they are wanted";
        DataError::bad_request(format!("The body cannot be read: {error}"), hint)
    })?;
    let request = AcknowledgeRequest { message_ids, note, is_withdrawn: reopen, actor };
    let changed = state.handle.acknowledge_alerts(request).await?;
    Ok(Json(json!({ "changed": changed })))
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Queue(error) => service_error(error),
            Fault::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_longer_than_what_is_looked_at_says_so() {
        assert_eq!(waiting_text(1, 1), "1 message waits in the queue.");
        assert_eq!(waiting_text(4, 2), "4 messages wait in the queue. They are 2 alerts, each shown once.");
        assert_eq!(
            waiting_text(1_360, 980),
            "1,360 messages wait in the queue. Only the 1,000 oldest are looked at: 980 alerts, each shown once. \
             The 360 behind them come into view as older ones are taken out."
        );
    }
}
