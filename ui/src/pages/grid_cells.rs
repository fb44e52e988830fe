//! The cells of a grid: one for each run that a task has instances in, or the tasks of a folded group.
//!
//! A cell says no more than it must, its state and where it leads: what a person reads when pointing at one is put together
//! by `static/grid.js` from the heads of its row and column. In a small grid cells are links. Tens of thousands of links
//! would take a browser many seconds: a large grid has a letter for each cell, and `static/grid_cells.js` makes links of
//! those in sight.

use crate::links;
use crate::show::{Escaped, Mark, instance_counts, state_among};
use esteira_core::states::TaskInstanceState;
use esteira_store::{GridCell, RunKey, RunRow};
use std::collections::HashMap;
use std::fmt::{self, Write};

/// How many cells are links without a script.
const LINKS_MAX: usize = 2_000;

/// Stands where a run has no instance.
const NOTHING: char = '-';

/// How cells are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawing {
    /// Each is a link.
    Links,
    /// Each is a letter, for a script to draw.
    Letters,
}

impl Drawing {
    /// What suits a grid of so many rows and columns.
    pub(crate) fn of(rows: usize, columns: usize) -> Self {
        if rows * columns > LINKS_MAX { Self::Letters } else { Self::Links }
    }
}

/// The cells of a row.
pub(crate) enum Cells {
    /// As markup.
    Links(String),
    /// As letters: that of the state, a capital if the cell stands for several instances; and for each of these, how many
    /// are in which state.
    Letters { letters: String, counts: Vec<String> },
    /// A row without cells.
    Empty,
}

impl Cells {
    /// The letters, if they are letters.
    pub(crate) fn letters(&self) -> Option<&str> {
        match self {
            Self::Letters { letters, .. } => Some(letters),
            _ => None,
        }
    }

    /// What is said of the capital letters, each in a line.
    pub(crate) fn counts(&self) -> String {
        match self {
            Self::Letters { counts, .. } => counts.join("\n"),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Links(markup) => formatter.write_str(markup),
            _ => Ok(()),
        }
    }
}

impl askama::filters::HtmlSafe for Cells {}

/// The states that a letter can stand for, in the order of the letters.
fn states() -> impl Iterator<Item = Option<TaskInstanceState>> {
    std::iter::once(None).chain(TaskInstanceState::ALL.iter().copied().map(Some))
}

/// The letter of a state.
fn letter(state: Option<TaskInstanceState>) -> char {
    let place = states().position(|known| known == state).unwrap_or_default();
    char::from(b'a' + place as u8)
}

/// What the letters mean, from `a` on: the name and the word of each state, as JSON.
pub(crate) fn alphabet() -> String {
    let meanings = states().map(Mark::of_instance).map(|mark| [mark.name, mark.word()]);
    serde_json::json!(meanings.collect::<Vec<_>>()).to_string()
}

/// What there is in a run at a row.
struct Found {
    state: Option<TaskInstanceState>,
    /// For several instances: how many are in which state.
    counts: Option<String>,
    /// What follows the run's address in that of the cell.
    address: String,
}

/// What there is at each row and column.
pub(crate) struct Table<'a> {
    /// The addresses of the runs.
    urls: Vec<String>,
    cells: HashMap<&'a str, Vec<Option<&'a GridCell>>>,
    drawing: Drawing,
}

impl<'a> Table<'a> {
    /// Of these runs, in the order of the columns.
    pub(crate) fn new(runs: &[RunRow], found: &'a [GridCell], drawing: Drawing) -> Self {
        let column_of: HashMap<RunKey, usize> =
            runs.iter().enumerate().map(|(place, run)| (run.run_key, place)).collect();
        let mut cells: HashMap<&str, Vec<Option<&GridCell>>> = HashMap::new();
        for cell in found {
            let row = cells.entry(cell.task_id.as_str()).or_insert_with(|| vec![None; runs.len()]);
            if let Some(place) = column_of.get(&cell.run_key) {
                row[*place] = Some(cell);
            }
        }
        let urls = runs.iter().map(|run| links::run(run.dag_id.as_str(), run.run_id.as_str()));
        Self { urls: urls.collect(), cells, drawing }
    }

