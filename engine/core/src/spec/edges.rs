//! Who waits for whom: from the names under `depends_on` to the graph.
//!
//! A name is looked for in the task's own group first, then in the groups around it. A group's name stands for the
//! last tasks of the group (those that no other task of it waits for, as if its teardowns were not there: Airflow's
//! `TaskGroup.get_leaves`); what a group waits for, its first tasks wait for.

use super::groups::GroupDraft;
use super::marked::Mark;
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;
use super::task::Draft;
use crate::dag::{Cycle, Graph, GroupIndex, TaskIndex};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How many tasks of a cycle are printed before it is cut short.
const CYCLE_SHOWN_MAX: usize = 20;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Task(TaskIndex),
    Group(GroupIndex),
}

/// The tasks and groups of a file by name.
pub(super) struct Wiring {
    places: HashMap<String, Place>,
    /// Each group's tasks, those of the groups in it among them.
    members: Vec<BTreeSet<TaskIndex>>,
    parents: Vec<Option<GroupIndex>>,
}

impl Wiring {
    pub(super) fn new(drafts: &[Draft<'_>], groups: &[GroupDraft<'_>], report: &mut Report<'_>) -> Self {
        let mut places = HashMap::new();
        for (place, group) in groups.iter().enumerate() {
            places.insert(group.group.group_id.clone(), Place::Group(GroupIndex(place as u32)));
        }
        let parents: Vec<_> = groups.iter().map(|group| group.group.parent).collect();
        let mut members = vec![BTreeSet::new(); groups.len()];
        for (place, draft) in drafts.iter().enumerate() {
            let task = TaskIndex(place as u32);
            let name = draft.task.task_id.as_str();
            if places.insert(name.to_owned(), Place::Task(task)).is_some() {
                let message =
                    format!("{} names two things: tasks and groups need names of their own", quoted(name));
                report.add(Fault::error("duplicate-name", draft.mark, message));
            }
            for group in ancestors(draft.task.group, &parents) {
                members[group.get()].insert(task);
            }
        }
        Self { places, members, parents }
    }

    /// The task of this full name.
    pub(super) fn index_of(&self, name: &str) -> Option<TaskIndex> {
        match self.places.get(name) {
            Some(Place::Task(task)) => Some(*task),
            _ => None,
        }
    }

    /// Whether the task is in the group, or in one that is in it.
    pub(super) fn is_member(&self, task: TaskIndex, group: GroupIndex) -> bool {
        self.members[group.get()].contains(&task)
    }

    /// What a name means to a member of `group`.
    fn resolve(&self, name: &str, group: Option<GroupIndex>, groups: &[GroupDraft<'_>]) -> Option<Place> {
        let inside = ancestors(group, &self.parents)
            .find_map(|group| self.places.get(&format!("{}.{name}", groups[group.get()].group.group_id)));
        inside.or_else(|| self.places.get(name)).copied()
    }

    fn tasks_of(&self, place: Place, last: &[Vec<TaskIndex>]) -> Vec<TaskIndex> {
        match place {
            Place::Task(task) => vec![task],
            Place::Group(group) => last[group.get()].clone(),
        }
    }
}

/// The group and those around it, the innermost first.
fn ancestors<'p>(
    group: Option<GroupIndex>,
    parents: &'p [Option<GroupIndex>],
) -> impl Iterator<Item = GroupIndex> + 'p {
    std::iter::successors(group, |group| parents[group.get()])
}

