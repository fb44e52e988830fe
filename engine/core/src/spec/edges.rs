//! Who waits for whom: from the names under `depends_on` to the graph.

use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::task::Draft;
use crate::dag::{Cycle, Graph, TaskIndex};
use std::collections::HashMap;

/// How many tasks of a cycle are printed before it is cut short.
const CYCLE_SHOWN_MAX: usize = 20;

/// The tasks of a file by name.
pub(super) struct Wiring {
    places: HashMap<String, TaskIndex>,
}

impl Wiring {
    pub(super) fn new(drafts: &[Draft<'_>]) -> Self {
        let named = drafts.iter().enumerate();
        let places =
            named.map(|(place, draft)| (draft.task.task_id.as_str().to_owned(), TaskIndex(place as u32)));
        Self { places: places.collect() }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<TaskIndex> {
        self.places.get(name).copied()
    }
}

/// The graph, if there is no cycle; what is wrong with the names has been reported.
pub(super) fn graph(drafts: &[Draft<'_>], wiring: &Wiring, report: &mut Report<'_>) -> Option<Graph> {
    let upstream = drafts.iter().map(|draft| upstream(draft, drafts, wiring, report)).collect::<Vec<_>>();
    match Graph::new(upstream) {
        Ok(graph) => Some(graph),
        Err(cycles) => {
            for cycle in cycles {
                report_cycle(&cycle, drafts, wiring, report);
            }
            None
        }
    }
}

/// The tasks that `draft` waits for, each once.
fn upstream(
    draft: &Draft<'_>,
    drafts: &[Draft<'_>],
    wiring: &Wiring,
    report: &mut Report<'_>,
) -> Vec<TaskIndex> {
    let own = draft.task.task_id.as_str();
    let mut seen = HashMap::new();
    let mut upstream = Vec::with_capacity(draft.depends_on.len());
    for (name, mark) in &draft.depends_on {
        if name == own {
            let message = format!("the task {} depends on itself", quoted(own));
            report.add(Fault::error("self-dependency", *mark, message));
        } else if let Some(first) = seen.get(name) {
            let message = format!("{} is in depends_on twice", quoted(name));
            let fault = Fault::error("duplicate-dependency", *mark, message);
            report.add(fault.related(*first, "first here", "again here"));
        } else if let Some(index) = wiring.index_of(name) {
            seen.insert(name, *mark);
            upstream.push(index);
        } else {
            let names = drafts.iter().map(|other| other.task.task_id.as_str()).filter(|other| *other != own);
            let hint = if report.is_full() { None } else { did_you_mean(name, names) };
            let message =
                format!("{} depends on {}, which is no task of this DAG", quoted(own), quoted(name));
            report.add(Fault::error("unknown-dependency", *mark, message).hint(hint));
        }
    }
    upstream
}

/// Says the cycle in the order in which its tasks would run, and points at the dependency that closes it.
fn report_cycle(cycle: &Cycle, drafts: &[Draft<'_>], wiring: &Wiring, report: &mut Report<'_>) {
    let Cycle(tasks) = cycle;
    let (Some(first), Some(last)) = (tasks.first(), tasks.last()) else { return };
    let name = |index: TaskIndex| drafts[index.get()].task.task_id.as_str();
    let mut path: Vec<&str> = tasks.iter().take(CYCLE_SHOWN_MAX).map(|task| name(*task)).collect();
    if tasks.len() > CYCLE_SHOWN_MAX {
        path.push("…");
        path.push(name(*last));
    }
    path.push(name(*first));
    let closing = &drafts[first.get()];
    let dependency = closing.depends_on.iter().find(|(upstream, _)| wiring.index_of(upstream) == Some(*last));
    let mark = dependency.map_or(closing.mark, |(_, mark)| *mark);
    let length =
        if tasks.len() > CYCLE_SHOWN_MAX { format!(" of {} tasks", tasks.len()) } else { String::new() };
    let message = format!("the tasks wait for each other in a cycle{length}: {}", path.join(" -> "));
    let hint = "take one of these dependencies away".to_owned();
    report.add(Fault::error("cycle", mark, message).hint(hint));
}

/// Answers which task waits for which, directly or through others, and remembers what it found on the way.
pub(super) struct Reach<'g> {
    graph: &'g Graph,
    /// For each task asked about: a bit for every task that waits for it.
    waiting: HashMap<TaskIndex, Vec<u64>>,
}

impl<'g> Reach<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        Self { graph, waiting: HashMap::new() }
    }

    /// Whether `task` waits for `other`.
    pub(super) fn is_upstream(&mut self, other: TaskIndex, task: TaskIndex) -> bool {
        if self.graph.upstream(task).contains(&other) {
            return true;
        }
        let waiting = self.waiting.entry(other).or_insert_with(|| waiting_for(self.graph, other));
        waiting[task.get() / 64] & bit(task) != 0
    }
}

fn bit(task: TaskIndex) -> u64 {
    1 << (task.get() % 64)
}

fn waiting_for(graph: &Graph, task: TaskIndex) -> Vec<u64> {
    let mut waiting = vec![0; graph.order().len().div_ceil(64)];
    let mut open = vec![task];
    while let Some(next) = open.pop() {
        for downstream in graph.downstream(next) {
            let word = &mut waiting[downstream.get() / 64];
            if *word & bit(*downstream) == 0 {
                *word |= bit(*downstream);
                open.push(*downstream);
            }
        }
    }
    waiting
}
