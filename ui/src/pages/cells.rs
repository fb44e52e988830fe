//! Small coloured cells: one for a run in a strip. Those of task instances in a grid are in [`super::grid_rows`].

use crate::links;
use crate::show::{Elapsed, Escaped, Mark, relative};
use esteira_store::{RunRow, TaskInstanceRow};
use jiff::Timestamp;
use std::fmt;

/// A link in the colour of a state, with its sign, and all else on hover.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    mark: Mark,
    url: String,
    key: String,
    title: String,
}

impl Cell {
    /// Of a run.
    pub(crate) fn of_run(run: &RunRow, now: Timestamp) -> Self {
        let mark = Mark::of_run(run.state);
        let elapsed = length(run.started_at, run.ended_at, now);
        let title = format!("{} · {}{elapsed} · {}", run.run_id, mark.word(), relative(run.queued_at, now));
        Self { mark, url: links::run(run.dag_id.as_str(), run.run_id.as_str()), key: run_key(run), title }
    }

    /// The state's name.
    pub(crate) fn state(&self) -> &'static str {
        self.mark.name
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, key, title) = (Escaped(&self.url), Escaped(&self.key), Escaped(&self.title));
        let Mark { name, glyph, .. } = self.mark;
        write!(
            formatter,
            "<a class=\"c\" href=\"{url}\" data-key=\"{key}\" data-s=\"{name}\" data-g=\"{glyph}\" title=\"{title}\" \
             aria-label=\"{title}\"></a>"
        )
    }
}

impl askama::filters::HtmlSafe for Cell {}

fn length(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> String {
    match Elapsed::between(start, end, now) {
        Elapsed::Over(length) => format!(" · {}", crate::show::duration(length)),
        _ => String::new(),
    }
}

/// The list of the instances of a mapped task.
pub(crate) fn mapped_url(instance: &TaskInstanceRow) -> String {
    let run = links::run(instance.dag_id.as_str(), instance.run_id.as_str());
    links::with_query(&run, &[("task", instance.task_id.as_str())])
}

/// What live events call a run.
pub(crate) fn run_key(run: &RunRow) -> String {
    format!("{}/{}", run.dag_id, run.run_id)
}

/// What live events call a task instance.
pub(crate) fn instance_key(instance: &TaskInstanceRow) -> String {
    let TaskInstanceRow { dag_id, run_id, task_id, map_index, .. } = instance;
    format!("{dag_id}/{run_id}/{task_id}/{map_index}")
}
