//! The pages. One file a page.

use crate::AppState;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/", get(|| async { Redirect::to("/dags") }))
}
