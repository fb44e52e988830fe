//! API tokens: one's own; an admin sees and revokes those of all. A new one is shown once.

use super::users::{RoleChoice, roles};
use super::{Done, Fault, framed};
use crate::access::{Caller, PageActor};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::Instant;
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::access::Role;
use esteira_runtime::{AccountRequest, Actor, NewToken, Secret};
use esteira_store::ApiTokenRow;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The tab that all this is under.
fn tab() -> (&'static str, &'static str) {
    (t("Tokens"), "/tokens")
}

#[derive(Template)]
#[template(path = "admin_tokens.html")]
struct TokensPage {
    frame: Frame,
    rows: Vec<Row>,
    /// Whether there are users: without any, a token has nobody to act for, and none is asked for.
    has_users: bool,
    done: Done,
}

struct Row {
    token_id: String,
    user: String,
    label: String,
    role: &'static str,
    /// Empty for all.
    dags: Vec<(String, String)>,
    created: Instant,
    expires: Option<Instant>,
    has_ended: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    caller: Caller,
    Query(done): Query<Done>,
    visitor: Visitor,
) -> Response {
    let now = Timestamp::now();
    let tokens = state.handle.accounts().tokens().into_iter().filter(|token| may_see(&caller, token));
    let rows = tokens.map(|token| Row {
        role: token.role.as_str(),
        dags: token.dag_ids.iter().flatten().map(|dag_id| (dag_id.clone(), links::dag(dag_id))).collect(),
        created: Instant::new(token.created_at, now),
        expires: token.expires_at.map(|at| Instant::new(at, now)),
        has_ended: token.expires_at.is_some_and(|at| at <= now),
        token_id: token.token_id,
        user: token.user_name,
        label: token.label,
    });
    let rows: Vec<Row> = rows.collect();
    let has_users = state.handle.accounts().has_users();
    frame::html(&TokensPage { frame: framed(&visitor, tab(), ""), rows, has_users, done })
}

fn may_see(caller: &Caller, token: &ApiTokenRow) -> bool {
    caller.may(Role::Admin) || token.user_name == caller.name()
}

/// How long a token lasts, to choose: days, 0 for ever.
const DAYS: [u16; 5] = [7, 30, 90, 365, 0];

/// A token as the form has it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    label: String,
    user: String,
    role: String,
    /// Names with commas or spaces between them; none for all.
    dags: String,
    days: u16,
}

#[derive(Template)]
#[template(path = "admin_token_form.html")]
struct TokenForm {
    frame: Frame,
    typed: Typed,
    roles: Vec<RoleChoice>,
    /// For whom it may be, each with their role; only oneself unless one is an admin.
    users: Vec<(String, &'static str)>,
    days: [u16; 5],
    fault: Option<String>,
}

pub(crate) async fn form(State(state): State<AppState>, caller: Caller, visitor: Visitor) -> Response {
    let role = own_role(&caller).to_string();
    let typed = Typed { days: 90, user: caller.name().to_owned(), role, ..Typed::default() };
    show(&state, &caller, &visitor, typed, None)
}

fn own_role(caller: &Caller) -> Role {
    caller.principal.as_ref().map_or(Role::Viewer, |principal| principal.role)
}

fn show(
    state: &AppState,
    caller: &Caller,
    visitor: &Visitor,
    typed: Typed,
    fault: Option<String>,
) -> Response {
    let users = state.handle.accounts().users().into_iter();
    let users = users.filter(|user| caller.may(Role::Admin) || user.name == caller.name());
    frame::html(&TokenForm {
        frame: framed(visitor, tab(), t("New token")),
        roles: roles(own_role(caller), &typed.role),
        users: users.map(|user| (user.name, user.role.as_str())).collect(),
        days: DAYS,
        typed,
        fault,
    })
}

#[derive(Template)]
#[template(path = "admin_token_made.html")]
struct TokenMade {
    frame: Frame,
    label: String,
    user: String,
    /// The token itself, this once.
    token: String,
}

pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(typed): Form<Typed>,
) -> Response {
    match make(&state, &caller, actor, &typed).await {
        Ok(secret) => {
            let page = TokenMade {
                frame: framed(&visitor, tab(), t("New token")),
                label: typed.label.trim().to_owned(),
                user: typed.user,
                token: secret.text().to_owned(),
            };
            // No copy of the page stays anywhere.
            ([(header::CACHE_CONTROL, "no-store")], frame::html(&page)).into_response()
        }
        Err(fault) => {
            let page = show(&state, &caller, &visitor, typed, Some(fault.message));
            (fault.status, page).into_response()
        }
    }
}

async fn make(state: &AppState, caller: &Caller, actor: Actor, typed: &Typed) -> Result<Secret, Fault> {
    let role = Role::from_label(&typed.role);
    let role = role.ok_or_else(|| Fault::invalid(t1("There is no role {}", &typed.role)))?;
    let is_for_another = typed.user != caller.name();
    if (is_for_another && !caller.may(Role::Admin)) || role > own_role(caller) {
        return Err(Fault::invalid(t(
            "A token can do no more than whoever makes it, and is for oneself unless an admin makes it",
        )));
    }
    let named = typed.dags.split([',', ' ', '\n', '\r', '\t']).filter(|dag_id| !dag_id.is_empty());
    let dag_ids: Vec<String> = named.map(str::to_owned).collect();
    for dag_id in &dag_ids {
        if !matches!(state.handle.reader().dag(dag_id).await, Ok(Some(_))) {
            return Err(Fault::invalid(t1("There is no DAG {}", dag_id)));
        }
    }
    let secret = Secret::generate().ok_or_else(|| Fault::invalid(t("The system gives no random bytes")))?;
    let length = SignedDuration::from_hours(24 * i64::from(typed.days));
    let token = NewToken {
        user_name: typed.user.clone(),
        label: typed.label.trim().to_owned(),
        secret_hash: secret.hash(),
        role,
        dag_ids: (!dag_ids.is_empty()).then_some(dag_ids),
        expires_at: (typed.days > 0).then(|| Timestamp::now() + length),
    };
    state.handle.change_account(AccountRequest::CreateToken(token), actor).await?;
    Ok(secret)
}

/// Which token is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    id: String,
}

#[derive(Template)]
#[template(path = "admin_token_removal.html")]
struct RemovalPage {
    frame: Frame,
    token: ApiTokenRow,
}

fn find(state: &AppState, caller: &Caller, id: &str) -> Result<ApiTokenRow, PageError> {
    let mut tokens = state.handle.accounts().tokens().into_iter();
    let found = tokens.find(|token| token.token_id == id && may_see(caller, token));
    found.ok_or_else(|| PageError::not_found(t1("There is no token {}", id)))
}

/// Says what revoking a token would do.
pub(crate) async fn removal(
    State(state): State<AppState>,
    caller: Caller,
    Query(Chosen { id }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let token = find(&state, &caller, &id)?;
    Ok(frame::html(&RemovalPage { frame: framed(&visitor, tab(), &token.label), token }))
}

pub(crate) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    PageActor(actor): PageActor,
    Form(Chosen { id }): Form<Chosen>,
) -> Result<Redirect, PageError> {
    let token = find(&state, &caller, &id)?;
    state.handle.change_account(AccountRequest::RevokeToken(id), actor).await?;
    Ok(Redirect::to(&links::with_query("/tokens", &[("removed", &token.label)])))
}
