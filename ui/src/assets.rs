//! The static files, inside the binary. Their address holds a hash of all of them, so that a browser keeps them for
//! good and scripts may import each other by relative names.

use crate::AppState;
use crate::access::{Access, Routes};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// The hash of all files; a debug build reads them from disk at each request, and lets nobody keep them.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    let mut hasher = Sha256::new();
    for file in names.iter().filter_map(|name| Files::get(name)) {
        hasher.update(file.metadata.sha256_hash());
    }
    hex::encode(&hasher.finalize()[..6])
});

pub(crate) fn routes() -> Routes<AppState> {
    Routes::new().get("/static/{edition}/{*name}", Access::Public, file).get(
        "/favicon.ico",
        Access::Public,
        favicon,
    )
}

/// The address of a static file: `url("app.css")`.
pub(crate) fn url(name: &str) -> String {
    format!("/static/{}/{name}", *EDITION)
}

async fn file(Path((edition, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let is_current = edition == *EDITION && !cfg!(debug_assertions);
    match Files::get(&name) {
        Some(file) => answer(&name, file, is_current, &headers),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

async fn favicon(headers: HeaderMap) -> Response {
    match Files::get("icon.svg") {
        Some(file) => answer("icon.svg", file, false, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(name: &str, file: EmbeddedFile, keep: bool, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..12]));
    let cache = if keep { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let head = [
        (header::CONTENT_TYPE, with_charset(kind.as_ref())),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, tag.clone()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, file.data).into_response()
}

fn with_charset(kind: &str) -> String {
    if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}
