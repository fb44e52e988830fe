//! A DAG drawn with lines: one row a task, upstreams above, and a lane for every task that somebody above leads to.
//!
//! ```text
//! ○    load
//! ├─╮
//! ○ │  clean
//! │ ○  archive
//! ├─╯
//! ○    report
//! ```

use crate::cli::output::{Ink, paint};
use esteira_core::dag::{Dag, TaskIndex};

/// More lanes than this are no drawing any more: the tasks are listed level by level instead.
const LANES_MAX: usize = 24;

/// How deep each task stands: 0 for those that wait for nobody, else one more than the deepest upstream.
pub(super) fn levels(dag: &Dag) -> Vec<usize> {
    let mut levels = vec![0; dag.tasks.len()];
    for task in dag.graph.order() {
        let deepest = dag.graph.upstream(*task).iter().map(|upstream| levels[upstream.get()] + 1).max();
        levels[task.get()] = deepest.unwrap_or(0);
    }
    levels
}

/// The drawing, without a line's end after the last row.
pub(super) fn draw(dag: &Dag, levels: &[usize]) -> String {
    let mut order: Vec<TaskIndex> = dag.indices().collect();
    order.sort_by_key(|task| (levels[task.get()], *task));
    match lanes(dag, &order) {
        Some(rows) => lay_out(dag, &rows),
        None => by_level(dag, &order, levels),
    }
}

/// A row of the drawing: its lines, and the task that it is for, if it is not only lines.
struct Row {
    lines: String,
    task: Option<TaskIndex>,
}

/// The rows with their lines; none when there would be too many lanes.
fn lanes(dag: &Dag, order: &[TaskIndex]) -> Option<Vec<Row>> {
    let mut lanes = Lanes::default();
    let mut rows = Vec::new();
    for task in order {
        let column = lanes.column_of(*task).unwrap_or_else(|| lanes.first_free(0));
        lanes.put(column, Some(*task));
        rows.push(Row { lines: lanes.task_row(column), task: Some(*task) });
        if let Some(lines) = lanes.lead_on(column, dag.graph.downstream(*task)) {
            rows.push(Row { lines, task: None });
        }
        if lanes.0.len() > LANES_MAX {
            return None;
        }
    }
    Some(rows)
}

/// Where each open lane leads to. All edges to one task share a lane.
#[derive(Default)]
struct Lanes(Vec<Option<TaskIndex>>);

/// The four ways in which a line can leave the middle of a cell.
const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

impl Lanes {
    fn column_of(&self, task: TaskIndex) -> Option<usize> {
        self.0.iter().position(|lane| *lane == Some(task))
    }

    fn first_free(&self, from: usize) -> usize {
        (from..self.0.len()).find(|column| self.0[*column].is_none()).unwrap_or(self.0.len().max(from))
    }

    fn put(&mut self, column: usize, task: Option<TaskIndex>) {
        if column >= self.0.len() {
            self.0.resize(column + 1, None);
        }
        self.0[column] = task;
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
    }

    fn task_row(&self, column: usize) -> String {
        let cell = |(place, lane): (usize, &Option<TaskIndex>)| match lane {
            _ if place == column => "○ ",
            Some(_) => "│ ",
            None => "  ",
        };
        self.0.iter().enumerate().map(cell).collect()
    }

    /// Opens lanes from the task in `column` to its downstreams; gives the row of lines that this takes, if any.
    fn lead_on(&mut self, column: usize, downstream: &[TaskIndex]) -> Option<String> {
        let before: Vec<bool> = self.0.iter().map(Option::is_some).collect();
        self.put(column, None);
        let mut targets = Vec::new();
        for task in downstream {
            let target = self.column_of(*task).unwrap_or_else(|| {
                let free = if self.0.get(column).is_none_or(Option::is_none) {
                    column
                } else {
                    self.first_free(column)
                };
                self.put(free, Some(*task));
                free
            });
            targets.push(target);
        }
        targets.iter().any(|target| *target != column).then(|| self.line_row(column, &targets, &before))
    }

    fn line_row(&self, column: usize, targets: &[usize], before: &[bool]) -> String {
        let mut cells = vec![0_u8; self.0.len().max(before.len()) * 2];
        for (place, _) in before.iter().enumerate().filter(|(_, is_open)| **is_open) {
            cells[place * 2] |= if place == column { UP } else { UP | DOWN };
        }
        for target in targets {
            cells[target * 2] |= DOWN;
            let (left, right) = (column.min(*target) * 2, column.max(*target) * 2);
            for place in left..right {
                cells[place] |= RIGHT;
                cells[place + 1] |= LEFT;
            }
        }
        // A lane that is only crossed goes on; the line passes behind it.
        for (place, cell) in cells.iter_mut().enumerate().step_by(2) {
            if place / 2 != column && !targets.contains(&(place / 2)) && *cell & UP != 0 {
                *cell = UP | DOWN;
            }
        }
        cells.into_iter().map(line_character).collect()
    }
}