    fn at(&self, task: &str, column: usize) -> Option<&'a GridCell> {
        self.cells.get(task).and_then(|row| row[column])
    }

    /// A cell for each run: of the one instance of the task, or of all that a mapped task has.
    pub(crate) fn of_task(&self, task: &str) -> Cells {
        let page = format!("/tasks/{}", links::escaped(task));
        let list = links::with_query("", &[("task", task)]);
        self.draw(|column| {
            let cell = self.at(task, column)?;
            let address = if cell.is_mapped { &list } else { &page };
            Some(Found {
                state: state_among(cell.states.iter().map(|(state, _)| *state)),
                counts: cell.is_mapped.then(|| instance_counts(cell.states.iter().copied())),
                address: address.clone(),
            })
        })
    }

    /// A cell for each run: of all instances of the group's tasks, in the state that asks for attention first.
    pub(crate) fn of_group(&self, tasks: &[&str]) -> Cells {
        self.draw(|column| {
            let cells = || tasks.iter().filter_map(|task| self.at(task, column));
            let states = || cells().flat_map(|cell| cell.states.iter().copied());
            cells().next()?;
            Some(Found {
                state: state_among(states().map(|(state, _)| state)),
                counts: Some(instance_counts(states())),
                address: String::new(),
            })
        })
    }

    fn draw(&self, found: impl Fn(usize) -> Option<Found>) -> Cells {
        let cells = (0..self.urls.len()).map(found);
        match self.drawing {
            Drawing::Links => Cells::Links(self.links(cells)),
            Drawing::Letters => in_letters(cells),
        }
    }

    fn links(&self, cells: impl Iterator<Item = Option<Found>>) -> String {
        let mut text = String::new();
        for (run, cell) in self.urls.iter().zip(cells) {
            // Writing to a String does not fail.
            let _ = match cell {
                None => write!(text, "<td>"),
                Some(Found { state, counts, address }) => {
                    let mark = Mark::of_instance(state);
                    let (name, several) = (mark.name, if counts.is_some() { " data-m" } else { "" });
                    let label = counts.unwrap_or_else(|| mark.word().to_owned());
                    let (label, url) = (Escaped(&label), format!("{run}{address}"));
                    let url = Escaped(&url);
                    write!(
                        text,
                        "<td><a class=c{several} data-s={name} aria-label=\"{label}\" href=\"{url}\"></a>"
                    )
                }
            };
        }
        text
    }
}

fn in_letters(cells: impl Iterator<Item = Option<Found>>) -> Cells {
    let (mut letters, mut counts) = (String::new(), Vec::new());
    for cell in cells {
        letters.push(match cell {
            None => NOTHING,
            Some(Found { state, counts: None, .. }) => letter(state),
            Some(Found { state, counts: Some(several), .. }) => {
                counts.push(several);
                letter(state).to_ascii_uppercase()
            }
        });
    }
    Cells::Letters { letters, counts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskInstanceState as S;

    fn found(state: Option<S>, counts: Option<&str>) -> Option<Found> {
        Some(Found { state, counts: counts.map(str::to_owned), address: String::new() })
    }

    #[test]
    fn each_state_has_a_letter_of_its_own_that_the_alphabet_tells() {
        let letters: Vec<char> = states().map(letter).collect();
        let expected: Vec<char> = ('a'..).take(letters.len()).collect();
        assert_eq!(letters, expected);
        let alphabet: Vec<[String; 2]> = serde_json::from_str(&alphabet()).unwrap();
        let place = usize::from(letter(Some(S::UpForRetry)) as u8 - b'a');
        assert_eq!(alphabet[place], ["up_for_retry", "up for retry"]);
    }

    #[test]
    fn a_cell_of_several_instances_is_a_capital_letter_and_says_how_many() {
        let row =
            [found(Some(S::Success), None), None, found(Some(S::Failed), Some("2 instances: 2 failed"))];
        let cells = in_letters(row.into_iter());
        let expected: String =
            [letter(Some(S::Success)), '-', letter(Some(S::Failed)).to_ascii_uppercase()].iter().collect();
        assert_eq!(cells.letters(), Some(expected.as_str()));
        assert_eq!(cells.counts(), "2 instances: 2 failed");
    }

    #[test]
    fn a_grid_is_drawn_by_a_script_only_when_it_is_large() {
        assert_eq!(Drawing::of(80, 25), Drawing::Links);
        assert_eq!(Drawing::of(81, 25), Drawing::Letters);
    }
}
