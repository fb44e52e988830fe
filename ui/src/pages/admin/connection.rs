//! One connection: the form that makes, changes or tries out one, with the fields of its kind of service; and what removing it
//! would do.

use super::connection_kinds::{self, Kind, OTHER};
use super::connections::{Chosen, Tested, find, tab, try_out};
use super::mentions::Claimants;
use super::{Fault, framed};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::{AppState, links, t, t1};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use esteira_operator::{Connection, ConnectionFields, is_secret_name};
use esteira_runtime::{SecretRequest, StoredConnection};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What stands for a secret option that is kept.
const KEPT: &str = "***";

/// What stands for a kind that is yet to be chosen.
const CHOOSE: &str = "choose";

/// A connection as the form has it. The password never goes back into a page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    id: String,
    conn_type: String,
    host: String,
    port: String,
    login: String,
    password: String,
    /// Whether it is to have none, where nothing typed means the one that it has.
    without_password: bool,
    schema: String,
    /// `key=value`, one a line.
    options: String,
    description: String,
    is_new: bool,
    /// Whether it is only tried out.
    is_test: bool,
}

impl Typed {
    fn of(stored: StoredConnection) -> Self {
        let StoredConnection { connection, description } = stored;
        let fields = ConnectionFields::of(&connection);
        let options = fields.extra.iter().map(|(key, value)| match value {
            _ if is_secret_name(key) => format!("{key}={KEPT}"),
            Value::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        });
        Self {
            conn_type: fields.conn_type,
            host: fields.host.unwrap_or_default(),
            port: fields.port.map(|port| port.to_string()).unwrap_or_default(),
            login: fields.login.unwrap_or_default(),
            schema: fields.schema.unwrap_or_default(),
            options: options.collect::<Vec<_>>().join("\n"),
            id: connection.id,
            description,
            ..Self::default()
        }
    }

    /// The connection that is typed; what is left out of secrets is as in the store.
    fn connection(&self, state: &AppState) -> Result<Connection, Fault> {
        let known = find(state, self.id.trim()).filter(|_| !self.is_new);
        let known = known.map(|stored| ConnectionFields::of(&stored.connection));
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let port = given(&self.port).map(|text| {
            let fault = t1("\"{}\" is no port: it is a number from 1 to 65535", &text);
            text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| Fault::invalid(fault))
        });
        let password = match (self.without_password, self.password.as_str()) {
            (true, _) => None,
            (false, "") => known.as_ref().and_then(|fields| fields.password.clone()),
            (false, typed) => Some(typed.to_owned()),
        };
        let scheme = self.conn_type.trim();
        if scheme.is_empty() || scheme == OTHER {
            return Err(Fault::invalid(t("Say what kind of service it is: the word before :// of its URL")));
        }
        let fields = ConnectionFields {
            conn_type: scheme.to_owned(),
            host: given(&self.host),
            login: given(&self.login),
            password,
            schema: given(&self.schema),
            port: port.transpose()?,
            extra: self.extra(known.as_ref())?,
        };
        Ok(fields.into_connection(self.id.trim())?)
    }

    fn extra(&self, known: Option<&ConnectionFields>) -> Result<Map<String, Value>, Fault> {
        let lines = self.options.lines().map(str::trim).filter(|line| !line.is_empty());
        let pairs = lines.map(|line| {
            let fault = || Fault::invalid(t1("Options are key=value, one a line; this is none: {}", line));
            let (key, value) = line.split_once('=').ok_or_else(fault)?;
            let (key, value) = (key.trim().to_owned(), value.trim());
            let kept = known.filter(|_| value == KEPT).and_then(|fields| fields.extra.get(&key)).cloned();
            Ok((key, kept.unwrap_or_else(|| Value::from(value))))
        });
        pairs.collect()
    }
}

#[derive(Template)]
#[template(path = "admin_connection_kinds.html")]
struct KindsPage {
    frame: Frame,
    kinds: Vec<Kind>,
    id: String,
}

#[derive(Template)]
#[template(path = "admin_connection_form.html")]
struct ConnectionForm {
    frame: Frame,
    typed: Typed,
    kind: Kind,
    /// Whether the store has a password, which stays unless another one is typed.
    keeps_password: bool,
    /// Whether a password was typed that is not repeated here, so that it has to be typed again.
    lost_password: bool,
    /// Whether the environment has one of this id, which goes over this one.
    is_covered: bool,
    fault: Option<String>,
    tested: Option<Tested>,
}

