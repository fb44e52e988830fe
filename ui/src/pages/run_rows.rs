//! The rows of a run's tasks: one a task, or one an instance, each with its bar. They stand in the list and in the Gantt chart.

use super::cells::instance_key;
use super::reasons;
use crate::definition::Definition;
use crate::gantt::{Piece, Place, Window};
use crate::links;
use crate::show::{Elapsed, Mark, count, state_among};
use crate::tm;
use crate::{AppState, tn};
use esteira_core::states::TaskInstanceState;
use esteira_store::{InstanceColumn, Listing, RunRow, StoreError, TaskInstanceRow, TaskStateRow};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// How many rows a page has.
pub(super) const PAGE_LENGTH: usize = 300;

/// Up to so many instances in a run, the bars show every attempt.
const INSTANCES_WITH_EVENTS: u64 = 300;

/// A task, or an instance of one.
pub(crate) struct Row {
    place: Place,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) mark: Mark,
    /// Of a mapped task: its instances by state, each with the address of the list of them.
    pub(crate) counts: Vec<(String, String)>,
    pub(crate) why: Option<String>,
    pub(crate) tries: String,
    pub(crate) waited: Elapsed,
    pub(crate) ran: Elapsed,
    pub(crate) pieces: Vec<Piece>,
}

/// What the rows of a run are made from.
pub(super) struct Rows<'a> {
    run: &'a RunRow,
    definition: Definition,
    pub(super) window: Window,
    bars: HashMap<Place, Vec<Piece>>,
    now: Timestamp,
}

impl<'a> Rows<'a> {
    /// Reads what they are made from.
    pub(super) async fn read(
        state: &AppState,
        run: &'a RunRow,
        tasks: &[TaskStateRow],
    ) -> Result<Self, StoreError> {
        let reader = state.handle.reader();
        let now = Timestamp::now();
        let window = Window::of_run(run, now);
        let instances: u64 = tasks.iter().map(|task| task.count).sum();
        let bars = match instances {
            0..=INSTANCES_WITH_EVENTS => window.bars(&reader.events_of_run(run.run_key).await?),
            _ => HashMap::new(),
        };
        let definition = Definition::read(&reader.definition(run.version_id).await?.unwrap_or_default());
        Ok(Self { run, definition, window, bars, now })
    }

    /// Says of the rows that are shown why what they stand for is not running. A mapped task has the reason of its first instance
    /// that waits.
    pub(super) async fn explain(&self, state: &AppState, rows: impl Iterator<Item = &mut Row>) {
        let mut rows: Vec<&mut Row> = rows.filter(|row| !row.place.0.is_empty()).collect();
        let reasons = reasons::of(state, self.run, rows.iter().map(|row| row.place.clone())).await;
        for row in &mut rows {
            row.why = reasons.get(&row.place).cloned();
        }
    }

    /// A row for each task; a mapped one has all of its instances in it.
    pub(super) fn of_tasks(&self, tasks: &[TaskStateRow]) -> Vec<Row> {
        tasks
            .chunk_by(|one, other| one.task_index == other.task_index)
            .map(|states| self.of_task(states))
            .collect()
    }

    /// One row for all tasks of a group, each of which is counted.
    pub(super) fn of_group(&self, name: &str, states: &[TaskStateRow]) -> Row {
        let mut row = self.of_task(states);
        let tasks = states.chunk_by(|one, other| one.task_index == other.task_index).count();
        row.pieces = self.pieces_of_group(states).unwrap_or(row.pieces);
        row.label = tn(tasks as u64, "1 task", "{} tasks");
        row.operator = String::new();
        row.key = format!("{}/{}/{name}.*", self.run.dag_id, self.run.run_id);
        row.tries = String::new();
        row.counts = Vec::new();
        // No instance's.
        row.place = Place::default();
        row.url = links::run(self.run.dag_id.as_str(), self.run.run_id.as_str());
        name.clone_into(&mut row.name);
        row
    }

    /// What every attempt of these tasks did, in the order of time; none where the bars do not show every attempt.
    fn pieces_of_group(&self, states: &[TaskStateRow]) -> Option<Vec<Piece>> {
        let tasks: HashSet<&str> = states.iter().map(|row| row.task_id.as_str()).collect();
        let of_tasks = self.bars.iter().filter(|((task_id, _), _)| tasks.contains(task_id.as_str()));
        let mut pieces: Vec<Piece> = of_tasks.flat_map(|(_, pieces)| pieces.iter().cloned()).collect();
        pieces.sort_by(|one, other| one.x.total_cmp(&other.x));
        (!pieces.is_empty()).then_some(pieces)
    }

