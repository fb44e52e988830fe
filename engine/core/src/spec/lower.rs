//! From the marked tree of a file to its DAG.

use super::callbacks::Reading;
use super::edges::{self, Wiring};
use super::groups::Gathering;
use super::keys::{DAG, DEFAULT_ARGS, Fields};
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::schedule::{self, Dates};
use super::settings::{choice, limit, settings};
use super::task::Draft;
use super::{mapping, params, templates, values};
use crate::catalog::Catalog;
use crate::dag::{Dag, MAX_ACTIVE_RUNS, MAX_ACTIVE_TASKS, MAX_MAP_LENGTH, Overlap, Task};
use crate::ids::{DagId, NAME_LENGTH_MAX, is_valid_name};
use crate::run::TriggerRule;
use crate::schedule::{Schedule, When};
use indexmap::IndexMap;
use std::time::Duration;

/// The DAG of a file; what is missing from it when there were errors is of no use to anyone.
pub(super) fn dag(root: &Node, catalog: &dyn Catalog, report: &mut Report<'_>) -> Option<Dag> {
    if root.is_null() {
        let fault = Fault::error("empty-file", Mark::START, "the file holds no DAG");
        report.add(fault.hint("a DAG has at least dag_id and tasks".to_owned()));
        return None;
    }
    let fields = DAG.fields(root, Mark::START, report)?;
    let dag_id = dag_id(&fields, report);
    let mut callbacks = Reading { catalog, drafts: Vec::new() };
    let defaults = defaults(&fields, &Task::new("", ""), &mut callbacks, report);
    let (of_dag, deadlines) = (callbacks.of_dag(&fields, report), callbacks.deadlines(&fields, report));
    let params =
        fields.given("params").map_or_else(|| Some(IndexMap::new()), |node| params::lower(node, report));
    let Gathering { drafts, groups, callbacks, .. } = tasks(&fields, defaults, callbacks, report);
    mapping::report_nested(&drafts, &groups, report);
    let wiring = Wiring::new(&drafts, &groups, report);
    let graph = edges::graph(&drafts, &groups, &wiring, report);
    templates::check(&drafts, &groups, &wiring, graph.as_ref(), params.as_ref(), report);
    templates::check_callbacks(&callbacks.drafts, &drafts, &wiring, params.as_ref(), report);
    let Dates { schedule, start_date, end_date } = schedule::dates(&fields, report);
    let limits = limits(&fields, &schedule, report);
    if limits.fail_fast {
        report_rules_against_fail_fast(&drafts, report);
    }
    let owners = owners(&drafts);
    let tasks = drafts.into_iter().map(|draft| draft.task).collect();
    // Without a name there is an error, and then nobody sees the DAG; what is wrong below must be found all the same.
    let dag_id = dag_id.unwrap_or_else(|| DagId::from(""));
    Some(Dag {
        description: fields.given("description").and_then(|node| values::text(node, "description", report)),
        doc_md: fields.given("doc_md").and_then(|node| values::text(node, "doc_md", report)),
        schedule,
        start_date,
        end_date,
        is_paused_upon_creation: flag(&fields, "is_paused_upon_creation", report),
        max_active_runs: limits.max_active_runs,
        max_active_tasks: limits.max_active_tasks,
        max_map_length: limits.max_map_length,
        overlap: limits.overlap,
        dagrun_timeout: limits.dagrun_timeout,
        fail_fast: limits.fail_fast,
        max_consecutive_failed_dag_runs: limits.max_consecutive_failed_dag_runs,
        callbacks: of_dag,
        deadlines,
        tags: tags(&fields, report),
        owners,
        params: params.unwrap_or_default(),
        groups: groups.into_iter().map(|draft| draft.group).collect(),
        ..Dag::new(dag_id, tasks, graph?)
    })
}

/// The keys that bound a DAG's runs.
struct Limits {
    max_active_runs: u32,
    max_active_tasks: u32,
    max_map_length: u32,
    overlap: Overlap,
    dagrun_timeout: Option<Duration>,
    fail_fast: bool,
    max_consecutive_failed_dag_runs: u32,
}

fn limits(fields: &Fields<'_>, schedule: &Schedule, report: &mut Report<'_>) -> Limits {
    let mut positive = |key| fields.given(key).and_then(|node| values::positive(node, key, report));
    let is_continuous = schedule.when == When::Continuous;
    let max_active_runs =
        positive("max_active_runs").unwrap_or(if is_continuous { 1 } else { MAX_ACTIVE_RUNS });
    let max_active_tasks = positive("max_active_tasks").unwrap_or(MAX_ACTIVE_TASKS);
    let max_map_length = positive("max_map_length").unwrap_or(MAX_MAP_LENGTH);
    if is_continuous && max_active_runs > 1 {
        report_continuous_runs(fields, report);
    }
    let key = "max_consecutive_failed_dag_runs";
    let max_failed = fields.given(key).and_then(|node| values::count(node, key, report));
    let timeout = fields.given("dagrun_timeout");
    Limits {
        max_active_runs,
        max_active_tasks,
        max_map_length,
        overlap: choice(fields, "overlap", Overlap::ALL, Overlap::as_str, report).unwrap_or(Overlap::Queue),
        dagrun_timeout: timeout.and_then(|node| limit(node, "dagrun_timeout", report)),
        fail_fast: flag(fields, "fail_fast", report),
        max_consecutive_failed_dag_runs: max_failed.unwrap_or(0),
    }
}

