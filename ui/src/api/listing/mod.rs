//! From the query of a list, or the body of a `POST …/list`, to what the store is asked for: Airflow's names of filters,
//! ranges and columns.

mod asset_events;
mod events;
mod instances;
mod questions;
mod runs;

pub(super) use asset_events::asset_events;
pub(super) use events::events;
pub(super) use instances::instances;
pub(super) use questions::questions;
pub(super) use runs::runs;

use super::error::{ApiError, Fault};
use super::paging::{Part, Window};
use super::query::{INTEGER_KIND, INTEGER_MESSAGE, Pairs};
use crate::AppState;
use crate::openapi::Operation;
use esteira_store::{Bound, Column, Listing, Pattern};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The longest text that is looked for.
const PATTERN_MAX: usize = 1_000;

/// A list of the store that is asked for.
pub(super) struct Asked<C> {
    pub(super) listing: Listing<C>,
    window: Window,
}

impl<C: Column> Asked<C> {
    /// The page, from the store.
    pub(super) async fn part(&self, state: &AppState) -> Result<Part<C::Row>, ApiError> {
        Ok(self.window.part(state.handle.reader().list(&self.listing).await?))
    }
}

/// What a query asks of a list, as it is put together.
struct Draft<'a, C> {
    pairs: &'a Pairs,
    listing: Listing<C>,
}

impl<'a, C: Column> Draft<'a, C> {
    /// In the order of `order_by`; `columns` are Airflow's names.
    fn new(pairs: &'a Pairs, columns: &[(&str, C)]) -> Result<Self, ApiError> {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let order = pairs.order(&names)?.into_iter();
        let order = order.map(|(place, is_backwards)| (columns[place].1, is_backwards)).collect();
        Ok(Self { pairs, listing: Listing { order, ..Listing::default() } })
    }

    /// In this order, unless the query says another.
    fn ordered_by(&mut self, column: C, is_backwards: bool) {
        if self.listing.order.is_empty() {
            self.listing.order.push((column, is_backwards));
        }
    }

    fn end(mut self) -> Result<Asked<C>, ApiError> {
        let window = self.pairs.window()?;
        window.narrow(&mut self.listing)?;
        Ok(Asked { listing: self.listing, window })
    }

    /// Texts of which a column has one.
    fn texts(&mut self, name: &str, column: C) {
        self.any_of(column, texts(self.pairs, name));
    }

    /// Words of which a column has one, each of which must be one that exists.
    fn labels(&mut self, name: &str, column: C, is_one: impl Fn(&str) -> bool) -> Result<(), ApiError> {
        let labels = texts(self.pairs, name);
        if let Some(wrong) = labels.iter().flatten().find(|label| !is_one(label)) {
            let message = format!("there is no {name} '{wrong}'");
            return Err(fault(name, "enum", &message, wrong));
        }
        self.any_of(column, labels);
        Ok(())
    }

    fn any_of(&mut self, column: C, values: Vec<Option<String>>) {
        if !values.is_empty() {
            self.listing.any_of.push((column, values));
        }
    }

    fn numbers(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        let mut found = Vec::new();
        for text in self.pairs.all(name).filter(|text| !text.is_empty()) {
            found.push(text.parse().map_err(|_| fault(name, INTEGER_KIND, INTEGER_MESSAGE, text))?);
        }
        if !found.is_empty() {
            self.listing.any_number.push((column, found));
        }
        Ok(())
    }

    /// `true` or `false`, for a column of 1 and 0.
    fn boolean(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        let value = self.pairs.boolean(name)?;
        self.listing.any_number.extend(value.map(|value| (column, vec![i64::from(value)])));
        Ok(())
    }

    /// `NAME_pattern` and `NAME_prefix_pattern`.
    fn patterns(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        let (pattern, prefix) = (format!("{name}_pattern"), format!("{name}_prefix_pattern"));
        let found = [alternatives(self.pairs, &pattern)?.map(Pattern::Like)];
        let found = found.into_iter().chain([alternatives(self.pairs, &prefix)?.map(Pattern::Prefix)]);
        self.listing.matching.extend(found.flatten().map(|pattern| (column, pattern)));
        Ok(())
    }

    /// A text that a column holds somewhere, whatever the case.
    fn containing(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        if let Some(text) = self.pairs.text(name) {
            check_length(name, &text)?;
            self.listing.matching.push((column, Pattern::Contains(text)));
        }
        Ok(())
    }

