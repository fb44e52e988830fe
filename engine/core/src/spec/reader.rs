//! YAML text to a marked tree, within budgets: a file that would not fit in them is refused as soon as that shows.

use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::{scalar, syntax};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep lists and mappings may nest.
pub(super) const DEPTH_MAX: usize = 64;

/// How many values a file may have, with each alias counted as what it stands for.
pub(super) const NODES_MAX: usize = 100_000;

/// How many bytes of text a file may have, with each alias counted as what it stands for.
pub(super) const TEXT_MAX: usize = 8 * super::FILE_SIZE_MAX;

/// Reading cannot go on; the reason has been reported.
struct Stop;

type Reading<T> = Result<T, Stop>;

/// The only document of the file, or `None` when a fault (which is reported) ended the reading. An empty file is null.
pub(super) fn read(text: &str, report: &mut Report<'_>) -> Option<Node> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        report,
        anchors: HashMap::new(),
        spent: Weight::default(),
        depth: 0,
    };
    reader.document().ok()
}

/// What a value costs.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

/// A value that aliases may stand for; `None` while it is still being read.
struct Anchor {
    node: Option<Node>,
    weight: Weight,
    height: usize,
}

struct Reader<'a, 'r, 'f> {
    parser: Parser<'a, StrInput<'a>>,
    report: &'r mut Report<'f>,
    anchors: HashMap<usize, Anchor>,
    spent: Weight,
    depth: usize,
}