    fn of_task(&self, states: &[TaskStateRow]) -> Row {
        let first = &states[0];
        let (dag_id, run_id) = (self.run.dag_id.as_str(), self.run.run_id.as_str());
        let is_mapped = first.map_index >= 0 || states.len() > 1 || first.count > 1;
        let list = links::with_query(&links::run(dag_id, run_id), &[("task", first.task_id.as_str())]);
        // The parts of what a mapped task did overlap: it counts from the first to the last.
        let whole = TaskInstanceRow {
            run_key: self.run.run_key,
            dag_id: self.run.dag_id.clone(),
            run_id: self.run.run_id.clone(),
            task_index: first.task_index,
            task_id: first.task_id.clone(),
            map_index: -1,
            state: state_among(states.iter().map(|row| row.state)),
            try_number: states.iter().map(|row| row.try_number).max().unwrap_or(0),
            scheduled_at: states.iter().filter_map(|row| row.scheduled_at).min(),
            started_at: states.iter().filter_map(|row| row.started_at).min(),
            ended_at: match states.iter().all(|row| row.state.is_some_and(TaskInstanceState::is_terminal)) {
                true => states.iter().filter_map(|row| row.ended_at).max(),
                false => None,
            },
            retry_at: states.iter().filter_map(|row| row.retry_at).min(),
            label: None,
        };
        let mut row = self.of_instance(&whole);
        if is_mapped {
            let instances: u64 = states.iter().map(|row| row.count).sum();
            row.label = tn(instances, "1 instance", "{} instances");
            row.key = format!("{dag_id}/{run_id}/{}/*", first.task_id);
            row.tries = String::new();
            row.counts = states.iter().map(|row| counted(row, &list)).collect();
            row.url = list;
        }
        row
    }

    /// The row of an instance.
    pub(super) fn of_instance(&self, instance: &TaskInstanceRow) -> Row {
        let task = self.definition.tasks.get(instance.task_index as usize);
        let (task_id, map_index) = (instance.task_id.as_str(), instance.map_index);
        let place = (task_id.to_owned(), map_index);
        // A time that never went on past the end of the run does not go on now.
        let end = |at: Option<Timestamp>| at.or(self.run.ended_at);
        let pieces = self.bars.get(&place).cloned();
        Row {
            name: if map_index < 0 { task_id.to_owned() } else { format!("{task_id} [{map_index}]") },
            label: instance.label.clone().unwrap_or_default(),
            operator: task.map(|task| task.operator.clone()).unwrap_or_default(),
            url: links::instance(self.run.dag_id.as_str(), self.run.run_id.as_str(), task_id, map_index),
            key: instance_key(instance),
            mark: Mark::of_instance(instance.state),
            counts: Vec::new(),
            why: None,
            tries: tries(instance, task.map_or(0, |task| task.retries)),
            waited: Elapsed::between(instance.scheduled_at, end(instance.started_at), self.now),
            ran: Elapsed::between(instance.started_at, end(instance.ended_at), self.now),
            pieces: pieces.unwrap_or_else(|| self.window.newest_bar(instance)),
            place,
        }
    }
}

fn counted(row: &TaskStateRow, list: &str) -> (String, String) {
    let mark = Mark::of_instance(row.state);
    (format!("{} {}", count(row.count), mark.word()), links::with_query(list, &[("state", mark.name)]))
}

/// Which instances are listed: `length` of them from a number on.
pub(super) fn listing(
    run: &RunRow,
    task: &str,
    filter: Option<Mark>,
    (from, length): (usize, usize),
) -> Listing<InstanceColumn> {
    let mut listing = Listing {
        any_number: vec![(InstanceColumn::Key, vec![run.run_key])],
        order: vec![(InstanceColumn::Key, false), (InstanceColumn::MapIndex, false)],
        limit: u32::try_from(length).unwrap_or(u32::MAX),
        offset: u32::try_from(from).unwrap_or(u32::MAX),
        ..Listing::default()
    };
    if !task.is_empty() {
        listing = listing.with(InstanceColumn::TaskId, task);
    }
    if let Some(mark) = filter {
        let state = (mark.name != Mark::of_instance(None).name).then(|| mark.name.to_owned());
        listing.any_of.push((InstanceColumn::State, vec![state]));
    }
    listing
}

/// The attempt and how many there may be: `2 of 3`.
pub(super) fn tries(instance: &TaskInstanceRow, retries: u32) -> String {
    match (instance.try_number, retries) {
        (0, _) => String::new(),
        (number, 0) => number.to_string(),
        (number, retries) => tm("{} of {}", &[&number, &number.max(retries + 1)]),
    }
}
