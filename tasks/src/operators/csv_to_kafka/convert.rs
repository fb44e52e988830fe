//! From the cells of a row to a JSON message.

use super::columns::{Column, ColumnType};
use crate::operators::pattern::Pattern;
use crate::operators::support::excerpt;
use crate::stream::Message;
use bytes::Bytes;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// How cells become a message.
pub(super) struct Converter {
    /// The message's fields, in order.
    pub(super) columns: Vec<Column>,
    /// The decimal sign of the file.
    pub(super) decimal: char,
    /// What a cell without a value looks like.
    pub(super) nulls: NullValues,
    /// What the message's key is made of.
    pub(super) key: Option<Pattern>,
    /// Whether bytes are Latin-1 and not UTF-8.
    pub(super) is_latin1: bool,
}

/// What a cell without a value looks like, as text and as a number: `-200` is also meant by `-200.0`.
#[derive(Clone, Debug, Default)]
pub(super) struct NullValues {
    texts: Vec<String>,
    numbers: Vec<f64>,
}

impl NullValues {
    /// Reads the argument `null_values`. The error is one sentence.
    pub(super) fn parse(values: &[Value], decimal: char) -> Result<Self, String> {
        let mut nulls = Self::default();
        for value in values {
            match value {
                Value::String(text) => {
                    nulls.numbers.extend(parse_number(text, decimal));
                    nulls.texts.push(text.trim().to_owned());
                }
                Value::Number(number) => nulls.numbers.extend(number.as_f64()),
                other => return Err(format!("a null value is a string or a number, not {other}")),
            }
        }
        Ok(nulls)
    }

    fn has_text(&self, cell: &str) -> bool {
        self.texts.iter().any(|text| text == cell)
    }

    /// Exactly equal is meant: a sentinel is written down, not computed.
    fn has_number(&self, number: f64) -> bool {
        self.numbers.contains(&number)
    }
}

impl Converter {
    /// The text of a cell, without the spaces around it.
    pub(super) fn text<'a>(&self, cell: &'a [u8]) -> Result<Cow<'a, str>, String> {
        if self.is_latin1 {
            return Ok(Cow::Owned(
                cell.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
            ));
        }
        match std::str::from_utf8(cell) {
            Ok(text) => Ok(Cow::Borrowed(text.trim())),
            Err(_) => Err("the row is not UTF-8; is `encoding` latin-1?".to_owned()),
        }
    }

    /// The message of a row, whose cells are in the order of the columns. The error is the reason why it is rejected.
    pub(super) fn message(&self, cells: &[&[u8]]) -> Result<Message, String> {
        let mut fields = Map::with_capacity(self.columns.len());
        for (column, cell) in self.columns.iter().zip(cells) {
            let value = self.value(column, &self.text(cell)?)?;
            fields.insert(column.field.clone(), value);
        }
        let key = match &self.key {
            Some(pattern) => {
                let key = pattern.render(|field| fields.get(field));
                Some(key.map_err(|field| format!("the message's key needs \"{field}\", which has no value"))?)
            }
            None => None,
        };
        let payload = Value::Object(fields).to_string();
        Ok(Message { key: key.map(Bytes::from), payload: Bytes::from(payload) })
    }

    fn value(&self, column: &Column, cell: &str) -> Result<Value, String> {
        let value = if self.nulls.has_text(cell) { Value::Null } else { self.typed(column, cell)? };
        if value.is_null() && column.required {
            return Err(format!("column \"{}\" has no value and is required", column.header));
        }
        Ok(value)
    }

    fn typed(&self, column: &Column, cell: &str) -> Result<Value, String> {
        if column.kind == ColumnType::Text {
            return Ok(Value::from(cell));
        }
        let number = parse_number(cell, self.decimal).ok_or_else(|| self.no_number(column, cell))?;
        if self.nulls.has_number(number) {
            return Ok(Value::Null);
        }
        match column.kind {
            ColumnType::Integer => whole(cell, number).map(Value::from).ok_or_else(|| {
                format!("column \"{}\": \"{}\" is not a whole number", column.header, excerpt(cell, 80))
            }),
            _ => Ok(Number::from_f64(number).map_or(Value::Null, Value::Number)),
        }
    }

    fn no_number(&self, column: &Column, cell: &str) -> String {
        let other = if self.decimal == '.' { ',' } else { '.' };
        let advice = match parse_number(cell, other) {
            Some(_) => format!(" with the decimal sign \"{}\"; is `decimal` \"{other}\"?", self.decimal),
            None if cell.is_empty() => ": it is empty".to_owned(),
            None => String::new(),
        };
        format!("column \"{}\": \"{}\" is not a number{advice}", column.header, excerpt(cell, 80))
    }
}

