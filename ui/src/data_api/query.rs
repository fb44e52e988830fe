//! Query parameters, read strictly: a parameter that is unknown, given twice or out of bounds is told, never passed
//! over.

use super::error::DataError;
use super::name::{NAME_BYTES_MAX, decode};

/// The most that one request may ask for.
pub(crate) const LIMIT_MAX: usize = 1000;

/// The parameters of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of an address that takes the parameters `known`.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, DataError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(&name.replace('+', " "))?;
            if !known.contains(&name.as_str()) {
                return Err(unknown(&name, known));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(DataError::bad_request(
                    format!("The parameter {name:?} is given twice"),
                    "Give it once",
                ));
            }
            pairs.push((name, decode(&value.replace('+', " "))?));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter, if it is given and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// How many are asked for: 1 to 1000.
    pub(crate) fn limit(&self) -> Result<Option<usize>, DataError> {
        let Some((_, text)) = self.0.iter().find(|(name, _)| name == "limit") else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(Some(limit)),
            _ => Err(DataError::bad_request(
                format!("The limit cannot be {text:?}"),
                format!("limit is a whole number from 1 to {LIMIT_MAX}"),
            )),
        }
    }

    /// Which page of a list: a number from 1 on, and the first unless it is given.
    pub(crate) fn page(&self) -> Result<usize, DataError> {
        let text = self.get("page").unwrap_or("1");
        text.parse().map_err(|_| {
            DataError::bad_request(format!("There is no page {text:?}"), "page is a number, from 1")
        })
    }

    /// Where a page of a list goes on, as the page before gave it.
    pub(crate) fn after(&self) -> Result<Option<&str>, DataError> {
        match self.get("after") {
            Some(after) if after.contains('\0') || after.len() > NAME_BYTES_MAX => {
                Err(DataError::bad_request(
                    "This is not where a page ends: it is too long, or holds a NUL character",
                    "after is the `next` of the page before",
                ))
            }
            after => Ok(after),
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> DataError {
    let hint = match known {
        [] => "This address takes no parameters".to_owned(),
        known => format!("This address takes: {}", known.join(", ")),
    };
    DataError::bad_request(format!("There is no parameter {name:?} here"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["prefix", "limit", "after"];

    #[test]
    fn parameters_are_decoded_and_checked() {
        let query = Query::parse(Some("prefix=sensor%3A10%2F&limit=5&after="), KNOWN).unwrap();
        assert_eq!(query.get("prefix"), Some("sensor:10/"));
        assert_eq!(query.limit().unwrap(), Some(5));
        assert_eq!(query.get("after"), None);
        assert_eq!(Query::parse(None, KNOWN).unwrap().limit().unwrap(), None);
    }

    #[test]
    fn what_is_unknown_or_twice_or_out_of_bounds_is_told() {
        let error = Query::parse(Some("limt=5"), KNOWN).unwrap_err();
        assert_eq!(
            error,
            DataError::bad_request(
                "There is no parameter \"limt\" here",
                "This address takes: prefix, limit, after"
            )
        );
        assert!(Query::parse(Some("limit=1&limit=2"), KNOWN).is_err());
        for limit in ["0", "1001", "-1", "x", "", "1.5", "99999999999999999999"] {
            let query = Query::parse(Some(&format!("limit={limit}")), KNOWN).unwrap();
            assert!(query.limit().is_err(), "{limit}");
        }
    }
}
