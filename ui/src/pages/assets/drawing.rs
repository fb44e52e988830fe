//! An asset between the tasks that bring it up to date and the DAGs that are run for it, as SVG.

use super::network::Neighbours;
use crate::links;
use crate::show::Escaped;
use std::fmt;

/// How many neighbours are drawn on each side; the lists beside the picture have all.
const SIDE_MAX: usize = 10;

const WIDTH: usize = 230;
const HEIGHT: usize = 40;
const STEP: usize = 52;
const GAP: usize = 70;
const MARGIN: usize = 8;
const LETTERS_MAX: usize = 26;
/// The same in smaller letters.
const SMALL_LETTERS_MAX: usize = 36;

/// A picture of an asset with its neighbours.
pub(crate) struct Drawing {
    uri: String,
    before: Vec<Node>,
    after: Vec<Node>,
}

struct Node {
    name: String,
    more: String,
    url: String,
}

impl Drawing {
    /// None, where there is nothing around the asset.
    pub(crate) fn new(uri: &str, neighbours: &Neighbours) -> Option<Self> {
        let before: Vec<Node> = neighbours
            .producers
            .iter()
            .take(SIDE_MAX)
            .map(|(dag_id, task_id)| Node {
                name: task_id.clone(),
                more: dag_id.clone(),
                url: links::dag(dag_id),
            })
            .collect();
        let after: Vec<Node> = neighbours
            .consumers
            .iter()
            .take(SIDE_MAX)
            .map(|(dag_id, condition)| Node {
                name: dag_id.clone(),
                more: if condition == uri { String::new() } else { condition.clone() },
                url: links::dag(dag_id),
            })
            .collect();
        let is_alone = before.is_empty() && after.is_empty();
        (!is_alone).then(|| Self { uri: uri.to_owned(), before, after })
    }

    fn rows(&self) -> usize {
        self.before.len().max(self.after.len()).max(1)
    }

    /// Where a node of a column of so many stands.
    fn y(&self, place: usize, of: usize) -> usize {
        MARGIN + place * STEP + (self.rows() - of) * STEP / 2
    }

    fn x(column: usize) -> usize {
        MARGIN + column * (WIDTH + GAP)
    }

    fn edge(formatter: &mut fmt::Formatter<'_>, from: (usize, usize), to: (usize, usize)) -> fmt::Result {
        let (x, y) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
        let (to_x, to_y) = (to.0, to.1 + HEIGHT / 2);
        let middle = (x + to_x) / 2;
        write!(formatter, "<path class=\"edge\" d=\"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}\"/>")
    }

    fn node(formatter: &mut fmt::Formatter<'_>, node: &Node, at: (usize, usize)) -> fmt::Result {
        let (tag, link) = match node.url.as_str() {
            "" => ("g", String::new()),
            url => ("a", format!(" href=\"{}\"", Escaped(url))),
        };
        write!(
            formatter,
            "<{tag} class=\"node\" data-s=\"no_status\"{link} transform=\"translate({} {})\"><title>{} {}</title>\
             <rect class=\"box\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>",
            at.0,
            at.1,
            Escaped(&node.name),
            Escaped(&node.more)
        )?;
        let y = if node.more.is_empty() { 25 } else { 17 };
        write!(
            formatter,
            "<text class=\"name\" x=\"12\" y=\"{y}\">{}</text>",
            Escaped(&short(&node.name, LETTERS_MAX))
        )?;
        if !node.more.is_empty() {
            write!(
                formatter,
                "<text class=\"more\" x=\"12\" y=\"32\">{}</text>",
                Escaped(&short(&node.more, SMALL_LETTERS_MAX))
            )?;
        }
        write!(formatter, "</{tag}>")
    }
}

/// A name that fits into its node.
fn short(name: &str, letters_max: usize) -> String {
    if name.chars().count() <= letters_max {
        return name.to_owned();
    }
    // What names of one kind differ in is mostly at their end.
    let letters: Vec<char> = name.chars().collect();
    let (head, tail) = (&letters[..letters_max / 2 - 1], &letters[letters.len() - letters_max / 2..]);
    format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

impl fmt::Display for Drawing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) =
            (Self::x(2) + WIDTH + MARGIN, 2 * MARGIN + self.rows() * STEP - (STEP - HEIGHT));
        write!(
            formatter,
            "<svg class=\"graph\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">"
        )?;
        let middle = (Self::x(1), self.y(0, 1));
        for (place, _) in self.before.iter().enumerate() {
            Self::edge(formatter, (Self::x(0), self.y(place, self.before.len())), middle)?;
        }
        for (place, _) in self.after.iter().enumerate() {
            Self::edge(formatter, middle, (Self::x(2), self.y(place, self.after.len())))?;
        }
        for (place, node) in self.before.iter().enumerate() {
            Self::node(formatter, node, (Self::x(0), self.y(place, self.before.len())))?;
        }
        let asset = Node { name: self.uri.clone(), more: String::new(), url: String::new() };
        Self::node(formatter, &asset, middle)?;
        for (place, node) in self.after.iter().enumerate() {
            Self::node(formatter, node, (Self::x(2), self.y(place, self.after.len())))?;
        }
        formatter.write_str("</svg>")
    }
}

impl askama::filters::HtmlSafe for Drawing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_stands_between_its_neighbours_and_names_are_escaped() {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let neighbours = Neighbours {
            producers: vec![pair("load", "fetch<b>")],
            consumers: vec![pair("report", "raw"), pair("export", "raw and other")],
        };
        let picture = Drawing::new("raw", &neighbours).unwrap().to_string();
        assert_eq!(picture.matches("class=\"node\"").count(), 4);
        assert_eq!(picture.matches("class=\"edge\"").count(), 3);
        assert!(picture.contains("href=\"/dags/report\"") && picture.contains("raw and other"), "{picture}");
        assert!(!picture.contains("<b>"), "{picture}");
        assert!(Drawing::new("raw", &Neighbours::default()).is_none());
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("s3://air-quality/raw/2026/11/26.csv", 26), "s3://air-qua…026/11/26.csv");
        assert_eq!(short("short", 26), "short");
    }
}
