//! The gate: lets a caller through to a route, or says why not.

use super::caller::Caller;
use super::routes::{Access, Table};
use crate::api::{ApiError, Fault};
use crate::error_pages::PageError;
use crate::openapi::Operation;
use crate::{AppState, guard, t, tm};
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::access::Role;
use esteira_runtime::Principal;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use std::sync::Arc;

/// What the gate knows.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) state: AppState,
    pub(crate) table: Arc<Table>,
}

/// Why somebody is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// They have not shown who they are.
    Unknown,
    /// What they have shown is good for nothing.
    WrongCredential,
    /// It takes a user of this role.
    Role { needs: Role, has: Role },
    /// Their token is for other DAGs.
    OtherDags,
    /// A browser that does not say what page sends the request; it might be any.
    NoOrigin,
}

/// Lets a request through, if its caller may send it.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let route = gate.table.find(&parts.method, path);
    let access = gate.table.access(&parts.method, path);
    let caller = Caller::of(&parts);
    let dag_id = path.and_then(|path| dag_in(path, parts.uri.path()));
    let verdict = check(&caller, access, dag_id.as_deref()).and_then(|()| {
        let is_read = parts.method.is_safe() || access == Access::Public;
        let is_fine = is_read || !caller.is_by_cookie || guard::says_origin(&parts.headers);
        if is_fine { Ok(()) } else { Err(Refusal::NoOrigin) }
    });
    let Err(refusal) = verdict else {
        let operation = route.and_then(|route| route.operation.as_ref());
        return match operation.and_then(|operation| unknown_parameter(operation, &parts.uri)) {
            Some(error) => error.into_response(),
            None => next.run(Request::from_parts(parts, body)).await,
        };
    };
    let address = parts.uri.path();
    let is_page = !is_for_programs(address);
    if is_page && refusal == Refusal::Unknown && parts.method == Method::GET {
        // Nobody is refused anything yet: they are asked who they are.
        let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
        let wanted = utf8_percent_encode(wanted, NON_ALPHANUMERIC);
        return Redirect::to(&format!("/login?next={wanted}")).into_response();
    }
    let what = format!("{} {address}", parts.method);
    gate.state.doors.refusals.tell(&gate.state.handle, &caller, what, refusal.message());
    refusal.answer(is_page)
}

/// A parameter that a route does not take: passed over, the answer would be another than the one that was asked for.
fn unknown_parameter(operation: &Operation, uri: &Uri) -> Option<ApiError> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let name = operation.unknown(pairs.iter().map(|(name, _)| name.as_str()))?;
    let known = operation.parameters();
    let message = match known.as_slice() {
        [] => "There is no such parameter: this address takes none".to_owned(),
        known => format!("There is no such parameter; there are {}", known.join(", ")),
    };
    let input = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| Value::from(value.as_str()));
    let fault = Fault::of("query", name, "extra_forbidden", message, input.unwrap_or_default());
    Some(ApiError::invalid(vec![fault]))
}

fn check(caller: &Caller, access: Access, dag_id: Option<&str>) -> Result<(), Refusal> {
    let Access::Role(needs) = access else { return Ok(()) };
    let Some(Principal { role: has, dag_ids, .. }) = &caller.principal else {
        let wrong = caller.has_wrong_credential;
        return Err(if wrong { Refusal::WrongCredential } else { Refusal::Unknown });
    };
    if *has < needs {
        return Err(Refusal::Role { needs, has: *has });
    }
    match dag_ids {
        Some(dag_ids) if !dag_ids.iter().any(|known| Some(known.as_str()) == dag_id) => {
            Err(Refusal::OtherDags)
        }
        _ => Ok(()),
    }
}

impl Refusal {
    /// In one sentence, for whoever is refused.
    fn message(&self) -> String {
        match self {
            Self::Unknown => "sign in, or send a token: Authorization: Bearer …".to_owned(),
            Self::WrongCredential => "the token is wrong, has ended or was revoked".to_owned(),
            Self::Role { needs, has } => format!("it takes the role {needs}, and yours is {has}"),
            Self::OtherDags => "your token is for certain DAGs, and this is about something else".to_owned(),
            Self::NoOrigin => "the browser does not say what page sends this".to_owned(),
        }
    }

    /// The same on a page, in the language of whoever looks at it.
    fn page_message(&self) -> String {
        match self {
            Self::Unknown => t("Nobody is signed in").to_owned(),
            Self::WrongCredential => t("What you are signed in with has ended or was revoked").to_owned(),
            Self::Role { needs, has } => tm("It takes the role {}, and yours is {}", &[needs, has]),
            Self::OtherDags => {
                t("Your token is for certain DAGs, and this is about something else").to_owned()
            }
            Self::NoOrigin => t("The browser does not say what page sends this").to_owned(),
        }
    }

    fn answer(&self, is_page: bool) -> Response {
        let is_unknown = matches!(self, Self::Unknown | Self::WrongCredential);
        if is_page {
            return PageError::forbidden(self.page_message(), is_unknown).into_response();
        }
        let message = self.message();
        if !is_unknown {
            return ApiError::forbidden(message).into_response();
        }
        let mut response = ApiError::unauthorized(message).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }
}

/// Whether it is programs that ask for this address, and not browsers that show it.
fn is_for_programs(address: &str) -> bool {
    ["/api/", "/auth/", "/hooks/", "/static/", "/schema/"].iter().any(|prefix| address.starts_with(prefix))
}

/// The DAG in an address, if its route has one.
fn dag_in(route: &str, address: &str) -> Option<String> {
    let mut pairs = route.split('/').zip(address.split('/'));
    let (_, name) = pairs.find(|(part, _)| *part == "{dag_id}")?;
    percent_decode_str(name).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dag_of_an_address_is_found_where_its_route_has_it() {
        let route = "/api/v2/dags/{dag_id}/dagRuns/{run_id}";
        assert_eq!(dag_in(route, "/api/v2/dags/a%20b/dagRuns/x").as_deref(), Some("a b"));
        assert_eq!(dag_in("/api/v2/pools", "/api/v2/pools"), None);
        assert_eq!(dag_in("/api/v2/dagSources/{dag_id}", "/api/v2/dagSources/x").as_deref(), Some("x"));
    }
}
