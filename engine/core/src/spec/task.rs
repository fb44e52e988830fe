//! One task: its keys, and the defaults for those that it leaves out.

use super::arguments::{self, Arguments};
use super::callbacks::Reading;
use super::keys::{Fields, TASK};
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::settings::settings;
use super::suggest::did_you_mean;
use super::{lower, mapping, values};
use crate::catalog::Catalog;
use crate::dag::Task;
use crate::ids::TaskId;
use crate::run::TriggerRule;
use crate::template::contains_template;
use serde_json::{Map, Value};

/// A task before its place in the graph is known.
pub(super) struct Draft<'n> {
    pub(super) task: Task,
    /// The place of its name.
    pub(super) mark: Mark,
    /// The tasks that it waits for, each with its place.
    pub(super) depends_on: Vec<(String, Mark)>,
    /// Its arguments, with their places.
    pub(super) with: Option<&'n Node>,
    /// What it is expanded over, with its place.
    pub(super) expand: Option<&'n Node>,
    /// The template of its instances' names, with its place.
    pub(super) map_index_template: Option<&'n Node>,
}

pub(super) fn lower<'n>(
    entry: &'n Entry,
    prefix: &str,
    defaults: &Task,
    reading: &mut Reading<'n, '_>,
    report: &mut Report<'_>,
) -> Draft<'n> {
    lower::check_name(&entry.key, "task name", entry.mark, report);
    // A task that is no mapping goes on without keys, so that those that depend on it are not reported too.
    let fields = TASK.fields(&entry.value, entry.mark, report).unwrap_or_else(|| Fields::none(entry.mark));
    let written = mapping::mapping(&fields, report);
    let with = constants(&fields, written.is_some(), report);
    let arguments = Arguments { with, expanded: written.as_ref() };
    let operator = operator(entry, &fields, &arguments, reading.catalog, report);
    let map_index_template = fields.given("map_index_template");
    let depends_on = fields.given("depends_on").map(|node| values::text_or_list(node, "depends_on", report));
    let mut task = Task {
        task_id: TaskId::from(format!("{prefix}{}", entry.key)),
        operator: operator.unwrap_or_default(),
        arguments: with.map_or_else(|| Value::Object(Map::new()), Node::to_value),
        has_templates: with.is_some_and(has_templates),
        mapping: written.as_ref().map(|written| written.mapping.clone()),
        map_index_template: map_index_template
            .and_then(|node| values::text(node, "map_index_template", report)),
        outlets: fields
            .given("outlets")
            .map(|node| values::text_or_list(node, "outlets", report))
            .unwrap_or_default()
            .into_iter()
            .map(|(uri, _)| uri)
            .collect(),
        callbacks: reading.of_task(&fields, &defaults.callbacks, report),
        doc_md: fields.given("doc_md").and_then(|node| values::text(node, "doc_md", report)),
        ..settings(&fields, defaults, report)
    };
    setup_and_teardown(&fields, &mut task, report);
    let depends_on = depends_on.unwrap_or_default();
    let expand = written.map(|written| written.node);
    Draft { task, mark: entry.mark, depends_on, with, expand, map_index_template }
}

/// The arguments that are the same for every instance: under `with`, or under Airflow's word for those of a mapped task.
fn constants<'n>(fields: &Fields<'n>, is_mapped: bool, report: &mut Report<'_>) -> Option<&'n Node> {
    let (with, partial) =
        (fields.given("with"), fields.get("partial").filter(|entry| !entry.value.is_null()));
    let Some(entry) = partial else { return with };
    if !is_mapped {
        let fault = Fault::error("not-mapped", entry.mark, "partial is for tasks that are expanded");
        report.add(fault.hint("write with".to_owned()));
    }
    if with.is_some() {
        report.add(Fault::error(
            "with-and-partial",
            entry.mark,
            "with and partial say the same thing: write one",
        ));
    }
    Some(&entry.value)
}

/// A teardown has a trigger rule of its own, and no other.
fn setup_and_teardown(fields: &Fields<'_>, task: &mut Task, report: &mut Report<'_>) {
    let mut flag =
        |key| fields.given(key).and_then(|node| values::boolean(node, key, report)).unwrap_or(false);
    task.is_setup = flag("is_setup");
    task.is_teardown = flag("is_teardown");
    task.on_failure_fail_dagrun = flag("on_failure_fail_dagrun");
    if task.is_setup && task.is_teardown {
        let message = "a task is a setup or a teardown, not both";
        report.add(Fault::error("setup-and-teardown", fields.mark, message));
    }
    if let Some(entry) = fields.get("on_failure_fail_dagrun").filter(|_| !task.is_teardown) {
        let message = "on_failure_fail_dagrun is for teardowns; the failure of any other task counts anyway";
        report.add(Fault::error("no-teardown", entry.mark, message));
    }
    if !task.is_teardown {
        return;
    }
    task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
    if let Some(node) =
        fields.given("trigger_rule").filter(|node| node.as_text() != Some(task.trigger_rule.as_str()))
    {
        let message = "a teardown's trigger rule is all_done_setup_success";
        report.add(Fault::error("teardown-rule", node.mark, message).hint("leave it out".to_owned()));
    }
}

/// The operator's name, if there is such an operator; its arguments are checked then.
fn operator(
    entry: &Entry,
    fields: &Fields<'_>,
    arguments: &Arguments<'_, '_>,
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) -> Option<String> {
    let Some(node) = fields.given("operator") else {
        if !matches!(entry.value.content, Content::Map(_)) {
            return None;
        }
        let mark = fields.get("operator").map_or(entry.mark, |field| field.mark);
        let message = format!("the task {} has no operator", quoted(&entry.key));
        report.add(Fault::error("missing-key", mark, message).hint(operator_list(catalog)));
        return None;
    };
    let written = fields.get("with").or_else(|| fields.get("partial"));
    named_operator(node, written, arguments, catalog, report)
}

/// The operator that is named here, if there is one, with its arguments checked; `written` is the whole entry of these.
pub(super) fn named_operator(
    node: &Node,
    written: Option<&Entry>,
    arguments: &Arguments<'_, '_>,
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) -> Option<String> {
    let name = values::text(node, "operator", report)?;
    let Some(signature) = catalog.signature(&name) else {
        let hint = if report.is_full() { None } else { unknown_operator_hint(&name, catalog) };
        report.add(
            Fault::error("unknown-operator", node.mark, format!("unknown operator {}", quoted(&name)))
                .hint(hint),
        );
        return None;
    };
    arguments::check(signature, node.mark, written, arguments, catalog, report);
    Some(name)
}

fn unknown_operator_hint(name: &str, catalog: &dyn Catalog) -> Option<String> {
    let plain = name.strip_suffix("Operator").unwrap_or(name);
    did_you_mean(plain, catalog.names()).or_else(|| operator_list(catalog))
}

/// The operators that there are, for a hint.
pub(super) fn operator_list(catalog: &dyn Catalog) -> Option<String> {
    let names = catalog.names();
    (!names.is_empty()).then(|| format!("the operators are {}", names.join(", ")))
}

/// Whether any string in the value, at any depth, holds a template.
pub(super) fn has_templates(node: &Node) -> bool {
    match &node.content {
        Content::Text(text) => contains_template(text),
        Content::List(items) => items.iter().any(has_templates),
        Content::Map(entries) => entries.iter().any(|entry| has_templates(&entry.value)),
        _ => false,
    }
}
