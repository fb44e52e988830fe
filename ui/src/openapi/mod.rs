//! The OpenAPI 3.1 document of the API, made from the table of routes; and the page that shows it, which works offline.
//!
//! A route is described where it is made ([`crate::access::Routes`]): what it takes and answers is an [`Operation`], from one
//! of the files here. Queries are checked against it, and the tests hold every answer to it, so that the document cannot
//! say something else than the program does.

mod components;
pub(crate) mod definitions;
mod operation;
pub(crate) mod own;
mod page;
pub(crate) mod runs;
mod schema;
pub(crate) mod shared;

pub(crate) use operation::Operation;
pub(crate) use page::routes;

use crate::access::{Access, Table};
use axum::http::Method;
use serde_json::{Map, Value, json};

/// The whole document.
pub(crate) fn document(table: &Table) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table.routes() {
        let Some(operation) = &route.operation else { continue };
        let role = match route.access {
            Access::Public => None,
            Access::Role(role) => Some(role.as_str()),
        };
        let path = route.path.replace("{*", "{");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        let mut operation = operation.to_json(&route.path, role);
        if route.method == Method::GET && route.path.starts_with("/api/") {
            operation["responses"]["304"] =
                json!({ "description": "As it was, by the If-None-Match that was sent" });
        }
        methods[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Esteira",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Under /api/v2 Airflow 3's public API, as far as Esteira has the thing; beside it Esteira's own additions.",
        },
        "paths": paths,
        "components": {
            "schemas": components::schemas(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}
