//! The params of a DAG: what a trigger may set in its conf, each with a JSON Schema (draft 2020-12) that is checked at
//! every door.

use super::Dag;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A parameter that a trigger may set in its conf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    /// What values it takes; [`ParamKind::Any`] too where there are several types.
    pub kind: ParamKind,
    /// Whether null is a value of it besides.
    pub is_nullable: bool,
    /// The value when the trigger gives none; a param without one must be given.
    pub default: Option<Value>,
    /// A label for forms.
    pub title: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// The only values allowed, if not empty.
    pub choices: Vec<Value>,
    /// All that is said of its values: types, choices, ranges, lengths, patterns, formats, items, properties; and what
    /// forms are made from.
    pub schema: ParamSchema,
}

/// Params by name, in the order in which they are written.
pub type Params = IndexMap<String, Param>;

/// The JSON Schema of a param.
#[derive(Clone, Debug, Default)]
pub struct ParamSchema {
    document: Map<String, Value>,
    /// None where the kind and the choices say it all.
    validator: Option<Arc<jsonschema::Validator>>,
}

/// The keywords that [`Param`]'s own fields check, and those that only describe.
const PLAIN: [&str; 9] = [
    "type",
    "enum",
    "default",
    "title",
    "description",
    "description_md",
    "examples",
    "section",
    "values_display",
];

impl ParamSchema {
    /// The schema of these keywords. The error is one sentence: what of it is no JSON Schema.
    pub fn new(document: Map<String, Value>) -> Result<Self, String> {
        let is_plain = document.keys().all(|keyword| PLAIN.contains(&keyword.as_str()));
        let types = document.get("type").and_then(Value::as_array).into_iter().flatten();
        let is_one_type = types.filter(|kind| *kind != "null").count() <= 1;
        if is_plain && is_one_type {
            return Ok(Self { document, validator: None });
        }
        let mut checked = document.clone();
        // "any" is this language's word for every type, and a default has its own check.
        checked.remove("default");
        if checked.get("type").is_some_and(|kind| kind == "any") {
            checked.remove("type");
        }
        let options =
            jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&Value::Object(checked)).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = place.trim_start_matches('/').replace('/', ".");
            if place.is_empty() { error.to_string() } else { format!("{place}: {error}") }
        })?;
        Ok(Self { document, validator: Some(Arc::new(validator)) })
    }

    /// A keyword's value.
    pub fn get(&self, keyword: &str) -> Option<&Value> {
        self.document.get(keyword)
    }

    /// The keywords.
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        let Some(error) = self.validator.as_ref().and_then(|validator| validator.iter_errors(value).next())
        else {
            return Ok(());
        };
        let place = error.instance_path().to_string();
        let message = error.to_string();
        Err(if place.is_empty() { message } else { format!("at {place}: {message}") })
    }
}

impl PartialEq for ParamSchema {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Serialize for ParamSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

/// The type of a [`Param`], in the words of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// A mapping.
    Object,
    /// Anything.
    Any,
}

impl ParamKind {
    /// The name as it is written in YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Any => "any",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Array, Self::Object, Self::Any]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether `value` is of this kind.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            // As JSON Schema has it, 3.0 is whole.
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }
}

/// A conf that a DAG does not take, in one sentence for whoever triggered it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfError(pub String);

impl Dag {
    /// The params of a run: the defaults, with `conf` over them. A conf key that is no param stays in conf and is
    /// no error (Airflow's rule); a param of the wrong type, outside its choices, or missing is one.
    pub fn resolve_params(&self, conf: &serde_json::Map<String, Value>) -> Result<Value, ConfError> {
        let mut params = serde_json::Map::new();
        for (name, param) in &self.params {
            let given = conf.get(name).or(param.default.as_ref());
            let value = given
                .ok_or_else(|| ConfError(format!("param \"{name}\" has no default and was not given")))?;
            if conf.contains_key(name) {
                check_param(name, param, value)?;
            }
            params.insert(name.clone(), value.clone());
        }
        Ok(Value::Object(params))
    }
}

