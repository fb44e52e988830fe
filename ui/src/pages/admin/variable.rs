//! One variable: the form that makes or changes it, and what removing it would do.

use super::mentions::Claimants;
use super::variables::{find, tab};
use super::{Fault, answered, framed};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use esteira_operator::is_secret_name;
use esteira_runtime::{SecretRequest, Variable};
use serde::Deserialize;

/// A variable as the form has it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    key: String,
    value: String,
    is_secret: bool,
    description: String,
    /// Whether there is to be none of this name yet.
    is_new: bool,
}

#[derive(Template)]
#[template(path = "admin_variable_form.html")]
struct VariableForm {
    frame: Frame,
    typed: Typed,
    fault: Option<String>,
    /// Whether it has a secret value, which stays unless another one is typed.
    keeps_value: bool,
}

/// Which variable is meant; none for a new one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    key: String,
}

pub(crate) async fn form(
    State(state): State<AppState>,
    Query(Chosen { key }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    if key.is_empty() {
        return Ok(show(&state, &visitor, Typed { is_new: true, ..Typed::default() }, None));
    }
    let Variable { key, value, is_secret, description } = known(&state, &key)?;
    Ok(show(&state, &visitor, Typed { key, value, is_secret, description, is_new: false }, None))
}

fn known(state: &AppState, key: &str) -> Result<Variable, PageError> {
    find(state, key).ok_or_else(|| PageError::not_found(t1("There is no variable {} in the store", key)))
}

fn show(state: &AppState, visitor: &Visitor, mut typed: Typed, fault: Option<String>) -> Response {
    let title = if typed.is_new { t("New variable").to_owned() } else { typed.key.clone() };
    let keeps_value = !typed.is_new && find(state, &typed.key).is_some_and(|variable| variable.is_secret);
    if typed.is_secret || keeps_value {
        // A secret goes into a page in no case, not even into that of who has typed it.
        typed.value.clear();
    }
    frame::html(&VariableForm { frame: framed(visitor, tab(), &title), typed, fault, keeps_value })
}

pub(crate) async fn save(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(mut typed): Form<Typed>,
) -> Response {
    typed.key = typed.key.trim().to_owned();
    let saved = match checked(&state, &typed) {
        Ok(variable) => {
            let request = SecretRequest::SetVariable(variable);
            state.handle.change_secret(request, actor).await.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    let key = typed.key.clone();
    answered(saved.map(drop), "/variables", &key, |fault| show(&state, &visitor, typed, Some(fault)))
}

fn checked(state: &AppState, typed: &Typed) -> Result<Variable, Fault> {
    let known = find(state, &typed.key);
    if typed.is_new && known.is_some() {
        return Err(Fault::invalid(t1("There is a variable {} already: change that one", &typed.key)));
    }
    let is_secret = typed.is_secret || is_secret_name(&typed.key);
    // Browsers send lines with a carriage return.
    let typed_value = typed.value.replace("\r\n", "\n");
    let value = match known.filter(|variable| variable.is_secret) {
        Some(secret) if typed_value.is_empty() && is_secret => secret.value,
        Some(_) if typed_value.is_empty() => {
            let message = t("What was a secret is not shown by a tick taken away: type the value anew");
            return Err(Fault::invalid(message));
        }
        _ => typed_value,
    };
    let description = typed.description.trim().to_owned();
    Ok(Variable { key: typed.key.clone(), value, is_secret, description })
}

#[derive(Template)]
#[template(path = "admin_variable_removal.html")]
struct RemovalPage {
    frame: Frame,
    key: String,
    claimants: Claimants,
}

/// Says what removing a variable would do.
pub(crate) async fn removal(
    State(state): State<AppState>,
    Query(Chosen { key }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    known(&state, &key)?;
    let claimants = Claimants::of_variable(&state, &key);
    Ok(frame::html(&RemovalPage { frame: framed(&visitor, tab(), &key), key, claimants }))
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    Form(Chosen { key }): Form<Chosen>,
) -> Result<Redirect, PageError> {
    state.handle.change_secret(SecretRequest::RemoveVariable(key.clone()), actor).await?;
    Ok(Redirect::to(&links::with_query("/variables", &[("removed", &key)])))
}
