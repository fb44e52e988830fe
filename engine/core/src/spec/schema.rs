//! The JSON Schema of DAG files (draft 7, which editors' YAML servers know best), made from the tables that the readers
//! use, the engine's own choices, and the operators' signatures.

use super::keys::{
    ASSETS, CALLBACK, DAG, DEADLINE, DEFAULT_ARGS, GROUP, Key, Keys, PARAM, SCHEDULE, Shape, TASK,
};
use crate::catalog::{Argument, ArgumentKind, Catalog, Signature};
use serde_json::{Map, Value, json};

/// The mappings that stand in each other, by the names of their definitions.
const DEFINED: [(&str, &Keys); 8] = [
    ("task", &TASK),
    ("task_group", &GROUP),
    ("default_args", &DEFAULT_ARGS),
    ("callback", &CALLBACK),
    ("deadline", &DEADLINE),
    ("param", &PARAM),
    ("schedule", &SCHEDULE),
    ("assets", &ASSETS),
];

/// The keys that make a task a mapped one.
const MAPPINGS: [&str; 3] = ["expand", "expand_zip", "expand_kwargs"];

/// The schema of a DAG file whose tasks use the operators of `catalog`.
///
/// What it refuses, [`super::parse`] refuses too; not the other way round, since a schema cannot look into templates,
/// names and cycles.
pub fn json_schema(catalog: &dyn Catalog) -> Value {
    let mut names = catalog.names();
    names.sort_unstable();
    let signatures: Vec<&Signature> = names.iter().filter_map(|name| catalog.signature(name)).collect();
    let mut definitions = Map::new();
    definitions.insert("template".into(), json!({ "type": "string", "pattern": "\\{[{%#]" }));
    definitions.insert(
        "duration".into(),
        json!({
            "description": "30s, 5m, 1h30m, 250ms, 2d, or a number of seconds",
            "type": ["string", "number"],
            "pattern": r"^\s*([0-9.]+\s*(w|d|h|m|s|ms)?\s*)+$",
            "minimum": 0,
        }),
    );
    for (name, keys) in DEFINED {
        definitions.insert(name.into(), mapping(keys));
    }
    definitions.insert("operator".into(), operator_names(&signatures));
    let with: Vec<Value> = signatures.iter().map(|signature| condition(signature)).collect();
    definitions.insert("operator_arguments".into(), json!({ "allOf": with }));
    for name in ["task", "callback"] {
        if let Some(definition) = definitions.get_mut(name).and_then(Value::as_object_mut) {
            definition.insert("required".into(), json!(["operator"]));
            definition.insert("allOf".into(), json!([reference("operator_arguments")]));
        }
    }
    if let Some(deadline) = definitions.get_mut("deadline").and_then(Value::as_object_mut) {
        deadline.insert("required".into(), json!(["interval", "callback"]));
    }
    for signature in &signatures {
        definitions.insert(format!("with_{}", signature.name), arguments(signature));
    }
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".into(), json!("An Esteira DAG"));
    if let Value::Object(dag) = mapping(&DAG) {
        schema.extend(dag);
    }
    schema.insert("required".into(), json!(["dag_id"]));
    schema.insert("anyOf".into(), json!([{ "required": ["tasks"] }, { "required": ["task_groups"] }]));
    schema.insert("definitions".into(), Value::Object(definitions));
    Value::Object(schema)
}

