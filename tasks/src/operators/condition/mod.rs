//! Conditions over a record's fields: `CO > 10 or NO2 > 200`.
//!
//! ```text
//! condition  := both ("or" both)*
//! both       := negation ("and" negation)*
//! negation   := "not" negation | "(" condition ")" | comparison
//! comparison := operand ("<" | "<=" | ">" | ">=" | "==" | "!=") operand
//! operand    := field | `field with any characters` | number | "text" | 'text' | true | false | null
//! ```
//!
//! A comparison with a field that is missing or null is false, whatever the operator; only one with the word `null`
//! asks whether there is a value (`CO == null`, `CO != null`). Numbers and texts are ordered among themselves; values
//! of two types are never equal and have no order.

mod parse;
#[cfg(test)]
mod tests;

use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// A condition that was parsed. Its `Display` is the condition again, in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// At least one holds; there are two or more.
    Any(Vec<Condition>),
    /// All hold; there are two or more.
    All(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Two values compared.
    Comparison(Comparison),
}

/// Two values compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    left: Operand,
    operator: Operator,
    right: Operand,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    /// The value of a field.
    Field(String),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
    /// No value.
    Null,
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Condition {
    /// Whether it holds for a record.
    pub(crate) fn holds(&self, record: &Value) -> bool {
        match self {
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(record)),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(record)),
            Self::Not(condition) => !condition.holds(record),
            Self::Comparison(comparison) => comparison.holds(record),
        }
    }

    /// The alternatives that hold for a record: those of its outermost `or`s, or itself.
    pub(crate) fn fired<'a>(&'a self, record: &Value) -> Vec<&'a Condition> {
        match self {
            Self::Any(conditions) => {
                conditions.iter().flat_map(|condition| condition.fired(record)).collect()
            }
            other if other.holds(record) => vec![other],
            _ => Vec::new(),
        }
    }

    /// The fields that it reads, by name.
    pub(crate) fn fields(&self) -> BTreeSet<&str> {
        match self {
            Self::Any(conditions) | Self::All(conditions) => {
                conditions.iter().flat_map(|condition| condition.fields()).collect()
            }
            Self::Not(condition) => condition.fields(),
            Self::Comparison(comparison) => [&comparison.left, &comparison.right]
                .into_iter()
                .filter_map(|operand| match operand {
                    Operand::Field(name) => Some(name.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }
}

/// A value as it is compared.
enum Comparable<'a> {
    Number(f64),
    Text(&'a str),
    Boolean(bool),
    /// A list or a mapping: equal to nothing.
    Composite,
}

impl Comparison {
    fn holds(&self, record: &Value) -> bool {
        let (left, right) = (self.left.value(record), self.right.value(record));
        if self.left == Operand::Null || self.right == Operand::Null {
            let both_absent = left.is_none() && right.is_none();
            return match self.operator {
                Operator::Equal => both_absent,
                Operator::NotEqual => !both_absent,
                _ => false,
            };
        }
        match (left, right) {
            (Some(left), Some(right)) => self.operator.holds(left.order(&right)),
            _ => false,
        }
    }
}

impl Operand {
    /// The value; none for null and for a field that is missing.
    fn value<'a>(&'a self, record: &'a Value) -> Option<Comparable<'a>> {
        match self {
            Self::Number(number) => Some(Comparable::Number(*number)),
            Self::Text(text) => Some(Comparable::Text(text)),
            Self::Boolean(boolean) => Some(Comparable::Boolean(*boolean)),
            Self::Null => None,
            Self::Field(name) => match record.get(name)? {
                Value::Null => None,
                Value::Bool(boolean) => Some(Comparable::Boolean(*boolean)),
                Value::Number(number) => number.as_f64().map(Comparable::Number),
                Value::String(text) => Some(Comparable::Text(text)),
                Value::Array(_) | Value::Object(_) => Some(Comparable::Composite),
            },
        }
    }
}

impl Comparable<'_> {
    /// The order of two values of one type; none for two types.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.partial_cmp(right),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Boolean(left), Self::Boolean(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

impl Operator {
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(conditions) => {
                joined(formatter, conditions, " or ", |inner| matches!(inner, Self::Any(_)))
            }
            Self::All(conditions) => {
                joined(formatter, conditions, " and ", |inner| matches!(inner, Self::Any(_) | Self::All(_)))
            }
            Self::Not(condition) => {
                formatter.write_str("not ")?;
                enclosed(formatter, condition, matches!(**condition, Self::Any(_) | Self::All(_)))
            }
            Self::Comparison(Comparison { left, operator, right }) => {
                write!(formatter, "{left} {} {right}", operator.as_str())
            }
        }
    }
}

fn joined(
    formatter: &mut fmt::Formatter<'_>,
    conditions: &[Condition],
    word: &str,
    needs_parentheses: impl Fn(&Condition) -> bool,
) -> fmt::Result {
    for (index, condition) in conditions.iter().enumerate() {
        if index > 0 {
            formatter.write_str(word)?;
        }
        enclosed(formatter, condition, needs_parentheses(condition))?;
    }
    Ok(())
}

fn enclosed(formatter: &mut fmt::Formatter<'_>, condition: &Condition, in_parentheses: bool) -> fmt::Result {
    if in_parentheses { write!(formatter, "({condition})") } else { write!(formatter, "{condition}") }
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if parse::is_plain_name(name) => formatter.write_str(name),
            Self::Field(name) => write!(formatter, "`{name}`"),
            Self::Number(number) => write!(formatter, "{number}"),
            // JSON's way to quote is a part of this language's.
            Self::Text(text) => write!(formatter, "{}", Value::from(text.as_str())),
            Self::Boolean(boolean) => write!(formatter, "{boolean}"),
            Self::Null => formatter.write_str("null"),
        }
    }
}
