//! The rows of a grid: tasks in the order of the file, those of a group together under its name, or folded into one row.

use super::grid_cells::{Cells, Drawing, Table};
use esteira_store::{GridCell, RunRow};
use std::collections::HashSet;

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

/// The rows of a grid.
pub(crate) struct Rows {
    /// In blocks that a browser lays out together.
    pub(crate) blocks: Vec<Vec<Row>>,
    /// How many rows are left out.
    pub(crate) left_out: usize,
    /// How the cells are drawn.
    pub(crate) drawing: Drawing,
}

/// The rows for these tasks and runs. `address_with` gives the address where other groups are folded; a `plain` grid is made
/// of links, however large it is.
pub(crate) fn rows(
    names: &[&str],
    (runs, cells): (&[RunRow], &[GridCell]),
    folded: &Folded,
    is_plain: bool,
    address_with: impl Fn(&str) -> String,
) -> Rows {
    let mut found = Vec::new();
    lines(names, 0, 0, folded, &mut found);
    let left_out = found.len().saturating_sub(ROWS_MAX);
    found.truncate(ROWS_MAX);
    let drawing = if is_plain { Drawing::Links } else { Drawing::of(found.len(), runs.len()) };
    let table = Table::new(runs, cells, drawing);
    let mut blocks: Vec<Vec<Row>> = Vec::new();
    for line in found {
        let row = row(line, &table, folded, &address_with);
        match blocks.last_mut().filter(|block| block.len() < BLOCK_LENGTH) {
            Some(block) => block.push(row),
            None => blocks.push(vec![row]),
        }
    }
    Rows { blocks, left_out, drawing }
}

fn row(line: Line<'_>, table: &Table<'_>, folded: &Folded, address_with: &impl Fn(&str) -> String) -> Row {
    match line {
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
                cells: if is_folded { table.of_group(&tasks) } else { Cells::Empty },
            }
        }
    }
}

/// The names of all tasks: those of the DAG as it is now, then those that only older versions had.
pub(crate) fn names<'a>(now: impl Iterator<Item = &'a str>, cells: &'a [GridCell]) -> Vec<&'a str> {
    let mut names: Vec<&str> = now.collect();
    let mut known: HashSet<&str> = names.iter().copied().collect();
    for cell in cells.iter().rev() {
        if known.insert(cell.task_id.as_str()) {
            names.push(cell.task_id.as_str());
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
