//! Which columns of a file become which fields of a message, and of what type.

use serde_json::{Map, Value};

/// What a cell is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    /// Text, as it stands.
    Text,
    /// A number with or without a fraction; always a JSON number with one (`113.0`).
    Number,
    /// A whole number.
    Integer,
}

/// One field of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The field's name in the message.
    pub(super) field: String,
    /// The column's name in the header.
    pub(super) header: String,
    /// What its cells are read as.
    pub(super) kind: ColumnType,
    /// Whether a row without a value here is rejected; otherwise the field is null.
    pub(super) required: bool,
}

/// The columns of the air-quality data: field, header, whether it is text (and then required) or a number.
const AIR_QUALITY: [(&str, &str, bool); 7] = [
    ("date", "Date", true),
    ("time", "Time", true),
    ("CO", "CO", false),
    ("NO2", "NO2", false),
    ("Temperature", "Temperature", false),
    ("Relative_Humidity", "Relative_Humidity", false),
    ("Absolute_Humidity", "Absolute_Humidity", false),
];

/// The columns that a task has when it names none: those of the air-quality data.
pub(super) fn air_quality() -> Vec<Column> {
    let column = |(field, header, is_text): (&str, &str, bool)| Column {
        field: field.to_owned(),
        header: header.to_owned(),
        kind: if is_text { ColumnType::Text } else { ColumnType::Number },
        required: is_text,
    };
    AIR_QUALITY.into_iter().map(column).collect()
}

/// The default columns as they would be written in a DAG, for help.
pub(super) fn air_quality_as_written() -> Value {
    let written = |(field, header, is_text): (&str, &str, bool)| {
        let column = if is_text {
            serde_json::json!({"column": header, "type": "text", "required": true})
        } else {
            Value::from(header)
        };
        (field.to_owned(), column)
    };
    Value::Object(AIR_QUALITY.into_iter().map(written).collect())
}

/// Reads the argument `columns`: `field: header`, or `field: {column: header, type: text, required: true}`.
/// A column without a type holds numbers, since that mistake is a loud one: text there is rejected with its reason,
/// whereas numbers taken for text would make every later comparison false.
pub(super) fn parse(value: &Value) -> Result<Vec<Column>, String> {
    let Some(mapping) = value.as_object() else {
        return Err("`columns` is a mapping from a field's name to its column".to_owned());
    };
    if mapping.is_empty() {
        return Err("`columns` names no column".to_owned());
    }
    mapping.iter().map(|(field, column)| parse_column(field, column)).collect()
}

fn parse_column(field: &str, value: &Value) -> Result<Column, String> {
    let mut column = Column {
        field: field.to_owned(),
        header: field.to_owned(),
        kind: ColumnType::Number,
        required: false,
    };
    match value {
        Value::String(header) => column.header.clone_from(header),
        Value::Object(settings) => apply_settings(&mut column, settings)?,
        _ => {
            return Err(format!(
                "column \"{field}\" is the name of a column, or a mapping such as {{column: {field}, type: number}}"
            ));
        }
    }
    Ok(column)
}

fn apply_settings(column: &mut Column, settings: &Map<String, Value>) -> Result<(), String> {
    let field = column.field.clone();
    for (key, value) in settings {
        match (key.as_str(), value) {
            ("column", Value::String(header)) => column.header.clone_from(header),
            ("type", Value::String(kind)) => {
                column.kind = match kind.as_str() {
                    "text" => ColumnType::Text,
                    "number" => ColumnType::Number,
                    "integer" => ColumnType::Integer,
                    other => {
                        return Err(format!(
                            "column \"{field}\": the type \"{other}\" is none of text, number, integer"
                        ));
                    }
                }
            }
            ("required", Value::Bool(required)) => column.required = *required,
            ("column" | "type", _) => return Err(format!("column \"{field}\": `{key}` is a string")),
            ("required", _) => return Err(format!("column \"{field}\": `required` is true or false")),
            (other, _) => {
                return Err(format!("column \"{field}\": `{other}` is none of column, type, required"));
            }
        }
    }
    Ok(())
}

