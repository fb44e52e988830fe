//! The params of a DAG: the short form, a plain default, and the long form with a type.

use super::keys::PARAM;
use super::marked::{Content, Entry, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::values;
use crate::dag::{Param, ParamKind, check_param};
use indexmap::IndexMap;
use serde_json::Value;

const KINDS: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "any"];

/// The params, or `None` when they are no mapping. A param with a fault is there all the same, so that the templates
/// that read it are not reported too.
pub(super) fn lower(node: &Node, report: &mut Report<'_>) -> Option<IndexMap<String, Param>> {
    let Content::Map(entries) = &node.content else {
        let message = format!("params must be a mapping from names to defaults, not {}", node.describe());
        report.add(Fault::error("wrong-type", node.mark, message));
        return None;
    };
    let param = |entry: &Entry| param(entry, report).unwrap_or_else(|| short_form(Value::Null));
    Some(entries.iter().map(|entry| entry.key.clone()).zip(entries.iter().map(param)).collect())
}

fn param(entry: &Entry, report: &mut Report<'_>) -> Option<Param> {
    if entry.key.is_empty() {
        report.add(Fault::error("bad-name", entry.mark, "a param must have a name"));
        return None;
    }
    match &entry.value.content {
        Content::Map(fields) if is_long_form(fields) => long_form(entry, report),
        _ => Some(short_form(entry.value.to_value())),
    }
}

/// A mapping that speaks of a type, a default or choices describes a param; any other is a default itself.
fn is_long_form(fields: &[Entry]) -> bool {
    fields.iter().any(|field| matches!(field.key.as_str(), "type" | "default" | "enum"))
}

fn short_form(default: Value) -> Param {
    Param {
        kind: kind_of(&default),
        default: Some(default),
        title: None,
        description: None,
        choices: Vec::new(),
    }
}

fn kind_of(value: &Value) -> ParamKind {
    match value {
        Value::Null => ParamKind::Any,
        Value::Bool(_) => ParamKind::Boolean,
        Value::Number(number) if number.is_f64() => ParamKind::Number,
        Value::Number(_) => ParamKind::Integer,
        Value::String(_) => ParamKind::String,
        Value::Array(_) => ParamKind::Array,
        Value::Object(_) => ParamKind::Object,
    }
}

fn long_form(entry: &Entry, report: &mut Report<'_>) -> Option<Param> {
    let fields = PARAM.fields(&entry.value, entry.mark, report)?;
    let default = fields.get("default").map(|field| field.value.to_value());
    let choices = fields.given("enum").map_or_else(Vec::new, |node| choices(node, report));
    let kind = match fields.given("type") {
        Some(node) => kind(node, report)?,
        None => inferred_kind(default.as_ref(), &choices),
    };
    let param = Param {
        kind,
        default,
        title: fields.given("title").and_then(|node| values::text(node, "title", report)),
        description: fields.given("description").and_then(|node| values::text(node, "description", report)),
        choices,
    };
    check_default(&entry.key, &param, &fields, report);
    Some(param)
}

fn inferred_kind(default: Option<&Value>, choices: &[Value]) -> ParamKind {
    let mut kinds = default.into_iter().chain(choices).map(kind_of);
    let Some(first) = kinds.next() else { return ParamKind::Any };
    if kinds.all(|kind| kind == first) { first } else { ParamKind::Any }
}

fn check_default(name: &str, param: &Param, fields: &super::keys::Fields<'_>, report: &mut Report<'_>) {
    let (Some(default), Some(field)) = (&param.default, fields.get("default")) else { return };
    if let Err(error) = check_param(name, param, default) {
        let hint =
            default.is_null().then(|| "leave \"default\" out for a param that must be given".to_owned());
        let message = format!("the default does not fit: {error}");
        report.add(Fault::error("bad-default", field.value.mark, message).hint(hint));
    }
}

fn kind(node: &Node, report: &mut Report<'_>) -> Option<ParamKind> {
    if matches!(node.content, Content::List(_)) {
        let fault = Fault::error("wrong-type", node.mark, "a list of types is not supported yet");
        report.add(fault.hint("write one type, or any".to_owned()));
        return None;
    }
    let name = values::text(node, "type", report)?;
    let kind = ParamKind::from_name(&name);
    if kind.is_none() {
        let hint = match name.to_lowercase().as_str() {
            "str" | "text" => Some("did you mean \"string\"?".to_owned()),
            "int" => Some("did you mean \"integer\"?".to_owned()),
            "float" | "double" => Some("did you mean \"number\"?".to_owned()),
            "list" => Some("did you mean \"array\"?".to_owned()),
            "dict" | "map" | "mapping" => Some("did you mean \"object\"?".to_owned()),
            _ => did_you_mean(&name, KINDS).or_else(|| Some(format!("the types are {}", KINDS.join(", ")))),
        };
        let message = format!("unknown type {} of a param", quoted(&name));
        report.add(Fault::error("unknown-type", node.mark, message).hint(hint));
    }
    kind
}

fn choices(node: &Node, report: &mut Report<'_>) -> Vec<Value> {
    match &node.content {
        Content::List(items) if !items.is_empty() => items.iter().map(Node::to_value).collect(),
        _ => {
            report.add(Fault::error("wrong-type", node.mark, "enum must be a list of at least one value"));
            Vec::new()
        }
    }
}
