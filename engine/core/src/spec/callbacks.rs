//! Callbacks and deadlines: what is run when something has happened to a task or a run.

use super::arguments::Arguments;
use super::keys::{CALLBACK, DEADLINE, Fields};
use super::marked::{Content, Mark, Node};
use super::report::{Fault, Report};
use super::settings::{choice, limit, retries};
use super::{task, values};
use crate::catalog::Catalog;
use crate::dag::{Callback, CallbackKind, Callbacks, Deadline, DeadlineReference};
use serde_json::{Map, Value};
use std::time::Duration;

/// The arguments of a callback, with what it tells of: its templates are checked once all tasks are known.
pub(super) struct CallbackDraft<'n> {
    pub(super) kind: CallbackKind,
    /// Whether it tells of a task; of a run otherwise.
    pub(super) is_of_task: bool,
    pub(super) with: &'n Node,
}

/// What callbacks are read with.
pub(super) struct Reading<'n, 'c> {
    pub(super) catalog: &'c dyn Catalog,
    /// What was read so far.
    pub(super) drafts: Vec<CallbackDraft<'n>>,
}

impl<'n> Reading<'n, '_> {
    /// The callbacks that a task, or default_args, has: its own, and those of `outer` for what it says nothing of.
    pub(super) fn of_task(
        &mut self,
        fields: &Fields<'n>,
        outer: &Callbacks,
        report: &mut Report<'_>,
    ) -> Callbacks {
        let mut callbacks = outer.clone();
        for kind in CallbackKind::OF_TASKS {
            if let Some(entry) = fields.get(kind.as_str()) {
                // A task may write null to have none, whatever the defaults say.
                callbacks.remove(&kind);
                self.add(&mut callbacks, kind, true, &entry.value, report);
            }
        }
        callbacks
    }

    /// The callbacks of a DAG itself.
    pub(super) fn of_dag(&mut self, fields: &Fields<'n>, report: &mut Report<'_>) -> Callbacks {
        let mut callbacks = Callbacks::new();
        for kind in CallbackKind::OF_DAGS {
            if let Some(node) = fields.given(kind.as_str()) {
                self.add(&mut callbacks, kind, false, node, report);
            }
        }
        callbacks
    }

    fn add(
        &mut self,
        callbacks: &mut Callbacks,
        kind: CallbackKind,
        is_of_task: bool,
        node: &'n Node,
        report: &mut Report<'_>,
    ) {
        let read = self.list(kind, is_of_task, node, report);
        if !read.is_empty() {
            callbacks.insert(kind, read);
        }
    }

    /// One callback, or a list of them.
    fn list(
        &mut self,
        kind: CallbackKind,
        is_of_task: bool,
        node: &'n Node,
        report: &mut Report<'_>,
    ) -> Vec<Callback> {
        if node.is_null() {
            return Vec::new();
        }
        let one = |node| self.callback(kind, is_of_task, node, report);
        items(node).iter().filter_map(one).collect()
    }

    fn callback(
        &mut self,
        kind: CallbackKind,
        is_of_task: bool,
        node: &'n Node,
        report: &mut Report<'_>,
    ) -> Option<Callback> {
        if let Some(name) = node.as_text() {
            let message = format!("{kind} takes an operator with its arguments, not \"{name}\"");
            let hint = "write \"operator: …\" and \"with: …\" under it: the function of another program cannot be called";
            report.add(Fault::error("wrong-type", node.mark, message).hint(hint.to_owned()));
            return None;
        }
        let fields = CALLBACK.fields(node, node.mark, report)?;
        let with = fields.given("with");
        if let Some(with) = with {
            self.drafts.push(CallbackDraft { kind, is_of_task, with });
        }
        let arguments = Arguments { with, expanded: None };
        let operator = match fields.given("operator") {
            Some(node) => task::named_operator(node, fields.get("with"), &arguments, self.catalog, report),
            None => {
                let message = "the callback has no operator".to_owned();
                report.add(
                    Fault::error("missing-key", node.mark, message).hint(task::operator_list(self.catalog)),
                );
                None
            }
        };
        let mut retry = Callback::retry_policy();
        retries(&fields, &mut retry, report);
        let timeout = fields.get("execution_timeout");
        Some(Callback {
            operator: operator.unwrap_or_default(),
            arguments: with.map_or_else(|| Value::Object(Map::new()), Node::to_value),
            has_templates: with.is_some_and(task::has_templates),
            retry,
            execution_timeout: match timeout {
                Some(entry) => limit(&entry.value, "execution_timeout", report),
                None => Some(Callback::EXECUTION_TIMEOUT),
            },
        })
    }

    /// The deadlines of a DAG: one, or a list of them.
    pub(super) fn deadlines(&mut self, fields: &Fields<'n>, report: &mut Report<'_>) -> Vec<Deadline> {
        let Some(node) = fields.given("deadline") else { return Vec::new() };
        let one = |node| self.deadline(node, report);
        items(node).iter().filter_map(one).collect()
    }

    fn deadline(&mut self, node: &'n Node, report: &mut Report<'_>) -> Option<Deadline> {
        let fields = DEADLINE.fields(node, node.mark, report)?;
        for key in ["interval", "callback"] {
            if fields.given(key).is_none() {
                report_missing(key, node.mark, report);
            }
        }
        let all = DeadlineReference::ALL;
        let reference = choice(&fields, "reference", all, DeadlineReference::as_str, report);
        let mut positive = |key| fields.given(key).and_then(|node| values::positive(node, key, report));
        let max_runs = positive("max_runs").unwrap_or(Deadline::MAX_RUNS);
        let min_runs = positive("min_runs").unwrap_or(max_runs);
        if min_runs > max_runs {
            let mark = fields.get("min_runs").map_or(node.mark, |entry| entry.value.mark);
            let message = format!("min_runs is {min_runs}, and max_runs only {max_runs}");
            report.add(Fault::error("bad-deadline", mark, message));
        }
        let interval =
            fields.given("interval").and_then(|node| values::length_of_time(node, "interval", report));
        let callbacks = fields
            .given("callback")
            .map_or_else(Vec::new, |callback| self.list(CallbackKind::Deadline, false, callback, report));
        Some(Deadline {
            reference: reference.unwrap_or(DeadlineReference::QueuedAt),
            interval: interval.unwrap_or(Duration::ZERO),
            max_runs,
            min_runs,
            callbacks,
        })
    }
}

fn items(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn report_missing(key: &str, mark: Mark, report: &mut Report<'_>) {
    let message = format!("the deadline has no {key}");
    let hint = "a deadline is {interval: 30m, callback: {operator: …, with: …}}".to_owned();
    report.add(Fault::error("missing-key", mark, message).hint(hint));
}
