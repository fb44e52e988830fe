//! The REST API under `/api/v2`, in Airflow's shapes. One file a resource.

use crate::AppState;
use axum::Router;

pub(crate) fn router() -> Router<AppState> {
    Router::new()
}
