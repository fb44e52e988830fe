//! The rows of a grid: tasks in the order of the file, those of a group together under its name, or folded into one row.
//!
//! A grid may have tens of thousands of cells, so each says no more than it must: its state and where it leads. What a person
//! reads when pointing at one (task, state, run) is put together by `static/grid.js` from the heads of its row and column.

use crate::links;
use crate::show::{Escaped, Mark, instance_counts, state_of_instances};
use esteira_store::{RunKey, RunRow, TaskInstanceRow};
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};

/// How many tasks are rows; the rest is reached through the runs.
const ROWS_MAX: usize = 1000;

/// How many rows a browser lays out together, or not at all while they are out of sight.
const BLOCK_LENGTH: usize = 20;

/// A row: of a task, or of a group of tasks.
pub(crate) struct Row {
    /// What scripts find the row by: the task, or the group and a dot.
    pub(crate) key: String,
    /// The name, without the groups that it stands under.
    pub(crate) label: String,
    pub(crate) name: String,
    /// In how many groups it stands, up to what is drawn.
    pub(crate) depth: usize,
    /// Of a group: the address where it is folded, or no longer.
    pub(crate) fold: Option<Fold>,
    pub(crate) cells: Cells,
}

/// Folds a group, or unfolds it.
pub(crate) struct Fold {
    pub(crate) url: String,
    pub(crate) is_folded: bool,
}

/// The cells of a row, as markup.
pub(crate) struct Cells(String);

impl fmt::Display for Cells {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Cells {}

/// A line before it has cells: the name of a task, or the name of a group with a dot after it and its tasks.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Task { name: &'a str, depth: usize },
    Group { prefix: &'a str, depth: usize, tasks: Vec<&'a str> },
}

/// The groups that are folded, as the address has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folded(Vec<String>);

impl Folded {
    /// Reads `a,b.c`.
    pub(crate) fn read(text: &str) -> Self {
        Self(text.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect())
    }

    fn has(&self, group: &str) -> bool {
        self.0.iter().any(|folded| folded == group)
    }

    /// The same with this group turned over.
    fn turned(&self, group: &str) -> String {
        let others = self.0.iter().map(String::as_str).filter(|folded| *folded != group);
        let more = (!self.has(group)).then_some(group);
        others.chain(more).collect::<Vec<_>>().join(",")
    }
}

/// Orders names so that each group stands where its first task does, and leaves out what is in folded groups.
fn lines<'a>(names: &[&'a str], within: usize, depth: usize, folded: &Folded, into: &mut Vec<Line<'a>>) {
    let mut seen = HashSet::new();
    for name in names {
        let Some(dot) = name[within..].find('.') else {
            into.push(Line::Task { name, depth });
            continue;
        };
        let prefix = &name[..=within + dot];
        if !seen.insert(prefix) {
            continue;
        }
        let tasks: Vec<&str> = names.iter().copied().filter(|other| other.starts_with(prefix)).collect();
        into.push(Line::Group { prefix, depth, tasks: tasks.clone() });
        if !folded.has(prefix.trim_end_matches('.')) {
            lines(&tasks, prefix.len(), depth + 1, folded, into);
        }
    }
}

/// The blocks of rows for these tasks and runs, and how many rows are left out. `address_with` gives the address where other
/// groups are folded.
pub(crate) fn blocks(
    names: &[&str],
    runs: &[RunRow],
    instances: &[TaskInstanceRow],
    folded: &Folded,
    address_with: impl Fn(&str) -> String,
) -> (Vec<Vec<Row>>, usize) {
    let mut found = Vec::new();
    lines(names, 0, 0, folded, &mut found);
    let left_out = found.len().saturating_sub(ROWS_MAX);
    found.truncate(ROWS_MAX);
    let table = Table::new(runs, instances);
    let mut blocks: Vec<Vec<Row>> = Vec::new();
    for line in found {
        let row = match line {
            Line::Task { name, depth } => Row {
                key: name.to_owned(),
                label: name.rsplit('.').next().unwrap_or(name).to_owned(),
                name: name.to_owned(),
                depth: depth.min(4),
                fold: None,
                cells: table.of_task(name),
            },
            Line::Group { prefix, depth, tasks } => {
                let group = prefix.trim_end_matches('.');
                let is_folded = folded.has(group);
                Row {
                    key: prefix.to_owned(),
                    label: group.rsplit('.').next().unwrap_or(group).to_owned(),
                    name: group.to_owned(),
                    depth: depth.min(4),
                    fold: Some(Fold { url: address_with(&folded.turned(group)), is_folded }),
                    cells: if is_folded { table.of_group(group, &tasks) } else { Cells(String::new()) },
                }
            }
        };
        match blocks.last_mut().filter(|block| block.len() < BLOCK_LENGTH) {
            Some(block) => block.push(row),
            None => blocks.push(vec![row]),
        }
    }
    (blocks, left_out)
}

/// What there is at each row and column.
struct Table<'a> {
    /// The addresses of the runs, as markup.
    urls: Vec<String>,
    instances: HashMap<&'a str, Vec<&'a [TaskInstanceRow]>>,
}

