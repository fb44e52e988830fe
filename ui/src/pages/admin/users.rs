//! The users: who may come in and how far; made, changed and removed by admins.

use super::{Chosen, Done, Fault, answered, framed};
use crate::access::{Caller, PageActor};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::Instant;
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::access::Role;
use esteira_runtime::{AccountRequest, CommandError, hash_password};
use jiff::Timestamp;
use serde::Deserialize;

/// The tab that all this is under.
fn tab() -> (&'static str, &'static str) {
    (t("Users"), "/users")
}

/// What users of a role may, in a line.
pub(super) fn may(role: Role) -> &'static str {
    match role {
        Role::Viewer => t("look at everything but variables and connections"),
        Role::User => t("also start, stop, clear, mark, pause and answer"),
        Role::Operator => t("also change variables, connections, pools and assets, and delete DAGs"),
        Role::Admin => t("also manage users and the tokens of all"),
    }
}

/// A role to choose.
pub(crate) struct RoleChoice {
    pub(crate) name: &'static str,
    pub(crate) may: &'static str,
    pub(crate) is_on: bool,
}

/// The roles up to one, to choose from.
pub(super) fn roles(most: Role, chosen: &str) -> Vec<RoleChoice> {
    let roles = Role::ALL.iter().copied().filter(|role| *role <= most);
    roles
        .map(|role| RoleChoice { name: role.as_str(), may: may(role), is_on: role.as_str() == chosen })
        .collect()
}

#[derive(Template)]
#[template(path = "admin_users.html")]
struct UsersPage {
    frame: Frame,
    rows: Vec<Row>,
    done: Done,
}

struct Row {
    name: String,
    role: &'static str,
    may: &'static str,
    created: Instant,
    changed: Instant,
    tokens: usize,
    is_oneself: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    caller: Caller,
    Query(done): Query<Done>,
    visitor: Visitor,
) -> Response {
    let accounts = state.handle.accounts();
    let (tokens, now) = (accounts.tokens(), Timestamp::now());
    let rows = accounts.users().into_iter().map(|user| Row {
        role: user.role.as_str(),
        may: may(user.role),
        created: Instant::new(user.created_at, now),
        changed: Instant::new(user.changed_at, now),
        tokens: tokens.iter().filter(|token| token.user_name == user.name).count(),
        is_oneself: user.name == caller.name(),
        name: user.name,
    });
    frame::html(&UsersPage { frame: framed(&visitor, tab(), ""), rows: rows.collect(), done })
}

/// A user as the form has it. Passwords never go back into a page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    name: String,
    role: String,
    password: String,
    again: String,
    /// Whether there is to be none of this name yet.
    is_new: bool,
}

#[derive(Template)]
#[template(path = "admin_user_form.html")]
struct UserForm {
    frame: Frame,
    typed: Typed,
    roles: Vec<RoleChoice>,
    /// Whether there is no user yet: the first is an admin, and from then on everybody signs in.
    is_first: bool,
    fault: Option<String>,
}

pub(crate) async fn form(
    State(state): State<AppState>,
    Query(Chosen { name }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let typed = match name.as_str() {
        "" => Typed { is_new: true, role: Role::Viewer.to_string(), ..Typed::default() },
        name => {
            let user = state.handle.accounts().user(name);
            let user = user.ok_or_else(|| PageError::not_found(t1("There is no user {}", name)))?;
            Typed { name: user.name, role: user.role.to_string(), ..Typed::default() }
        }
    };
    Ok(show(&state, &visitor, typed, None))
}

fn show(state: &AppState, visitor: &Visitor, typed: Typed, fault: Option<String>) -> Response {
    let title = if typed.is_new { t("New user").to_owned() } else { typed.name.clone() };
    let is_first = !state.handle.accounts().has_users();
    let roles = roles(Role::Admin, if is_first { Role::Admin.as_str() } else { &typed.role });
    frame::html(&UserForm { frame: framed(visitor, tab(), &title), typed, roles, is_first, fault })
}

pub(crate) async fn save(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(mut typed): Form<Typed>,
) -> Response {
    typed.name = typed.name.trim().to_owned();
    let saved = match request(&typed).await {
        Ok(request) => state.handle.change_account(request, actor).await.map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    let name = typed.name.clone();
    answered(saved, "/users", &name, |fault| show(&state, &visitor, typed, Some(fault)))
}

async fn request(typed: &Typed) -> Result<AccountRequest, Fault> {
    let role = Role::from_label(&typed.role);
    let role = role.ok_or_else(|| Fault::invalid(t1("There is no role {}", &typed.role)))?;
    let name = typed.name.clone();
    if typed.password.is_empty() && typed.again.is_empty() && !typed.is_new {
        return Ok(AccountRequest::ChangeUser { name, role: Some(role), password_hash: None });
    }
    let password_hash = hashed(&typed.password, &typed.again).await?;
    Ok(match typed.is_new {
        true => AccountRequest::CreateUser { name, role, password_hash },
        false => AccountRequest::ChangeUser { name, role: Some(role), password_hash: Some(password_hash) },
    })
}

/// The hash of a password that was typed twice, made where it holds nobody up.
pub(super) async fn hashed(password: &str, again: &str) -> Result<String, Fault> {
    if password != again {
        return Err(Fault::invalid(t("The two passwords differ: type the same twice")));
    }
    let password = password.to_owned();
    let hash = tokio::task::spawn_blocking(move || hash_password(&password)).await;
    let hash = hash.unwrap_or_else(|panic| Err(CommandError::Store(panic.to_string())));
    hash.map_err(Fault::from)
}

#[derive(Template)]
#[template(path = "admin_user_removal.html")]
struct RemovalPage {
    frame: Frame,
    name: String,
    /// The tokens that would go too, by label.
    tokens: Vec<String>,
    is_oneself: bool,
    fault: Option<String>,
}

/// Says what removing a user would do.
pub(crate) async fn removal(
    State(state): State<AppState>,
    caller: Caller,
    Query(Chosen { name }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    show_removal(&state, &caller, &visitor, name, None)
}

fn show_removal(
    state: &AppState,
    caller: &Caller,
    visitor: &Visitor,
    name: String,
    fault: Option<String>,
) -> Result<Response, PageError> {
    let accounts = state.handle.accounts();
    if accounts.user(&name).is_none() {
        return Err(PageError::not_found(t1("There is no user {}", &name)));
    }
    let tokens = accounts.tokens().into_iter().filter(|token| token.user_name == name);
    let tokens = tokens.map(|token| token.label).collect();
    let (frame, is_oneself) = (framed(visitor, tab(), &name), name == caller.name());
    Ok(frame::html(&RemovalPage { frame, name, tokens, is_oneself, fault }))
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(Chosen { name }): Form<Chosen>,
) -> Result<Response, PageError> {
    match state.handle.change_account(AccountRequest::RemoveUser(name.clone()), actor).await {
        Ok(()) => Ok(Redirect::to(&links::with_query("/users", &[("removed", &name)])).into_response()),
        Err(error) => {
            let fault = Fault::from(error);
            let page = show_removal(&state, &caller, &visitor, name, Some(fault.message))?;
            Ok((fault.status, page).into_response())
        }
    }
}
