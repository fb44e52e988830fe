//! Lists of runs and of task instances, narrowed down and ordered as a client asks.

use super::Reader;
use super::instances::{INSTANCE_COLUMNS, instance_row};
use super::runs::{RUN_COLUMNS, run_row};
use crate::error::StoreError;
use crate::rows::{RunRow, TaskInstanceRow};
use sqlx::{QueryBuilder, Row, Sqlite};
use std::time::Instant;

/// Something that rows can be narrowed down and ordered by.
pub trait Column: Copy + std::fmt::Debug {
    /// The expression that stands for it.
    fn expression(self) -> &'static str;

    /// Whether it holds labels: words of the program, never of people.
    fn is_label(self) -> bool {
        self.expression().ends_with("state")
    }
}

/// Of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunColumn {
    /// In the order of creation.
    Key,
    /// The DAG.
    DagId,
    /// The run's name.
    RunId,
    /// Its state.
    State,
    /// What kind of run it is.
    RunType,
    /// Who asked for it.
    TriggeringUser,
    /// The number of its DAG version.
    Version,
    /// The instant that it stands for.
    LogicalDate,
    /// When it might begin.
    RunAfter,
    /// When it was created.
    QueuedAt,
    /// When it began.
    StartedAt,
    /// When it ended.
    EndedAt,
    /// How long it took, in seconds.
    Duration,
    /// What its trigger said, as JSON text.
    Conf,
}

impl Column for RunColumn {
    fn expression(self) -> &'static str {
        match self {
            Self::Key => "run_key",
            Self::DagId => "dag_run.dag_id",
            Self::RunId => "run_id",
            Self::State => "state",
            Self::RunType => "run_type",
            Self::TriggeringUser => "triggering_user",
            Self::Version => "version_number",
            Self::LogicalDate => "logical_date",
            Self::RunAfter => "run_after",
            Self::QueuedAt => "queued_at",
            Self::StartedAt => "started_at",
            Self::EndedAt => "ended_at",
            Self::Duration => "((ended_at - started_at) / 1e6)",
            Self::Conf => "conf",
        }
    }
}

/// Of a task instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceColumn {
    /// In the order of the runs' creation and of the DAG's file.
    Key,
    /// The DAG.
    DagId,
    /// The run's name.
    RunId,
    /// The task.
    TaskId,
    /// The place among mapped instances, or -1.
    MapIndex,
    /// The name of a mapped instance.
    Label,
    /// Its state.
    State,
    /// The newest attempt's number.
    TryNumber,
    /// The instant that its run stands for.
    LogicalDate,
    /// When its run might begin.
    RunAfter,
    /// When the newest attempt was allowed to run.
    ScheduledAt,
    /// When the newest attempt began.
    StartedAt,
    /// When it ended.
    EndedAt,
    /// How long it took, in seconds.
    Duration,
}

impl Column for InstanceColumn {
    fn expression(self) -> &'static str {
        match self {
            Self::Key => "run_key, task_index",
            Self::DagId => "dag_id",
            Self::RunId => "run_id",
            Self::TaskId => "task_id",
            Self::MapIndex => "map_index",
            Self::Label => "label",
            Self::State => "task_instance.state",
            Self::TryNumber => "try_number",
            Self::LogicalDate => "logical_date",
            Self::RunAfter => "run_after",
            Self::ScheduledAt => "scheduled_at",
            Self::StartedAt => "task_instance.started_at",
            Self::EndedAt => "task_instance.ended_at",
            Self::Duration => "((task_instance.ended_at - task_instance.started_at) / 1e6)",
        }
    }
}

