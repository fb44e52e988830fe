//! A DAG as SVG: nodes of equal height with their state, gently curved edges. The colours are the style sheet's, by
//! the state's name, so that a script changes a state by changing an attribute.

use super::groups::{self, Panel};
use super::layout::{Edge, Layout, layout};
use crate::definition::Definition;
use crate::show::{Elapsed, Escaped, Mark};
use crate::tn;
use std::fmt;

/// The largest DAG that is drawn; beyond that, a picture helps nobody.
pub(crate) const NODES_MAX: usize = 600;

const NODE_HEIGHT: f64 = 46.0;
const ROW_HEIGHT: f64 = 70.0;
const GAP_ACROSS: f64 = 64.0;
/// Room for the panel of a group at the border.
const MARGIN: f64 = 20.0;
/// How far a panel reaches beyond its tasks: above them, where its name stands, below and at the sides.
const PANEL_ABOVE: f64 = 18.0;
const PANEL_BELOW: f64 = 5.0;
const PANEL_BESIDE: f64 = 12.0;
/// How much farther it reaches for each panel inside it.
const PANEL_STEP_ABOVE: f64 = 16.0;
const PANEL_STEP_BELOW: f64 = 5.0;
const PANEL_STEP_BESIDE: f64 = 9.0;
/// The width of a letter of a task's name, about.
const LETTER_WIDTH: f64 = 8.1;
/// The room around the name in its node.
const NAME_MARGIN: f64 = 54.0;
const NODE_WIDTH_MIN: f64 = 150.0;
const NAME_LETTERS_MAX: usize = 34;

/// What is known of a node in the run that is shown.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(crate) mark: Mark,
    pub(crate) elapsed: Elapsed,
    /// The page of the task instance; empty when no run is shown.
    pub(crate) url: String,
    /// What live events call it.
    pub(crate) key: String,
    /// Why it waits, while it does.
    pub(crate) why: Option<String>,
}

/// A picture of a DAG.
pub(crate) struct Drawing {
    layout: Layout,
    nodes: Vec<Node>,
    /// What is written on each node, which its panel may shorten.
    labels: Vec<String>,
    node_width: f64,
    /// How many panels stand around the innermost one, at most.
    depth: usize,
    /// The tasks that are lit, in their order.
    critical: Vec<usize>,
}

struct Node {
    name: String,
    operator: String,
    upstream: Vec<usize>,
    state: NodeState,
}

impl Drawing {
    /// Draws the DAG with the states that `state_of` gives by the task's place.
    pub(crate) fn new(definition: &Definition, state_of: impl Fn(usize) -> NodeState) -> Self {
        let upstream_of = |place: usize| definition.graph.upstream.get(place).cloned().unwrap_or_default();
        let nodes: Vec<Node> = definition
            .tasks
            .iter()
            .enumerate()
            .map(|(place, task)| Node {
                name: task.task_id.clone(),
                operator: task.operator.clone(),
                upstream: upstream_of(place),
                state: state_of(place),
            })
            .collect();
        let upstream: Vec<Vec<usize>> = nodes.iter().map(|node| node.upstream.clone()).collect();
        let layout = layout(&upstream);
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let panels = groups::panels(&names, &layout.places);
        let depth = panels.iter().map(|panel| panel.depth).max().unwrap_or(0);
        let labels: Vec<String> =
            names.iter().map(|name| shortened(groups::name_in(name, &panels))).collect();
        let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let node_width = (longest as f64 * LETTER_WIDTH + NAME_MARGIN).max(NODE_WIDTH_MIN);
        Self { layout, nodes, labels, node_width, depth, critical: Vec::new() }
    }

    /// With this chain of tasks lit.
    #[must_use]
    pub(crate) fn lit(mut self, critical: Vec<usize>) -> Self {
        self.critical = critical;
        self
    }

    fn margin_beside(&self) -> f64 {
        MARGIN + self.depth as f64 * PANEL_STEP_BESIDE
    }

    fn x(&self, layer: usize) -> f64 {
        self.margin_beside() + layer as f64 * (self.node_width + GAP_ACROSS)
    }

    /// Where a row begins; rows stand farther apart where panels are in panels.
    fn y(&self, row: f64) -> f64 {
        let depth = self.depth as f64;
        let gap = PANEL_STEP_ABOVE + PANEL_STEP_BELOW;
        MARGIN + depth * PANEL_STEP_ABOVE + row * (ROW_HEIGHT + depth * gap)
    }

    /// A soft panel behind the tasks of each group.
    fn write_groups(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        let panels = groups::panels(&names, &self.layout.places);
        panels.iter().try_for_each(|panel| self.write_panel(formatter, panel))
    }

    fn write_panel(&self, formatter: &mut fmt::Formatter<'_>, panel: &Panel<'_>) -> fmt::Result {
        let depth = panel.depth as f64;
        let beside = PANEL_BESIDE + depth * PANEL_STEP_BESIDE;
        let x = self.x(panel.layers.0) - beside;
        let y = self.y(panel.rows.0) - PANEL_ABOVE - depth * PANEL_STEP_ABOVE;
        let width = self.x(panel.layers.1) + self.node_width + beside - x;
        let height = self.y(panel.rows.1) + NODE_HEIGHT + PANEL_BELOW + depth * PANEL_STEP_BELOW - y;
        write!(
            formatter,
            "<g class=\"group\"><title>{}</title>\
             <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"10\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            Escaped(panel.group),
            x + 13.0,
            y + 12.5,
            Escaped(&shortened(panel.name))
        )
    }

