//! Forms made from params: a field for each, and back from what was typed to values. The form that starts a run is one, a
//! question to people another.

use crate::{locale, t, t1};
use esteira_core::dag::{Param, ParamKind, Params, check_param};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What the names of the fields of params begin with.
pub(crate) const PARAM_PREFIX: &str = "param.";

/// What was typed, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) fault: Option<String>,
}

/// The field of a param.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    pub(crate) help: String,
    pub(crate) required: bool,
    /// For a choice: the values as JSON, how they read, and which is chosen.
    pub(crate) choices: Vec<(String, String, bool)>,
    pub(crate) control: &'static str,
    /// What the browser checks and offers besides.
    pub(crate) hints: InputHints,
    /// The heading above it, where a section begins.
    pub(crate) section: Option<String>,
    pub(crate) entry: Entry,
}

/// Attributes of an input, from the keywords of a param's schema; what they let through is checked here all the same.
#[derive(Debug, Default)]
pub(crate) struct InputHints {
    /// The input's type: `text`, `number`, `date`, `email`, `url`.
    pub(crate) input: &'static str,
    pub(crate) placeholder: &'static str,
    /// Pairs of a name and a value.
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// Values that are suggested.
    pub(crate) examples: Vec<String>,
}

/// What was typed, by the name of the field.
pub(crate) type Typed = HashMap<String, String>;

/// What is wrong, by the name of the field.
pub(crate) type FieldFaults = HashMap<String, String>;

/// A value as it stands in its field.
pub(crate) fn as_typed(param: &Param, value: &Value) -> String {
    match (param.kind, value) {
        _ if !param.choices.is_empty() => value.to_string(),
        (_, Value::Null) if param.is_nullable => String::new(),
        (ParamKind::String, Value::String(text)) if is_instant(param) => {
            local(text).unwrap_or_else(|| text.clone())
        }
        (ParamKind::String, Value::String(text)) => text.clone(),
        (ParamKind::Array | ParamKind::Object | ParamKind::Any, value) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        (_, value) => value.to_string(),
    }
}

fn is_instant(param: &Param) -> bool {
    param.schema.get("format").is_some_and(|format| format == "date-time")
}

/// An instant as a field for date and time takes it, in the zone of whoever looks; none if the text is no instant.
pub(crate) fn local(text: &str) -> Option<String> {
    let at: Timestamp = text.parse().ok()?;
    let local = locale::with(|locale| at.to_zoned(locale.zone.clone()).datetime());
    Some(local.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// The instant that was typed: with an offset or `Z`, else in the zone of whoever typed it.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    locale::with(|locale| local.to_zoned(locale.zone.clone())).ok().map(|zoned| zoned.timestamp())
}

/// The fields in the order of the file, those of a section together under its heading.
pub(crate) fn fields(params: &Params, typed: &Typed, faults: &FieldFaults) -> Vec<Field> {
    let mut sections: Vec<(Option<&str>, Vec<Field>)> = Vec::new();
    for (name, param) in params {
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

fn field(name: &str, param: &Param, typed: &Typed, faults: &FieldFaults) -> Field {
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
        entry: Entry { text, fault: faults.get(&key).cloned() },
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
        (ParamKind::String, "date-time") => ("datetime-local", ""),
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
    if input == "datetime-local" {
        attributes.push(("step", "1".to_owned()));
    }
    if param.kind == ParamKind::Number && !attributes.iter().any(|(name, _)| *name == "step") {
        attributes.push(("step", "any".to_owned()));
    }
    let examples = param.schema.get("examples").and_then(Value::as_array).into_iter().flatten();
    InputHints { input, placeholder, attributes, examples: examples.map(shown).collect() }
}

/// The values that were typed for params, without those that are the defaults; what does not fit is put among the faults.
pub(crate) fn values(params: &Params, typed: &Typed, faults: &mut FieldFaults) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, param) in params {
        let key = format!("{PARAM_PREFIX}{name}");
        match param_value(name, param, typed.get(&key).map(String::as_str)) {
            Ok(Some(value)) => drop(values.insert(name.clone(), value)),
            Ok(None) => {}
            Err(fault) => drop(faults.insert(key, fault)),
        }
    }
    values
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
            Err(t("this has no default, so it needs a value").to_owned())
        };
    }
    if is_text && is_instant(param) {
        return instant_value(name, param, text.trim());
    }
    let value = if is_text {
        // Browsers send line breaks as CR and LF.
        Value::String(text.replace("\r\n", "\n"))
    } else {
        serde_json::from_str(text.trim()).map_err(|error| match param.kind {
            ParamKind::Integer | ParamKind::Number => t1("\"{}\" is no number", text.trim()),
            _ => t1("this is no JSON: {}", error),
        })?
    };
    check_param(name, param, &value).map_err(|error| error.to_string())?;
    Ok((param.default.as_ref() != Some(&value)).then_some(value))
}

/// The instant that was typed. One that was left as it was shown is the default, to the last digit.
fn instant_value(name: &str, param: &Param, text: &str) -> Result<Option<Value>, String> {
    if param.default.as_ref().is_some_and(|default| as_typed(param, default) == text) {
        return Ok(None);
    }
    let value = Value::String(instant(text).map_or_else(|| text.to_owned(), |at| at.to_string()));
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
        let document = json!({"type": "string", "format": "date-time"});
        let schema = ParamSchema::new(document.as_object().unwrap().clone()).unwrap();
        let default = Some(json!("2026-11-22T09:00:00.5Z"));
        let at = Param { schema, ..param(ParamKind::String, default, &[]) };
        locale::as_in(locale::Language::English, "America/Sao_Paulo", || {
            assert_eq!(as_typed(&at, at.default.as_ref().unwrap()), "2026-11-22T06:00:00");
            assert_eq!(param_value("p", &at, Some("2026-11-22T06:00:00")), Ok(None));
            let typed = |text| param_value("p", &at, Some(text)).unwrap().unwrap();
            assert_eq!(typed("2026-11-22T07:30"), json!("2026-11-22T10:30:00Z"));
            assert_eq!(typed("2026-11-22T07:30:00+01:00"), json!("2026-11-22T06:30:00Z"));
            assert!(param_value("p", &at, Some("tomorrow")).is_err());
        });
        let list = param(ParamKind::Array, Some(json!([])), &[]);
        assert!(param_value("p", &list, Some("[1,")).unwrap_err().starts_with("this is no JSON"));
    }
}
