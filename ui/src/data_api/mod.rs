//! The data API: the readings in the cache, the history and the alerts.

use crate::AppState;
use axum::Router;

pub(crate) fn router() -> Router<AppState> {
    Router::new()
}
