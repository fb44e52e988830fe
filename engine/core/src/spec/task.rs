//! One task: its keys, and the defaults for those that it leaves out.

use super::keys::{Fields, TASK};
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::{arguments, lower, values};
use crate::catalog::Catalog;
use crate::dag::Task;
use crate::ids::TaskId;
use crate::template::contains_template;
use serde_json::{Map, Value};
use std::time::Duration;

/// Airflow's default: five minutes between an attempt and the next.
const RETRY_DELAY: Duration = Duration::from_secs(300);

/// What a task has when it does not say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    retries: u32,
    retry_delay: Duration,
    execution_timeout: Option<Duration>,
    owner: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { retries: 0, retry_delay: RETRY_DELAY, execution_timeout: None, owner: "esteira".into() }
    }
}

/// A task before its place in the graph is known.
pub(super) struct Draft<'n> {
    pub(super) task: Task,
    /// The place of its name.
    pub(super) mark: Mark,
    /// The tasks that it waits for, each with its place.
    pub(super) depends_on: Vec<(String, Mark)>,
    /// Its arguments, with their places.
    pub(super) with: Option<&'n Node>,
}

pub(super) fn lower<'n>(
    entry: &'n Entry,
    defaults: &Defaults,
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) -> Draft<'n> {
    lower::check_name(&entry.key, "task name", entry.mark, report);
    // A task that is no mapping goes on without keys, so that those that depend on it are not reported too.
    let fields = TASK.fields(&entry.value, entry.mark, report).unwrap_or_else(|| Fields::none(entry.mark));
    let with = fields.given("with");
    let operator = operator(entry, &fields, with, catalog, report);
    let settings = settings(&fields, defaults, report);
    let depends_on = fields.given("depends_on").map(|node| values::text_or_list(node, "depends_on", report));
    let task = Task {
        task_id: TaskId::from(entry.key.as_str()),
        operator: operator.unwrap_or_default(),
        arguments: with.map_or_else(|| Value::Object(Map::new()), Node::to_value),
        has_templates: with.is_some_and(has_templates),
        retries: settings.retries,
        retry_delay: settings.retry_delay,
        execution_timeout: settings.execution_timeout,
        owner: settings.owner,
        doc_md: fields.given("doc_md").and_then(|node| values::text(node, "doc_md", report)),
    };
    Draft { task, mark: entry.mark, depends_on: depends_on.unwrap_or_default(), with }
}

/// The settings that a task, or default_args, gives over `defaults`.
pub(super) fn settings(fields: &Fields<'_>, defaults: &Defaults, report: &mut Report<'_>) -> Defaults {
    let mut settings = defaults.clone();
    if let Some(retries) = fields.given("retries").and_then(|node| values::count(node, "retries", report)) {
        settings.retries = retries;
    }
    let delay =
        fields.given("retry_delay").and_then(|node| values::length_of_time(node, "retry_delay", report));
    settings.retry_delay = delay.unwrap_or(settings.retry_delay);
    if let Some(entry) = fields.get("execution_timeout") {
        // A task may write null to have none, whatever the defaults say.
        settings.execution_timeout = timeout(&entry.value, report);
    }
    if let Some(owner) = fields.given("owner").and_then(|node| values::text(node, "owner", report)) {
        settings.owner = owner;
    }
    settings
}

fn timeout(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    if node.is_null() {
        return None;
    }
    let timeout = values::length_of_time(node, "execution_timeout", report)?;
    if timeout.is_zero() {
        let fault = Fault::error("bad-duration", node.mark, "execution_timeout must be longer than nothing");
        report.add(fault.hint("leave it out for no limit".to_owned()));
    }
    Some(timeout)
}

/// The operator's name, if there is such an operator; its arguments are checked then.
fn operator(
    entry: &Entry,
    fields: &Fields<'_>,
    with: Option<&Node>,
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
    let name = values::text(node, "operator", report)?;
    let Some(signature) = catalog.signature(&name) else {
        let hint = if report.is_full() { None } else { unknown_operator_hint(&name, catalog) };
        report.add(
            Fault::error("unknown-operator", node.mark, format!("unknown operator {}", quoted(&name)))
                .hint(hint),
        );
        return None;
    };
    arguments::check(signature, node.mark, fields.get("with"), with, catalog, report);
    Some(name)
}

fn unknown_operator_hint(name: &str, catalog: &dyn Catalog) -> Option<String> {
    let plain = name.strip_suffix("Operator").unwrap_or(name);
    did_you_mean(plain, catalog.names()).or_else(|| operator_list(catalog))
}

fn operator_list(catalog: &dyn Catalog) -> Option<String> {
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