impl<'a> Table<'a> {
    fn new(runs: &[RunRow], instances: &'a [TaskInstanceRow]) -> Self {
        let column_of: HashMap<RunKey, usize> =
            runs.iter().enumerate().map(|(place, run)| (run.run_key, place)).collect();
        let mut table: HashMap<&str, Vec<&[TaskInstanceRow]>> = HashMap::new();
        // The instances of a task in a run stand together.
        let same = |one: &TaskInstanceRow, other: &TaskInstanceRow| {
            (one.run_key, one.task_index) == (other.run_key, other.task_index)
        };
        for of_task in instances.chunk_by(same) {
            let row = table.entry(of_task[0].task_id.as_str()).or_insert_with(|| vec![&[][..]; runs.len()]);
            if let Some(place) = column_of.get(&of_task[0].run_key) {
                row[*place] = of_task;
            }
        }
        let url = |run: &RunRow| Escaped(&links::run(run.dag_id.as_str(), run.run_id.as_str())).to_string();
        Self { urls: runs.iter().map(url).collect(), instances: table }
    }

    fn at(&self, task: &str, column: usize) -> &'a [TaskInstanceRow] {
        self.instances.get(task).map_or(&[], |row| row[column])
    }

    /// A cell for each run: of the one instance of the task, or of all that a mapped task has.
    fn of_task(&self, task: &str) -> Cells {
        let mut text = String::new();
        let escaped = links::escaped(task).to_string();
        let page = Escaped(&escaped).to_string();
        for (column, run) in self.urls.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = match self.at(task, column) {
                [] => write!(text, "<td>"),
                [only] if only.map_index < 0 => {
                    let Mark { name, .. } = Mark::of_instance(only.state);
                    let word = Mark::of_instance(only.state).word();
                    let url = format_args!("{run}/tasks/{page}");
                    write!(text, "<td><a class=c data-s={name} aria-label=\"{word}\" href=\"{url}\"></a>")
                }
                mapped => {
                    let mapped: Vec<&TaskInstanceRow> = mapped.iter().collect();
                    write_many(&mut text, &mapped, task, &links::with_query(run, &[("task", task)]))
                }
            };
        }
        Cells(text)
    }

    /// A cell for each run: of all instances of the group's tasks, in the state that asks for attention first.
    fn of_group(&self, group: &str, tasks: &[&str]) -> Cells {
        let mut text = String::new();
        for (column, run) in self.urls.iter().enumerate() {
            let all: Vec<&TaskInstanceRow> = tasks.iter().flat_map(|task| self.at(task, column)).collect();
            let _ = match all.is_empty() {
                true => write!(text, "<td>"),
                false => write_many(&mut text, &all, group, run),
            };
        }
        Cells(text)
    }
}

/// A cell for several instances: it says how many are in which state, and leads to a list.
fn write_many(text: &mut String, instances: &[&TaskInstanceRow], name: &str, url: &str) -> fmt::Result {
    let Mark { name: state, .. } = Mark::of_instance(state_of_instances(instances.iter().copied()));
    let title = format!("{name} · {} · {}", instance_counts(instances), instances[0].run_id);
    let title = Escaped(&title);
    write!(
        text,
        "<td><a class=c data-m data-s={state} aria-label=\"{title}\" title=\"{title}\" href=\"{url}\"></a>"
    )
}

/// The names of all tasks: those of the DAG as it is now, then those that only older versions had.
pub(crate) fn names<'a>(
    now: impl Iterator<Item = &'a str>,
    instances: &'a [TaskInstanceRow],
) -> Vec<&'a str> {
    let mut names: Vec<&str> = now.collect();
    let mut known: HashSet<&str> = names.iter().copied().collect();
    for instance in instances.iter().rev() {
        if known.insert(instance.task_id.as_str()) {
            names.push(instance.task_id.as_str());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str], folded: &str) -> Vec<String> {
        let mut found = Vec::new();
        lines(names, 0, 0, &Folded::read(folded), &mut found);
        let text = |line: Line<'_>| match line {
            Line::Task { name, depth } => format!("{depth} {name}"),
            Line::Group { prefix, depth, tasks } => format!("{depth} {prefix} {}", tasks.len()),
        };
        found.into_iter().map(text).collect()
    }

    #[test]
    fn tasks_of_a_group_stand_together_under_its_name() {
        let names = ["start", "load.fetch", "end", "load.clean.trim", "load.clean.check"];
        assert_eq!(
            shown(&names, ""),
            [
                "0 start",
                "0 load. 3",
                "1 load.fetch",
                "1 load.clean. 2",
                "2 load.clean.trim",
                "2 load.clean.check",
                "0 end"
            ]
        );
        assert_eq!(
            shown(&names, "load.clean"),
            ["0 start", "0 load. 3", "1 load.fetch", "1 load.clean. 2", "0 end"]
        );
        assert_eq!(shown(&names, "load,gone"), ["0 start", "0 load. 3", "0 end"]);
    }

    #[test]
    fn a_group_is_folded_and_unfolded_by_an_address() {
        let folded = Folded::read("a,b.c");
        assert_eq!((folded.turned("a"), folded.turned("d")), ("b.c".to_owned(), "a,b.c,d".to_owned()));
    }
}
