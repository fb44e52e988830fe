//! The table of events that the audit page and the audit tabs share.

use super::changes::{FieldChange, changes};
use super::sentences::sentence;
use crate::links;
use crate::show::{Instant, Mark, mark_of_event};
use crate::{t, tn};
use esteira_store::{EventRow, Page};
use jiff::Timestamp;
use serde_json::Value;

/// How many rows a page has.
pub(crate) const PAGE_LENGTH: u32 = 100;

/// A row of the table: an event, or several in a row that say the same of several task instances.
pub(crate) struct EventLine {
    /// The number of the newest.
    pub(crate) seq: i64,
    /// The numbers of all, where there are several: `12–17`.
    pub(crate) span: String,
    pub(crate) at: Instant,
    pub(crate) name: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) dag: Option<(String, String)>,
    pub(crate) run: Option<(String, String)>,
    /// The pool or the asset that it is about, with its page.
    pub(crate) thing: Option<(String, String)>,
    /// The task instances.
    pub(crate) tasks: Vec<(String, String)>,
    pub(crate) actor: String,
    /// By what way, where it is one of people.
    pub(crate) via: &'static str,
    /// From where: an address, for events that have it.
    pub(crate) from: String,
    pub(crate) sentence: String,
    pub(crate) changes: Vec<FieldChange>,
    pub(crate) body: String,
    pub(crate) hash: String,
}

/// Events of one command that say the same of several task instances.
const OF_MANY: [&str; 5] =
    ["task.cleared", "task.marked", "task.scheduled", "task.skipped", "task.upstream_failed"];

impl EventLine {
    /// A row for events that stand together, newest first.
    fn new(events: &[EventRow], now: Timestamp) -> Option<Self> {
        let (event, oldest) = (events.first()?, events.last()?);
        let EventRow { dag_id, run_id, .. } = event;
        let named = |name: &str, url: String| (!name.is_empty()).then(|| (name.to_owned(), url));
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        Some(Self {
            seq: event.seq,
            span: if events.len() > 1 {
                format!("{}–{}", oldest.seq, event.seq)
            } else {
                event.seq.to_string()
            },
            at: Instant::new(event.at, now),
            name: event.name.clone(),
            mark: mark_of_event(event),
            dag: named(dag_id, links::dag(dag_id)),
            run: named(run_id, links::run(dag_id, run_id)),
            thing: thing(event, &body),
            tasks: events.iter().rev().filter(|event| !event.task_id.is_empty()).map(task).collect(),
            actor: event.actor.clone(),
            via: way(&event.via),
            from: body["from"].as_str().unwrap_or_default().to_owned(),
            sentence: sentence(event, &body, events.len() as u64),
            changes: changes(&body),
            body: pretty(&event.body),
            hash: event.hash.clone(),
        })
    }

    /// How many task instances it is about, in words.
    pub(crate) fn task_count(&self) -> String {
        tn(self.tasks.len() as u64, "1 task instance", "{} task instances")
    }

    /// The lines of a page of events.
    pub(crate) fn all(page: &Page<EventRow>) -> Vec<Self> {
        Self::of(&page.rows)
    }

    /// The lines of events, newest first.
    pub(crate) fn of(rows: &[EventRow]) -> Vec<Self> {
        let now = Timestamp::now();
        rows.chunk_by(stand_together).filter_map(|events| Self::new(events, now)).collect()
    }
}

/// Whether two events that follow one another say the same of two task instances of a run.
fn stand_together(one: &EventRow, other: &EventRow) -> bool {
    let told = |event: &EventRow| (event.at, event.run_key, event.try_number);
    OF_MANY.contains(&one.name.as_str())
        && (&one.name, &one.actor, &one.via, &one.body)
            == (&other.name, &other.actor, &other.via, &other.body)
        && told(one) == told(other)
        && one.seq == other.seq + 1
}

/// What an event is about that is neither DAG nor run, where there is a page of it that everybody may see.
fn thing(event: &EventRow, body: &Value) -> Option<(String, String)> {
    let named = |field: &str, page: fn(&str) -> String| {
        body[field].as_str().map(|name| (name.to_owned(), page(name)))
    };
    match event.name.as_str() {
        "asset.updated" => named("uri", links::asset),
        "pool.set" => named("name", links::pool),
        _ => None,
    }
}

/// A task instance, with its page.
fn task(event: &EventRow) -> (String, String) {
    let EventRow { dag_id, run_id, task_id, map_index, .. } = event;
    let name = if *map_index < 0 { task_id.clone() } else { format!("{task_id} [{map_index}]") };
    (name, links::instance(dag_id, run_id, task_id, *map_index))
}

/// The way that somebody came by.
fn way(via: &str) -> &'static str {
    match via {
        "cli" => t("command line"),
        "rest_api" => "API",
        "ui" => t("web"),
        _ => "",
    }
}

/// JSON with line breaks; text that is no JSON as it is.
fn pretty(body: &str) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(body);
    parsed.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned())
}
