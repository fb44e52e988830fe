//! Which task groups get a panel in the picture of a DAG, and what is written in it: inside a panel, a name says only
//! what the panel does not say already.

use std::collections::BTreeMap;

/// How many rows a panel keeps free above and below, of those that are not its group's.
const ROOM: f64 = 0.9;

/// The soft panel behind the tasks of a group, with those of the groups inside it.
#[derive(Debug, PartialEq)]
pub(super) struct Panel<'a> {
    /// The group's id, with those that it is inside of.
    pub(super) group: &'a str,
    /// The id less that of the panel around this one.
    pub(super) name: &'a str,
    /// The first and the last layer.
    pub(super) layers: (usize, usize),
    /// The first and the last row.
    pub(super) rows: (f64, f64),
    /// How many panels are inside this one, one in the other.
    pub(super) depth: usize,
}

/// The panels of these tasks, the outer ones first, so that the inner ones are drawn over them. `places` are the layer
/// and the row of each. A group has none where a task that is not of it stands between its tasks.
pub(super) fn panels<'a>(names: &[&'a str], places: &[(usize, f64)]) -> Vec<Panel<'a>> {
    let mut members: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
    for (name, place) in names.iter().zip(places) {
        for (end, _) in name.match_indices('.') {
            members.entry(&name[..end]).or_default().push(*place);
        }
    }
    let mut panels: Vec<Panel> = Vec::new();
    for (group, own) in &members {
        let (layers, rows) = extent(own);
        let is_inside = |(layer, row): &&(usize, f64)| {
            (layers.0..=layers.1).contains(layer) && *row > rows.0 - ROOM && *row < rows.1 + ROOM
        };
        if places.iter().filter(is_inside).count() == own.len() {
            let name = rest(group, around(group, &panels));
            panels.push(Panel { group, name, layers, rows, depth: 0 });
        }
    }
    // The inner ones come after those around them.
    for place in (0..panels.len()).rev() {
        let inner = panels[place + 1..].iter().filter(|inner| is_in(inner.group, panels[place].group));
        panels[place].depth = inner.map(|inner| inner.depth + 1).max().unwrap_or(0);
    }
    panels
}

/// The first and the last layer and row of these places, of which there is one at least.
fn extent(places: &[(usize, f64)]) -> ((usize, usize), (f64, f64)) {
    let layers = places.iter().map(|place| place.0);
    let rows = places.iter().map(|place| place.1);
    (
        (layers.clone().min().unwrap_or(0), layers.max().unwrap_or(0)),
        (rows.clone().fold(f64::INFINITY, f64::min), rows.fold(0.0, f64::max)),
    )
}

/// What is written on a task: its name less that of the innermost panel that it is in.
pub(super) fn name_in<'a>(task: &'a str, panels: &[Panel]) -> &'a str {
    rest(task, around(task, panels))
}

/// The innermost panel around a task or a group.
fn around<'a>(id: &str, panels: &'a [Panel]) -> Option<&'a str> {
    panels.iter().rev().map(|panel| panel.group).find(|group| is_in(id, group))
}

fn is_in(id: &str, group: &str) -> bool {
    id.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'))
}

fn rest<'a>(id: &'a str, group: Option<&str>) -> &'a str {
    group.map_or(id, |group| &id[group.len() + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["begin", "load.north.read", "load.north.check", "load.south.read", "end"];

    #[test]
    fn a_group_in_a_group_has_a_panel_in_the_panel() {
        let places = [(0, 0.5), (1, 0.0), (2, 0.0), (1, 1.0), (3, 0.5)];
        let panels = panels(&NAMES, &places);
        let told: Vec<_> = panels.iter().map(|panel| (panel.group, panel.name, panel.depth)).collect();
        assert_eq!(told, [("load", "load", 1), ("load.north", "north", 0), ("load.south", "south", 0)]);
        assert_eq!((panels[0].layers, panels[0].rows), ((1, 2), (0.0, 1.0)));
        assert_eq!((panels[1].layers, panels[1].rows), ((1, 2), (0.0, 0.0)));
        assert_eq!(NAMES.map(|name| name_in(name, &panels)), ["begin", "read", "check", "read", "end"]);
    }

    #[test]
    fn a_group_with_another_task_in_its_midst_has_no_panel_and_its_tasks_keep_their_names() {
        // `end` stands between the two tasks of load.north.
        let places = [(0, 0.5), (1, 0.0), (3, 0.0), (1, 1.0), (2, 0.0)];
        let panels = panels(&NAMES, &places);
        let told: Vec<_> = panels.iter().map(|panel| (panel.group, panel.name)).collect();
        assert_eq!(told, [("load.south", "load.south")]);
        assert_eq!(
            NAMES.map(|name| name_in(name, &panels)),
            ["begin", "load.north.read", "load.north.check", "read", "end"]
        );
    }
}
