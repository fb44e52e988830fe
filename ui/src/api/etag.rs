//! Entity tags: a client that asks again and again for what has not changed gets `304 Not Modified`, and no body. The tag is
//! made from the answer itself, so that it is right whatever the answer is made from: the store, the engine, or the clock.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// A longer answer gets no tag: its text is not held twice.
const TAGGED_MAX: u64 = 4 * 1024 * 1024;

/// Gives answers of the API a tag, and says when the caller has the answer already.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let is_read = *request.method() == Method::GET && request.uri().path().starts_with("/api/");
    if !is_read {
        return next.run(request).await;
    }
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_whole = response.body().size_hint().exact().is_some_and(|length| length <= TAGGED_MAX);
    if response.status() != StatusCode::OK || !is_whole || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, TAGGED_MAX as usize).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // Weak, since a compressed answer has the same one.
    let tag = format!("W/\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
    let is_known = known.is_some_and(|known| holds(&known, &tag));
    insert(&mut parts.headers, &tag);
    if !is_known {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

fn insert(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    // A client may keep the answer for itself, and must ask whether it still holds.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
}

/// Whether a list of tags has this one, or stands for any. Weak and strong ones are the same here.
fn holds(known: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(known) = known.to_str() else { return false };
    known.split(',').any(|known| known.trim() == "*" || strong(known) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_a_list() {
        let holds = |known: &str| holds(&HeaderValue::from_str(known).unwrap(), "W/\"ab\"");
        assert!(holds("W/\"ab\"") && holds("\"ab\"") && holds("\"x\", W/\"ab\"") && holds("*"));
        assert!(!holds("W/\"a\"") && !holds("") && !holds("ab"));
    }
}