    fn write_edge(&self, formatter: &mut fmt::Formatter<'_>, edge: &Edge) -> fmt::Result {
        let (layer, row) = self.layout.places[edge.from];
        let (mut x, mut y) = (self.x(layer) + self.node_width, self.y(row) + NODE_HEIGHT / 2.0);
        let is_lit = self.critical.windows(2).any(|pair| pair == [edge.from, edge.to]);
        let lit = if is_lit { " critical" } else { "" };
        write!(formatter, "<path class=\"edge{lit}\" d=\"M{x:.1} {y:.1}")?;
        for (step, waypoint) in edge.waypoints.iter().enumerate() {
            let (left, to_y) = (self.x(layer + 1 + step), self.y(*waypoint) + NODE_HEIGHT / 2.0);
            write_curve(formatter, (x, y), (left, to_y))?;
            x = left + self.node_width;
            y = to_y;
            write!(formatter, "H{x:.1}")?;
        }
        let (to_layer, to_row) = self.layout.places[edge.to];
        write_curve(formatter, (x, y), (self.x(to_layer), self.y(to_row) + NODE_HEIGHT / 2.0))?;
        write!(formatter, "\" data-from=\"{}\" data-to=\"{}\"/>", edge.from, edge.to)
    }

    fn write_node(&self, formatter: &mut fmt::Formatter<'_>, place: usize) -> fmt::Result {
        let node = &self.nodes[place];
        let (layer, row) = self.layout.places[place];
        let (x, y) = (self.x(layer), self.y(row));
        let NodeState { mark, elapsed, url, key, why } = &node.state;
        let lit = if self.critical.contains(&place) { " critical" } else { "" };
        let title = title(&node.name, *mark, elapsed, why.as_deref());
        let tag = if url.is_empty() { "g" } else { "a" };
        write!(
            formatter,
            "<{tag} class=\"node{lit}\" data-key=\"{}\" data-s=\"{}\" data-g=\"{}\" data-node=\"{place}\"",
            Escaped(key),
            mark.name,
            mark.glyph
        )?;
        if !url.is_empty() {
            write!(formatter, " href=\"{}\"", Escaped(url))?;
        }
        write!(
            formatter,
            " transform=\"translate({x:.1} {y:.1})\"><title>{}</title>\
             <rect class=\"box\" width=\"{:.1}\" height=\"{NODE_HEIGHT}\" rx=\"8\"/>\
             <rect class=\"mark\" x=\"11\" y=\"13\" width=\"20\" height=\"20\" rx=\"5\"/>\
             <text class=\"glyph\" x=\"21\" y=\"27.5\">{}</text>\
             <text class=\"name\" x=\"41\" y=\"20\">{}</text>\
             <text class=\"more\" x=\"41\" y=\"35\">{}",
            Escaped(&title),
            self.node_width,
            mark.glyph,
            Escaped(&self.labels[place]),
            Escaped(&node.operator),
        )?;
        match elapsed {
            Elapsed::None => {}
            Elapsed::Over(length) => write!(formatter, " · {}", crate::show::duration(*length))?,
            Elapsed::Since { start, so_far } => write!(
                formatter,
                " · <tspan data-since=\"{start}\">{}</tspan>",
                crate::show::duration(*so_far)
            )?,
        }
        write!(formatter, "</text></{tag}>")
    }
}

fn write_curve(formatter: &mut fmt::Formatter<'_>, from: (f64, f64), to: (f64, f64)) -> fmt::Result {
    let bend = (to.0 - from.0) / 2.0;
    write!(
        formatter,
        "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
        from.0 + bend,
        from.1,
        to.0 - bend,
        to.1,
        to.0,
        to.1
    )
}

/// All that is known of a node, for a pointer on it and for those who hear it.
fn title(name: &str, mark: Mark, elapsed: &Elapsed, why: Option<&str>) -> String {
    let length = match elapsed {
        Elapsed::None => None,
        Elapsed::Over(length) | Elapsed::Since { so_far: length, .. } => Some(crate::show::duration(*length)),
    };
    let parts = [Some(name), Some(mark.word()), length.as_deref(), why];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_LETTERS_MAX - 1).chain(['…']).collect()
}

impl fmt::Display for Drawing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.x(self.layout.layers.max(1) - 1) + self.node_width + self.margin_beside();
        let height = self.y(self.layout.height) + NODE_HEIGHT + MARGIN + self.depth as f64 * PANEL_STEP_BELOW;
        write!(
            formatter,
            "<svg class=\"graph\" role=\"group\" aria-label=\"{}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\">",
            tn(self.nodes.len() as u64, "1 task", "{} tasks and what they wait for")
        )?;
        self.write_groups(formatter)?;
        self.layout.edges.iter().try_for_each(|edge| self.write_edge(formatter, edge))?;
        (0..self.nodes.len()).try_for_each(|place| self.write_node(formatter, place))?;
        formatter.write_str("</svg>")
    }
}

impl askama::filters::HtmlSafe for Drawing {}