/// The graph, if there is no cycle; what is wrong with the names has been reported.
pub(super) fn graph(
    drafts: &[Draft<'_>],
    groups: &[GroupDraft<'_>],
    wiring: &Wiring,
    report: &mut Report<'_>,
) -> Option<Graph> {
    let names = Names { drafts, groups, wiring };
    let of_tasks: Vec<Vec<Place>> = drafts.iter().map(|draft| names.of_task(draft, report)).collect();
    let of_groups: Vec<Vec<Place>> = groups.iter().map(|group| names.of_group(group, report)).collect();
    let mut upstream: Vec<Vec<TaskIndex>> = vec![Vec::new(); drafts.len()];
    let mut last: Vec<Vec<TaskIndex>> = vec![Vec::new(); groups.len()];
    // A group stands after the one that it is in: from the end, inner ones come first.
    for place in (0..groups.len()).rev() {
        let members = &wiring.members[place];
        let is_teardown = |task: TaskIndex| drafts[task.get()].task.is_teardown;
        let group = GroupIndex(place as u32);
        let last_but = |is_left_out: &dyn Fn(TaskIndex) -> bool| -> Vec<TaskIndex> {
            let awaited = awaited_inside(group, &of_tasks, &of_groups, &last, wiring, is_left_out);
            members.iter().copied().filter(|task| !awaited.contains(task) && !is_left_out(*task)).collect()
        };
        let found = last_but(&is_teardown);
        // A group of nothing but teardowns has its own last ones.
        last[place] = if found.is_empty() { last_but(&|_| false) } else { found };
    }
    for (task, waits_for) in of_tasks.iter().enumerate() {
        extend(&mut upstream[task], waits_for.iter().flat_map(|place| wiring.tasks_of(*place, &last)));
    }
    for place in (0..groups.len()).rev() {
        let members = &wiring.members[place];
        let waits_for: Vec<TaskIndex> =
            of_groups[place].iter().flat_map(|awaited| wiring.tasks_of(*awaited, &last)).collect();
        for task in members {
            let is_first = upstream[task.get()].iter().all(|other| !members.contains(other));
            if is_first {
                extend(&mut upstream[task.get()], waits_for.iter().copied());
            }
        }
    }
    match Graph::new(upstream) {
        Ok(graph) => Some(graph),
        Err(cycles) => {
            for cycle in cycles {
                report_cycle(&cycle, drafts, wiring, report);
            }
            None
        }
    }
}

/// The tasks of a group that something in the same group waits for, without what is left out.
fn awaited_inside(
    group: GroupIndex,
    of_tasks: &[Vec<Place>],
    of_groups: &[Vec<Place>],
    last: &[Vec<TaskIndex>],
    wiring: &Wiring,
    is_left_out: &dyn Fn(TaskIndex) -> bool,
) -> HashSet<TaskIndex> {
    let members = wiring.members[group.get()].iter().filter(|task| !is_left_out(**task));
    let by_tasks = members.flat_map(|task| &of_tasks[task.get()]);
    let is_inside = |other: GroupIndex| {
        other != group && ancestors(Some(other), &wiring.parents).any(|outer| outer == group)
    };
    let by_groups = (0..of_groups.len() as u32)
        .map(GroupIndex)
        .filter(|other| is_inside(*other))
        .flat_map(|other| &of_groups[other.get()]);
    let awaited = by_tasks.chain(by_groups).flat_map(|place| wiring.tasks_of(*place, last));
    awaited.filter(|task| wiring.members[group.get()].contains(task)).collect()
}

/// Adds what is not there yet: a task may be named itself and as part of a group.
fn extend(list: &mut Vec<TaskIndex>, more: impl Iterator<Item = TaskIndex>) {
    let mut known: HashSet<TaskIndex> = list.iter().copied().collect();
    list.extend(more.filter(|task| known.insert(*task)));
}

/// Looks names up, and reports those that mean nothing.
struct Names<'a, 'n> {
    drafts: &'a [Draft<'n>],
    groups: &'a [GroupDraft<'a>],
    wiring: &'a Wiring,
}

impl Names<'_, '_> {
    fn of_task(&self, draft: &Draft<'_>, report: &mut Report<'_>) -> Vec<Place> {
        let own = self.wiring.places.get(draft.task.task_id.as_str()).copied();
        self.look_up(draft.task.task_id.as_str(), own, draft.task.group, &draft.depends_on, report)
    }

    fn of_group(&self, draft: &GroupDraft<'_>, report: &mut Report<'_>) -> Vec<Place> {
        let own = self.wiring.places.get(draft.group.group_id.as_str()).copied();
        self.look_up(&draft.group.group_id, own, draft.group.parent, &draft.depends_on, report)
    }

