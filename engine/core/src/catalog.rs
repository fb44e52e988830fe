//! What an operator says about its arguments, so that a DAG is checked before anything runs.
//!
//! The operators themselves live beyond the operator seam; the core knows only their [`Signature`]s, through a
//! [`Catalog`].

use serde::Serialize;
use serde_json::Value;

/// What an operator is called, what it is for, and which arguments it takes under `with:`.
#[derive(Clone, Debug, Serialize)]
pub struct Signature {
    /// The name that a task's `operator:` key uses.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// The arguments, in the order in which help shows them.
    pub arguments: Vec<Argument>,
}

impl Signature {
    /// The argument of this name.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

/// One argument of an operator.
#[derive(Clone, Debug, Serialize)]
pub struct Argument {
    /// Its key under `with:`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: ArgumentKind,
    /// Whether a task must give it.
    pub required: bool,
    /// The value it has when not given, as it would be written.
    pub default: Option<Value>,
    /// One line for people.
    pub help: &'static str,
}

impl Argument {
    /// An argument that a task must give.
    pub fn required(name: &'static str, kind: ArgumentKind, help: &'static str) -> Self {
        Self { name, kind, required: true, default: None, help }
    }

    /// An argument that a task may leave out.
    pub fn optional(name: &'static str, kind: ArgumentKind, help: &'static str) -> Self {
        Self { name, kind, required: false, default: None, help }
    }

    /// States the value that an optional argument has when it is left out.
    #[must_use]
    pub fn with_default(mut self, default: impl Into<Value>) -> Self {
        self.default = Some(default.into());
        self
    }
}

/// What values an argument takes. A string that holds a template is taken for any of them and checked once rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentKind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A length of time: `30s`, `5m`, `1h30m`, or a number of seconds.
    Duration,
    /// A list of anything.
    List,
    /// A list of strings, or one string.
    TextList,
    /// A mapping from strings to anything.
    Map,
    /// Anything at all.
    Any,
    /// One of these strings.
    Choice(&'static [&'static str]),
}

impl ArgumentKind {
    /// The kind in words, for messages: "a whole number".
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a string".into(),
            Self::Integer => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Boolean => "true or false".into(),
            Self::Duration => "a duration such as 30s, 5m or 1h30m".into(),
            Self::List => "a list".into(),
            Self::TextList => "a string or a list of strings".into(),
            Self::Map => "a mapping".into(),
            Self::Any => "any value".into(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
        }
    }

    /// Whether a value without templates fits this kind.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Duration => crate::spec::duration::from_value(value).is_ok(),
            Self::List => value.is_array(),
            Self::TextList => {
                value.is_string() || value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
            Self::Map => value.is_object(),
            Self::Any => true,
            Self::Choice(choices) => value.as_str().is_some_and(|text| choices.contains(&text)),
        }
    }
}

/// The operators that a DAG may name. The runtime's registry is one; tests bring their own.
pub trait Catalog {
    /// The signature of the operator of this name.
    fn signature(&self, operator: &str) -> Option<&Signature>;

    /// The names of all operators, for suggestions.
    fn names(&self) -> Vec<&str>;

    /// A check of a literal value deeper than its kind (an expression that must parse, a URL that must be one).
    /// Only called for values that hold no template. The error is one sentence for the author of the DAG.
    fn check(&self, operator: &str, argument: &str, value: &Value) -> Result<(), String>;
}
