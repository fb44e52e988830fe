//! Short words for JSON Schemas, as the OpenAPI document holds them.

use serde_json::{Map, Value, json};

/// Any text.
pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

/// An instant, in RFC 3339.
pub(crate) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A UUID.
pub(crate) fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A whole number.
pub(crate) fn integer() -> Value {
    json!({ "type": "integer" })
}

/// A whole number that is not below this.
pub(crate) fn at_least(minimum: i64) -> Value {
    json!({ "type": "integer", "minimum": minimum })
}

/// Any number.
pub(crate) fn number() -> Value {
    json!({ "type": "number" })
}

/// `true` or `false`.
pub(crate) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// Any JSON value.
pub(crate) fn any() -> Value {
    json!({})
}

/// Nothing.
pub(crate) fn null() -> Value {
    json!({ "type": "null" })
}

/// A list.
pub(crate) fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// An object whose keys are anything.
pub(crate) fn map(of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

/// One of these texts.
pub(crate) fn one_of(labels: &[&str]) -> Value {
    json!({ "type": "string", "enum": labels })
}

/// The same, or null.
pub(crate) fn maybe(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned()
        && schema.get("enum").is_none()
    {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    if schema.as_object().is_some_and(Map::is_empty) {
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// The schema of this name among the components.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with all of these keys.
pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let names: Vec<&String> = fields.keys().collect();
    json!({ "type": "object", "required": names, "properties": fields })
}

/// A list as answers have it: what it lists, under its name, and how many there are.
pub(crate) fn collection(name: &str, of: &str) -> Value {
    collection_of(name, reference(of))
}

/// The same of anything. One that was asked for by cursor says where it goes on, and where it came from; one of the store
/// also says how far it was counted.
pub(crate) fn collection_of(name: &str, of: Value) -> Value {
    let mut schema = object([(name, list(of)), ("total_entries", at_least(0))]);
    schema["properties"]["next_cursor"] = maybe(text());
    schema["properties"]["previous_cursor"] = maybe(text());
    schema["properties"]["total_entries_limit"] = at_least(0);
    schema
}

/// A body: an object that may have these keys, must have some of them, and has no others.
pub(crate) fn body<'a>(needed: &[&str], fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut schema = object(fields);
    schema["required"] = json!(needed);
    schema["additionalProperties"] = json!(false);
    schema
}
