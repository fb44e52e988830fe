//! Pages of lists: by limit and offset, or from cursor to cursor. A cursor is a place in a list: it stays where it is when
//! rows come and go (Airflow's `cursor`, `next_cursor`, `previous_cursor`; here on every list).

use super::error::{ApiError, Fault};
use super::query::Pairs;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esteira_store::{Column, Counting, List, Listing, Place};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// Airflow's default and largest length of a page.
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 100;

/// How far a list can be read by offset.
const OFFSET_MAX: usize = 100_000;

/// How far a list is counted that is read by cursors (`total_entries_limit`).
pub(super) const COUNTED_MAX: u32 = 10_000;

const NO_CURSOR: &str = "Not a cursor of this list; begin with an empty one";
const OTHER_ORDER: &str = "The cursor is of a list in another order; begin with an empty one";

/// The part of a list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) offset: usize,
    pub(super) limit: usize,
    /// Whether it is asked for by cursor, and which: none for the first page.
    cursor: Option<Option<String>>,
    /// The order of the list: a cursor of another one is of no use.
    order_by: String,
}

/// A place in a list that is held in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The row's key.
    key: String,
    /// Where it stood, in case it is gone.
    at: usize,
    is_back: bool,
}

/// A part of a list, and what the answer says of the rest.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) rows: Vec<T>,
    rest: Map<String, Value>,
}

impl<T> Part<T> {
    /// The answer, with the rows as they are told.
    pub(super) fn answer(self, name: &str, shapes: Vec<Value>) -> Value {
        let mut answer = self.rest;
        answer.insert(name.to_owned(), Value::Array(shapes));
        Value::Object(answer)
    }

    /// The answer, with each row as `shape` tells it.
    pub(super) fn shaped(self, name: &str, shape: impl Fn(&T) -> Value) -> Value {
        let shapes = self.rows.iter().map(shape).collect();
        self.answer(name, shapes)
    }
}

impl Pairs {
    /// Limit, offset and cursor, kept within bounds.
    pub(super) fn window(&self) -> Result<Window, ApiError> {
        let limit = self.integer::<usize>("limit")?.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let offset = self.integer::<usize>("offset")?.unwrap_or(0).min(OFFSET_MAX);
        let cursor = self.all("cursor").next().map(str::to_owned);
        let cursor = cursor.map(|text| Some(text).filter(|text| !text.is_empty()));
        let order_by = self.all("order_by").collect::<Vec<_>>().join(",");
        Ok(Window { offset, limit, cursor, order_by })
    }
}

impl Window {
    /// The page of a list that is held in memory. `key` tells its rows apart.
    pub(super) fn page<T>(&self, rows: Vec<T>, key: impl Fn(&T) -> String) -> Result<Part<T>, ApiError> {
        let total = rows.len();
        let span = self.span(&rows, &key)?;
        let mut rest = Map::from_iter([("total_entries".to_owned(), json!(total))]);
        if self.cursor.is_some() {
            let mark = |at: usize, is_back| self.encode(&Mark { key: key(&rows[at]), at, is_back });
            let next = (span.end < total && !span.is_empty()).then(|| mark(span.end - 1, false));
            let previous = (span.start > 0 && !span.is_empty()).then(|| mark(span.start, true));
            rest.insert("next_cursor".to_owned(), json!(next));
            rest.insert("previous_cursor".to_owned(), json!(previous));
        }
        let rows = rows.into_iter().skip(span.start).take(span.len()).collect();
        Ok(Part { rows, rest })
    }

    /// The places of the page's rows.
    fn span<T>(&self, rows: &[T], key: impl Fn(&T) -> String) -> Result<Range<usize>, ApiError> {
        let after = |start: usize| {
            let start = start.min(rows.len());
            start..(start + self.limit).min(rows.len())
        };
        let Some(cursor) = &self.cursor else { return Ok(after(self.offset)) };
        let Some(cursor) = cursor else { return Ok(after(0)) };
        let mark: Mark = self.decode(cursor)?;
        let found = rows.iter().position(|row| key(row) == mark.key);
        // What came after a row that is gone has moved to where it stood.
        let at = found.unwrap_or(mark.at).min(rows.len());
        Ok(match mark.is_back {
            true => at.saturating_sub(self.limit)..at,
            false => after(found.map_or(at, |at| at + 1)),
        })
    }

    /// Narrows a list of the store, whose order is known, down to the page.
    pub(super) fn narrow<C: Column>(&self, listing: &mut Listing<C>) -> Result<(), ApiError> {
        (listing.limit, listing.offset) = (self.limit as u32, self.offset as u32);
        if let Some(cursor) = &self.cursor {
            listing.counting = Counting::UpTo(COUNTED_MAX);
            let place = match cursor {
                Some(cursor) => {
                    let place: Place = self.decode(cursor)?;
                    Some(place)
                        .filter(|place| listing.takes(place))
                        .ok_or_else(|| wrong(cursor, NO_CURSOR))?
                }
                None => return Ok(()),
            };
            listing.place = Some(place);
        }
        Ok(())
    }