/// Which connection is meant, or of which kind a new one is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The form of a connection; the choice of kinds first, for a new one.
pub(crate) async fn form(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let known = find(&state, &wanted.id);
    if wanted.kind == CHOOSE || (wanted.kind.is_empty() && known.is_none()) {
        let frame = framed(&visitor, tab(), if known.is_some() { &wanted.id } else { t("New connection") });
        return Ok(frame::html(&KindsPage { frame, kinds: connection_kinds::all(), id: wanted.id }));
    }
    let typed = match known {
        Some(stored) if wanted.kind.is_empty() => Typed::of(stored),
        Some(stored) => Typed { conn_type: wanted.kind, ..Typed::of(stored) },
        None => Typed { id: wanted.id, conn_type: wanted.kind, is_new: true, ..Typed::default() },
    };
    Ok(show(&state, &visitor, typed, None, None))
}

fn show(
    state: &AppState,
    visitor: &Visitor,
    mut typed: Typed,
    fault: Option<String>,
    tested: Option<Tested>,
) -> Response {
    let title = if typed.is_new { t("New connection").to_owned() } else { typed.id.clone() };
    let known = find(state, &typed.id).filter(|_| !typed.is_new);
    let keeps_password = known.is_some_and(|stored| stored.connection.password().is_some());
    let lost_password = !std::mem::take(&mut typed.password).is_empty();
    let Some(kind) = connection_kinds::of_scheme(&typed.conn_type) else {
        return PageError::internal("there are no kinds of connections").into_response();
    };
    frame::html(&ConnectionForm {
        frame: framed(visitor, tab(), &title).script("connection.js"),
        is_covered: state.handle.vault().is_of_environment(&typed.id),
        typed,
        kind,
        keeps_password,
        lost_password,
        fault,
        tested,
    })
}

/// Keeps what is typed, or tries it out.
pub(crate) async fn save(
    State(state): State<AppState>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(mut typed): Form<Typed>,
) -> Response {
    typed.id = typed.id.trim().to_owned();
    let refused = |typed: Typed, fault: Fault| {
        (fault.status, show(&state, &visitor, typed, Some(fault.message), None)).into_response()
    };
    let connection = match typed.connection(&state) {
        Ok(connection) => connection,
        Err(fault) => return refused(typed, fault),
    };
    if typed.is_test {
        let tested = try_out(&state, connection).await;
        return show(&state, &visitor, typed, None, Some(tested));
    }
    if typed.is_new && find(&state, &typed.id).is_some() {
        let fault = t1("There is a connection {} already: change that one", &typed.id);
        return refused(typed, Fault::invalid(fault));
    }
    let description = typed.description.trim().to_owned();
    let request = SecretRequest::SetConnection(StoredConnection { connection, description });
    match state.handle.change_secret(request, actor).await {
        Ok(_) => Redirect::to(&links::with_query("/connections", &[("saved", &typed.id)])).into_response(),
        Err(error) => refused(typed, error.into()),
    }
}

#[derive(Template)]
#[template(path = "admin_connection_removal.html")]
struct RemovalPage {
    frame: Frame,
    id: String,
    address: String,
    claimants: Claimants,
    /// What the id means from then on.
    afterwards: &'static str,
}

/// Says what removing a connection would do.
pub(crate) async fn removal(
    State(state): State<AppState>,
    Query(Chosen { id }): Query<Chosen>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let stored = find(&state, &id);
    let stored =
        stored.ok_or_else(|| PageError::not_found(t1("There is no connection {} in the store", &id)))?;
    let afterwards = if state.handle.vault().is_of_environment(&id) {
        t("Tasks use the one of the environment, before and after.")
    } else if esteira_operator::DEFAULT_IDS.contains(&id.as_str()) {
        t("Tasks that use it work with the embedded twin from then on.")
    } else {
        t("Tasks that use it fail from then on; those that are running go on with what they have opened.")
    };
    let claimants = Claimants::of_connection(&state, &id);
    let (frame, address) = (framed(&visitor, tab(), &id), stored.connection.address());
    Ok(frame::html(&RemovalPage { frame, id, address, claimants, afterwards }))
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    PageActor(actor): PageActor,
    Form(Chosen { id }): Form<Chosen>,
) -> Result<Redirect, PageError> {
    state.handle.change_secret(SecretRequest::RemoveConnection(id.clone()), actor).await?;
    Ok(Redirect::to(&links::with_query("/connections", &[("removed", &id)])))
}
