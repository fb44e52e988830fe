//! The audit history: who did what, when, from where, and what was before; with filters, and whether it is whole.

use super::filter::{FilterError, PEOPLE, Wanted};
use super::table::{EventLine, PAGE_LENGTH};
use crate::access::Caller;
use crate::audit_check::{self, Found, Known};
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::pages::keyset::Beside;
use crate::show::{Instant, count};
use crate::{AppState, t, t1, tn};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_runtime::audit::Problem;
use jiff::Timestamp;
use std::time::Duration;

/// How long whoever has the history checked waits for it at most, before the page says that it is being done.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many events are looked through for a page, where no index leads to them: so many take a few hundredths of a second.
const REACH: i64 = 100_000;

/// How many names of people and programs are offered.
const ACTORS_MAX: usize = 100;

/// The beginnings of names of events that are offered.
const NAMES: [&str; 20] = [
    "run.",
    "run.created",
    "run.ended",
    "run.cancel_requested",
    "task.",
    "task.failed",
    "task.cleared",
    "task.marked",
    "dag.",
    "dag.version_added",
    "dag.import_error",
    "pool.",
    "variable.",
    "connection.",
    "asset.",
    "user.",
    "token.",
    "session.",
    "access.refused",
    "engine.",
];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<EventLine>,
    total: String,
    beside: Beside,
    /// That the search ended before the history did, and how it goes on.
    is_cut: bool,
    all_url: String,
    people_url: String,
    is_by_people: bool,
    csv_url: String,
    lines_url: String,
    names: &'static [&'static str],
    actors: Vec<String>,
    wanted: Wanted,
    fault: Option<String>,
    check: Check,
}

impl AuditPage {
    /// How far was looked, where the search ended before the page was full.
    fn cut_note(&self) -> String {
        let reach = count(REACH.unsigned_abs());
        if self.rows.is_empty() {
            t1(
                "None of the {} events looked through for this page fits. The search goes on with the next page.",
                reach,
            )
        } else {
            t1(
                "Of {} events looked through for this page, these fit. The search goes on with the next page.",
                reach,
            )
        }
    }
}

/// What the badge says of the history's wholeness.
struct Check {
    /// Since when it is being checked, and for whom.
    running: Option<(Instant, String)>,
    last: Option<Verdict>,
}

struct Verdict {
    at: Instant,
    by: String,
    events: String,
    runs: String,
    /// How many events have come since, in words.
    newer: Option<String>,
    problem: Option<Problem>,
    /// Why there is no verdict, if there is none.
    fault: Option<String>,
}

impl Check {
    fn new(known: Known, total: u64, now: Timestamp) -> Self {
        let running = known.running.map(|(by, since)| (Instant::new(since, now), by));
        let last = known.last.map(|Found { verdict, by, at }| {
            let (found, fault) = match verdict {
                Ok(found) => (Some(found), None),
                Err(fault) => (None, Some(fault)),
            };
            let (events, runs) = found.as_ref().map_or((0, 0), |found| (found.events, found.runs));
            Verdict {
                at: Instant::new(at, now),
                by,
                events: count(events),
                runs: count(runs),
                newer: (found.is_some() && total > events)
                    .then(|| tn(total - events, "1 event since", "{} events since")),
                problem: found.and_then(|found| found.problem),
                fault,
            }
        });
        Self { running, last }
    }
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let (mut beside, mut is_cut) = (Beside::default(), false);
    let (rows, fault) = match wanted.listing(&state, PAGE_LENGTH).await {
        Ok(listing) => {
            let found = reader.list_within(listing, REACH).await?;
            let list = found.list;
            is_cut = found.is_cut;
            beside = Beside::of(&list, "/audit", &wanted.filters());
            (list.rows, None)
        }
        Err(FilterError::Said(fault)) => (Vec::new(), Some(fault)),
        Err(FilterError::Page(error)) => return Err(error),
    };
    let total = reader.event_count().await?;
    let export = |format: &str| {
        let mut pairs = wanted.filters().to_vec();
        pairs.push(("format", format));
        crate::links::with_query("/audit/export", &pairs)
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AuditPage {
        frame: visitor.frame(Section::Audit, t("Audit")).style("admin.css").crumb(t("Audit"), ""),
        total: count(total),
        beside,
        is_cut,
        all_url: wanted.with("/audit", "by", ""),
        people_url: wanted.with("/audit", "by", PEOPLE),
        is_by_people: wanted.by == PEOPLE,
        csv_url: export("csv"),
        lines_url: export("jsonl"),
        names: &NAMES,
        actors: reader.actors(ACTORS_MAX).await?,
        rows: EventLine::of(&rows),
        check: Check::new(state.audit.known(), total, Timestamp::now()),
        wanted,
        fault,
    };
    Ok((status, frame::html(&page)).into_response())
}

/// Has the chain recomputed and every run replayed. A short history is done when the page comes; for a long one the page says
/// that it is being done, and then what was found.
pub(crate) async fn verify(State(state): State<AppState>, caller: Caller) -> Redirect {
    let check = audit_check::start(&state, caller.name().to_owned());
    // The check goes on, whether it is waited for or not.
    let _ = tokio::time::timeout(PATIENCE, check).await;
    Redirect::to("/audit")
}