/// What is wrong with a header, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderFault {
    /// What is wrong, as a fragment after the file's name.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: String,
}

/// Where each column is in the header.
pub(super) fn locate(
    columns: &[Column],
    header: &[String],
    separator: char,
) -> Result<Vec<usize>, HeaderFault> {
    let at = |column: &Column| header.iter().position(|name| *name == column.header);
    let missing: Vec<&str> =
        columns.iter().filter(|column| at(column).is_none()).map(|column| column.header.as_str()).collect();
    if missing.is_empty() {
        return Ok(columns.iter().filter_map(at).collect());
    }
    let present: Vec<&str> = header.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    Err(HeaderFault {
        message: format!("has no {noun} {}; its columns are {}", listed(&missing), listed(&present)),
        hint: hint(columns, &missing, &present, separator),
    })
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn hint(columns: &[Column], missing: &[&str], present: &[&str], separator: char) -> String {
    if let [only] = present {
        let other =
            [';', ',', '\t', '|'].into_iter().find(|other| *other != separator && only.contains(*other));
        if let Some(other) = other {
            return format!(
                "the separator is \"{separator}\", and the header looks like one with {other:?}: set `separator`"
            );
        }
    }
    let suggestion = missing.iter().find_map(|name| Some((*name, nearest(name, present)?)));
    match suggestion {
        Some((name, near)) => {
            let field =
                columns.iter().find(|column| column.header == name).map_or(name, |column| &column.field);
            format!(
                "did you mean \"{near}\"? then say so under `columns`: {field}: {{column: \"{near}\", …}}"
            )
        }
        None => "say under `columns` which column each field comes from".to_owned(),
    }
}

/// The column that was most likely meant: the same but for case, a longer form ("CO(GT)" for "CO"), or nearly the same.
fn nearest<'a>(name: &str, present: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let same = |candidate: &&&str| candidate.to_lowercase() == lower;
    let longer = |candidate: &&&str| candidate.to_lowercase().starts_with(&lower);
    let near = |candidate: &&&str| strsim::jaro_winkler(&candidate.to_lowercase(), &lower) > 0.85;
    let found = present
        .iter()
        .find(same)
        .or_else(|| present.iter().find(longer))
        .or_else(|| present.iter().find(near));
    found.copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_default_is_what_help_says() {
        let written = parse(&air_quality_as_written()).unwrap();
        assert_eq!(written, air_quality());
    }

    #[test]
    fn short_and_long_forms() {
        let columns = parse(
            &json!({"CO": "CO(GT)", "site": {"type": "text", "required": true}, "n": {"type": "integer"}}),
        )
        .unwrap();
        assert_eq!((columns[0].header.as_str(), columns[0].kind), ("CO(GT)", ColumnType::Number));
        assert_eq!(
            (columns[1].header.as_str(), columns[1].kind, columns[1].required),
            ("site", ColumnType::Text, true)
        );
        for bad in
            [json!({}), json!({"a": 1}), json!({"a": {"typ": "text"}}), json!({"a": {"type": "float"}})]
        {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }

    fn fault(header: &[&str], separator: char) -> HeaderFault {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        locate(&air_quality(), &header, separator).unwrap_err()
    }

    #[test]
    fn missing_columns_are_named_with_those_that_are_there() {
        let all = ["Date", "Time", "CO(GT)", "NO2", "Temperature", "Relative_Humidity", "Absolute_Humidity"];
        let fault_found = fault(&all, ';');
        assert!(
            fault_found
                .message
                .starts_with("has no column \"CO\"; its columns are \"Date\", \"Time\", \"CO(GT)\"")
        );
        assert!(fault_found.hint.contains("did you mean \"CO(GT)\""), "{}", fault_found.hint);
        assert!(fault(&["Date,Time,CO,NO2"], ';').hint.contains("separator"));
        assert!(fault(&["x", "y"], ';').hint.contains("columns"));
    }
}
