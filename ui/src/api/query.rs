//! Queries of lists: repeated keys, wildcards, the order.

use super::error::{ApiError, Fault};
use crate::AppState;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde_json::json;
use std::str::FromStr;

/// What FastAPI says of a text that is no whole number.
pub(super) const INTEGER_KIND: &str = "int_parsing";
pub(super) const INTEGER_MESSAGE: &str =
    "Input should be a valid integer, unable to parse string as an integer";

/// The query of a request. Keys that its route does not take are refused before, at the gate.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl FromRequestParts<AppState> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        let Query(pairs) =
            Query::try_from_uri(&parts.uri).map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(Self(pairs))
    }
}

impl Pairs {
    /// Of these keys and values.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a key that is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.all(key).find(|value| !value.is_empty()).map(str::to_owned)
    }

    /// The values of a key that may be repeated.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key, parsed; what does not parse is a 422.
    pub(super) fn parsed<T: FromStr>(
        &self,
        key: &str,
        kind: &'static str,
        message: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let parsed = text.parse();
        parsed
            .map(Some)
            .map_err(|_| ApiError::invalid(vec![Fault::of("query", key, kind, message, json!(text))]))
    }

    /// A whole number.
    pub(crate) fn integer<T: FromStr>(&self, key: &str) -> Result<Option<T>, ApiError> {
        self.parsed(key, INTEGER_KIND, INTEGER_MESSAGE)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(key, "bool_parsing", "Input should be a valid boolean, unable to interpret input")
    }

    /// `order_by`, repeated or with commas; a `-` before a column turns it round. Gives places among the columns that there are;
    /// another one is a 400, as in Airflow.
    pub(super) fn order(&self, columns: &[&str]) -> Result<Vec<(usize, bool)>, ApiError> {
        let words = self.all("order_by").flat_map(|text| text.split(',')).filter(|text| !text.is_empty());
        words
            .map(|text| {
                let name = text.strip_prefix('-').unwrap_or(text);
                let place = columns.iter().position(|known| *known == name).ok_or_else(|| {
                    let columns = columns.join(", ");
                    ApiError::bad_request(format!(
                        "Ordering with '{name}' is not supported; it is one of {columns}"
                    ))
                })?;
                Ok((place, name.len() != text.len()))
            })
            .collect()
    }
}

/// A name in an address; none for the wildcard `~`.
pub(super) fn unless_wildcard(name: &str) -> Option<String> {
    (name != "~").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn keys_may_be_repeated() {
        let pairs = pairs(&[("state", "failed"), ("x", ""), ("state", "success")]);
        assert_eq!(pairs.all("state").collect::<Vec<_>>(), ["failed", "success"]);
        assert_eq!(pairs.text("x"), None);
    }
}