    /// A page that the store has read.
    pub(super) fn part<T>(&self, list: List<T>) -> Part<T> {
        let mut rest = Map::from_iter([("total_entries".to_owned(), json!(list.total))]);
        if self.cursor.is_some() {
            let cursor = |place: Option<Place>| json!(place.map(|place| self.encode(&place)));
            rest.insert("total_entries_limit".to_owned(), json!(COUNTED_MAX));
            rest.insert("next_cursor".to_owned(), cursor(list.next));
            rest.insert("previous_cursor".to_owned(), cursor(list.previous));
        }
        Part { rows: list.rows, rest }
    }

    fn encode(&self, place: &impl Serialize) -> String {
        URL_SAFE_NO_PAD.encode(json!([self.order_by, place]).to_string())
    }

    fn decode<T: DeserializeOwned>(&self, cursor: &str) -> Result<T, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let read = bytes.and_then(|bytes| serde_json::from_slice::<(String, T)>(&bytes).ok());
        let (order_by, place) = read.ok_or_else(|| wrong(cursor, NO_CURSOR))?;
        if order_by != self.order_by {
            return Err(wrong(cursor, OTHER_ORDER));
        }
        Ok(place)
    }
}

fn wrong(cursor: &str, message: &str) -> ApiError {
    ApiError::invalid(vec![Fault::of("query", "cursor", "value_error", message, json!(cursor))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        Pairs::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn page(window: &[(&str, &str)], rows: &[u32]) -> Part<u32> {
        pairs(window).window().unwrap().page(rows.to_vec(), u32::to_string).unwrap()
    }

    fn cursor(part: &Part<u32>, name: &str) -> String {
        part.rest[name].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn windows_stay_within_bounds() {
        let window = |given: &[(&str, &str)]| pairs(given).window().map(|it| (it.offset, it.limit)).unwrap();
        assert_eq!(window(&[]), (0, 50));
        assert_eq!(window(&[("limit", "100000"), ("offset", "7")]), (7, 100));
        assert_eq!(window(&[("limit", "0")]), (0, 1));
        assert!(pairs(&[("limit", "-1")]).window().is_err());
        let part = page(&[("limit", "2"), ("offset", "2")], &[0, 1, 2, 3, 4]);
        assert_eq!(part.rows, [2, 3]);
        assert_eq!(part.shaped("rows", |row| json!(row)), json!({ "total_entries": 5, "rows": [2, 3] }));
    }

    #[test]
    fn cursors_go_forth_and_back_while_rows_come_and_go() {
        let first = page(&[("limit", "2"), ("cursor", "")], &[1, 2, 3, 4, 5]);
        assert_eq!((&first.rows[..], cursor(&first, "previous_cursor").is_empty()), (&[1, 2][..], true));
        let next = cursor(&first, "next_cursor");
        // Rows before it are no matter, and even the row itself may be gone.
        for rows in [&[1, 2, 3, 4, 5][..], &[0, 1, 2, 3, 4, 5], &[2, 3, 4, 5], &[1, 3, 4, 5]] {
            assert_eq!(page(&[("limit", "2"), ("cursor", &next)], rows).rows, [3, 4]);
        }
        let second = page(&[("limit", "2"), ("cursor", &next)], &[1, 2, 3, 4, 5]);
        let back = page(&[("limit", "2"), ("cursor", &cursor(&second, "previous_cursor"))], &[1, 2, 3, 4, 5]);
        assert_eq!(back.rows, [1, 2]);
        let last = page(&[("limit", "2"), ("cursor", &cursor(&second, "next_cursor"))], &[1, 2, 3, 4, 5]);
        assert_eq!((&last.rows[..], cursor(&last, "next_cursor").is_empty()), (&[5][..], true));
    }

    #[test]
    fn the_page_before_ends_where_the_other_began_even_if_it_is_shorter() {
        let second = page(&[("limit", "1"), ("offset", "0"), ("cursor", "")], &[1, 2, 3]);
        let second = page(&[("limit", "1"), ("cursor", &cursor(&second, "next_cursor"))], &[1, 2, 3]);
        let back = page(&[("limit", "2"), ("cursor", &cursor(&second, "previous_cursor"))], &[1, 2, 3]);
        assert_eq!((&back.rows[..], cursor(&back, "previous_cursor").is_empty()), (&[1][..], true));
        assert!(!cursor(&back, "next_cursor").is_empty());
    }

    #[test]
    fn a_place_beyond_the_end_is_the_end() {
        let far = json!(["", { "key": "gone", "at": usize::MAX, "is_back": false }]);
        let far = URL_SAFE_NO_PAD.encode(far.to_string());
        assert_eq!(page(&[("cursor", &far)], &[1, 2]).rows, [0; 0]);
    }

    #[test]
    fn a_cursor_of_another_list_or_order_is_refused() {
        let first = page(&[("limit", "1"), ("cursor", ""), ("order_by", "name")], &[1, 2]);
        let cursor = cursor(&first, "next_cursor");
        for given in [vec![("cursor", "nonsense")], vec![("cursor", &cursor)]] {
            assert!(pairs(&given).window().unwrap().page(vec![1, 2], u32::to_string).is_err(), "{given:?}");
        }
    }
}
