//! `/openapi.json`, and `/docs`: the document as a page on which each call can be tried (Swagger UI, which is inside the
//! binary and asks nobody else).

use super::{document, own};
use crate::access::{Access, Routes, VIEWER};
use crate::{AppState, routes as all_routes};
use axum::Json;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use utoipa_swagger_ui::Config;

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

static DOCUMENT_OF_ALL: LazyLock<Value> = LazyLock::new(|| document(&all_routes().into_parts().1));

/// Where the page finds the document; it is the same for everybody.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::new([DOCUMENT]).use_base_layout().try_it_out_enabled(true).persist_authorization(false))
});

pub(crate) fn routes() -> Routes<AppState> {
    Routes::new()
        .get(DOCUMENT, Access::Public, the_document)
        .is(own::document())
        .get("/docs", VIEWER, || async { Redirect::to("/docs/index.html") })
        .get("/docs/{file}", VIEWER, file)
}

async fn the_document() -> Json<&'static Value> {
    Json(&DOCUMENT_OF_ALL)
}

async fn file(Path(name): Path<String>) -> Response {
    match utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => {
            ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of the API cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
