//! The templates under `with:`: that they parse, and that they name nothing which no run could know.

use super::callbacks::CallbackDraft;
use super::edges::{Reach, Wiring};
use super::groups::GroupDraft;
use super::marked::{Content, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::task::Draft;
use crate::dag::{Graph, GroupIndex, Param, TaskIndex};
use crate::template::{Mention, MentionKind, VARIABLES, contains_template, exists, inspect};
use indexmap::IndexMap;
use std::ops::Range;

/// Names of Airflow that come later.
const LATER: [&str; 7] = [
    "asset_state_store",
    "inlet_events",
    "inlets",
    "outlet_events",
    "partition_date",
    "partition_key",
    "task_state_store",
];

/// Names of Airflow 2, and what to write now.
const REMOVED: [(&str, &str); 8] = [
    ("execution_date", "write logical_date"),
    ("next_execution_date", "write data_interval_end"),
    ("prev_execution_date", "write data_interval_start"),
    ("next_ds", "write data_interval_end | ds"),
    ("prev_ds", "write data_interval_start | ds"),
    ("tomorrow_ds", "write macros.ds_add(ds, 1)"),
    ("yesterday_ds", "write macros.ds_add(ds, -1)"),
    ("conf", "write dag_run.conf"),
];

/// Names that callbacks know, and which.
const CALLED: [(&str, &str); 3] = [
    ("exception", "it is known in on_failure_callback and on_retry_callback of tasks"),
    ("reason", "it is known in on_skipped_callback, and in the callbacks of the DAG"),
    ("deadline", "it is known in the callback of a deadline"),
];

/// What the templates of one task may name.
struct Scope<'a> {
    task: TaskIndex,
    drafts: &'a [Draft<'a>],
    wiring: &'a Wiring,
    /// `None` when the tasks wait for each other in a cycle.
    reach: Option<Reach<'a>>,
    /// `None` when they could not be read.
    params: Option<&'a IndexMap<String, Param>>,
    /// Whether what an instance is expanded over is known.
    is_mapped: bool,
    /// What is known besides.
    besides: &'static [&'static str],
}

