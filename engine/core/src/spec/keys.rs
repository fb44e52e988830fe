//! The mappings that a DAG file is made of: which keys they have, and what is said of one that they do not have. The
//! tables themselves are in [`tables`].

mod tables;

pub(super) use tables::{ASSETS, CALLBACK, DAG, DEADLINE, DEFAULT_ARGS, GROUP, PARAM, SCHEDULE, TASK};

use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;

/// The keys of one kind of mapping.
pub(super) struct Keys {
    /// What the mapping is, for messages: "a task".
    pub(super) what: &'static str,
    /// The keys that it has, in parts that several kinds share.
    pub(super) known: &'static [&'static [Key]],
    /// Keys of Airflow that come later.
    pub(super) later: &'static [&'static str],
    /// What people write, and what they mean: a key, or a sentence.
    pub(super) instead: &'static [(&'static str, &'static str)],
}

/// One key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What its value looks like.
    pub(super) shape: Shape,
    /// One line for people, which editors show.
    pub(super) help: &'static str,
}

/// What a value looks like: the schema's side of what the readers of [`super::values`] and their neighbours take.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A name of a DAG.
    Name,
    /// A string.
    Text,
    /// A list of strings.
    TextList,
    /// A string or a list of strings.
    TextOrList,
    /// True or false.
    Boolean,
    /// A whole number from 0 up.
    Count,
    /// A whole number from 1 up.
    Positive,
    /// Any whole number.
    Whole,
    /// Any number.
    Number,
    /// A length of time.
    Duration,
    /// A length of time, or null for none.
    DurationOrNone,
    /// A date, or a date and a time.
    Date,
    /// A number, or true or false.
    Backoff,
    /// Exit codes and names of errors.
    FailureClasses,
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// Anything.
    Any,
    /// A list of anything.
    List,
    /// A mapping with anything in it.
    Map,
    /// Types of JSON Schema.
    Types,
    /// When a DAG runs.
    Schedule,
    /// Assets that are waited for.
    Assets,
    /// Assets in a list.
    AssetList,
    /// A mapping of one of the other kinds.
    Keys(&'static Keys),
    /// One mapping of one of the other kinds, or a list of them.
    OneOrMore(&'static Keys),
    /// Names, each with a mapping of one of the other kinds.
    Named(&'static Keys),
    /// Names, each with a param.
    Params,
    /// The arguments of an operator.
    Arguments,
    /// The name of an operator.
    Operator,
    /// Arguments of an operator, each with a list.
    Lists,
    /// A list of mappings.
    Mappings,
}

/// The values of a mapping by key; unknown keys have been reported.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    /// The mapping's own place, for what is missing in it.
    pub(super) mark: Mark,
}

impl<'n> Fields<'n> {
    /// A mapping without keys.
    pub(super) fn none(mark: Mark) -> Self {
        Self { entries: &[], mark }
    }

    /// The value of this key, if it is given.
    pub(super) fn get(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of this key, if it is given and not null.
    pub(super) fn given(&self, key: &str) -> Option<&'n Node> {
        self.get(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }
}

impl Keys {
    /// All keys that it has.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.known.iter().flat_map(|part| part.iter())
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.all().map(|key| key.name)
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The fields of `node`, which must be a mapping. `mark` is the place of its name, where what it lacks is shown.
    pub(super) fn fields<'n>(
        &self,
        node: &'n Node,
        mark: Mark,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            let message = format!("{} must be a mapping, not {}", self.what, node.describe());
            report.add(Fault::error("wrong-type", node.mark, message));
            return None;
        };
        for entry in entries.iter().filter(|entry| !self.has(&entry.key)) {
            self.report_unknown(entry, report);
        }
        Some(Fields { entries, mark })
    }

    fn report_unknown(&self, entry: &Entry, report: &mut Report<'_>) {
        let key = entry.key.as_str();
        if self.later.contains(&key) {
            let message = format!("the key {} is not supported yet", quoted(key));
            let hint = "it is a key of Airflow that Esteira does not have yet: leave it out".to_owned();
            report.add(Fault::error("unsupported-key", entry.mark, message).hint(hint));
            return;
        }
        let hint = if report.is_full() { None } else { self.hint(key) };
        let message = format!("unknown key {} in {}", quoted(key), self.what);
        report.add(Fault::error("unknown-key", entry.mark, message).hint(hint));
    }

    fn hint(&self, key: &str) -> Option<String> {
        if let Some((_, meant)) = self.instead.iter().find(|(written, _)| *written == key) {
            let is_key = self.has(meant);
            return Some(if is_key { format!("did you mean \"{meant}\"?") } else { (*meant).to_owned() });
        }
        did_you_mean(key, self.names()).or_else(|| {
            let names: Vec<&str> = self.names().collect();
            Some(format!("the keys of {} are {}", self.what, names.join(", ")))
        })
    }
}
