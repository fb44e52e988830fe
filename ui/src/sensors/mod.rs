//! The sensor dashboard: current values, charts, alerts and the table of readings, live while a pipeline runs.
//!
//! - [`reading`], [`snapshot`]: the readings in the cache, as numbers, kept in this process.
//! - [`period`], [`readings`]: what a page or a program asks for, and the answer as columns, CSV or JSON.
//! - [`sampling`], [`series`], [`sparkline`]: as few points as show the same picture.
//! - [`alerts`], [`alert_book`], [`alert_pages`]: what waits in the queue, and who has acknowledged it.
//! - [`stream`]: tells pages that something has come.
//! - [`view`], [`health`], [`stats_book`], [`page`]: the page.

mod alert_book;
mod alert_pages;
mod alerts;
mod health;
mod page;
#[cfg(test)]
mod page_tests;
mod period;
mod reading;
mod readings;
mod sampling;
mod series;
mod snapshot;
mod sparkline;
mod stats_book;
mod stream;
#[cfg(test)]
mod tests;
mod view;

use crate::AppState;
use crate::access::{Routes, USER, VIEWER};
use crate::data_api::DataState;
use crate::data_api::stats::ServiceHealth;
use crate::openapi::own;
use axum::extract::FromRef;

/// The DAG whose readings these are.
const PIPELINE: &str = "air_quality_pipeline";

/// What the pages share.
#[derive(Default)]
pub(crate) struct Dashboard {
    snapshots: snapshot::Snapshots,
    queue: alert_book::SeenQueue,
    listeners: stream::Listeners,
    stats: stats_book::StatsBook,
}

impl Dashboard {
    /// How the services are, as they last were; none while that is not known yet.
    pub(crate) async fn services(&self, data: &DataState) -> Option<Vec<ServiceHealth>> {
        self.stats.get(data).await.0.map(|stats| stats.services)
    }
}

/// The dashboard's routes. Their handlers want the [`Dashboard`] as an extension.
pub(crate) fn routes() -> Routes<AppState> {
    Routes::new()
        .get("/sensors", VIEWER, page::sensors)
        .get("/sensors/live", VIEWER, page::live)
        .post("/sensors/run", USER, page::run)
        .get("/sensors/run", VIEWER, page::back)
        .get("/sensors/table", VIEWER, page::table)
        .get("/sensors/alerts", VIEWER, alert_pages::alerts)
        .post("/sensors/alerts/acknowledge", USER, alert_pages::acknowledge)
        .get("/sensors/alerts/acknowledge", VIEWER, page::back)
        .post("/sensors/alerts/take", USER, alert_pages::take)
        .get("/sensors/alerts/take", VIEWER, page::back)
        .delete("/api/alerts", USER, alert_pages::take_for_programs)
        .is(own::take_alerts())
        .get("/api/sensors/alerts", VIEWER, alert_pages::list)
        .is(own::known_alerts())
        .post("/api/sensors/alerts/acknowledge", USER, alert_pages::acknowledge_for_programs)
        .is(own::acknowledge_alerts())
        .get("/api/sensors/stream", VIEWER, stream::stream)
        .is(own::readings_stream())
        .merge(data_routes())
}

/// The routes that need no engine.
fn data_routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    DataState: FromRef<S>,
{
    Routes::new()
        .get("/api/sensors/readings", VIEWER, readings::columns)
        .is(own::readings())
        .get("/api/sensors/series", VIEWER, series::series)
        .is(own::series())
        .get("/api/sensors/export", VIEWER, readings::export)
        .is(own::export())
}