impl<'a> Reader<'a, '_, '_> {
    fn document(&mut self) -> Reading<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => return self.second_document(span),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        Ok(root.unwrap_or(Node { content: Content::Null, mark: Mark::START }))
    }

    fn second_document(&mut self, span: Span) -> Reading<Node> {
        let fault = Fault::error("several-documents", self.mark(span), "a second YAML document begins here");
        self.report
            .add(fault.hint("a file holds one DAG: put the other one into a file of its own".to_owned()));
        Err(Stop)
    }

    fn next(&mut self) -> Reading<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let fault = syntax::fault(&error, self.report);
                self.report.add(fault);
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Reading<Node> {
        let mut mark = self.mark(span);
        let before = self.spent;
        let (anchor, content) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(Weight { nodes: 1, bytes: text.len() }, mark)?;
                (anchor, self.scalar(text, style, tag, mark))
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(anchor, tag, "seq", mark)?;
                let (items, end) = self.list()?;
                mark = self.up_to(mark, end);
                (anchor, Content::List(items))
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(anchor, tag, "map", mark)?;
                let (content, end) = self.map(mark)?;
                mark = self.up_to(mark, end);
                (anchor, content)
            }
            _ => {
                self.report.add(Fault::error("yaml-syntax", mark, "a value is missing here"));
                return Err(Stop);
            }
        };
        let node = Node { content, mark };
        if anchor != 0 {
            let weight =
                Weight { nodes: self.spent.nodes - before.nodes, bytes: self.spent.bytes - before.bytes };
            self.anchors.insert(anchor, Anchor { height: height(&node), node: Some(node.clone()), weight });
        }
        Ok(node)
    }

    /// A list or a mapping begins.
    fn enter(&mut self, anchor: usize, tag: Option<Cow<'a, Tag>>, kind: &str, mark: Mark) -> Reading<()> {
        self.spend(Weight { nodes: 1, bytes: 0 }, mark)?;
        self.depth += 1;
        self.check_depth(0, mark)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { node: None, weight: Weight::default(), height: 0 });
        }
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == kind)) {
            self.unsupported_tag(&tag, mark);
        }
        Ok(())
    }

    /// The items up to the end of the list, and where that is.
    fn list(&mut self) -> Reading<(Vec<Node>, Span)> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                self.depth -= 1;
                return Ok((items, span));
            }
            items.push(self.node(event, span)?);
        }
    }

    /// The mapping that begins at `start`, and where it ends.
    fn map(&mut self, start: Mark) -> Reading<(Content, Span)> {
        let mut gathered = Mapping::default();
        let mut is_template = false;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                self.depth -= 1;
                // What was meant as a template is one for the checks to come: one fault is enough for it.
                let template = || Content::Text("{{ '' }}".to_owned());
                let content = if is_template { template() } else { Content::Map(gathered.finish()) };
                return Ok((content, span));
            }
            let merges = is_merge_key(&event);
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let is_missing = span.is_empty() && matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let mut value = self.node(event, span)?;
            if is_missing {
                value.mark = key.mark;
            }
            match key_text(&key) {
                Some(_) if merges => self.merge(&mut gathered, value),
                Some(text) => self.entry(&mut gathered, Entry { key: text, mark: key.mark, value }),
                None => is_template |= self.bad_key(&key, start),
            }
        }
    }

    fn entry(&mut self, mapping: &mut Mapping, entry: Entry) {
        if let Some(first) = mapping.insert(entry) {
            let (key, mark, first_mark) = first;
            let message = format!("duplicate key {}, first used on line {}", quoted(&key), first_mark.line);
            let fault = Fault::error("duplicate-key", mark, message);
            self.report.add(fault.related(first_mark, "first here", "again here"));
        }
    }

    /// `<<: *base` or `<<: [*one, *two]`: keys that the mapping does not have itself.
    fn merge(&mut self, mapping: &mut Mapping, value: Node) {
        let mark = value.mark;
        match value.content {
            Content::Map(entries) => mapping.merge(entries),
            Content::List(items) if items.iter().all(|item| matches!(item.content, Content::Map(_))) => {
                for item in items {
                    self.merge(mapping, item);
                }
            }
            _ => {
                let message = "the merge key << takes a mapping or a list of mappings";
                self.report.add(Fault::error("bad-merge", mark, message));
            }
        }
    }

    /// Reports a key that is no string; says whether the mapping was probably meant as a template.
    fn bad_key(&mut self, key: &Node, start: Mark) -> bool {
        let line = self.report.line(start.line).unwrap_or_default();
        let looks_like_template =
            line.contains("{{") && matches!(key.content, Content::Map(_) | Content::Null);
        let (message, hint) = if looks_like_template {
            (
                "a value that begins with {{ must be quoted",
                "write \"{{ … }}\", with quotes around the whole value",
            )
        } else {
            ("a key must be a string", "a list, a mapping or nothing cannot be a key")
        };
        self.report.add(Fault::error("bad-key", key.mark, message).hint(hint.to_owned()));
        looks_like_template
    }

    /// The mark of a list in brackets or a mapping in braces, with its end where that is on the same line.
    fn up_to(&self, mark: Mark, end: Span) -> Mark {
        let is_flow = self.report.line(mark.line).and_then(|line| line.chars().nth(mark.column - 1));
        if matches!(is_flow, Some('[' | '{')) && end.end.line() == mark.line && end.end.col() >= mark.column {
            return Mark { length: end.end.col() + 1 - mark.column, ..mark };
        }
        mark
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Reading<Node> {
        let Some((node, weight, height)) = self
            .anchors
            .get(&id)
            .and_then(|anchor| Some((anchor.node.clone()?, anchor.weight, anchor.height)))
        else {
            self.report.add(Fault::error(
                "recursive-alias",
                mark,
                "an alias stands for a value that contains it",
            ));
            return Err(Stop);
        };
        self.spend(weight, mark)?;
        self.check_depth(height, mark)?;
        Ok(node)
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<Cow<'a, Tag>>,
        mark: Mark,
    ) -> Content {
        let core = tag.as_ref().filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.clone());
        if let (Some(tag), None) = (&tag, &core) {
            self.unsupported_tag(tag, mark);
        }
        match core.as_deref() {
            Some("str") => return Content::Text(text.into_owned()),
            None if style != ScalarStyle::Plain => return Content::Text(text.into_owned()),
            _ => {}
        }
        let content = scalar::resolve(&text).unwrap_or_else(|(message, hint)| {
            self.report.add(Fault::error("bad-number", mark, message).hint(hint.to_owned()));
            Content::Text(text.into_owned())
        });
        let fits = match core.as_deref() {
            None => true,
            Some("null") => matches!(content, Content::Null),
            Some("bool") => matches!(content, Content::Bool(_)),
            Some("int" | "float") => matches!(content, Content::Number(_)),
            Some(_) => false,
        };
        if let (Some(tag), false) = (&tag, fits) {
            self.unsupported_tag(tag, mark);
        }
        content
    }

    fn unsupported_tag(&mut self, tag: &Tag, mark: Mark) {
        let name = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
        let message = format!("the tag {} is not supported here", quoted(&name));
        self.report.add(Fault::error("unsupported-tag", mark, message).hint("leave the tag out".to_owned()));
    }

    fn spend(&mut self, weight: Weight, mark: Mark) -> Reading<()> {
        self.spent.nodes = self.spent.nodes.saturating_add(weight.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(weight.bytes);
        if self.spent.nodes <= NODES_MAX && self.spent.bytes <= TEXT_MAX {
            return Ok(());
        }
        let message = if self.spent.nodes > NODES_MAX {
            format!("the file has more than {NODES_MAX} values, counting each alias as what it stands for")
        } else {
            format!(
                "the file has more than {TEXT_MAX} bytes of text, counting each alias as what it stands for"
            )
        };
        self.report.add(Fault::error("too-large", mark, message));
        Err(Stop)
    }

    fn check_depth(&mut self, height: usize, mark: Mark) -> Reading<()> {
        if self.depth + height <= DEPTH_MAX {
            return Ok(());
        }
        let message = format!("lists and mappings nest deeper than {DEPTH_MAX} levels here");
        self.report.add(Fault::error("too-deep", mark, message));
        Err(Stop)
    }

    /// The part of a span that lies on its first line.
    fn mark(&self, span: Span) -> Mark {
        let (line, start) = (span.start.line(), span.start.col());
        let rest_of_line = || {
            let text = self.report.line(line).unwrap_or_default();
            text.chars().skip(start).collect::<String>().trim_end().chars().count()
        };
        let length =
            if span.end.line() == line { span.end.col().saturating_sub(start) } else { rest_of_line() };
        let length = if length == 0 { rest_of_line() } else { length };
        Mark { line: line.max(1), column: start + 1, length: length.max(1) }
    }
}

