//! Many variables at once, from JSON as `esteira variables export` writes it.

use super::variables::tab;
use super::{Fault, framed};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t, t1, tm};
use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_operator::is_secret_name;
use esteira_runtime::{Actor, SecretRequest, Variable};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Template)]
#[template(path = "admin_variable_import.html")]
struct ImportPage {
    frame: Frame,
    fault: Option<String>,
}

/// What is to be taken in: JSON text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    document: String,
}

pub(crate) async fn form(visitor: Visitor) -> Response {
    show(&visitor, None)
}

/// The text does not come back into the page: it may hold secrets.
fn show(visitor: &Visitor, fault: Option<String>) -> Response {
    frame::html(&ImportPage { frame: framed(visitor, tab(), t("Import")), fault })
}

pub(crate) async fn import(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(Typed { document }): Form<Typed>,
) -> Result<Response, PageError> {
    Ok(match set_all(&state, actor, &document).await {
        Ok(count) => {
            let what = tm("{} variables", &[&count]);
            Redirect::to(&links::with_query("/variables", &[("saved", &what)])).into_response()
        }
        Err(fault) => (fault.status, show(&visitor, Some(fault.message))).into_response(),
    })
}

async fn set_all(state: &AppState, actor: Actor, document: &str) -> Result<usize, Fault> {
    let document: Map<String, Value> = serde_json::from_str(document)
        .map_err(|error| Fault::invalid(t1("This is no JSON object of variables: {}", error)))?;
    let count = document.len();
    for (done, (key, value)) in document.into_iter().enumerate() {
        let request = SecretRequest::SetVariable(variable(key, &value));
        let refused = |error| {
            let mut fault = Fault::from(error);
            if done > 0 {
                fault.message = tm("{} were set, and then: {}", &[&done, &fault.message]);
            }
            fault
        };
        state.handle.change_secret(request, actor.clone()).await.map_err(refused)?;
    }
    Ok(count)
}

/// A value, or `{"value": …, "description": …, "is_secret": …}`.
fn variable(key: String, given: &Value) -> Variable {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let described = given.as_object().filter(|fields| {
        let is_known = |key: &String| ["value", "description", "is_secret"].contains(&key.as_str());
        fields.contains_key("value") && fields.keys().all(is_known)
    });
    let is_secret = described.and_then(|fields| fields.get("is_secret")?.as_bool()).unwrap_or_default();
    let description = described.and_then(|fields| fields.get("description")?.as_str()).unwrap_or_default();
    Variable {
        value: text(described.map_or(given, |fields| &fields["value"])),
        is_secret: is_secret || is_secret_name(&key),
        description: description.to_owned(),
        key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variable_is_a_value_or_a_value_with_what_is_said_of_it() {
        let read = |given: Value| variable("limit".to_owned(), &given);
        assert_eq!(read(json!(12)).value, "12");
        assert_eq!(read(json!("12")).value, "12");
        assert_eq!(read(json!({"value": {"a": 1}, "description": "d"})).value, "{\"a\":1}");
        assert_eq!(read(json!({"value": 1, "other": 2})).value, "{\"value\":1,\"other\":2}");
        assert!(read(json!({"value": 1, "is_secret": true})).is_secret);
        assert!(variable("api_token".to_owned(), &json!("x")).is_secret);
    }
}
