//! What a task or a group is expanded over: `expand`, `expand_zip` and `expand_kwargs`.

use super::groups::GroupDraft;
use super::keys::Fields;
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::task::{Draft, has_templates};
use crate::dag::{GroupIndex, Mapping, MappingKind};
use crate::template::contains_template;

/// A mapping and where it stands.
pub(super) struct Written<'n> {
    pub(super) mapping: Mapping,
    pub(super) node: &'n Node,
}

/// The mapping that the fields of a task or a group give, if any.
pub(super) fn mapping<'n>(fields: &Fields<'n>, report: &mut Report<'_>) -> Option<Written<'n>> {
    let given = MappingKind::ALL.iter().filter_map(|kind| Some((*kind, fields.get(kind.as_str())?)));
    let given: Vec<(MappingKind, &'n Entry)> = given.filter(|(_, entry)| !entry.value.is_null()).collect();
    let (kind, entry) = *given.first()?;
    if let Some((other, second)) = given.get(1) {
        let message = format!("{kind} and {other} cannot stand together");
        report.add(Fault::error("several-mappings", second.mark, message));
    }
    let node = &entry.value;
    let is_good = match kind {
        MappingKind::Each => is_list_of_mappings(node, report),
        MappingKind::Product | MappingKind::Zip => is_mapping_of_lists(kind, node, report),
    };
    let mapping = Mapping { kind, over: node.to_value(), has_templates: has_templates(node) };
    is_good.then_some(Written { mapping, node })
}

impl<'n> Written<'n> {
    /// The names that each instance gets a value for; none when that is known only when it runs.
    pub(super) fn entries(&self) -> Option<&'n [Entry]> {
        match &self.node.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }
}

fn is_template(node: &Node) -> bool {
    node.as_text().is_some_and(contains_template)
}

fn is_mapping_of_lists(kind: MappingKind, node: &Node, report: &mut Report<'_>) -> bool {
    let Content::Map(entries) = &node.content else {
        let message = format!("{kind} must be a mapping from arguments to lists, not {}", node.describe());
        report.add(Fault::error("wrong-type", node.mark, message));
        return false;
    };
    if entries.is_empty() {
        report.add(Fault::error("wrong-type", node.mark, format!("{kind} names nothing to expand over")));
    }
    for entry in entries {
        let is_list = matches!(entry.value.content, Content::List(_) | Content::Map(_));
        if !is_list && !is_template(&entry.value) {
            let name = quoted(&entry.key);
            let message = format!("{kind} takes a list for {name}, not {}", entry.value.describe());
            let hint = "write a list, or a template that gives one; a constant stands under with".to_owned();
            report.add(Fault::error("wrong-type", entry.value.mark, message).hint(hint));
        }
    }
    !entries.is_empty()
}

fn is_list_of_mappings(node: &Node, report: &mut Report<'_>) -> bool {
    let is_good = match &node.content {
        Content::List(items) => {
            items.iter().all(|item| matches!(item.content, Content::Map(_)) || is_template(item))
        }
        _ => is_template(node),
    };
    if !is_good {
        let message =
            "expand_kwargs must be a list of mappings from arguments to values, or a template that gives one";
        report.add(Fault::error("wrong-type", node.mark, message));
    }
    is_good
}

/// Reports what is mapped inside of what is mapped: Airflow has no such thing either.
pub(super) fn report_nested(drafts: &[Draft<'_>], groups: &[GroupDraft<'_>], report: &mut Report<'_>) {
    let outer_of = |group: Option<GroupIndex>| {
        let around = std::iter::successors(group, |inner| groups[inner.get()].group.parent);
        around.into_iter().find(|group| groups[group.get()].group.mapping.is_some())
    };
    let mut nested = |mark: Mark, what: &str, outer: GroupIndex| {
        let outer = quoted(&groups[outer.get()].group.group_id);
        let message = format!("{what} is mapped inside of the mapped group {outer}");
        let hint = "what is mapped cannot hold what is mapped: expand over both lists at once".to_owned();
        report.add(Fault::error("nested-mapping", mark, message).hint(hint));
    };
    for draft in drafts.iter().filter(|draft| draft.task.mapping.is_some()) {
        if let Some(outer) = outer_of(draft.task.group) {
            nested(draft.mark, "the task", outer);
        }
    }
    for draft in groups.iter().filter(|draft| draft.group.mapping.is_some()) {
        if let Some(outer) = outer_of(draft.group.parent) {
            nested(draft.mark, "the group", outer);
        }
    }
}
