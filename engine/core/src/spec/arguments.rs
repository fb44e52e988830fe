//! A task's `with:` against its operator's signature.

use super::keys::TASK;
use super::mapping::Written;
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::task::has_templates;
use crate::catalog::{Argument, ArgumentKind, Catalog, Signature};

/// What a task gives its operator.
pub(super) struct Arguments<'w, 'n> {
    /// The same for every instance.
    pub(super) with: Option<&'n Node>,
    /// Different for each, if the task is mapped.
    pub(super) expanded: Option<&'w Written<'n>>,
}

/// Checks the arguments in `with` (the whole entry is `written`, null or not) for the operator named at `mark`.
pub(super) fn check(
    signature: &Signature,
    mark: Mark,
    written: Option<&Entry>,
    arguments: &Arguments<'_, '_>,
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) {
    let with = arguments.with;
    let entries: &[Entry] = match with.map(|node| &node.content) {
        None => &[],
        Some(Content::Map(entries)) => entries,
        Some(_) => {
            let node = with.map_or(mark, |node| node.mark);
            let described = with.map(Node::describe).unwrap_or_default();
            let message = format!("with must be a mapping from arguments to values, not {described}");
            report.add(Fault::error("wrong-type", node, message));
            return;
        }
    };
    for entry in entries {
        match signature.argument(&entry.key) {
            Some(argument) => check_value(signature, argument, &entry.value, catalog, report),
            None => report_unknown(signature, entry, report),
        }
    }
    let Some(expanded) = check_expanded(signature, arguments.expanded, entries, catalog, report) else {
        return;
    };
    let is_given =
        |argument: &&Argument| entries.iter().chain(expanded).any(|entry| entry.key == argument.name);
    let missing = signature.arguments.iter().filter(|argument| argument.required);
    for argument in missing.filter(|argument| !is_given(argument)) {
        let place = written.map_or(mark, |entry| entry.mark);
        let message = format!("the operator \"{}\" needs the argument \"{}\"", signature.name, argument.name);
        let hint = format!("write \"{}: …\" under \"with\": {}", argument.name, argument.help);
        report.add(Fault::error("missing-argument", place, message).hint(hint));
    }
}

/// Checks what a task is expanded over; gives the arguments that are named there, or none when they are not known yet.
fn check_expanded<'n>(
    signature: &Signature,
    written: Option<&Written<'n>>,
    constants: &[Entry],
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) -> Option<&'n [Entry]> {
    let Some(written) = written else { return Some(&[]) };
    let entries = written.entries()?;
    for entry in entries {
        let Some(argument) = signature.argument(&entry.key) else {
            report_unknown(signature, entry, report);
            continue;
        };
        if constants.iter().any(|constant| constant.key == entry.key) {
            let message = format!(
                "the argument {} is given twice: as a constant, and to expand over",
                quoted(&entry.key)
            );
            report.add(Fault::error("given-twice", entry.mark, message));
        }
        if let Content::List(items) = &entry.value.content {
            items.iter().for_each(|item| check_value(signature, argument, item, catalog, report));
        }
    }
    Some(entries)
}

fn check_value(
    signature: &Signature,
    argument: &Argument,
    node: &Node,
    catalog: &dyn Catalog,
    report: &mut Report<'_>,
) {
    let is_template = node.as_text().is_some_and(crate::template::contains_template);
    if is_template {
        return;
    }
    let value = node.to_value();
    if !argument.kind.accepts(&value) {
        let message = format!("{} takes {}, not {}", argument.name, argument.kind.describe(), written(node));
        report.add(Fault::error("wrong-type", node.mark, message).hint(type_hint(argument, node)));
        return;
    }
    if has_templates(node) {
        return;
    }
    if let Err(reason) = catalog.check(signature.name, argument.name, &value) {
        report.add(Fault::error("bad-argument", node.mark, format!("{}: {reason}", argument.name)));
    }
}

fn written(node: &Node) -> String {
    match node.as_text() {
        Some(text) => quoted(text),
        None => node.describe(),
    }
}

fn type_hint(argument: &Argument, node: &Node) -> Option<String> {
    match (argument.kind, &node.content) {
        (_, Content::Null) if !argument.required => Some("leave the argument out to have its default".into()),
        (ArgumentKind::Choice(choices), Content::Text(text)) => did_you_mean(text, choices.iter().copied()),
        (ArgumentKind::Text, Content::Number(_) | Content::Bool(_)) => Some("put quotes around it".into()),
        (ArgumentKind::Integer | ArgumentKind::Number, Content::Text(text))
            if text.parse::<f64>().is_ok() =>
        {
            Some("write the number without quotes".into())
        }
        (ArgumentKind::Boolean, Content::Text(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "true" => Some("write true".into()),
            "no" | "off" | "false" => Some("write false".into()),
            _ => None,
        },
        (ArgumentKind::List, Content::Text(_) | Content::Number(_)) => {
            Some("write it as a list: [ … ]".into())
        }
        (ArgumentKind::Duration, Content::Text(_)) => super::duration::from_value(&node.to_value()).err(),
        _ => None,
    }
}

fn report_unknown(signature: &Signature, entry: &Entry, report: &mut Report<'_>) {
    let message = format!("the operator \"{}\" has no argument {}", signature.name, quoted(&entry.key));
    let hint = if report.is_full() { None } else { unknown_hint(signature, &entry.key) };
    report.add(Fault::error("unknown-argument", entry.mark, message).hint(hint));
}

fn unknown_hint(signature: &Signature, key: &str) -> Option<String> {
    if TASK.has(key) && key != "with" {
        return Some(format!(
            "\"{key}\" is a key of the task: write it beside \"operator\", not under \"with\""
        ));
    }
    let names = || signature.arguments.iter().map(|argument| argument.name);
    did_you_mean(key, names()).or_else(|| {
        let list = names().collect::<Vec<_>>().join(", ");
        Some(if list.is_empty() {
            "it takes no arguments".into()
        } else {
            format!("its arguments are {list}")
        })
    })
}