fn is_merge_key(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<")
}

/// The text of a key: a number or a truth value is one too, as it is written.
fn key_text(key: &Node) -> Option<String> {
    match &key.content {
        Content::Text(text) => Some(text.clone()),
        Content::Bool(value) => Some(value.to_string()),
        Content::Number(value) => Some(value.to_string()),
        Content::Null | Content::List(_) | Content::Map(_) => None,
    }
}

/// How many levels of lists and mappings a value has.
fn height(node: &Node) -> usize {
    match &node.content {
        Content::List(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Content::Map(entries) => 1 + entries.iter().map(|entry| height(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// A mapping being read: a key that is written in it wins over a merged one, wherever it stands.
#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    merged: Vec<bool>,
}

impl Mapping {
    /// Adds an entry that is written here; a duplicate is given back with both places.
    fn insert(&mut self, entry: Entry) -> Option<(String, Mark, Mark)> {
        match self.places.get(&entry.key) {
            Some(place) if self.merged[*place] => {
                self.merged[*place] = false;
                self.entries[*place] = entry;
                None
            }
            Some(place) => Some((entry.key, entry.mark, self.entries[*place].mark)),
            None => {
                self.push(entry, false);
                None
            }
        }
    }

    fn merge(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if !self.places.contains_key(&entry.key) {
                self.push(entry, true);
            }
        }
    }

    fn push(&mut self, entry: Entry, merged: bool) {
        self.places.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
        self.merged.push(merged);
    }

    fn finish(self) -> Vec<Entry> {
        self.entries
    }
}
