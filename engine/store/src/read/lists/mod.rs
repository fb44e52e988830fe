//! Long lists: narrowed down and ordered as a client asks, a page at a time, by offset or from a place on.

mod asset_events;
mod events;
mod instances;
mod place;
mod questions;
mod runs;

pub use asset_events::AssetEventColumn;
pub use events::EventColumn;
pub(super) use events::{HAS_RARE_NAME, is_rare};
pub use instances::InstanceColumn;
pub use place::Place;
pub use questions::QuestionColumn;
pub use runs::RunColumn;

use super::Reader;
use crate::error::StoreError;
use place::OrderPart;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

/// Something that rows of one kind can be narrowed down and ordered by.
pub trait Column: Copy + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// A row of the list.
    type Row;
    /// `SELECT … FROM …` of a row.
    const ROWS: &'static str;
    /// The table that holds a row for each entry, and what else the columns that need it are read from.
    const TABLES: (&'static str, &'static str);
    /// Columns in which no two rows are the same.
    const KEY: &'static [&'static str];
    /// How all of them are counted, where there is a quicker way than going through them.
    const COUNT_OF_ALL: Option<&'static str> = None;

    /// The expressions that stand for it, one after the other.
    fn expressions(self) -> &'static [&'static str];
    /// Whether it may have no value.
    fn is_nullable(self) -> bool;
    /// Whether it is read from more than the first of the tables.
    fn is_elsewhere(self) -> bool;
    /// Reads a row.
    fn read(row: &SqliteRow) -> Result<Self::Row, StoreError>;

    /// What is compared when rows are narrowed down.
    fn expression(self) -> &'static str {
        self.expressions()[0]
    }

    /// Whether it holds labels: words of the program, never of people.
    fn is_label(self) -> bool {
        self.expression().ends_with("state")
    }

    /// A condition that holds wherever the column has this value, and lets the store take an index of some of the rows.
    fn implied_by(self, _value: &str) -> Option<&'static str> {
        None
    }

    /// Whether no index of this column is to be taken where another column has this value, whose own leads to fewer rows.
    fn yields_to(self, _other: Self, _value: &str) -> bool {
        false
    }
}

/// A bound of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This and more.
    AtLeast,
    /// More than this.
    MoreThan,
    /// This and less.
    AtMost,
    /// Less than this.
    LessThan,
}

impl Bound {
    fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => " >= ",
            Self::MoreThan => " > ",
            Self::AtMost => " <= ",
            Self::LessThan => " < ",
        }
    }
}

/// What a column's text must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// It has one of these anywhere, as SQL's `LIKE` finds it: `%` stands for any text, `_` for any character, and upper and
    /// lower case of ASCII are the same.
    Like(Vec<String>),
    /// It has this somewhere, whatever the case.
    Contains(String),
    /// It begins with one of these.
    Prefix(Vec<String>),
}

/// Whether all rows that fit are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// They are not.
    Nothing,
    /// All are. Where that takes long, the number may be some seconds old.
    #[default]
    All,
    /// No more than so many.
    UpTo(u32),
}

/// What a list has, and in which order.
#[derive(Clone, Debug)]
pub struct Listing<C> {
    /// Columns that have one of these values; none stands for no value.
    pub any_of: Vec<(C, Vec<Option<String>>)>,
    /// Columns that have none of these values.
    pub none_of: Vec<(C, Vec<String>)>,
    /// Columns that are one of these numbers.
    pub any_number: Vec<(C, Vec<i64>)>,
    /// Columns whose text is like this.
    pub matching: Vec<(C, Pattern)>,
    /// Columns within bounds: instants and lengths of time in microseconds, other numbers as they are.
    pub within: Vec<(C, Bound, i64)>,
    /// The order: columns, and whether backwards. What is equal in all of them stands in the order of creation, turned round
    /// like the last of them.
    pub order: Vec<(C, bool)>,
    /// The most rows.
    pub limit: u32,
    /// How many rows are passed over before.
    pub offset: u32,
    /// The row that the page begins after, or ends before; then the offset counts for nothing.
    pub place: Option<Place>,
    /// Whether all rows that fit are counted.
    pub counting: Counting,
}