    /// `NAME_gte` and so on: instants.
    fn instants(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        for (suffix, bound) in BOUNDS {
            self.instant(&format!("{name}_{suffix}"), column, bound)?;
        }
        Ok(())
    }

    fn instant(&mut self, key: &str, column: C, bound: Bound) -> Result<(), ApiError> {
        // A sign in a query may have been read as a space.
        let Some(text) = self.pairs.text(key).map(|text| text.replace(' ', "+")) else { return Ok(()) };
        let message = "Input should be a valid datetime with a timezone, such as 2026-11-22T09:00:00Z";
        let at = text
            .parse::<Timestamp>()
            .map_err(|_| fault(key, "datetime_from_date_parsing", message, &text))?;
        self.listing.within.push((column, bound, at.as_microsecond()));
        Ok(())
    }

    /// `NAME_gte` and so on: lengths of time, in seconds.
    fn seconds(&mut self, name: &str, column: C) -> Result<(), ApiError> {
        for (suffix, bound) in BOUNDS {
            let key = format!("{name}_{suffix}");
            let value = self.pairs.parsed::<f64>(&key, "float_parsing", "Input should be a valid number")?;
            if value.is_some_and(f64::is_nan) {
                return Err(fault(&key, "finite_number", "Input should be a number", "NaN"));
            }
            // What is too large for the store's numbers is beyond all of them.
            let micros = |seconds: f64| (seconds * 1e6).round() as i64;
            self.listing.within.extend(value.map(|value| (column, bound, micros(value))));
        }
        Ok(())
    }
}

const BOUNDS: [(&str, Bound); 4] =
    [("gte", Bound::AtLeast), ("gt", Bound::MoreThan), ("lte", Bound::AtMost), ("lt", Bound::LessThan)];

fn fault(name: &str, kind: &'static str, message: &str, input: &str) -> ApiError {
    ApiError::invalid(vec![Fault::of("query", name, kind, message, json!(input))])
}

fn texts(pairs: &Pairs, name: &str) -> Vec<Option<String>> {
    pairs.all(name).filter(|text| !text.is_empty()).map(|text| Some(text.to_owned())).collect()
}

/// The texts of a pattern, apart at `|`; none where everything fits. Airflow's `~` stands for all.
pub(super) fn alternatives(pairs: &Pairs, name: &str) -> Result<Option<Vec<String>>, ApiError> {
    let Some(text) = pairs.text(name).filter(|text| text != "~") else { return Ok(None) };
    check_length(name, &text)?;
    let texts: Vec<String> = text.split('|').map(str::to_owned).filter(|text| !text.is_empty()).collect();
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
}

fn check_length(name: &str, text: &str) -> Result<(), ApiError> {
    if text.len() <= PATTERN_MAX {
        return Ok(());
    }
    let message = format!("String should have at most {PATTERN_MAX} bytes");
    Err(fault(name, "string_too_long", &message, text))
}

/// The body of a `POST …/list` as the query that it stands for. Its lists have names in the plural.
/// Those that the list of `operation` does not take are refused, as in a query.
pub(super) fn pairs_of_body(body: Value, operation: &Operation) -> Result<Pairs, ApiError> {
    let mut pairs = Vec::new();
    for (key, value) in body.as_object().cloned().unwrap_or_default() {
        let name = match key.as_str() {
            "page_limit" => "limit",
            "page_offset" => "offset",
            "dag_ids" => "dag_id",
            "dag_run_ids" => "run_id",
            "task_ids" => "task_id",
            "states" => "state",
            "run_types" => "run_type",
            other => other,
        };
        let text = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match &value {
            Value::Null => {}
            Value::Array(items) => pairs.extend(items.iter().map(|item| (name.to_owned(), text(item)))),
            one => pairs.push((name.to_owned(), text(one))),
        }
    }
    if let Some(name) = operation.unknown(pairs.iter().map(|(name, _)| name.as_str())) {
        let message = format!("There is no such filter; there are {}", operation.parameters().join(", "));
        return Err(ApiError::invalid(vec![Fault::of(
            "body",
            name,
            "extra_forbidden",
            message,
            Value::Null,
        )]));
    }
    Ok(Pairs::new(pairs))
}

/// Airflow's batch lists have `~` in their addresses, and nothing else.
pub(super) fn only_wildcard(name: &str, given: &str) -> Result<(), ApiError> {
    if given == "~" {
        return Ok(());
    }
    let message = "Input should be '~'";
    Err(ApiError::invalid(vec![Fault::of("path", name, "literal_error", message, json!(given))]))
}