fn line_character(ways: u8) -> char {
    const UP_DOWN: u8 = UP | DOWN;
    const LEFT_RIGHT: u8 = LEFT | RIGHT;
    match (ways & UP_DOWN, ways & LEFT_RIGHT) {
        (0, 0) => ' ',
        (0, _) => '─',
        (_, 0) => '│',
        (UP, LEFT) => '╯',
        (UP, RIGHT) => '╰',
        (UP, _) => '┴',
        (DOWN, LEFT) => '╮',
        (DOWN, RIGHT) => '╭',
        (DOWN, _) => '┬',
        (_, LEFT) => '┤',
        (_, RIGHT) => '├',
        _ => '┼',
    }
}

/// Names beside the lines, operators in a column of their own.
fn lay_out(dag: &Dag, rows: &[Row]) -> String {
    let lines_width = rows.iter().map(|row| row.lines.trim_end().chars().count()).max().unwrap_or(0);
    let name_width = dag.tasks.iter().map(|task| task.task_id.as_str().chars().count()).max().unwrap_or(0);
    let text = |row: &Row| match row.task {
        None => row.lines.trim_end().to_owned(),
        Some(index) => {
            let task = dag.task(index);
            let operator = paint(Ink::Quiet, &task.operator);
            format!(
                "{:lines_width$}  {:name_width$}  {operator}",
                row.lines.trim_end(),
                task.task_id.as_str()
            )
        }
    };
    rows.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// The tasks of each level, with those that each leads to.
fn by_level(dag: &Dag, order: &[TaskIndex], levels: &[usize]) -> String {
    let mut rows = Vec::new();
    let mut level = None;
    for task in order {
        if level != Some(levels[task.get()]) {
            level = Some(levels[task.get()]);
            rows.push(paint(Ink::Strong, &format!("level {}", levels[task.get()] + 1)));
        }
        let downstream = dag.graph.downstream(*task);
        let names: Vec<&str> = downstream.iter().map(|index| dag.task(*index).task_id.as_str()).collect();
        let arrow = if names.is_empty() { "" } else { " → " };
        rows.push(format!("  {}{arrow}{}", dag.task(*task).task_id, names.join(", ")));
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use esteira_core::catalog::{Catalog, Signature};
    use esteira_core::spec::{Source, parse};
    use serde_json::Value;

    struct OnlyEmpty(Signature);

    impl Catalog for OnlyEmpty {
        fn signature(&self, operator: &str) -> Option<&Signature> {
            (operator == "empty").then_some(&self.0)
        }

        fn names(&self) -> Vec<&str> {
            vec!["empty"]
        }

        fn check(&self, _: &str, _: &str, _: &Value) -> Result<(), String> {
            Ok(())
        }
    }

    /// Draws `task: upstream upstream` lines.
    fn drawn(lines: &[&str]) -> String {
        let mut text = String::from("dag_id: d\ntasks:\n");
        for line in lines {
            let (name, upstreams) = line.split_once(':').unwrap();
            let upstreams = upstreams.split_whitespace().collect::<Vec<_>>().join(", ");
            text.push_str(&format!("  {name}: {{operator: empty, depends_on: [{upstreams}]}}\n"));
        }
        let catalog = OnlyEmpty(Signature { name: "empty", summary: "", arguments: Vec::new() });
        let dag = parse(Source { name: "d.yaml", text: &text }, &catalog).dag.unwrap();
        draw(&dag, &levels(&dag))
    }

    #[test]
    fn a_fork_and_a_join() {
        insta::assert_snapshot!(drawn(&["load:", "clean: load", "archive: load", "report: clean archive"]));
    }

    #[test]
    fn lanes_cross_and_share() {
        insta::assert_snapshot!(drawn(&[
            "a:", "b:", "c: a", "d: a b", "e: b", "f: c e", "g: d", "h: c d e", "i: f g h", "lone:"
        ]));
    }

    #[test]
    fn a_crowd_is_listed_by_level() {
        let mut lines = vec!["start:".to_owned()];
        lines.extend((0..40).map(|number| format!("t{number}: start")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let text = drawn(&lines);
        assert!(text.starts_with("level 1\n  start → t0, t1, "), "{text}");
        assert!(text.ends_with("\n  t39"), "{text}");
    }
}
