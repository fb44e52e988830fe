//! The list of DAGs: what there is, how the last runs went, what comes next. Found by words, tag, owner and state; a page shows
//! a hundred, and only for these is read what is dear: what the files say, and the newest runs.

use super::cells::{Cell, run_key};
use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::links;
use crate::show::{Instant, Mark, count};
use crate::tm;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use esteira_core::states::RunState;
use esteira_runtime::LoadedDag;
use esteira_store::{DagHead, DagRow, RunRow, StoreError};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many of the newest runs are shown of each DAG.
const STRIP_LENGTH: u32 = 14;

/// How many DAGs a page shows.
const PAGE_LENGTH: usize = 100;

/// Which DAGs are wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    search: String,
    tag: String,
    owner: String,
    /// The state of the newest run, or `paused`.
    state: String,
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "dags.html")]
struct DagsPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    /// How many DAGs there are, whatever is wanted.
    total: usize,
    summary: String,
    choices: Vec<Choice>,
    owners: BTreeSet<String>,
    pager: Pager,
}

/// A state to filter by.
struct Choice {
    mark: Mark,
    number: String,
    url: String,
    is_on: bool,
}

/// The addresses of the pages before and after this one.
struct Pager {
    before: Option<String>,
    after: Option<String>,
    text: String,
}

struct Row {
    dag_id: String,
    url: String,
    description: String,
    tags: Vec<(String, String)>,
    owners: Vec<(String, String)>,
    schedule: Option<String>,
    is_paused: bool,
    is_stale: bool,
    strip: Vec<Cell>,
    gaps: usize,
    last: Option<(Mark, Instant, String)>,
    next: Option<Instant>,
}

/// A DAG as the filters see it.
struct Entry {
    head: DagHead,
    description: String,
    tags: Vec<String>,
    owners: Vec<String>,
    last: Option<RunState>,
}

impl Entry {
    fn fits(&self, wanted: &Wanted, needle: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(needle);
        let is_found = needle.is_empty()
            || has(self.head.dag_id.as_str())
            || has(&self.description)
            || self.tags.iter().any(|tag| has(tag))
            || self.owners.iter().any(|owner| has(owner));
        is_found
            && (wanted.tag.is_empty() || self.tags.contains(&wanted.tag))
            && (wanted.owner.is_empty() || self.owners.contains(&wanted.owner))
            && (wanted.state.is_empty() || self.is(&wanted.state))
    }

    fn is(&self, state: &str) -> bool {
        if state == PAUSED {
            self.head.is_paused
        } else {
            self.last.is_some_and(|last| last.as_str() == state)
        }
    }
}

/// What the filter of states calls DAGs whose schedule starts no runs.
const PAUSED: &str = "paused";

impl Wanted {
    /// The address of the list with these choices; `state` and `page` as given.
    fn url(&self, state: &str, page: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        let pairs = [
            ("search", self.search.as_str()),
            ("tag", &self.tag),
            ("owner", &self.owner),
            ("state", state),
            ("page", &page),
        ];
        links::with_query("/dags", &pairs)
    }

    /// The list as it is now, but for the tag.
    fn without_tag(&self) -> String {
        Self { tag: String::new(), ..self.clone() }.url(&self.state, 1)
    }

