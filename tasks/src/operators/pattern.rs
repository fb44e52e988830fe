//! Names made from a record's fields: `sensor:{date}:{time}`.

use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// A text with fields in braces. `{{` and `}}` stand for a brace itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(String),
}

impl Pattern {
    /// A pattern of these fields with `:` between them.
    pub(crate) fn of_fields(fields: &[String]) -> Self {
        let mut parts = Vec::new();
        for field in fields {
            if !parts.is_empty() {
                parts.push(Part::Literal(":".to_owned()));
            }
            parts.push(Part::Field(field.clone()));
        }
        Self { parts }
    }

    /// The fields that it takes.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text for a record. A field that is missing, null, empty, or no single value gives its name as the error.
    pub(crate) fn render<'a>(&'a self, field: impl Fn(&str) -> Option<&'a Value>) -> Result<String, &'a str> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(name) => match field(name) {
                    Some(Value::String(value)) if !value.is_empty() => text.push_str(value),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => text.push_str(&value.to_string()),
                    _ => return Err(name),
                },
            }
        }
        Ok(text)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
            } else if brace == "}" {
                return Err(format!("\"{text}\" has a \"}}\" without its \"{{\""));
            } else {
                let Some((field, after)) = rest.split_once('}') else {
                    return Err(format!("\"{text}\" has a \"{{\" without its \"}}\""));
                };
                if field.trim().is_empty() || field.contains('{') {
                    return Err(format!("\"{text}\" has braces without the name of a field in them"));
                }
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(field.trim().to_owned()));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => {
                    formatter.write_str(&literal.replace('{', "{{").replace('}', "}}"))?;
                }
                Part::Field(field) => write!(formatter, "{{{field}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(pattern: &str, record: &Value) -> Result<String, String> {
        let pattern: Pattern = pattern.parse()?;
        pattern.render(|field| record.get(field)).map_err(str::to_owned)
    }

    #[test]
    fn fields_come_from_the_record() {
        let record =
            json!({"date": "10/03/2004", "time": "18.00.00", "CO": 2.6, "n": 7, "none": null, "blank": ""});
        assert_eq!(render("sensor:{date}:{time}", &record).unwrap(), "sensor:10/03/2004:18.00.00");
        assert_eq!(render("{n}/{ CO }{{x}}", &record).unwrap(), "7/2.6{x}");
        for field in ["missing", "none", "blank"] {
            assert_eq!(render(&format!("a{{{field}}}"), &record).unwrap_err(), field);
        }
    }

    #[test]
    fn unbalanced_braces_are_told() {
        for text in ["a{b", "a}b", "{}", "{a{b}}"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        let pattern = "sensor:{{{date}".parse::<Pattern>().unwrap();
        assert_eq!(pattern.to_string(), "sensor:{{{date}");
        assert_eq!(Pattern::of_fields(&["a".into(), "b".into()]).to_string(), "{a}:{b}");
    }
}