/// As Airflow: the next run starts when the one before has ended, so there is never a second.
fn report_continuous_runs(fields: &Fields<'_>, report: &mut Report<'_>) {
    let mark = fields.get("max_active_runs").map_or(fields.mark, |entry| entry.value.mark);
    let fault = Fault::error("continuous-runs", mark, "with @continuous, max_active_runs is 1");
    report.add(fault.hint("leave max_active_runs out".to_owned()));
}

/// A rule that waits for failures makes no sense where the first failure ends the run (Airflow refuses it too).
fn report_rules_against_fail_fast(drafts: &[Draft<'_>], report: &mut Report<'_>) {
    for draft in drafts.iter().filter(|draft| !draft.task.is_teardown) {
        if draft.task.trigger_rule != TriggerRule::AllSuccess {
            let message = format!(
                "in a DAG with fail_fast every trigger rule must be all_success, not {}",
                draft.task.trigger_rule
            );
            report.add(Fault::error("fail-fast-rule", draft.mark, message));
        }
    }
}

fn dag_id(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<DagId> {
    let Some(node) = fields.given("dag_id") else {
        let mark = fields.get("dag_id").map_or(fields.mark, |entry| entry.mark);
        let fault = Fault::error("missing-key", mark, "the DAG has no dag_id");
        report.add(fault.hint("write \"dag_id: my_dag\" at the top of the file".to_owned()));
        return None;
    };
    let name = values::text(node, "dag_id", report)?;
    check_name(&name, "dag_id", node.mark, report).then(|| DagId::from(name))
}

/// Whether a DAG or a task may have this name; if not, that is reported.
pub(super) fn check_name(name: &str, what: &str, mark: Mark, report: &mut Report<'_>) -> bool {
    if is_valid_name(name) {
        return true;
    }
    let message = if name.len() > NAME_LENGTH_MAX {
        format!("{what} is {} bytes long, and {NAME_LENGTH_MAX} is the most", name.len())
    } else {
        format!("{what} {} is no valid name", quoted(name))
    };
    let hint = "a name has letters, digits, \"_\", \"-\" and \".\", and is not empty".to_owned();
    report.add(Fault::error("bad-name", mark, message).hint(hint));
    false
}

/// The settings of default_args over those around them.
pub(super) fn defaults<'n>(
    fields: &Fields<'n>,
    outer: &Task,
    callbacks: &mut Reading<'n, '_>,
    report: &mut Report<'_>,
) -> Task {
    let entry = fields.get("default_args").filter(|entry| !entry.value.is_null());
    match entry.and_then(|entry| DEFAULT_ARGS.fields(&entry.value, entry.mark, report)) {
        Some(fields) => Task {
            callbacks: callbacks.of_task(&fields, &outer.callbacks, report),
            ..settings(&fields, outer, report)
        },
        None => outer.clone(),
    }
}

/// All tasks and groups, in the order of the file: those of the DAG itself first.
fn tasks<'n, 'c>(
    fields: &Fields<'n>,
    defaults: Task,
    callbacks: Reading<'n, 'c>,
    report: &mut Report<'_>,
) -> Gathering<'n, 'c> {
    let mut gathering = Gathering { drafts: Vec::new(), groups: Vec::new(), defaults, callbacks };
    let groups = fields.get("task_groups").filter(|entry| !entry.value.is_null());
    match fields.get("tasks") {
        Some(entry) => plain_tasks(entry, groups.is_some(), &mut gathering, report),
        None if groups.is_none() => {
            let fault = Fault::error("missing-key", fields.mark, "the DAG has no tasks");
            report.add(fault.hint("write \"tasks:\" with at least one task under it".to_owned()));
        }
        None => {}
    }
    if let Some(entry) = groups {
        gathering.groups(entry, None, report);
    }
    gathering
}

fn plain_tasks<'n>(
    entry: &'n Entry,
    has_groups: bool,
    gathering: &mut Gathering<'n, '_>,
    report: &mut Report<'_>,
) {
    match &entry.value.content {
        Content::Map(entries) if !entries.is_empty() => {
            gathering.tasks(entries, None, report);
        }
        Content::Map(_) | Content::Null if has_groups => {}
        Content::Map(_) | Content::Null => {
            report.add(Fault::error("no-tasks", entry.mark, "a DAG must have at least one task"));
        }
        _ => report_wrong_tasks(entry, report),
    }
}

pub(super) fn report_wrong_tasks(entry: &Entry, report: &mut Report<'_>) {
    let message = format!("tasks must be a mapping from names to tasks, not {}", entry.value.describe());
    let hint = matches!(entry.value.content, Content::List(_))
        .then(|| "write each task as \"name:\" with its keys indented under it, without \"-\"".to_owned());
    report.add(Fault::error("wrong-type", entry.value.mark, message).hint(hint));
}

fn flag(fields: &Fields<'_>, key: &str, report: &mut Report<'_>) -> bool {
    fields.given(key).and_then(|node| values::boolean(node, key, report)).unwrap_or(false)
}

fn tags(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some(node) = fields.given("tags") else { return Vec::new() };
    let mut tags: Vec<String> = Vec::new();
    for (tag, mark) in values::text_list(node, "tags", report) {
        if tags.contains(&tag) {
            report.add(Fault::warning(
                "duplicate-tag",
                mark,
                format!("the tag {} is given twice", quoted(&tag)),
            ));
        } else {
            tags.push(tag);
        }
    }
    tags
}

fn owners(drafts: &[Draft<'_>]) -> Vec<String> {
    let mut owners = indexmap::IndexSet::new();
    owners.extend(drafts.iter().map(|draft| draft.task.owner.clone()));
    owners.into_iter().collect()
}
