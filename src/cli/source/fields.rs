//! The fields of an object in a server's answer. One that is not there, or is of another kind, is told by its name.

use crate::cli::Failure;
use jiff::Timestamp;
use serde_json::Value;

/// An object of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Value);

impl<'a> Fields<'a> {
    pub(crate) fn text(self, key: &str) -> Result<&'a str, Failure> {
        self.0[key].as_str().ok_or_else(|| unreadable(key))
    }

    /// A text; empty for null.
    pub(crate) fn text_or_empty(self, key: &str) -> String {
        self.0[key].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn number<T: TryFrom<i64>>(self, key: &str) -> Result<T, Failure> {
        self.0[key].as_i64().and_then(|number| number.try_into().ok()).ok_or_else(|| unreadable(key))
    }

    pub(crate) fn flag(self, key: &str) -> Result<bool, Failure> {
        self.0[key].as_bool().ok_or_else(|| unreadable(key))
    }

    pub(crate) fn instant(self, key: &str) -> Result<Timestamp, Failure> {
        self.text(key)?.parse().map_err(|_| unreadable(key))
    }

    /// An instant, or none for null.
    pub(crate) fn some_instant(self, key: &str) -> Result<Option<Timestamp>, Failure> {
        if self.0[key].is_null() { Ok(None) } else { self.instant(key).map(Some) }
    }

    /// One of some words.
    pub(crate) fn label<T>(self, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        read(self.text(key)?).ok_or_else(|| unreadable(key))
    }
}

fn unreadable(key: &str) -> Failure {
    Failure::failed(format!("the server's answer has no \"{key}\" that can be read"))
        .hint("does it run another version of Esteira?")
}