    /// The page that is asked for, to come back to.
    fn here(&self) -> String {
        self.url(&self.state, self.page.unwrap_or(1))
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let loaded: HashMap<String, Arc<LoadedDag>> =
        state.handle.dags().into_iter().map(|dag| (dag.dag.dag_id.to_string(), dag)).collect();
    let entries = entries(&state, &loaded).await?;
    let needle = wanted.search.trim().to_lowercase();
    // What the choices of states count is all that the other filters let through.
    let any_state = Wanted { state: String::new(), ..wanted.clone() };
    let found: Vec<&Entry> = entries.iter().filter(|entry| entry.fits(&any_state, &needle)).collect();
    let choices = choices(&found, &wanted);
    let shown: Vec<&Entry> =
        found.into_iter().filter(|entry| wanted.state.is_empty() || entry.is(&wanted.state)).collect();
    let number = wanted.page.unwrap_or(1).clamp(1, shown.len().div_ceil(PAGE_LENGTH).max(1));
    let part = shown.chunks(PAGE_LENGTH).nth(number - 1).unwrap_or_default();
    let names: Vec<&str> = part.iter().map(|entry| entry.head.dag_id.as_str()).collect();
    let reader = state.handle.reader();
    let mut runs = reader.latest_runs_of(&names, STRIP_LENGTH).await?;
    let rows = reader.dags_named(&names).await?;
    let rows = rows.into_iter().map(|dag| {
        let newest = runs.remove(dag.dag_id.as_str()).unwrap_or_default();
        Row::new(loaded.get(dag.dag_id.as_str()), dag, &newest, now)
    });
    let page = DagsPage {
        frame: visitor.frame(Section::Dags, "DAGs").crumb("DAGs", ""),
        rows: rows.collect(),
        total: entries.len(),
        summary: summary(shown.len(), entries.len()),
        choices,
        owners: entries.iter().flat_map(|entry| entry.owners.iter().cloned()).collect(),
        pager: pager(&wanted, number, shown.len()),
        wanted,
    };
    Ok(frame::html(&page))
}

/// Every DAG with what the filters ask of it. What its file says is known of those that are loaded, and read for the others.
async fn entries(
    state: &AppState,
    loaded: &HashMap<String, Arc<LoadedDag>>,
) -> Result<Vec<Entry>, StoreError> {
    let reader = state.handle.reader();
    let heads = reader.dag_heads().await?;
    let last = reader.last_states().await?;
    let others: Vec<&str> = heads
        .iter()
        .map(|head| head.dag_id.as_str())
        .filter(|dag_id| !loaded.contains_key(*dag_id))
        .collect();
    let mut others: HashMap<String, Definition> = reader
        .dags_named(&others)
        .await?
        .iter()
        .map(|dag| (dag.dag_id.to_string(), Definition::read(&dag.definition)))
        .collect();
    let entry = |head: DagHead| {
        let dag_id = head.dag_id.as_str();
        let (description, tags, owners) = match loaded.get(dag_id) {
            Some(loaded) => {
                (loaded.dag.description.clone(), loaded.dag.tags.clone(), loaded.dag.owners.clone())
            }
            None => {
                let definition = others.remove(dag_id).unwrap_or_default();
                (definition.description, definition.tags, definition.owners)
            }
        };
        Entry {
            last: last.get(dag_id).copied(),
            description: description.unwrap_or_default(),
            tags,
            owners,
            head,
        }
    };
    Ok(heads.into_iter().map(entry).collect())
}

impl Row {
    fn new(loaded: Option<&Arc<LoadedDag>>, dag: DagRow, newest: &[RunRow], now: Timestamp) -> Self {
        let dag_id = dag.dag_id.to_string();
        let definition = Definition::read(&dag.definition);
        let next = loaded.filter(|loaded| !loaded.is_paused).and_then(|loaded| loaded.next_run_at());
        let last = newest.first().map(|run| {
            let at = run.ended_at.or(run.started_at).unwrap_or(run.queued_at);
            (Mark::of_run(run.state), Instant::new(at, now), run_key(run))
        });
        let filters = |name: &'static str, values: Vec<String>| {
            let link = move |value: String| (links::with_query("/dags", &[(name, &value)]), value);
            values.into_iter().map(link).collect()
        };
        Self {
            url: links::dag(&dag_id),
            description: definition.description.unwrap_or_default(),
            tags: filters("tag", definition.tags),
            owners: filters("owner", definition.owners),
            schedule: definition.schedule.text(),
            is_paused: dag.is_paused,
            is_stale: dag.is_stale,
            strip: newest.iter().rev().map(|run| Cell::of_run(run, now)).collect(),
            gaps: (STRIP_LENGTH as usize).saturating_sub(newest.len()),
            last,
            next: next.map(|at| Instant::new(at, now)),
            dag_id,
        }
    }
}

