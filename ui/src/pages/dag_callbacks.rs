//! Who is told of what, as a DAG's details list it: the callbacks of the DAG and of its tasks, and its deadlines.

use super::dag_tasks::length;
use crate::definition::{Callback, Deadline, Definition};
use crate::{t, t1, tn};
use esteira_core::dag::{CallbackKind, DeadlineReference};
use std::collections::BTreeMap;

/// So many tasks with the same callback are named.
const NAMED_MAX: usize = 5;

/// What happens, and the operators that are run then.
pub(super) struct Told {
    pub(super) when: String,
    pub(super) operators: String,
}

/// All of a DAG: those of the run, its deadlines, then those of tasks, tasks with the same callback together.
pub(super) fn of(definition: &Definition) -> Vec<Told> {
    let of_run = definition
        .callbacks
        .iter()
        .map(|(kind, called)| Told { when: when_the_run(*kind).to_owned(), operators: operators(called) });
    let late = definition
        .deadlines
        .iter()
        .map(|deadline| Told { when: when_late(deadline), operators: operators(&deadline.callbacks) });
    let mut alike: BTreeMap<(CallbackKind, String), Vec<&str>> = BTreeMap::new();
    for task in &definition.tasks {
        for (kind, called) in &task.callbacks {
            alike.entry((*kind, operators(called))).or_default().push(&task.task_id);
        }
    }
    let of_tasks = alike
        .into_iter()
        .map(|((kind, operators), tasks)| Told { when: when_a_task(kind, &names(&tasks)), operators });
    of_run.chain(late).chain(of_tasks).collect()
}

fn operators(called: &[Callback]) -> String {
    called.iter().map(|callback| callback.operator.as_str()).collect::<Vec<_>>().join(", ")
}

fn names(tasks: &[&str]) -> String {
    let named = tasks[..tasks.len().min(NAMED_MAX)].join(", ");
    match tasks.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} {}", tn(more as u64, "and 1 more", "and {} more")),
    }
}

fn when_the_run(kind: CallbackKind) -> &'static str {
    match kind {
        CallbackKind::OnSuccess => t("the run succeeds"),
        _ => t("the run fails"),
    }
}

fn when_a_task(kind: CallbackKind, tasks: &str) -> String {
    let when = match kind {
        CallbackKind::OnExecute => t("an attempt begins"),
        CallbackKind::OnSuccess => t("the task succeeds"),
        CallbackKind::OnRetry => t("the task is tried again"),
        CallbackKind::OnSkipped => t("the task is skipped"),
        CallbackKind::OnFailure | CallbackKind::Deadline => t("the task fails"),
    };
    format!("{when}: {tasks}")
}

fn when_late(deadline: &Deadline) -> String {
    let interval = length(deadline.interval);
    match deadline.reference {
        DeadlineReference::QueuedAt => t1("the run is not over {} after it was queued", interval),
        DeadlineReference::LogicalDate => t1("the run is not over {} after its logical date", interval),
        DeadlineReference::AverageRuntime => t1("the run takes {} longer than it does on average", interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn callbacks_and_deadlines_are_told_in_words() {
        let bash = json!([{"operator": "bash"}]);
        let task = |name: &str| json!({"task_id": name, "callbacks": {"on_failure_callback": bash}});
        let tasks: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].iter().map(|name| task(name)).collect();
        let definition = Definition::read(
            &json!({
                "callbacks": {"on_failure_callback": [{"operator": "email"}, {"operator": "http"}]},
                "deadlines": [{"reference": "dagrun_queued_at", "interval": {"secs": 3600, "nanos": 0}, "callbacks": bash}],
                "tasks": tasks,
            })
            .to_string(),
        );
        let told: Vec<_> = of(&definition).into_iter().map(|it| (it.when, it.operators)).collect();
        let expected = [
            ("the run fails", "email, http"),
            ("the run is not over 1 h 00 m after it was queued", "bash"),
            ("the task fails: a, b, c, d, e and 2 more", "bash"),
        ];
        assert_eq!(told, expected.map(|(when, by)| (when.to_owned(), by.to_owned())));
    }
}
