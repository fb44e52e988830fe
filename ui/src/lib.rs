//! The web: pages, REST API, data API and live events, served by axum from one process.
//!
//! ```text
//!   browser ─▶ guard (host, origin, headers) ─▶ access (who? may they?) ─▶ pages/  server-rendered HTML (askama)
//!   client  ─▶                                                           ─▶ api/    /api/v2 in Airflow's shapes
//!                                                                        ─▶ live/   /api/events, server-sent
//!                                                                        ─▶ data_api/ and sensors/: the pipeline's readings
//! ```
//!
//! Nothing here writes: commands go through [`esteira_runtime::Handle`], reads through its reader.
#![warn(missing_docs)]

mod access;
mod api;
mod assets;
mod audit_check;
mod data_api;
mod definition;
mod diagnostics;
mod error_pages;
mod frame;
mod gantt;
mod graph;
mod guard;
mod json_tree;
mod links;
mod live;
mod locale;
mod openapi;
mod pages;
mod param_form;
mod schema;
mod sensors;
mod serve;
mod settings;
mod show;
mod source_changes;
mod versions;

pub use access::Doors;
pub use audit_check::AuditCheck;
pub use settings::Settings;
pub use versions::Versions;

use access::{Routes, caller, gate};
pub(crate) use locale::{t, t1, tm, tn};

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::{Extension, Router};
use esteira_operator::Registry;
use esteira_runtime::Handle;
use esteira_tasks::connectors::Connectors;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

/// What every handler may use. Cloning shares it.
#[derive(Clone)]
pub struct AppState {
    /// The door to the engine.
    pub handle: Handle,
    /// The services that readings live in.
    pub connectors: Connectors,
    /// What lists tell of DAG versions.
    pub versions: Versions,
    /// The operators that DAGs may name.
    pub registry: Arc<Registry>,
    /// Names that the data API and the dashboard use.
    pub settings: Settings,
    /// What the doors keep in mind: who has tried how often to come in.
    pub doors: Doors,
    /// What is known of the history's wholeness.
    pub audit: AuditCheck,
}

/// Every route, with who may use it.
fn routes() -> Routes<AppState> {
    api::routes()
        .merge(live::routes())
        .merge(data_api::routes())
        .merge(assets::routes())
        .merge(schema::routes())
        .merge(openapi::routes())
        .merge(pages::routes())
        .merge(sensors::routes())
        .map(|router| router.fallback(error_pages::not_found))
}

/// Every route as `(method, path, who may use it)`, in order: for the tests that leave none out.
pub fn route_table() -> Vec<(String, String, String)> {
    let (_, table) = routes().into_parts();
    let row =
        |route: &access::Route| (route.method.to_string(), route.path.clone(), route.access.to_string());
    table.routes().iter().map(row).collect()
}

/// The OpenAPI document of the API, as `/openapi.json` serves it.
pub fn openapi_document() -> serde_json::Value {
    openapi::document(&routes().into_parts().1)
}

/// Everything that is served, without the check of the `Host` header, which needs to know the listener.
pub fn router(state: AppState) -> Router {
    let (router, table) = routes().into_parts();
    let gate = gate::Gate { state: state.clone(), table: Arc::new(table) };
    let bursts = live::Bursts::gather(state.handle.subscribe());
    router
        .with_state(state.clone())
        .layer(Extension(bursts))
        .layer(Extension(Arc::new(sensors::Dashboard::default())))
        .layer(middleware::from_fn_with_state(gate, gate::gate))
        .layer(middleware::from_fn_with_state(state.clone(), error_pages::render))
        .layer(middleware::from_fn_with_state(state, caller::identify))
        .layer(middleware::from_fn(locale::choose))
        .layer(middleware::from_fn(serve::in_time))
        .layer(DefaultBodyLimit::max(serve::BODY_BYTES_MAX))
        .layer(middleware::from_fn(api::etag::tag))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn(guard::headers))
}

/// Serves until `shutdown` fires, then lets open requests end.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let hosts = guard::Hosts::new(listener.local_addr()?, &state.settings.allowed_hosts);
    let app = router(state)
        .layer(middleware::from_fn_with_state(hosts, guard::known_host))
        .layer(Extension(live::Shutdown(shutdown.clone())));
    serve::serve(listener, app, shutdown).await;
    Ok(())
}
