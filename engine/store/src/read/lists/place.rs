//! Places in a list: the row that a page begins after or ends before, by its values in the columns of the order. Unlike an
//! offset, a place stays where it is when rows come and go.

use crate::error::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, TypeInfo, ValueRef};

/// A part of an order.
pub(super) struct OrderPart {
    pub(super) expression: &'static str,
    pub(super) is_backwards: bool,
    pub(super) is_nullable: bool,
}

/// The value of a row in a column of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mark {
    /// Columns hold whole numbers: instants and lengths of time are microseconds.
    Number(i64),
    Text(String),
    Nothing(()),
}

/// A place in a list of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    marks: Vec<Mark>,
    /// Whether the page ends before it, and does not begin after it.
    pub(in crate::read) is_back: bool,
}

impl Place {
    /// The place of a row, whose last `count` columns are those of the order.
    pub(super) fn of(row: &SqliteRow, count: usize, is_back: bool) -> Result<Self, StoreError> {
        let marks = (row.len() - count..row.len()).map(|column| mark(row, column));
        Ok(Self { marks: marks.collect::<Result<_, _>>()?, is_back })
    }

    /// The place of the row with this number, in the order of numbers; whether or not there is such a row.
    pub(in crate::read) fn at(number: i64, is_back: bool) -> Self {
        Self { marks: vec![Mark::Number(number)], is_back }
    }

    /// The number of the row, where the order is that of numbers alone.
    pub(in crate::read) fn number(&self) -> Option<i64> {
        match self.marks.as_slice() {
            [Mark::Number(number)] => Some(*number),
            _ => None,
        }
    }

    /// How many columns its order has.
    pub(super) fn width(&self) -> usize {
        self.marks.len()
    }

    /// Narrows down to what comes after it, or before.
    pub(super) fn push(&self, query: &mut QueryBuilder<Sqlite>, parts: &[OrderPart]) {
        let pairs: Vec<(&OrderPart, &Mark)> = parts.iter().zip(&self.marks).collect();
        // The first column alone narrows down already, and lets the store begin in the middle of an index.
        if let [(part, mark), ..] = pairs.as_slice()
            && *mark != &Mark::Nothing(())
            && (!part.is_nullable || part.is_backwards == self.is_back)
        {
            let sign = if part.is_backwards == self.is_back { " >= " } else { " <= " };
            query.push(" AND ").push(part.expression).push(sign);
            mark.bind(query);
        }
        query.push(" AND (false");
        for (length, (part, mark)) in pairs.iter().enumerate() {
            query.push(" OR (");
            for (before, mark) in &pairs[..length] {
                query.push(before.expression).push(" IS ");
                mark.bind(query);
                query.push(" AND ");
            }
            push_beyond(query, part, mark, part.is_backwards == self.is_back);
            query.push(")");
        }
        query.push(")");
    }
}

/// That a column is beyond a mark, in this order: no value comes first.
fn push_beyond(query: &mut QueryBuilder<Sqlite>, part: &OrderPart, mark: &Mark, is_rising: bool) {
    let expression = part.expression;
    match (mark, is_rising) {
        (Mark::Nothing(()), true) => {
            query.push(expression).push(" IS NOT NULL");
        }
        (Mark::Nothing(()), false) => {
            query.push("false");
        }
        (mark, true) => {
            query.push(expression).push(" > ");
            mark.bind(query);
        }
        (mark, false) => {
            query.push("(").push(expression).push(" < ");
            mark.bind(query);
            if part.is_nullable {
                query.push(" OR ").push(expression).push(" IS NULL");
            }
            query.push(")");
        }
    }
}

impl Mark {
    fn bind(&self, query: &mut QueryBuilder<Sqlite>) {
        match self {
            Self::Number(number) => query.push_bind(*number),
            Self::Text(text) => query.push_bind(text.clone()),
            Self::Nothing(()) => query.push("NULL"),
        };
    }
}

fn mark(row: &SqliteRow, column: usize) -> Result<Mark, StoreError> {
    let kind = {
        let value = row.try_get_raw(column)?;
        if value.is_null() { "NULL".to_owned() } else { value.type_info().name().to_owned() }
    };
    Ok(match kind.as_str() {
        "NULL" => Mark::Nothing(()),
        "TEXT" => Mark::Text(row.try_get(column)?),
        _ => Mark::Number(row.try_get(column)?),
    })
}