/// Whether `value` may be the value of `param`; the error is one sentence.
pub fn check_param(name: &str, param: &Param, value: &Value) -> Result<(), ConfError> {
    let fault = |reason: String| Err(ConfError(format!("param \"{name}\" {reason}")));
    let is_null = param.is_nullable && value.is_null();
    if !is_null && !param.kind.accepts(value) {
        let or_null = if param.is_nullable { " or null" } else { "" };
        return fault(format!("takes {}{or_null}, not {value}", param.kind.as_str()));
    }
    if !param.choices.is_empty() && !param.choices.contains(value) {
        let choices: Vec<_> = param.choices.iter().map(Value::to_string).collect();
        return fault(format!("takes one of {}, not {value}", choices.join(", ")));
    }
    param.schema.check(value).or_else(|reason| fault(format!("does not take this value: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn param(kind: ParamKind, schema: Value) -> Param {
        let Value::Object(document) = schema else { panic!("an object") };
        let is_nullable = document.get("type").is_some_and(Value::is_array);
        Param {
            kind,
            is_nullable,
            default: None,
            title: None,
            description: None,
            choices: Vec::new(),
            schema: ParamSchema::new(document).expect("a schema"),
        }
    }

    #[test]
    fn each_keyword_lets_its_values_through_and_no_others() {
        use ParamKind::{Any, Array, Integer, Number, Object, String};
        let table = [
            (Integer, json!({"minimum": 1, "maximum": 10}), json!([1, 10]), json!([0, 11, "5", 2.5])),
            (Number, json!({"exclusiveMinimum": 0}), json!([0.1, 3]), json!([0, -1])),
            (Integer, json!({"multipleOf": 5}), json!([0, 25]), json!([7])),
            (String, json!({"minLength": 2, "maxLength": 3}), json!(["ab", "abc"]), json!(["a", "abcd", 12])),
            (String, json!({"pattern": "^[A-Z]+$"}), json!(["CO"]), json!(["co", ""])),
            (String, json!({"format": "date"}), json!(["2024-02-29"]), json!(["2023-02-29", "today"])),
            (String, json!({"format": "date-time"}), json!(["2024-01-31T09:00:00Z"]), json!(["2024-01-31"])),
            (String, json!({"format": "email"}), json!(["ana@example.org"]), json!(["ana"])),
            (String, json!({"format": "uri"}), json!(["http://example.org/x"]), json!(["x y"])),
            (String, json!({"const": "yes"}), json!(["yes"]), json!(["no"])),
            (
                Array,
                json!({"items": {"type": "integer"}, "minItems": 1, "uniqueItems": true}),
                json!([[1], [1, 2]]),
                json!([[], ["a"], [1, 1]]),
            ),
            (
                Object,
                json!({"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}),
                json!([{"a": 1}]),
                json!([{}, {"a": "x"}, {"a": 1, "b": 2}]),
            ),
            (Any, json!({"type": ["integer", "string"], "maximum": 3}), json!([3, "x"]), json!([4, true])),
        ];
        for (kind, schema, good, bad) in table {
            let param = param(kind, schema.clone());
            let passes = |value: &Value| check_param("p", &param, value).is_ok();
            assert!(good.as_array().expect("a list").iter().all(passes), "{schema} refuses one of {good}");
            for value in bad.as_array().expect("a list") {
                assert!(!passes(value), "{schema} takes {value}");
            }
        }
    }

    #[test]
    fn a_refusal_says_what_and_where() {
        let number = param(ParamKind::Integer, json!({"maximum": 10}));
        let said = check_param("day", &number, &json!(11)).expect_err("too large").to_string();
        assert_eq!(said, "param \"day\" does not take this value: 11 is greater than the maximum of 10");
        let list = param(ParamKind::Array, json!({"items": {"type": "integer"}}));
        let said = check_param("days", &list, &json!([1, "x"])).expect_err("a string").to_string();
        assert_eq!(said, "param \"days\" does not take this value: at /1: \"x\" is not of type \"integer\"");
    }

    #[test]
    fn what_is_no_schema_is_told() {
        for wrong in
            [json!({"minimum": "x"}), json!({"pattern": "["}), json!({"items": {"type": "nonsense"}})]
        {
            let Value::Object(document) = wrong else { panic!("an object") };
            assert!(ParamSchema::new(document.clone()).is_err(), "{document:?}");
        }
    }
}