impl Listing<InstanceColumn> {
    /// Whether it is narrowed down by something that the runs have, and not the instances.
    fn is_about_runs(&self) -> bool {
        let columns = self.any_of.iter().map(|(column, _)| *column);
        let columns = columns.chain(self.any_number.iter().map(|(column, _)| *column));
        let columns = columns.chain(self.containing.iter().map(|(column, _)| *column));
        let mut columns = columns.chain(self.within.iter().map(|(column, _, _)| *column));
        use InstanceColumn as C;
        columns.any(|column| matches!(column, C::DagId | C::RunId | C::LogicalDate | C::RunAfter))
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

/// What a list has, and in which order.
#[derive(Clone, Debug)]
pub struct Listing<C> {
    /// Columns that have one of these values; none stands for no value.
    pub any_of: Vec<(C, Vec<Option<String>>)>,
    /// Columns that are one of these numbers.
    pub any_number: Vec<(C, Vec<i64>)>,
    /// Columns whose text holds this, whatever the case.
    pub containing: Vec<(C, String)>,
    /// Columns within bounds: instants in microseconds since 1970, lengths of time in seconds.
    pub within: Vec<(C, Bound, f64)>,
    /// The order: columns, and whether backwards. What is equal in all of them stands in the order of creation.
    pub order: Vec<(C, bool)>,
    /// The most rows.
    pub limit: u32,
    /// How many rows are passed over before.
    pub offset: u32,
}

impl<C> Default for Listing<C> {
    fn default() -> Self {
        Self {
            any_of: Vec::new(),
            any_number: Vec::new(),
            containing: Vec::new(),
            within: Vec::new(),
            order: Vec::new(),
            limit: 50,
            offset: 0,
        }
    }
}

impl<C: Column> Listing<C> {
    fn narrow(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE true");
        for (column, values) in &self.any_of {
            query.push(" AND (").push(column.expression());
            push_any_of(query, *column, values);
            if values.contains(&None) {
                query.push(" OR ").push(column.expression()).push(" IS NULL");
            }
            query.push(")");
        }
        for (column, values) in &self.any_number {
            query.push(format!(" AND {} IN (SELECT value FROM json_each(", column.expression()));
            query.push_bind(serde_json::json!(values).to_string()).push("))");
        }
        for (column, text) in &self.containing {
            query.push(" AND instr(lower(").push(column.expression()).push("), lower(");
            query.push_bind(text.clone()).push("))");
        }
        for (column, bound, value) in &self.within {
            query.push(" AND ").push(column.expression()).push(bound.sign()).push_bind(*value);
        }
    }

    /// What is counted, for the counts that are kept.
    fn counted(&self) -> String {
        let Self { any_of, any_number, containing, within, .. } = self;
        format!("{} {any_of:?} {any_number:?} {containing:?} {within:?}", std::any::type_name::<C>())
    }

    fn order(&self, query: &mut QueryBuilder<Sqlite>, last: &str) {
        query.push(" ORDER BY ");
        for (column, is_backwards) in &self.order {
            // An expression may be several columns.
            for part in column.expression().split(", ") {
                query.push(part).push(if *is_backwards { " DESC, " } else { ", " });
            }
        }
        query.push(last).push(" LIMIT ").push_bind(self.limit).push(" OFFSET ").push_bind(self.offset);
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
        labels => {
            // A list of values, and not one OR after another: an index is of use then.
            query.push(" IN (");
            let mut list = query.separated(", ");
            for label in labels {
                list.push_bind((*label).clone());
            }
            query.push(")");
        }
    }
}

impl Reader {
    /// A count, or the last one if counting takes long.
    async fn total(&self, of: String, mut query: QueryBuilder<Sqlite>) -> Result<u64, StoreError> {
        if let Some(total) = self.counts.known(&of, Instant::now()) {
            return Ok(total);
        }
        let begun = Instant::now();
        let total = query.build().fetch_one(&self.pool).await?.get::<i64, _>(0).unsigned_abs();
        self.counts.keep(of, total, begun.elapsed(), Instant::now());
        Ok(total)
    }

    /// Runs, and how many there are without limit and offset.
    pub async fn list_runs(&self, listing: &Listing<RunColumn>) -> Result<(Vec<RunRow>, u64), StoreError> {
        let mut query = QueryBuilder::new(RUN_COLUMNS);
        listing.narrow(&mut query);
        listing.order(&mut query, "run_key");
        let rows = query.build().fetch_all(&self.pool).await?;
        // The version's number is all that stands elsewhere.
        let has_version = |column: &RunColumn| *column == RunColumn::Version;
        let is_of_version = listing.any_number.iter().any(|(column, _)| has_version(column))
            || listing.within.iter().any(|(column, _, _)| has_version(column));
        let from = if is_of_version { " JOIN dag_version USING (version_id)" } else { "" };
        let mut count = QueryBuilder::new(format!("SELECT count(*) FROM dag_run{from}"));
        listing.narrow(&mut count);
        let total = self.total(listing.counted(), count).await?;
        Ok((rows.iter().map(run_row).collect::<Result<_, _>>()?, total))
    }

    /// Task instances, and how many there are without limit and offset.
    pub async fn list_instances(
        &self,
        listing: &Listing<InstanceColumn>,
    ) -> Result<(Vec<TaskInstanceRow>, u64), StoreError> {
        let mut query = QueryBuilder::new(INSTANCE_COLUMNS);
        listing.narrow(&mut query);
        listing.order(&mut query, "run_key, task_index, map_index");
        let rows = query.build().fetch_all(&self.pool).await?;
        // The store counts a million instances a good deal faster when it need not look at their runs.
        let from = if listing.is_about_runs() { " JOIN dag_run USING (run_key)" } else { "" };
        let mut count = QueryBuilder::new(format!("SELECT count(*) FROM task_instance{from}"));
        listing.narrow(&mut count);
        let total = self.total(listing.counted(), count).await?;
        Ok((rows.iter().map(instance_row).collect::<Result<_, _>>()?, total))
    }
}