/// A finite number. Digits only, with a sign, the decimal sign and an exponent: not "inf", not "NaN", no grouping.
fn parse_number(text: &str, decimal: char) -> Option<f64> {
    let fits = |character: char| {
        character.is_ascii_digit() || character == decimal || matches!(character, '+' | '-' | 'e' | 'E')
    };
    if !text.chars().all(fits) {
        return None;
    }
    let number: f64 = if decimal == '.' { text.parse() } else { text.replace(decimal, ".").parse() }.ok()?;
    number.is_finite().then_some(number)
}

/// Above this not every whole number has its own `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn whole(cell: &str, number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
    cell.parse().ok().or_else(|| exact.then_some(number as i64))
}

#[cfg(test)]
mod tests {
    use super::super::columns;
    use super::*;
    use serde_json::json;

    fn converter(columns: Value, decimal: char, nulls: Value) -> Converter {
        let nulls = NullValues::parse(nulls.as_array().unwrap(), decimal).unwrap();
        let columns = columns::parse(&columns).unwrap();
        Converter { columns, decimal, nulls, key: None, is_latin1: false }
    }

    fn convert(decimal: char, cell: &str) -> Result<String, String> {
        let converter = converter(json!({"v": "V"}), decimal, json!(["", "-200"]));
        let message = converter.message(&[cell.as_bytes()])?;
        Ok(String::from_utf8(message.payload.to_vec()).unwrap())
    }

    #[test]
    fn numbers_nulls_and_what_is_neither() {
        let good = [
            ('.', "2.6", "2.6"),
            ('.', " 113 ", "113.0"),
            ('.', "-200", "null"),
            ('.', "-200.0", "null"),
            ('.', "", "null"),
            (',', "1,5", "1.5"),
            (',', "-200,0", "null"),
            ('.', "1e3", "1000.0"),
        ];
        for (decimal, cell, expected) in good {
            assert_eq!(convert(decimal, cell).unwrap(), format!("{{\"v\":{expected}}}"), "{cell}");
        }
        for (decimal, cell) in [
            ('.', "1,5"),
            (',', "1.5"),
            ('.', "NaN"),
            ('.', "inf"),
            ('.', "x"),
            (',', "1.234,5"),
            ('.', "1e999"),
        ] {
            assert!(convert(decimal, cell).unwrap_err().contains("is not a number"), "{cell}");
        }
        assert!(convert('.', "1,5").unwrap_err().contains("is `decimal` \",\"?"));
    }

    #[test]
    fn integers_text_required_and_bytes() {
        let columns = json!({"n": {"type": "integer"}, "t": {"type": "text", "required": true}});
        let mut converter = converter(columns, '.', json!([""]));
        let text = |message: Message| String::from_utf8(message.payload.to_vec()).unwrap();
        assert_eq!(text(converter.message(&[b"7.0", b"\"x\""]).unwrap()), r#"{"n":7,"t":"\"x\""}"#);
        assert_eq!(
            text(converter.message(&[b"9223372036854775807", b"x"]).unwrap()),
            r#"{"n":9223372036854775807,"t":"x"}"#
        );
        assert!(converter.message(&[b"7.5", b"x"]).unwrap_err().contains("whole"));
        assert!(converter.message(&[b"7", b" "]).unwrap_err().contains("required"));
        assert!(converter.message(&[b"7", b"\xe9t\xe9"]).unwrap_err().contains("UTF-8"));
        converter.is_latin1 = true;
        assert_eq!(text(converter.message(&[b"7", b"\xe9t\xe9"]).unwrap()), r#"{"n":7,"t":"été"}"#);
    }
}