fn mapping(keys: &Keys) -> Value {
    let properties: Map<String, Value> = keys.all().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn property(key: &Key) -> Value {
    let mut schema = shape(key.shape);
    schema.insert("description".into(), key.help.into());
    Value::Object(schema)
}

/// A reference to a definition. Beside `$ref` draft 7 ignores everything, so it stands in an `allOf` of its own.
fn refer(name: &str) -> Value {
    json!({ "allOf": [reference(name)] })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn shape(shape: Shape) -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let list_of = |items: Value| json!({ "type": "array", "items": items });
    let schema = match shape {
        Shape::Name => json!({ "type": "string", "pattern": r"^[A-Za-z0-9_.\-]+$", "maxLength": 250 }),
        Shape::Text | Shape::Date => text(),
        Shape::TextList => list_of(text()),
        Shape::TextOrList => json!({ "type": ["string", "array"], "items": text() }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": "integer", "minimum": 0 }),
        Shape::Positive => json!({ "type": "integer", "minimum": 1 }),
        Shape::Whole => json!({ "type": "integer" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Duration => refer("duration"),
        Shape::DurationOrNone => json!({ "anyOf": [reference("duration"), { "type": "null" }] }),
        Shape::Backoff => json!({ "type": ["number", "boolean"], "minimum": 0 }),
        Shape::FailureClasses => json!({
            "type": ["integer", "string", "array"],
            "items": { "type": ["integer", "string"] },
        }),
        Shape::Choice(words) => json!({ "enum": words() }),
        Shape::Any => json!({}),
        Shape::List => json!({ "type": "array" }),
        Shape::Map => json!({ "type": "object" }),
        Shape::Types => {
            let words = ["string", "integer", "number", "boolean", "array", "object", "any", "null"];
            json!({ "anyOf": [{ "enum": words[..7] }, list_of(json!({ "enum": words }))] })
        }
        Shape::Schedule => json!({
            "anyOf": [
                { "type": ["string", "null"] },
                list_of(text()),
                reference("schedule"),
            ],
        }),
        Shape::Assets => json!({
            "anyOf": [text(), list_of(json!({ "anyOf": [text(), reference("assets")] })), reference("assets")],
        }),
        Shape::AssetList => list_of(json!({ "anyOf": [text(), reference("assets")] })),
        Shape::Keys(keys) => refer(definition_of(keys)),
        Shape::OneOrMore(keys) => {
            let one = reference(definition_of(keys));
            json!({ "anyOf": [one, list_of(one.clone()), { "type": "null" }] })
        }
        Shape::Named(keys) => {
            json!({ "type": "object", "additionalProperties": reference(definition_of(keys)) })
        }
        Shape::Params => json!({
            "type": "object",
            "additionalProperties": {
                "if": { "type": "object", "anyOf": [
                    { "required": ["type"] }, { "required": ["default"] },
                    { "required": ["enum"] }, { "required": ["const"] },
                ]},
                "then": reference("param"),
            },
        }),
        Shape::Arguments => json!({ "type": ["object", "null"] }),
        Shape::Operator => refer("operator"),
        Shape::Lists => json!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "anyOf": [{ "type": ["array", "object"] }, reference("template")] },
        }),
        Shape::Mappings => json!({ "anyOf": [{ "type": "array" }, reference("template")] }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn definition_of(keys: &Keys) -> &'static str {
    DEFINED.iter().find(|(_, known)| known.what == keys.what).map_or("task", |(name, _)| name)
}

/// The names, each with its line of help.
fn operator_names(signatures: &[&Signature]) -> Value {
    let name = |signature: &&Signature| json!({ "const": signature.name, "description": signature.summary });
    json!({ "type": "string", "anyOf": signatures.iter().map(name).collect::<Vec<_>>() })
}

/// Which arguments a task with this operator has.
fn condition(signature: &Signature) -> Value {
    let with = reference(&format!("with_{}", signature.name));
    let with = json!({ "anyOf": [with, { "type": "null" }] });
    let mut then = json!({ "properties": { "with": with, "partial": with } });
    let required: Vec<&str> = signature
        .arguments
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| argument.name)
        .collect();
    if !required.is_empty() {
        let is_mapped: Vec<Value> = MAPPINGS.iter().map(|key| json!({ "required": [key] })).collect();
        then["if"] = json!({ "not": { "anyOf": is_mapped } });
        then["then"] = json!({
            "required": ["with"],
            "properties": { "with": { "type": "object", "required": required } },
        });
    }
    json!({
        "if": { "properties": { "operator": { "const": signature.name } }, "required": ["operator"] },
        "then": then,
    })
}

fn arguments(signature: &Signature) -> Value {
    let properties: Map<String, Value> = signature
        .arguments
        .iter()
        .map(|argument| (argument.name.to_owned(), argument_schema(argument)))
        .collect();
    json!({
        "type": "object",
        "description": signature.summary,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn argument_schema(argument: &Argument) -> Value {
    let kind = match argument.kind {
        ArgumentKind::Text => json!({ "type": "string" }),
        ArgumentKind::Integer => or_template(json!({ "type": "integer" })),
        ArgumentKind::Number => or_template(json!({ "type": "number" })),
        ArgumentKind::Boolean => or_template(json!({ "type": "boolean" })),
        ArgumentKind::Duration => or_template(reference("duration")),
        ArgumentKind::List => or_template(json!({ "type": "array" })),
        ArgumentKind::TextList => json!({ "type": ["string", "array"] }),
        ArgumentKind::Map => or_template(json!({ "type": "object" })),
        ArgumentKind::Any => json!({}),
        ArgumentKind::Choice(choices) => or_template(json!({ "enum": choices })),
    };
    let mut schema = kind;
    schema["description"] = argument.help.into();
    if let Some(default) = &argument.default {
        schema["default"] = default.clone();
    }
    schema
}

fn or_template(schema: Value) -> Value {
    json!({ "anyOf": [schema, reference("template")] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_mapping_has_its_definition() {
        for (name, keys) in DEFINED {
            assert_eq!(definition_of(keys), name);
        }
    }
}
