//! What a browser must not be tricked into: requests from other sites, foreign host names, foreign scripts.
//!
//! The server listens on loopback without a login, so every page that its user visits could try to reach it. A
//! request that changes something is therefore refused when a browser says that another site sent it, and a host
//! name that is not ours is refused always (DNS rebinding).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The host names that a server answers to; none when it listens to the world and nobody said by what names.
#[derive(Clone)]
pub(crate) struct Hosts(Option<Arc<Vec<String>>>);

impl Hosts {
    pub(crate) fn new(listener: SocketAddr, allowed: &[String]) -> Self {
        if !listener.ip().is_loopback() && allowed.is_empty() {
            return Self(None);
        }
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        if !listener.ip().is_unspecified() {
            names.push(match listener.ip() {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            });
        }
        names.extend(allowed.iter().map(|name| name.to_ascii_lowercase()));
        Self(Some(Arc::new(names)))
    }

    fn knows(&self, host: &str) -> bool {
        let Some(names) = &self.0 else { return true };
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &host,
        };
        names.iter().any(|known| known == name || *known == host)
    }
}

/// Refuses a request whose host name is not ours.
pub(crate) async fn known_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let host = text(request.headers(), header::HOST.as_str()).or(request.uri().host()).unwrap_or_default();
    if hosts.knows(host) {
        return next.run(request).await;
    }
    let message = "this server does not answer to this host name; use localhost, or put the name into \
                   ESTEIRA_ALLOWED_HOSTS\n";
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// Refuses a change that a browser sends on behalf of another site.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    let detail = serde_json::json!({ "detail": "the request comes from another site" });
    (StatusCode::FORBIDDEN, axum::Json(detail)).into_response()
}

/// Browsers say where a request comes from; programs say nothing, and cannot be tricked.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(headers, "origin") else { return true };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == text(headers, "host")
}

/// Whether a browser says at all what page sends a request. One that does not may be led by any page.
pub(crate) fn says_origin(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-site").or(text(headers, "origin")).is_some()
}

/// The headers of every answer.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set("content-security-policy", CONTENT_SECURITY_POLICY);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("permissions-policy", "camera=(), geolocation=(), microphone=()");
    set("cache-control", "no-store");
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_listener_answers_to_loopback_names_only() {
        let hosts = Hosts::new("127.0.0.1:8080".parse().unwrap(), &["Flow.example".to_owned()]);
        for good in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "flow.example:443"]
        {
            assert!(hosts.knows(good), "{good}");
        }
        for bad in ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.nip.io"] {
            assert!(!hosts.knows(bad), "{bad}");
        }
    }

    #[test]
    fn a_listener_to_the_world_answers_to_all_names_unless_some_are_allowed() {
        let listener = "0.0.0.0:8080".parse().unwrap();
        assert!(Hosts::new(listener, &[]).knows("any.example"));
        let hosts = Hosts::new(listener, &["flow.example".to_owned()]);
        for good in ["flow.example", "FLOW.example:8080", "localhost:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(hosts.knows(good), "{good}");
        }
        for bad in ["", "evil.example", "0.0.0.0:8080"] {
            assert!(!hosts.knows(bad), "{bad}");
        }
        let hosts = Hosts::new("192.0.2.7:8080".parse().unwrap(), &["flow.example".to_owned()]);
        assert!(hosts.knows("192.0.2.7:8080") && !hosts.knows("192.0.2.8:8080"));
    }

    #[test]
    fn changes_from_other_sites_are_known_by_what_browsers_say() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)));
            is_same_origin(&HeaderMap::from_iter(pairs))
        };
        assert!(check(&[]));
        assert!(check(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(check(&[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
        assert!(!check(&[("host", "localhost:8080"), ("origin", "http://localhost:9999")]));
        assert!(!check(&[("host", "localhost:8080"), ("origin", "null")]));
    }
}
