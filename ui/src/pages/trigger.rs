//! The form that starts a run: a field for each param, more conf as JSON, a note. It works without scripts; what
//! does not fit is said beside its field, and nothing that was typed is lost.

use super::dag_head::unknown_dag;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::{AppState, actor, links};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::dag::{Dag, Param, ParamKind, check_param};
use esteira_runtime::{CommandError, LoadedDag, TriggerRequest};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What the names of the fields of params begin with.
const PARAM_PREFIX: &str = "param.";

/// A run whose conf the form begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    like: String,
}

#[derive(Template)]
#[template(path = "trigger.html")]
struct TriggerPage {
    frame: Frame,
    dag_id: String,
    url: String,
    description: String,
    is_paused: bool,
    version: i64,
    fields: Vec<Field>,
    conf: Entry,
    note: Entry,
    run_id: Entry,
    logical_date: Entry,
    fault: Option<String>,
}

/// What was typed, and what is wrong with it.
#[derive(Debug, Default)]
struct Entry {
    text: String,
    fault: Option<String>,
}

/// The field of a param.
struct Field {
    name: String,
    title: String,
    kind: &'static str,
    help: String,
    required: bool,
    /// For a choice: the values as JSON, how they read, and which is chosen.
    choices: Vec<(String, String, bool)>,
    control: &'static str,
    /// What the browser checks and offers besides.
    hints: InputHints,
    /// The heading above it, where a section begins.
    section: Option<String>,
    entry: Entry,
}

/// Attributes of an input, from the keywords of a param's schema; what they let through is checked here all the same.
#[derive(Debug, Default)]
struct InputHints {
    /// The input's type: `text`, `number`, `date`, `email`, `url`.
    input: &'static str,
    placeholder: &'static str,
    /// Pairs of a name and a value.
    attributes: Vec<(&'static str, String)>,
    /// Values that are suggested.
    examples: Vec<String>,
}

type Typed = HashMap<String, String>;

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let loaded = load(&state, &dag_id).await?;
    let mut typed = Typed::new();
    if !wanted.like.is_empty() {
        let run = super::run::find(&state, &dag_id, &wanted.like).await?;
        typed = typed_from_conf(&loaded.dag, run.conf.as_object().cloned().unwrap_or_default());
    }
    Ok(frame::html(&form(&visitor, &loaded, &typed, &Faults::default())))
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, PageError> {
    let loaded = load(&state, &dag_id).await?;
    let mut faults = Faults::default();
    if let Some(request) = request(&loaded.dag, &typed, &mut faults) {
        match state.handle.trigger(request).await {
            Ok(run) => return Ok(Redirect::to(&links::run(&dag_id, run.run_id.as_str())).into_response()),
            Err(error @ (CommandError::Invalid(_) | CommandError::RunExists { .. })) => {
                faults.whole = Some(error.to_string())
            }
            Err(error) => return Err(error.into()),
        }
    }
    let page = form(&visitor, &loaded, &typed, &faults);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, frame::html(&page)).into_response())
}

async fn load(state: &AppState, dag_id: &str) -> Result<Arc<LoadedDag>, PageError> {
    if let Some(loaded) = state.handle.dag(dag_id) {
        return Ok(loaded);
    }
    match state.handle.reader().dag(dag_id).await? {
        Some(_) => Err(CommandError::Stale(dag_id.to_owned()).into()),
        None => Err(unknown_dag(dag_id)),
    }
}

/// What is wrong, by the name of the field, and with the whole.
#[derive(Debug, Default)]
struct Faults {
    fields: HashMap<String, String>,
    whole: Option<String>,
}

impl Faults {
    fn add(&mut self, field: impl Into<String>, fault: impl Into<String>) {
        self.fields.insert(field.into(), fault.into());
    }
}

/// The fields of a form that is filled like an earlier run.
fn typed_from_conf(dag: &Dag, conf: Map<String, Value>) -> Typed {
    let mut typed = Typed::new();
    let mut rest = Map::new();
    for (name, value) in conf {
        match dag.params.get(&name) {
            Some(param) => drop(typed.insert(format!("{PARAM_PREFIX}{name}"), as_typed(param, &value))),
            None => drop(rest.insert(name, value)),
        }
    }
    if !rest.is_empty() {
        typed.insert("conf".to_owned(), serde_json::to_string_pretty(&rest).unwrap_or_default());
    }
    typed
}

/// A value as it stands in its field.
fn as_typed(param: &Param, value: &Value) -> String {
    match (param.kind, value) {
        _ if !param.choices.is_empty() => value.to_string(),
        (_, Value::Null) if param.is_nullable => String::new(),
        (ParamKind::String, Value::String(text)) => text.clone(),
        (ParamKind::Array | ParamKind::Object | ParamKind::Any, value) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        (_, value) => value.to_string(),
    }
}