/// Checks every template of every task.
pub(super) fn check(
    drafts: &[Draft<'_>],
    groups: &[GroupDraft<'_>],
    wiring: &Wiring,
    graph: Option<&Graph>,
    params: Option<&IndexMap<String, Param>>,
    report: &mut Report<'_>,
) {
    let reach = graph.map(Reach::new);
    let mut scope =
        Scope { task: TaskIndex(0), drafts, wiring, reach, params, is_mapped: false, besides: &[] };
    let mapped = |group: &GroupIndex| groups[group.get()].group.mapping.is_some();
    for (place, draft) in drafts.iter().enumerate() {
        scope.task = TaskIndex(place as u32);
        let mut around = std::iter::successors(draft.task.group, |inner| groups[inner.get()].group.parent);
        let is_in_mapped_group = around.any(|group| mapped(&group));
        scope.is_mapped = is_in_mapped_group;
        scope.nodes(draft.expand, report);
        scope.is_mapped |= draft.task.mapping.is_some();
        scope.nodes(draft.with, report);
        scope.nodes(draft.map_index_template, report);
    }
    scope.is_mapped = false;
    for (place, draft) in groups.iter().enumerate() {
        // What the group is expanded over is read when the first of its tasks may run.
        let is_inside = |task: &TaskIndex| wiring.is_member(*task, GroupIndex(place as u32));
        let is_first =
            |task: &TaskIndex| graph.is_none_or(|graph| !graph.upstream(*task).iter().any(is_inside));
        let tasks = (0..drafts.len() as u32).map(TaskIndex);
        if let Some(first) = tasks.filter(is_inside).find(is_first) {
            scope.task = first;
            scope.nodes(draft.expand, report);
        }
    }
}

/// Checks every template of callbacks. They are rendered when the task, or the run, has come to where they tell of, so they
/// may pull from any task.
pub(super) fn check_callbacks(
    callbacks: &[CallbackDraft<'_>],
    drafts: &[Draft<'_>],
    wiring: &Wiring,
    params: Option<&IndexMap<String, Param>>,
    report: &mut Report<'_>,
) {
    for callback in callbacks {
        let besides = callback.kind.variables(callback.is_of_task);
        let mut scope =
            Scope { task: TaskIndex(0), drafts, wiring, reach: None, params, is_mapped: true, besides };
        scope.node(callback.with, report);
    }
}

impl Scope<'_> {
    fn nodes(&mut self, node: Option<&Node>, report: &mut Report<'_>) {
        if let Some(node) = node {
            self.node(node, report);
        }
    }

    fn node(&mut self, node: &Node, report: &mut Report<'_>) {
        match &node.content {
            Content::Text(text) if contains_template(text) => self.template(text, node.mark, report),
            Content::List(items) => items.iter().for_each(|item| self.node(item, report)),
            Content::Map(entries) => entries.iter().for_each(|entry| self.node(&entry.value, report)),
            _ => {}
        }
    }

    fn template(&mut self, text: &str, mark: Mark, report: &mut Report<'_>) {
        match inspect(text) {
            Ok(mentions) => {
                for mention in mentions {
                    let place = locate(text, &mention.place, mark, report);
                    self.mention(&mention, place, report);
                }
            }
            Err(fault) => {
                let place = fault.place.map_or(mark, |place| locate(text, &place, mark, report));
                let hint = "a template is \"{{ expression }}\"; {% raw %}{{ }}{% endraw %} writes the braces themselves";
                let message = format!("the template does not parse: {}", fault.message);
                report.add(Fault::error("template-syntax", place, message).hint(hint.to_owned()));
            }
        }
    }

    fn mention(&mut self, mention: &Mention, place: Mark, report: &mut Report<'_>) {
        let name = mention.name.as_str();
        match mention.kind {
            MentionKind::Variable if VARIABLES.contains(&name) || self.besides.contains(&name) => {}
            MentionKind::Variable if name == "expand" && self.is_mapped => {}
            MentionKind::Variable if name == "expand" => {
                let message = "the template reads \"expand\", but its task is not mapped";
                report.add(Fault::error("not-mapped", place, message));
            }
            MentionKind::Variable => report_variable(name, place, report),
            MentionKind::Param => self.param(name, place, report),
            MentionKind::Filter | MentionKind::Test if exists(mention.kind, name) => {}
            MentionKind::Filter => report_engine_name("filter", name, place, report),
            MentionKind::Test => report_engine_name("test", name, place, report),
            MentionKind::PulledTask => self.pulled(name, place, report),
        }
    }

    fn param(&self, name: &str, place: Mark, report: &mut Report<'_>) {
        let Some(params) = self.params.filter(|params| !params.contains_key(name)) else { return };
        let names = params.keys().map(String::as_str);
        let hint = did_you_mean(name, names).unwrap_or_else(|| {
            format!(
                "add {} to the params of the DAG; what else a trigger gives is in dag_run.conf",
                quoted(name)
            )
        });
        let message = format!("the template reads the param {}, which the DAG does not have", quoted(name));
        report.add(Fault::error("unknown-param", place, message).hint(hint));
    }

    fn pulled(&mut self, name: &str, place: Mark, report: &mut Report<'_>) {
        let own = self.drafts[self.task.get()].task.task_id.as_str();
        let Some(other) = self.wiring.index_of(name) else {
            let names = self.drafts.iter().map(|draft| draft.task.task_id.as_str());
            let hint = if report.is_full() { None } else { did_you_mean(name, names) };
            let message = format!("the template pulls from {}, which is no task of this DAG", quoted(name));
            report.add(Fault::error("unknown-task", place, message).hint(hint));
            return;
        };
        let task = self.task;
        if self.reach.as_mut().is_some_and(|reach| !reach.is_upstream(other, task)) {
            let message = format!("{} pulls from {} but does not wait for it", quoted(own), quoted(name));
            let hint = if other == self.task {
                "a task cannot pull its own result; name a task upstream of it".to_owned()
            } else {
                format!("add {} to depends_on of {}", quoted(name), quoted(own))
            };
            report.add(Fault::error("not-upstream", place, message).hint(hint));
        }
    }
}

fn report_variable(name: &str, place: Mark, report: &mut Report<'_>) {
    if LATER.contains(&name) {
        let message = format!("{} is not supported in templates yet", quoted(name));
        report.add(Fault::error("unsupported-name", place, message));
        return;
    }
    let of_callbacks =
        CALLED.iter().find(|(known, _)| *known == name).map(|(_, where_known)| (*where_known).to_owned());
    let removed = REMOVED.iter().find(|(old, _)| *old == name).map(|(_, new)| (*new).to_owned());
    let hint = of_callbacks
        .or(removed)
        .or_else(|| did_you_mean(name, VARIABLES))
        .unwrap_or_else(|| format!("a template knows {} and macros", VARIABLES.join(", ")));
    let message = format!("the template reads {}, which does not exist", quoted(name));
    report.add(Fault::error("unknown-name", place, message).hint(hint));
}

fn report_engine_name(what: &str, name: &str, place: Mark, report: &mut Report<'_>) {
    const FILTERS: [&str; 24] = [
        "ds",
        "ds_nodash",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
        "tojson",
        "fromjson",
        "default",
        "join",
        "length",
        "lower",
        "upper",
        "replace",
        "round",
        "int",
        "float",
        "string",
        "first",
        "last",
        "map",
        "select",
        "sort",
        "unique",
        "trim",
    ];
    let hint = if what == "filter" { did_you_mean(name, FILTERS) } else { None };
    let message = format!("the template uses the {what} {}, which does not exist", quoted(name));
    report.add(Fault::error("unknown-name", place, message).hint(hint));
}

/// The place in the file of a range of a string's value. The string may have been quoted, folded or escaped on the way
/// from the file; where its lines cannot be found again as they are, the whole string is the place.
fn locate(text: &str, range: &Range<usize>, mark: Mark, report: &Report<'_>) -> Mark {
    let (Some(before), Some(inside)) = (text.get(..range.start), text.get(range.clone())) else {
        return mark;
    };
    let line_start = before.rfind('\n').map_or(0, |place| place + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let line_number = before.matches('\n').count();
    let is_block = report
        .line(mark.line)
        .and_then(|line| line.chars().nth(mark.column - 1))
        .is_some_and(|letter| matches!(letter, '|' | '>'));
    let number = if is_block { mark.line + 1 + line_number } else { mark.line + line_number };
    let Some(source) = report.line(number) else { return mark };
    let from = if number == mark.line {
        source.char_indices().nth(mark.column - 1).map_or(0, |(place, _)| place)
    } else {
        0
    };
    let Some(found) = source[from..].find(line).filter(|_| !line.is_empty()) else { return mark };
    let start = from + found + (range.start - line_start);
    let Some(column) = source.get(..start).map(|before| before.chars().count() + 1) else { return mark };
    let length = inside.lines().next().unwrap_or_default().chars().count().max(1);
    Mark { line: number, column, length }
}
