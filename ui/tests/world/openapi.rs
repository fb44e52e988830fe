//! Holds answers to the OpenAPI document: whatever a test asks for is checked on the way.

use axum::http::{Method, StatusCode};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// The document, its objects closed: an answer may hold nothing that the document does not name.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = esteira_ui::openapi_document();
    close(&mut document["components"]["schemas"]);
    for path in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in path.as_object_mut().unwrap().values_mut() {
            close(&mut operation["responses"]);
        }
    }
    document
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Checks an answer of JSON against what the document says of it; others are not in the document.
pub(crate) fn check(method: &Method, path: &str, status: StatusCode, body: &str) {
    let Some((pointer, name)) = find(method, path, status) else { return };
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
    let validator = *VALIDATORS.lock().unwrap().entry(pointer.clone()).or_insert_with(|| {
        let schema = json!({ "$ref": format!("#{pointer}"), "paths": DOCUMENT["paths"], "components": DOCUMENT["components"] });
        Box::leak(Box::new(jsonschema::validator_for(&schema).unwrap()))
    });
    let faults: Vec<String> = validator
        .iter_errors(&answer)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name} answers otherwise than the document says: {faults:#?}\n{answer:#}");
}

/// Where the document has the schema of an answer, and what the answer is of.
fn find(method: &Method, path: &str, status: StatusCode) -> Option<(String, String)> {
    let (template, operations) = DOCUMENT["paths"]
        .as_object()?
        .iter()
        .filter(|(template, _)| fits(template, path))
        // `/api/v2/backfills/dry_run` before `/api/v2/backfills/{backfill_id}`.
        .min_by_key(|(template, _)| template.matches('{').count())?;
    let method = method.as_str().to_ascii_lowercase();
    let responses = &operations[&method]["responses"];
    let status = status.as_u16().to_string();
    let key = if responses.get(&status).is_some() { status } else { "default".to_owned() };
    responses[&key]["content"].get("application/json")?;
    let escaped = template.replace('~', "~0").replace('/', "~1");
    let pointer = format!("/paths/{escaped}/{method}/responses/{key}/content/application~1json/schema");
    Some((pointer.replace('{', "%7B").replace('}', "%7D"), format!("{method} {path} ({key})")))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
}