fn form(visitor: &Visitor, loaded: &LoadedDag, typed: &Typed, faults: &Faults) -> TriggerPage {
    let dag = &loaded.dag;
    let dag_id = dag.dag_id.to_string();
    let url = links::dag(&dag_id);
    let entry = |name: &str| Entry {
        text: typed.get(name).cloned().unwrap_or_default(),
        fault: faults.fields.get(name).cloned(),
    };
    let frame = visitor.frame(Section::Dags, format!("Trigger {dag_id}"));
    TriggerPage {
        frame: frame.crumb("DAGs", "/dags").crumb(dag_id.clone(), url.clone()).crumb("Trigger", ""),
        url,
        description: dag.description.clone().unwrap_or_default(),
        is_paused: loaded.is_paused,
        version: loaded.version_number,
        fields: fields(dag, typed, faults),
        conf: entry("conf"),
        note: entry("note"),
        run_id: entry("run_id"),
        logical_date: entry("logical_date"),
        fault: faults.whole.clone(),
        dag_id,
    }
}

/// The fields in the order of the file, those of a section together under its heading.
fn fields(dag: &Dag, typed: &Typed, faults: &Faults) -> Vec<Field> {
    let mut sections: Vec<(Option<&str>, Vec<Field>)> = Vec::new();
    for (name, param) in &dag.params {
        let section = param.schema.get("section").and_then(Value::as_str);
        let field = field(name, param, typed, faults);
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, fields)) => fields.push(field),
            None => sections.push((section, vec![field])),
        }
    }
    for (section, fields) in &mut sections {
        fields[0].section = section.map(str::to_owned);
    }
    sections.into_iter().flat_map(|(_, fields)| fields).collect()
}

fn field(name: &str, param: &Param, typed: &Typed, faults: &Faults) -> Field {
    let key = format!("{PARAM_PREFIX}{name}");
    let default = param.default.as_ref().map(|value| as_typed(param, value)).unwrap_or_default();
    let text = typed.get(&key).cloned().unwrap_or(default);
    let booleans = [Value::Bool(true), Value::Bool(false)];
    let values: &[Value] = match param.kind {
        _ if !param.choices.is_empty() => &param.choices,
        ParamKind::Boolean => &booleans,
        _ => &[],
    };
    let choice = |value: &Value| {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let named = param.schema.get("values_display").and_then(|names| names.get(&plain)?.as_str());
        let shown = named.map_or(plain, str::to_owned);
        let written = value.to_string();
        let is_chosen = written == text;
        (written, shown, is_chosen)
    };
    let is_multiline = param.schema.get("format").is_some_and(|format| format == "multiline");
    let control = match param.kind {
        _ if !values.is_empty() => "choice",
        ParamKind::Array | ParamKind::Object | ParamKind::Any => "json",
        ParamKind::String if text.contains('\n') || is_multiline => "lines",
        _ => "text",
    };
    Field {
        title: param.title.clone().unwrap_or_else(|| name.to_owned()),
        kind: param.kind.as_str(),
        help: param.description.clone().unwrap_or_default(),
        required: param.default.is_none(),
        hints: input_hints(param),
        section: None,
        choices: values.iter().map(choice).collect(),
        control,
        entry: Entry { text, fault: faults.fields.get(&key).cloned() },
        name: key,
    }
}

fn input_hints(param: &Param) -> InputHints {
    let format = param.schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let (input, placeholder) = match (param.kind, format) {
        (ParamKind::Integer | ParamKind::Number, _) => ("number", ""),
        (ParamKind::String, "date") => ("date", ""),
        (ParamKind::String, "email") => ("email", "name@example.org"),
        (ParamKind::String, "uri") => ("url", "https://example.org/"),
        (ParamKind::String, "date-time") => ("text", "2026-11-22T09:00:00Z"),
        (ParamKind::String, "time") => ("text", "09:00:00Z"),
        _ => ("text", ""),
    };
    let keywords = [
        ("minimum", "min"),
        ("maximum", "max"),
        ("multipleOf", "step"),
        ("minLength", "minlength"),
        ("maxLength", "maxlength"),
        ("pattern", "pattern"),
    ];
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut attributes: Vec<_> = keywords
        .iter()
        .filter_map(|(keyword, attribute)| Some((*attribute, shown(param.schema.get(keyword)?))))
        // A pattern of JSON Schema matches anywhere in the text, one of a form all of it.
        .map(|(attribute, value)| match attribute {
            "pattern" => (attribute, format!(".*(?:{value}).*")),
            _ => (attribute, value),
        })
        .collect();
    if param.kind == ParamKind::Number && !attributes.iter().any(|(name, _)| *name == "step") {
        attributes.push(("step", "any".to_owned()));
    }
    let examples = param.schema.get("examples").and_then(Value::as_array).into_iter().flatten();
    InputHints { input, placeholder, attributes, examples: examples.map(shown).collect() }
}