/// The states that any DAG is in, each with how many are.
fn choices(found: &[&Entry], wanted: &Wanted) -> Vec<Choice> {
    let paused = Mark { name: "none", label: "paused", glyph: "‖" };
    let states = [RunState::Failed, RunState::Running, RunState::Queued, RunState::Success];
    let all = states.into_iter().map(|state| (state.as_str(), Mark::of_run(state))).chain([(PAUSED, paused)]);
    all.filter_map(|(name, mark)| {
        let number = found.iter().filter(|entry| entry.is(name)).count();
        let is_on = wanted.state == name;
        let url = wanted.url(if is_on { "" } else { name }, 1);
        (number > 0 || is_on).then(|| Choice { mark, number: count(number as u64), url, is_on })
    })
    .collect()
}

fn summary(shown: usize, total: usize) -> String {
    let (shown_text, total_text) = (count(shown as u64), count(total as u64));
    if shown == total { total_text } else { tm("{} of {}", &[&shown_text, &total_text]) }
}

fn pager(wanted: &Wanted, number: usize, found: usize) -> Pager {
    let first = (number - 1) * PAGE_LENGTH;
    let last = (first + PAGE_LENGTH).min(found);
    let (from, to, of) = (count(first as u64 + 1), count(last as u64), count(found as u64));
    Pager {
        before: (number > 1).then(|| wanted.url(&wanted.state, number - 1)),
        after: (last < found).then(|| wanted.url(&wanted.state, number + 1)),
        text: tm("{} to {} of {}", &[&from, &to, &of]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dag_id: &str, tags: &[&str], last: Option<RunState>, is_paused: bool) -> Entry {
        let head = DagHead {
            dag_id: dag_id.into(),
            file: String::new(),
            is_paused,
            is_stale: false,
            loaded_at: Timestamp::UNIX_EPOCH,
        };
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Entry { head, description: "Loads Sales".to_owned(), tags, owners: vec!["ana".to_owned()], last }
    }

    #[test]
    fn dags_are_found_by_words_tag_owner_and_state() {
        let sales = entry("sales", &["daily"], Some(RunState::Failed), true);
        let wanted = |change: fn(&mut Wanted)| {
            let mut wanted = Wanted::default();
            change(&mut wanted);
            let needle = wanted.search.to_lowercase();
            sales.fits(&wanted, &needle)
        };
        assert!(wanted(|_| ()));
        assert!(wanted(|wanted| wanted.search = "loads s".to_owned()));
        assert!(!wanted(|wanted| wanted.search = "hourly".to_owned()));
        assert!(
            wanted(|wanted| wanted.tag = "daily".to_owned())
                && !wanted(|wanted| wanted.tag = "dai".to_owned())
        );
        assert!(
            wanted(|wanted| wanted.owner = "ana".to_owned())
                && !wanted(|wanted| wanted.owner = "bob".to_owned())
        );
        assert!(
            wanted(|wanted| wanted.state = "failed".to_owned())
                && wanted(|wanted| wanted.state = PAUSED.to_owned())
        );
        assert!(!wanted(|wanted| wanted.state = "success".to_owned()));
    }

    #[test]
    fn choices_count_what_there_is_and_undo_themselves() {
        let (one, other) = (entry("a", &[], Some(RunState::Failed), false), entry("b", &[], None, true));
        let wanted = Wanted { state: "failed".to_owned(), tag: "x y".to_owned(), ..Wanted::default() };
        let shown: Vec<_> = choices(&[&one, &other], &wanted)
            .into_iter()
            .map(|choice| (choice.mark.label, choice.number, choice.url, choice.is_on))
            .collect();
        let expected = [
            ("failed", "1".to_owned(), "/dags?tag=x%20y".to_owned(), true),
            ("paused", "1".to_owned(), "/dags?tag=x%20y&state=paused".to_owned(), false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_page_knows_its_neighbours() {
        let wanted = Wanted { search: "a".to_owned(), ..Wanted::default() };
        let pager = pager(&wanted, 2, 250);
        assert_eq!(pager.text, "101 to 200 of 250");
        assert_eq!(pager.before.as_deref(), Some("/dags?search=a"));
        assert_eq!(pager.after.as_deref(), Some("/dags?search=a&page=3"));
    }
}
