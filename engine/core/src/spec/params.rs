//! The params of a DAG: the short form, a plain default, and the long form with a type.

use super::keys::PARAM;
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::values;
use crate::dag::{Param, ParamKind, ParamSchema, check_param};
use indexmap::IndexMap;
use serde_json::Value;

const KINDS: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "any"];

/// The formats that are checked, and `multiline`, which asks for a larger field (Airflow's).
const FORMATS: [&str; 18] = [
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "multiline",
    "regex",
    "relative-json-pointer",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

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
    fields.iter().any(|field| matches!(field.key.as_str(), "type" | "default" | "enum" | "const"))
}

fn short_form(default: Value) -> Param {
    Param {
        kind: kind_of(&default),
        is_nullable: default.is_null(),
        default: Some(default),
        title: None,
        description: None,
        choices: Vec::new(),
        schema: ParamSchema::default(),
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
    let Types { kind, is_nullable } = match fields.given("type") {
        Some(node) => types(node, report)?,
        None => {
            let constant = fields.get("const").map(|field| field.value.to_value());
            Types { kind: inferred_kind(default.iter().chain(&constant), &choices), is_nullable: false }
        }
    };
    if let Some(node) = fields.given("format") {
        report_format(node, report);
    }
    let param = Param {
        kind,
        is_nullable,
        default,
        title: fields.given("title").and_then(|node| values::text(node, "title", report)),
        description: fields
            .given("description")
            .or_else(|| fields.given("description_md"))
            .and_then(|node| values::text(node, "description", report)),
        choices,
        schema: schema(entry, report)?,
    };
    check_default(&entry.key, &param, &fields, report);
    Some(param)
}

/// The keywords of the param as a JSON Schema; one that is none is reported.
fn schema(entry: &Entry, report: &mut Report<'_>) -> Option<ParamSchema> {
    let Value::Object(mut document) = entry.value.to_value() else { return None };
    // A key without a value is not given, as everywhere; null as the default or the constant is one.
    document.retain(|keyword, value| !value.is_null() || matches!(keyword.as_str(), "default" | "const"));
    // Keys that are none are reported where they stand.
    document.retain(|keyword, _| PARAM.has(keyword));
    match ParamSchema::new(document) {
        Ok(schema) => Some(schema),
        Err(reason) => {
            let message = format!("the param {} is no JSON Schema: {reason}", quoted(&entry.key));
            report.add(Fault::error("bad-schema", place_of(entry, &reason), message));
            None
        }
    }
}

/// The keyword that a fault of the schema begins with, or the param itself.
fn place_of(entry: &Entry, reason: &str) -> Mark {
    let Content::Map(fields) = &entry.value.content else { return entry.mark };
    let keyword = reason.split([':', '.']).next().unwrap_or_default();
    fields.iter().find(|field| field.key == keyword).map_or(entry.mark, |field| field.value.mark)
}

fn report_format(node: &Node, report: &mut Report<'_>) {
    let Some(format) = values::text(node, "format", report) else { return };
    if FORMATS.contains(&format.as_str()) {
        return;
    }
    let message = format!("the format {} is not known, so nothing is checked", quoted(&format));
    let hint =
        did_you_mean(&format, FORMATS).unwrap_or_else(|| format!("the formats are {}", FORMATS.join(", ")));
    report.add(Fault::warning("unknown-format", node.mark, message).hint(hint));
}

fn inferred_kind<'v>(values: impl Iterator<Item = &'v Value>, choices: &'v [Value]) -> ParamKind {
    let mut kinds = values.chain(choices).map(kind_of);
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

/// What `type` says.
struct Types {
    kind: ParamKind,
    is_nullable: bool,
}

/// One type, or a list of types with or without null.
fn types(node: &Node, report: &mut Report<'_>) -> Option<Types> {
    let Content::List(items) = &node.content else {
        return kind(node, report).map(|kind| Types { kind, is_nullable: false });
    };
    let (nulls, others): (Vec<_>, Vec<_>) =
        items.iter().partition(|item| item.is_null() || item.as_text() == Some("null"));
    let kinds: Option<Vec<ParamKind>> = others.into_iter().map(|item| kind(item, report)).collect();
    let kind = match kinds?.as_slice() {
        [] => {
            report.add(Fault::error("unknown-type", node.mark, "the list of types names none but null"));
            return None;
        }
        [one] => *one,
        _ => ParamKind::Any,
    };
    Some(Types { kind, is_nullable: !nulls.is_empty() })
}

fn kind(node: &Node, report: &mut Report<'_>) -> Option<ParamKind> {
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
