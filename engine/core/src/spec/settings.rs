//! What a task, or default_args for all tasks, says about when and how it is run.

use super::keys::Fields;
use super::marked::{Content, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::values;
use crate::admission::WeightRule;
use crate::dag::{FailureClass, RetryPolicy, Task};
use crate::run::TriggerRule;
use std::time::Duration;

/// The settings that a task, or default_args, gives over `defaults`; the rest of the task is that of `defaults`.
pub(super) fn settings(fields: &Fields<'_>, defaults: &Task, report: &mut Report<'_>) -> Task {
    let mut task = defaults.clone();
    retries(fields, &mut task.retry, report);
    slots(fields, &mut task, report);
    if let Some(entry) = fields.get("execution_timeout") {
        // A task may write null to have none, whatever the defaults say.
        task.execution_timeout = limit(&entry.value, "execution_timeout", report);
    }
    if let Some(owner) = fields.given("owner").and_then(|node| values::text(node, "owner", report)) {
        task.owner = owner;
    }
    let mut flag = |key| fields.given(key).and_then(|node| values::boolean(node, key, report));
    task.depends_on_past = flag("depends_on_past").unwrap_or(task.depends_on_past);
    task.wait_for_downstream = flag("wait_for_downstream").unwrap_or(task.wait_for_downstream);
    if let Some(rule) = choice(fields, "trigger_rule", TriggerRule::ALL, TriggerRule::as_str, report) {
        task.trigger_rule = rule;
    }
    task
}

/// Whether and when failures are tried again, over what `retry` says.
pub(super) fn retries(fields: &Fields<'_>, retry: &mut RetryPolicy, report: &mut Report<'_>) {
    if let Some(retries) = fields.given("retries").and_then(|node| values::count(node, "retries", report)) {
        retry.retries = retries;
    }
    let mut length = |key| fields.given(key).and_then(|node| values::length_of_time(node, key, report));
    retry.retry_delay = length("retry_delay").unwrap_or(retry.retry_delay);
    retry.max_retry_delay = length("max_retry_delay").or(retry.max_retry_delay);
    let key = "retry_exponential_backoff";
    if let Some(factor) = fields.given(key).and_then(|node| backoff(node, report)) {
        retry.exponential_backoff = factor;
    }
    if let Some(node) = fields.given("retry_on") {
        retry.retry_on = failure_classes(node, "retry_on", report);
    }
    if let Some(node) = fields.given("never_retry_on") {
        retry.never_retry_on = failure_classes(node, "never_retry_on", report);
    }
}

/// A number from 1 up, or 0 for none; `true` stands for 2, as in Airflow 2.
fn backoff(node: &Node, report: &mut Report<'_>) -> Option<f64> {
    let factor = match &node.content {
        Content::Bool(is_on) => Some(if *is_on { 2.0 } else { 0.0 }),
        Content::Number(number) => number.as_f64().filter(|factor| *factor == 0.0 || *factor >= 1.0),
        _ => None,
    };
    if factor.is_none() {
        let message = "retry_exponential_backoff must be a number from 1 up, or 0 for a constant delay";
        let hint = "with 2 the delay doubles with each failure".to_owned();
        report.add(Fault::error("wrong-type", node.mark, message).hint(hint));
    }
    factor
}

/// Exit codes and error classes, one or a list of them.
fn failure_classes(node: &Node, key: &str, report: &mut Report<'_>) -> Vec<FailureClass> {
    let items = match &node.content {
        Content::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut classes = Vec::with_capacity(items.len());
    for item in items {
        let class = match &item.content {
            Content::Number(number) => {
                number.as_i64().and_then(|code| i32::try_from(code).ok()).map(FailureClass::ExitCode)
            }
            Content::Text(name) => Some(FailureClass::Error(name.clone())),
            _ => None,
        };
        if class.is_none() {
            let message =
                format!("{key} takes exit codes (75) and error classes (timed_out), not {}", item.describe());
            report.add(Fault::error("wrong-type", item.mark, message));
        }
        classes.extend(class);
    }
    classes
}

fn slots(fields: &Fields<'_>, task: &mut Task, report: &mut Report<'_>) {
    if let Some(pool) = fields.given("pool").and_then(|node| values::text(node, "pool", report)) {
        task.pool = pool;
    }
    let mut positive = |key| fields.given(key).and_then(|node| values::positive(node, key, report));
    task.pool_slots = positive("pool_slots").unwrap_or(task.pool_slots);
    task.max_active_tis_per_dag = positive("max_active_tis_per_dag").or(task.max_active_tis_per_dag);
    task.max_active_tis_per_dagrun = positive("max_active_tis_per_dagrun").or(task.max_active_tis_per_dagrun);
    let weight =
        fields.given("priority_weight").and_then(|node| values::whole(node, "priority_weight", report));
    task.priority_weight = weight.unwrap_or(task.priority_weight);
    if let Some(rule) = choice(fields, "weight_rule", WeightRule::ALL, WeightRule::as_str, report) {
        task.weight_rule = rule;
    }
}

/// A length of time that is more than nothing; null for no limit.
pub(super) fn limit(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Duration> {
    if node.is_null() {
        return None;
    }
    let limit = values::length_of_time(node, key, report)?;
    if limit.is_zero() {
        let fault = Fault::error("bad-duration", node.mark, format!("{key} must be longer than nothing"));
        report.add(fault.hint("leave it out for no limit".to_owned()));
    }
    Some(limit)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    fields: &Fields<'_>,
    key: &str,
    all: &[T],
    label: impl Fn(T) -> &'static str,
    report: &mut Report<'_>,
) -> Option<T> {
    let node = fields.given(key)?;
    let word = values::text(node, key, report)?;
    let found = all.iter().copied().find(|value| label(*value) == word);
    if found.is_none() {
        let labels: Vec<&str> = all.iter().map(|value| label(*value)).collect();
        let hint = did_you_mean(&word, labels.iter().copied())
            .unwrap_or_else(|| format!("it is one of {}", labels.join(", ")));
        let message = format!("{key} {} does not exist", quoted(&word));
        report.add(Fault::error("unknown-choice", node.mark, message).hint(hint));
    }
    found
}
