//! JSON as a tree that folds, made of `<details>`: it needs no script. Of large values it shows the beginning.

use crate::show::{Escaped, count};
use crate::t1;
use serde_json::Value;
use std::cell::Cell;
use std::fmt::{self, Formatter};

/// How many values one tree shows.
const NODES_MAX: usize = 2_000;

/// How many entries of one list or mapping are shown.
const ENTRIES_MAX: usize = 200;

/// How many letters of one text are shown.
const LETTERS_MAX: usize = 2_000;

/// Down to this depth branches are open at first, unless they are long.
const OPEN_DEPTH: usize = 2;

/// A value that writes itself as markup.
pub(crate) struct JsonTree {
    value: Value,
}

impl JsonTree {
    /// The tree of a value.
    pub(crate) fn new(value: Value) -> Self {
        Self { value }
    }
}

impl askama::filters::HtmlSafe for JsonTree {}

impl fmt::Display for JsonTree {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("<div class=\"json\">")?;
        Branch { left: Cell::new(NODES_MAX) }.write(formatter, None, &self.value, 0)?;
        formatter.write_str("</div>")
    }
}

/// What is still to be written.
struct Branch {
    left: Cell<usize>,
}

impl Branch {
    fn write(
        &self,
        formatter: &mut Formatter<'_>,
        name: Option<&str>,
        value: &Value,
        depth: usize,
    ) -> fmt::Result {
        self.left.set(self.left.get().saturating_sub(1));
        match value {
            Value::Array(items) if !items.is_empty() => {
                let places = (0..items.len()).map(|place| place.to_string());
                self.write_many(formatter, name, ('[', ']'), places.zip(items), depth)
            }
            Value::Object(entries) if !entries.is_empty() => {
                let entries = entries.iter().map(|(name, value)| (name.clone(), value));
                self.write_many(formatter, name, ('{', '}'), entries, depth)
            }
            value => {
                formatter.write_str("<div>")?;
                write_name(formatter, name)?;
                write_leaf(formatter, value)?;
                formatter.write_str("</div>")
            }
        }
    }

    fn write_many<'a>(
        &self,
        formatter: &mut Formatter<'_>,
        name: Option<&str>,
        (open, close): (char, char),
        entries: impl ExactSizeIterator<Item = (String, &'a Value)>,
        depth: usize,
    ) -> fmt::Result {
        let length = entries.len();
        let is_open = depth == 0 || depth < OPEN_DEPTH && length <= 20;
        write!(formatter, "<details{}><summary>", if is_open { " open" } else { "" })?;
        write_name(formatter, name)?;
        write!(formatter, "{open}<i>{}</i>{close}</summary><div>", count(length as u64))?;
        let mut shown = 0;
        for (name, value) in entries.take(ENTRIES_MAX) {
            if self.left.get() == 0 {
                break;
            }
            self.write(formatter, Some(&name), value, depth + 1)?;
            shown += 1;
        }
        if shown < length {
            let more = t1("… and {} more, in the raw value", count((length - shown) as u64));
            write!(formatter, "<p class=\"muted\">{more}</p>")?;
        }
        formatter.write_str("</div></details>")
    }
}

fn write_name(formatter: &mut Formatter<'_>, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => write!(formatter, "<b>{}</b>: ", Escaped(name)),
        None => Ok(()),
    }
}

fn write_leaf(formatter: &mut Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => {
            let start: String = text.chars().take(LETTERS_MAX).collect();
            let cut = if start.len() < text.len() { "…" } else { "" };
            write!(formatter, "<span class=\"text\">\"{}{cut}\"</span>", Escaped(&start))
        }
        Value::Number(number) => write!(formatter, "<span class=\"num\">{number}</span>"),
        other => write!(formatter, "<span class=\"word\">{other}</span>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_fold_are_escaped_and_bounded() {
        let tree = JsonTree::new(json!({"a<b": ["<i>", 1, null], "e": {}})).to_string();
        assert!(tree.contains("<b>a&lt;b</b>: [<i>3</i>]") && tree.contains("\"&lt;i&gt;\""), "{tree}");
        assert!(tree.contains("<span class=\"word\">{}</span>"), "{tree}");
        let deep = JsonTree::new(json!({"a": {"b": {"c": 1}}})).to_string();
        assert_eq!((deep.matches("<details open>").count(), deep.matches("<details>").count()), (2, 1));
        let wide: Vec<Vec<usize>> = (0..100).map(|_| (0..1000).collect()).collect();
        let tree = JsonTree::new(json!(wide)).to_string();
        let leaves = tree.matches("class=\"num\"").count();
        assert!((1_900..=NODES_MAX).contains(&leaves), "{leaves}");
        assert!(tree.contains("… and 800 more, in the raw value"));
        let long = JsonTree::new(json!("x".repeat(5_000))).to_string();
        assert!(long.len() < 2_200 && long.contains("…"));
    }
}
