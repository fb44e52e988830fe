//! What was before and what is after, for events that change something: each field of the body that differs.

use serde_json::Value;

/// A field that a change has touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldChange {
    pub(crate) field: String,
    /// Empty where there was nothing.
    pub(crate) before: String,
    pub(crate) after: String,
}

/// The fields that differ. A body has what was before under `before`, or in fields that end in `_before`.
pub(super) fn changes(body: &Value) -> Vec<FieldChange> {
    let Some(fields) = body.as_object() else { return Vec::new() };
    let of_object = fields.get("before").and_then(Value::as_object).into_iter().flatten();
    let of_object = of_object.map(|(field, before)| (field.clone(), before));
    let of_endings = fields
        .iter()
        .filter_map(|(name, before)| name.strip_suffix("_before").map(|field| (field.to_owned(), before)));
    let pairs = of_object.chain(of_endings);
    let changed = pairs.filter_map(|(field, before)| {
        let after = fields.get(&field).unwrap_or(&Value::Null);
        (before != after).then(|| FieldChange { before: text(before), after: text(after), field })
    });
    changed.collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fields_that_differ_are_told() {
        let change = |field: &str, before: &str, after: &str| FieldChange {
            field: field.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        let body = json!({"name": "p", "slots": null, "description": "d", "before": {"slots": 3, "description": "d"}});
        assert_eq!(changes(&body), [change("slots", "3", "")]);
        let body = json!({"name": "maria", "role": "admin", "role_before": "viewer"});
        assert_eq!(changes(&body), [change("role", "viewer", "admin")]);
        // Something that was removed has no field any more.
        assert_eq!(changes(&json!({"name": "p", "before": {"slots": 3}})), [change("slots", "3", "")]);
        assert_eq!(changes(&json!("text")), []);
    }
}