impl<C> Default for Listing<C> {
    fn default() -> Self {
        Self {
            any_of: Vec::new(),
            none_of: Vec::new(),
            any_number: Vec::new(),
            matching: Vec::new(),
            within: Vec::new(),
            order: Vec::new(),
            limit: 50,
            offset: 0,
            place: None,
            counting: Counting::All,
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct List<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// How many there are without limit, offset and place; none when they were not counted.
    pub total: Option<u64>,
    /// Where the page after this one begins, if there is one.
    pub next: Option<Place>,
    /// Where the page before this one ends, if there is one.
    pub previous: Option<Place>,
}

impl<C: Column> Listing<C> {
    /// Narrowed down to rows that have this text in a column.
    #[must_use]
    pub fn with(mut self, column: C, value: impl Into<String>) -> Self {
        self.any_of.push((column, vec![Some(value.into())]));
        self
    }

    /// Whether a place is one of a list in this order.
    pub fn takes(&self, place: &Place) -> bool {
        place.width() == self.order_parts().len()
    }

    fn narrow(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE true");
        for (column, values) in &self.any_of {
            if values.as_slice() == [None] {
                // On its own: else no index of the rows without a value would be taken.
                query.push(" AND ").push(column.expression()).push(" IS NULL");
                continue;
            }
            let is_yielding = self.any_of.iter().any(|(other, values)| {
                matches!(values.as_slice(), [Some(value)] if column.yields_to(*other, value))
            });
            query.push(if is_yielding { " AND (+" } else { " AND (" }).push(column.expression());
            push_any_of(query, *column, values);
            if values.contains(&None) {
                query.push(" OR ").push(column.expression()).push(" IS NULL");
            }
            query.push(")");
        }
        for (column, values) in &self.none_of {
            query.push(format!(" AND +{} NOT IN (SELECT value FROM json_each(", column.expression()));
            query.push_bind(serde_json::json!(values).to_string()).push("))");
        }
        for (column, values) in &self.any_number {
            push_any_number(query, *column, values);
        }
        for (column, pattern) in &self.matching {
            query.push(" AND (");
            pattern.push(query, column.expression());
            query.push(")");
        }
        for (column, bound, value) in &self.within {
            query.push(" AND ").push(column.expression()).push(bound.sign()).push_bind(*value);
        }
    }

    fn is_narrowed(&self) -> bool {
        let Self { any_of, none_of, any_number, matching, within, .. } = self;
        let has_texts = !any_of.is_empty() || !none_of.is_empty() || !matching.is_empty();
        has_texts || !any_number.is_empty() || !within.is_empty()
    }

    /// What is counted, for the counts that are kept.
    fn counted(&self) -> String {
        let Self { any_of, none_of, any_number, matching, within, .. } = self;
        let kind = std::any::type_name::<C>();
        format!("{kind} {any_of:?} {none_of:?} {any_number:?} {matching:?} {within:?}")
    }

    /// Whether it is narrowed down by something that stands in more than the first of the tables.
    fn is_about_more(&self) -> bool {
        let columns = self.any_of.iter().map(|(column, _)| column);
        let columns = columns.chain(self.none_of.iter().map(|(column, _)| column));
        let columns = columns.chain(self.any_number.iter().map(|(column, _)| column));
        let columns = columns.chain(self.matching.iter().map(|(column, _)| column));
        let mut columns = columns.chain(self.within.iter().map(|(column, _, _)| column));
        columns.any(|column| column.is_elsewhere())
    }

    /// The parts of the order, down to one in which no two rows are the same.
    fn order_parts(&self) -> Vec<OrderPart> {
        let mut parts: Vec<OrderPart> = Vec::new();
        let asked = self.order.iter().flat_map(|(column, is_backwards)| {
            let part = |expression: &&'static str| (*expression, *is_backwards, column.is_nullable());
            column.expressions().iter().map(part)
        });
        let is_backwards = self.order.last().is_some_and(|(_, is_backwards)| *is_backwards);
        let key = C::KEY.iter().map(|expression| (*expression, is_backwards, false));
        for (expression, is_backwards, is_nullable) in asked.chain(key) {
            if !parts.iter().any(|known| known.expression == expression) {
                parts.push(OrderPart { expression, is_backwards, is_nullable });
            }
        }
        parts
    }

    fn rows_query(&self, parts: &[OrderPart]) -> QueryBuilder<Sqlite> {
        // What the order goes by is read along, for the places of the first and the last row.
        let (columns, tables) = C::ROWS.split_once(" FROM ").unwrap_or((C::ROWS, ""));
        let mut query = QueryBuilder::new(columns);
        for part in parts {
            query.push(", ").push(part.expression);
        }
        query.push(" FROM ").push(tables);
        self.narrow(&mut query);
        let is_back = self.place.as_ref().is_some_and(|place| place.is_back);
        if let Some(place) = &self.place {
            place.push(&mut query, parts);
        }
        query.push(" ORDER BY ");
        let mut order = query.separated(", ");
        for part in parts {
            order.push(part.expression);
            if part.is_backwards != is_back {
                order.push_unseparated(" DESC");
            }
        }
        let offset = if self.place.is_some() { 0 } else { self.offset };
        // One more than is shown, to know whether there are more.
        query.push(" LIMIT ").push_bind(i64::from(self.limit) + 1);
        query.push(" OFFSET ").push_bind(offset);
        query
    }

    fn count_query(&self) -> QueryBuilder<Sqlite> {
        if let (Counting::All, Some(count), false) = (self.counting, C::COUNT_OF_ALL, self.is_narrowed()) {
            return QueryBuilder::new(count);
        }
        let (table, others) = C::TABLES;
        // The store counts a million rows a good deal faster when it need not look at what they belong to.
        let from = if self.is_about_more() { format!("{table} {others}") } else { table.to_owned() };
        match self.counting {
            Counting::UpTo(most) => {
                let mut query = QueryBuilder::new(format!("SELECT count(*) FROM (SELECT 1 FROM {from}"));
                self.narrow(&mut query);
                query.push(" LIMIT ").push_bind(most).push(")");
                query
            }
            _ => {
                let mut query = QueryBuilder::new(format!("SELECT count(*) FROM {from}"));
                self.narrow(&mut query);
                query
            }
        }
    }
}

/// That a column has one of these values.
fn push_any_of<C: Column>(query: &mut QueryBuilder<Sqlite>, column: C, values: &[Option<String>]) {
    let labels: Vec<&String> = values.iter().flatten().collect();
    let is_word = |label: &str| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match labels.as_slice() {
        // An index of some of the rows is only taken when the query itself says that it is about these.
        [label] if column.is_label() && is_word(label) => {
            query.push(format!(" = '{label}'"));
        }
        [value] => {
            query.push(" = ").push_bind((*value).clone());
            if let Some(implied) = column.implied_by(value).filter(|_| values.len() == 1) {
                query.push(" AND ").push(implied);
            }
        }
        // A list of values, and not one OR after another: an index is of use then.
        labels => {
            query.push(" IN (SELECT value FROM json_each(");
            query.push_bind(serde_json::json!(labels).to_string()).push("))");
        }
    }
}

/// That a column is one of these numbers.
fn push_any_number<C: Column>(query: &mut QueryBuilder<Sqlite>, column: C, values: &[i64]) {
    query.push(" AND ").push(column.expression());
    match values {
        [value] => {
            query.push(" = ").push_bind(*value);
        }
        values => {
            query.push(" IN (SELECT value FROM json_each(");
            query.push_bind(serde_json::json!(values).to_string()).push("))");
        }
    }
}

impl Pattern {
    fn push(&self, query: &mut QueryBuilder<Sqlite>, expression: &str) {
        match self {
            Self::Contains(text) => {
                query.push(format!("instr(lower({expression}), lower("));
                query.push_bind(text.clone()).push("))");
            }
            Self::Like(texts) => {
                // As many as there are in one expression: a chain of OR may not be of any length.
                query.push("EXISTS (SELECT 1 FROM json_each(");
                query.push_bind(serde_json::json!(texts).to_string());
                query.push(format!(") WHERE {expression} LIKE '%' || value || '%')"));
            }
            Self::Prefix(texts) => match texts.as_slice() {
                // No index is taken of an expression with a plus: with one, all that fits would be sorted; in the order of the
                // list, the first that fit are soon found.
                [text] => {
                    query.push(format!("+{expression} >= ")).push_bind(text.clone());
                    query.push(format!(" AND +{expression} < ")).push_bind(format!("{text}{}", char::MAX));
                }
                texts => {
                    query.push("EXISTS (SELECT 1 FROM json_each(");
                    query.push_bind(serde_json::json!(texts).to_string());
                    query.push(format!(") WHERE substr({expression}, 1, length(value)) = value)"));
                }
            },
        }
    }
}

impl Reader {
    /// A page of a list.
    pub async fn list<C: Column>(&self, listing: &Listing<C>) -> Result<List<C::Row>, StoreError> {
        let parts = listing.order_parts();
        let mut found = listing.rows_query(&parts).build().fetch_all(&self.pool).await?;
        let has_more = found.len() > listing.limit as usize;
        found.truncate(listing.limit as usize);
        let is_back = listing.place.as_ref().is_some_and(|place| place.is_back);
        if is_back {
            found.reverse();
        }
        // A page that was come to from another one has that other one beside it.
        let has_next = if is_back { true } else { has_more };
        let has_previous = if is_back { has_more } else { listing.place.is_some() };
        let place = |row: Option<&SqliteRow>, is_back| row.map(|row| Place::of(row, parts.len(), is_back));
        let next = place(found.last().filter(|_| has_next), false).transpose()?;
        let previous = place(found.first().filter(|_| has_previous), true).transpose()?;
        let rows = found.iter().map(C::read).collect::<Result<_, _>>()?;
        Ok(List { rows, total: self.total(listing).await?, next, previous })
    }

    async fn total<C: Column>(&self, listing: &Listing<C>) -> Result<Option<u64>, StoreError> {
        match listing.counting {
            Counting::Nothing => Ok(None),
            Counting::UpTo(_) => Ok(Some(self.counted(listing).await?)),
            Counting::All if C::COUNT_OF_ALL.is_some() && !listing.is_narrowed() => {
                Ok(Some(self.counted(listing).await?))
            }
            Counting::All => {
                let (reader, what) = (self.clone(), listing.clone());
                let count = async move || reader.counted(&what).await;
                Ok(Some(self.counts.get(listing.counted(), count).await?))
            }
        }
    }

    async fn counted<C: Column>(&self, listing: &Listing<C>) -> Result<u64, StoreError> {
        let row = listing.count_query().build().fetch_one(&self.pool).await?;
        Ok(row.get::<i64, _>(0).unsigned_abs())
    }
}
