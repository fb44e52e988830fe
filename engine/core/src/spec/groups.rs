//! Task groups: nested mappings of tasks, with one name for all of them.

use super::callbacks::Reading;
use super::keys::{Fields, GROUP};
use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report};
use super::task::{self, Draft};
use super::{lower, mapping, values};
use crate::dag::{Group, GroupIndex, Task};

/// How deep groups may lie in each other; each level is a name in every task's id.
const DEPTH_MAX: usize = 16;

/// A group before its tasks are wired.
pub(super) struct GroupDraft<'n> {
    pub(super) group: Group,
    /// The place of its name.
    pub(super) mark: Mark,
    /// What it is expanded over, with its place.
    pub(super) expand: Option<&'n Node>,
    /// What its first tasks wait for, each with its place.
    pub(super) depends_on: Vec<(String, Mark)>,
}

/// Where tasks and groups are gathered, in the order of the file.
pub(super) struct Gathering<'n, 'c> {
    pub(super) drafts: Vec<Draft<'n>>,
    pub(super) groups: Vec<GroupDraft<'n>>,
    pub(super) defaults: Task,
    pub(super) callbacks: Reading<'n, 'c>,
}

impl<'n> Gathering<'n, '_> {
    /// The tasks of a mapping, as members of a group or of the DAG itself.
    pub(super) fn tasks(&mut self, entries: &'n [Entry], group: Option<GroupIndex>, report: &mut Report<'_>) {
        let prefix = self.prefix(group);
        for entry in entries {
            let mut draft = task::lower(entry, &prefix, &self.defaults, &mut self.callbacks, report);
            draft.task.group = group;
            self.drafts.push(draft);
        }
    }

    /// The groups under `task_groups`.
    pub(super) fn groups(&mut self, entry: &'n Entry, parent: Option<GroupIndex>, report: &mut Report<'_>) {
        let Content::Map(entries) = &entry.value.content else {
            if !entry.value.is_null() {
                let message = format!(
                    "task_groups must be a mapping from names to groups, not {}",
                    entry.value.describe()
                );
                report.add(Fault::error("wrong-type", entry.value.mark, message));
            }
            return;
        };
        for entry in entries {
            self.group(entry, parent, report);
        }
    }

    fn group(&mut self, entry: &'n Entry, parent: Option<GroupIndex>, report: &mut Report<'_>) {
        let is_named = lower::check_name(&entry.key, "group name", entry.mark, report);
        let Some(fields) = GROUP.fields(&entry.value, entry.mark, report).filter(|_| is_named) else {
            return;
        };
        if self.depth(parent) >= DEPTH_MAX {
            let message = format!("groups may lie {DEPTH_MAX} deep in each other");
            report.add(Fault::error("too-deep", entry.mark, message));
            return;
        }
        let index = GroupIndex(self.groups.len() as u32);
        let written = mapping::mapping(&fields, report);
        let group = Group {
            group_id: format!("{}{}", self.prefix(parent), entry.key),
            tooltip: fields.given("tooltip").and_then(|node| values::text(node, "tooltip", report)),
            parent,
            mapping: written.as_ref().map(|written| written.mapping.clone()),
        };
        let depends_on =
            fields.given("depends_on").map(|node| values::text_or_list(node, "depends_on", report));
        let depends_on = depends_on.unwrap_or_default();
        let expand = written.map(|written| written.node);
        self.groups.push(GroupDraft { group, mark: entry.mark, expand, depends_on });
        let outer = self.defaults.clone();
        self.defaults = lower::defaults(&fields, &outer, &mut self.callbacks, report);
        self.members(&fields, entry, index, report);
        self.defaults = outer;
    }

    fn members(&mut self, fields: &Fields<'n>, entry: &Entry, index: GroupIndex, report: &mut Report<'_>) {
        let before = self.drafts.len();
        match fields.get("tasks").map(|entry| (&entry.value.content, entry)) {
            Some((Content::Map(entries), _)) => self.tasks(entries, Some(index), report),
            Some((Content::Null, _)) | None => {}
            Some((_, tasks)) => lower::report_wrong_tasks(tasks, report),
        }
        if let Some(entry) = fields.get("task_groups") {
            self.groups(entry, Some(index), report);
        }
        if self.drafts.len() == before {
            report.add(Fault::error("no-tasks", entry.mark, "a group must have at least one task"));
        }
    }

    fn prefix(&self, group: Option<GroupIndex>) -> String {
        group.map_or_else(String::new, |group| format!("{}.", self.groups[group.get()].group.group_id))
    }

    fn depth(&self, group: Option<GroupIndex>) -> usize {
        std::iter::successors(group, |group| self.groups[group.get()].group.parent).count()
    }
}