/// The request that the form asks for; none when something does not fit.
fn request(dag: &Dag, typed: &Typed, faults: &mut Faults) -> Option<TriggerRequest> {
    let given = |name: &str| typed.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut conf = more_conf(dag, given("conf"), faults);
    for (name, param) in &dag.params {
        let key = format!("{PARAM_PREFIX}{name}");
        match param_value(name, param, typed.get(&key).map(String::as_str)) {
            Ok(Some(value)) => drop(conf.insert(name.clone(), value)),
            Ok(None) => {}
            Err(fault) => faults.add(key, fault),
        }
    }
    let logical_date = given("logical_date").and_then(|text| {
        let parsed: Result<Timestamp, _> = text.parse();
        parsed.map_err(|_| faults.add("logical_date", "write it like 2026-11-22T09:00:00Z")).ok()
    });
    if let Some(run_id) = given("run_id").filter(|run_id| !esteira_core::ids::is_valid_run_id(run_id)) {
        faults.add("run_id", format!("\"{run_id}\" is no run id: letters, digits and _ . ~ : + - only"));
    }
    if !faults.fields.is_empty() {
        return None;
    }
    Some(TriggerRequest {
        run_id: given("run_id").map(Into::into),
        logical_date,
        conf,
        note: given("note").map(str::to_owned),
        ..TriggerRequest::manual(dag.dag_id.as_str(), actor::at_page())
    })
}

/// The conf beyond the params.
fn more_conf(dag: &Dag, text: Option<&str>, faults: &mut Faults) -> Map<String, Value> {
    let Some(text) = text else { return Map::new() };
    let conf = match serde_json::from_str(text) {
        Ok(Value::Object(conf)) => conf,
        Ok(_) => {
            faults.add("conf", "conf must be a JSON object: {\"key\": \"value\"}");
            return Map::new();
        }
        Err(error) => {
            faults.add("conf", format!("this is no JSON: {error}"));
            return Map::new();
        }
    };
    if let Some(name) = conf.keys().find(|name| dag.params.contains_key(*name)) {
        faults.add("conf", format!("\"{name}\" has a field of its own above"));
    }
    conf
}

/// The value that was typed for a param; none when it is the default, which needs no conf.
fn param_value(name: &str, param: &Param, text: Option<&str>) -> Result<Option<Value>, String> {
    let text = text.unwrap_or_default();
    let is_text = param.kind == ParamKind::String && param.choices.is_empty();
    if text.trim().is_empty() && (!is_text || param.default.is_none() || param.is_nullable) {
        return if param.is_nullable {
            Ok((param.default != Some(Value::Null)).then_some(Value::Null))
        } else if param.default.is_some() {
            Ok(None)
        } else {
            Err("this has no default, so it needs a value".to_owned())
        };
    }
    let value = if is_text {
        // Browsers send line breaks as CR and LF.
        Value::String(text.replace("\r\n", "\n"))
    } else {
        serde_json::from_str(text.trim()).map_err(|error| match param.kind {
            ParamKind::Integer | ParamKind::Number => format!("\"{}\" is no number", text.trim()),
            _ => format!("this is no JSON: {error}"),
        })?
    };
    check_param(name, param, &value).map_err(|error| error.to_string())?;
    Ok((param.default.as_ref() != Some(&value)).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use esteira_core::dag::ParamSchema;
    use serde_json::json;

    fn param(kind: ParamKind, default: Option<Value>, choices: &[Value]) -> Param {
        Param {
            kind,
            is_nullable: false,
            default,
            title: None,
            description: None,
            choices: choices.to_vec(),
            schema: ParamSchema::default(),
        }
    }

    #[test]
    fn what_is_typed_becomes_a_value_of_the_params_kind() {
        let text = param(ParamKind::String, Some(json!("a")), &[]);
        assert_eq!(param_value("p", &text, Some("b\r\nc")), Ok(Some(json!("b\nc"))));
        assert_eq!(param_value("p", &text, Some("a")), Ok(None));
        assert_eq!(param_value("p", &text, Some("")), Ok(Some(json!(""))));
        let number = param(ParamKind::Integer, None, &[]);
        assert_eq!(param_value("p", &number, Some(" 3 ")), Ok(Some(json!(3))));
        assert_eq!(param_value("p", &number, Some("x")), Err("\"x\" is no number".to_owned()));
        assert!(param_value("p", &number, Some("3.5")).unwrap_err().contains("takes integer"));
        assert!(param_value("p", &number, None).unwrap_err().contains("needs a value"));
        let choice = param(ParamKind::Any, Some(json!(1)), &[json!(1), json!("two")]);
        assert_eq!(param_value("p", &choice, Some("\"two\"")), Ok(Some(json!("two"))));
        assert!(param_value("p", &choice, Some("3")).is_err());
        let maybe = Param { is_nullable: true, ..param(ParamKind::String, Some(json!("a")), &[]) };
        assert_eq!(param_value("p", &maybe, Some("")), Ok(Some(json!(null))));
        let list = param(ParamKind::Array, Some(json!([])), &[]);
        assert!(param_value("p", &list, Some("[1,")).unwrap_err().starts_with("this is no JSON"));
    }
}