    /// What a task or group waits for, each once.
    fn look_up(
        &self,
        own_name: &str,
        own: Option<Place>,
        group: Option<GroupIndex>,
        depends_on: &[(String, Mark)],
        report: &mut Report<'_>,
    ) -> Vec<Place> {
        let mut seen: HashMap<Place, Mark> = HashMap::new();
        let mut places = Vec::with_capacity(depends_on.len());
        for (name, mark) in depends_on {
            let Some(place) = self.wiring.resolve(name, group, self.groups) else {
                self.report_unknown(own_name, name, *mark, report);
                continue;
            };
            if Some(place) == own {
                let what = if matches!(place, Place::Group(_)) { "group" } else { "task" };
                let message = format!("the {what} {} depends on itself", quoted(own_name));
                report.add(Fault::error("self-dependency", *mark, message));
            } else if self.is_around(place, group) {
                let message =
                    format!("{} depends on {}, the group that it is in", quoted(own_name), quoted(name));
                report.add(Fault::error("self-dependency", *mark, message));
            } else if let Some(first) = seen.get(&place) {
                let message = format!("{} is in depends_on twice", quoted(name));
                let fault = Fault::error("duplicate-dependency", *mark, message);
                report.add(fault.related(*first, "first here", "again here"));
            } else {
                seen.insert(place, *mark);
                places.push(place);
            }
        }
        places
    }

    fn is_around(&self, place: Place, group: Option<GroupIndex>) -> bool {
        let Place::Group(other) = place else { return false };
        ancestors(group, &self.wiring.parents).any(|outer| outer == other)
    }

    fn report_unknown(&self, own: &str, name: &str, mark: Mark, report: &mut Report<'_>) {
        let tasks = self.drafts.iter().map(|other| other.task.task_id.as_str());
        let groups = self.groups.iter().map(|other| other.group.group_id.as_str());
        let names = tasks.chain(groups).filter(|other| *other != own);
        let hint = if report.is_full() { None } else { did_you_mean(name, names) };
        let message = format!("{} depends on {}, which is no task of this DAG", quoted(own), quoted(name));
        report.add(Fault::error("unknown-dependency", mark, message).hint(hint));
    }
}

/// Says the cycle in the order in which its tasks would run, and points at the dependency that closes it.
fn report_cycle(cycle: &Cycle, drafts: &[Draft<'_>], wiring: &Wiring, report: &mut Report<'_>) {
    let Cycle(tasks) = cycle;
    let (Some(first), Some(last)) = (tasks.first(), tasks.last()) else { return };
    let name = |index: TaskIndex| drafts[index.get()].task.task_id.as_str();
    let mut path: Vec<&str> = tasks.iter().take(CYCLE_SHOWN_MAX).map(|task| name(*task)).collect();
    if tasks.len() > CYCLE_SHOWN_MAX {
        path.push("…");
        path.push(name(*last));
    }
    path.push(name(*first));
    let closing = &drafts[first.get()];
    let dependency = closing.depends_on.iter().find(|(upstream, _)| wiring.index_of(upstream) == Some(*last));
    let mark = dependency.map_or(closing.mark, |(_, mark)| *mark);
    let length =
        if tasks.len() > CYCLE_SHOWN_MAX { format!(" of {} tasks", tasks.len()) } else { String::new() };
    let message = format!("the tasks wait for each other in a cycle{length}: {}", path.join(" -> "));
    let hint = "take one of these dependencies away".to_owned();
    report.add(Fault::error("cycle", mark, message).hint(hint));
}

/// Answers which task waits for which, directly or through others, and remembers what it found on the way.
pub(super) struct Reach<'g> {
    graph: &'g Graph,
    /// For each task asked about: a bit for every task that waits for it.
    waiting: HashMap<TaskIndex, Vec<u64>>,
}

impl<'g> Reach<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        Self { graph, waiting: HashMap::new() }
    }

    /// Whether `task` waits for `other`.
    pub(super) fn is_upstream(&mut self, other: TaskIndex, task: TaskIndex) -> bool {
        if self.graph.upstream(task).contains(&other) {
            return true;
        }
        let waiting = self.waiting.entry(other).or_insert_with(|| waiting_for(self.graph, other));
        waiting[task.get() / 64] & bit(task) != 0
    }
}

fn bit(task: TaskIndex) -> u64 {
    1 << (task.get() % 64)
}

fn waiting_for(graph: &Graph, task: TaskIndex) -> Vec<u64> {
    let mut waiting = vec![0; graph.order().len().div_ceil(64)];
    let mut open = vec![task];
    while let Some(next) = open.pop() {
        for downstream in graph.downstream(next) {
            let word = &mut waiting[downstream.get() / 64];
            if *word & bit(*downstream) == 0 {
                *word |= bit(*downstream);
                open.push(*downstream);
            }
        }
    }
    waiting
}
