//! The table of events that the audit page and the audit tabs share.

use crate::links;
use crate::show::{Instant, Mark, mark_of_event};
use esteira_store::{EventRow, Page};
use jiff::Timestamp;
use serde_json::Value;

/// How many rows a page has.
pub(crate) const PAGE_LENGTH: u32 = 100;

/// A row of the table.
pub(crate) struct EventLine {
    pub(crate) seq: i64,
    pub(crate) at: Instant,
    pub(crate) name: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) dag: Option<(String, String)>,
    pub(crate) run: Option<(String, String)>,
    pub(crate) task: Option<(String, String)>,
    pub(crate) try_number: u32,
    pub(crate) actor: String,
    pub(crate) via: String,
    /// What the body says, in a line.
    pub(crate) brief: String,
    pub(crate) body: String,
    pub(crate) hash: String,
}

impl EventLine {
    pub(crate) fn new(event: &EventRow, now: Timestamp) -> Self {
        let EventRow { dag_id, run_id, task_id, map_index, .. } = event;
        let named = |name: &str, url: String| (!name.is_empty()).then(|| (name.to_owned(), url));
        let shown_task = if *map_index < 0 { task_id.clone() } else { format!("{task_id} [{map_index}]") };
        Self {
            seq: event.seq,
            at: Instant::new(event.at, now),
            name: event.name.clone(),
            mark: mark_of_event(event),
            dag: named(dag_id, links::dag(dag_id)),
            run: named(run_id, links::run(dag_id, run_id)),
            task: named(task_id, String::new())
                .map(|_| (shown_task, links::instance(dag_id, run_id, task_id, *map_index))),
            try_number: event.try_number,
            actor: event.actor.clone(),
            via: event.via.clone(),
            brief: brief(&event.body),
            body: pretty(&event.body),
            hash: event.hash.clone(),
        }
    }

    /// The lines of a page of events.
    pub(crate) fn all(page: &Page<EventRow>) -> Vec<Self> {
        let now = Timestamp::now();
        page.rows.iter().map(|event| Self::new(event, now)).collect()
    }
}

/// The sentence in a body that is for people, else the body itself.
fn brief(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let sentence =
        value["error"]["message"].as_str().or(value["reason"].as_str()).or(value["message"].as_str());
    sentence.unwrap_or(body).to_owned()
}

/// JSON with line breaks; text that is no JSON as it is.
fn pretty(body: &str) -> String {
    let parsed: Result<Value, _> = serde_json::from_str(body);
    parsed.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned())
}

/// Where the next page begins, if there is more.
pub(crate) fn older(page: &Page<EventRow>, path: &str, filters: &[(&str, &str)]) -> Option<String> {
    let seq = page.rows.last().filter(|_| page.has_more)?.seq.to_string();
    let pairs: Vec<(&str, &str)> = filters.iter().copied().chain([("before", seq.as_str())]).collect();
    Some(links::with_query(path, &pairs))
}
