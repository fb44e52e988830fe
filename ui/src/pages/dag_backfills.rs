//! The backfills of a DAG: how far each is, and the form for a new one, which says which runs it would make before it does.

use super::dag_head::DagHead;
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::locale::typed_instant;
use crate::show::{self, Instant, Mark};
use crate::{AppState, t, t1, tm, tn};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::backfill::{Range, Reprocess};
use esteira_core::dag::Dag;
use esteira_core::states::RunState;
use esteira_runtime::{Actor, BackfillRequest, CommandError, PlannedBackfillRun};
use esteira_store::BackfillRow;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How many backfills are listed, and how many runs of a new one are named.
const LISTED_MAX: usize = 100;

/// How many runs are under way at the same time unless the form says otherwise: Airflow's default.
const MAX_ACTIVE_RUNS: &str = "10";

/// What is typed in the form. A checkbox that is not ticked is not sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    from: String,
    until: String,
    reprocess: String,
    max_active_runs: String,
    newest_first: bool,
    conf: String,
}

/// A button of a backfill: `pause`, `unpause` or `cancel`.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    action: String,
}

#[derive(Template)]
#[template(path = "dag_backfills.html")]
struct BackfillsPage {
    frame: Frame,
    head: DagHead,
    rows: Vec<BackfillLine>,
    typed: Typed,
    /// Which dates are run again: the label, its words, whether it is chosen.
    choices: Vec<(&'static str, &'static str, bool)>,
    fault: Option<String>,
    plan: Option<Plan>,
}

/// What a new backfill would do.
struct Plan {
    says: String,
    can_start: bool,
    /// The logical date of each run, and the newest run that stands for it.
    runs: Vec<(String, Option<Mark>)>,
    left_out: u64,
}

/// A backfill.
struct BackfillLine {
    id: i64,
    url: String,
    from: String,
    to: String,
    reprocess: &'static str,
    max_active_runs: u32,
    created: Instant,
    /// How much of its time is behind it, in percent.
    percent: u64,
    reached: String,
    runs: Vec<(Mark, String)>,
    state: &'static str,
    is_open: bool,
    is_paused: bool,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(typed): Query<Typed>,
    visitor: Visitor,
    PageActor(actor): PageActor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "backfills").await?;
    if typed.from.is_empty() && typed.until.is_empty() {
        return Ok(frame::html(&BackfillsPage::read(&state, head, &visitor, typed).await?));
    }
    let planned = match typed.request(&dag_id, true, actor) {
        Ok(request) => asked(&state, request).await?,
        Err(fault) => Err(fault),
    };
    let mut page = BackfillsPage::read(&state, head, &visitor, typed).await?;
    match planned {
        Ok(planned) => page.plan = Some(Plan::new(&planned)),
        Err(fault) => page.fault = Some(fault),
    }
    Ok(frame::html(&page))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(typed): Form<Typed>,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "backfills").await?;
    let created = match typed.request(&dag_id, false, actor) {
        Ok(request) => asked(&state, request).await?,
        Err(fault) => Err(fault),
    };
    let Err(fault) = created else {
        return Ok(Redirect::to(&format!("{}/backfills", head.url)).into_response());
    };
    let mut page = BackfillsPage::read(&state, head, &visitor, typed).await?;
    page.fault = Some(fault);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, frame::html(&page)).into_response())
}

pub(crate) async fn change(
    State(state): State<AppState>,
    Path((dag_id, backfill_id)): Path<(String, i64)>,
    PageActor(actor): PageActor,
    Form(change): Form<Change>,
) -> Result<Redirect, PageError> {
    let known = state.handle.reader().backfill(backfill_id).await?;
    if known.is_none_or(|row| row.dag_id.as_str() != dag_id) {
        return Err(CommandError::UnknownBackfill(backfill_id).into());
    }
    match change.action.as_str() {
        "cancel" => state.handle.cancel_backfill(backfill_id, actor).await?,
        action @ ("pause" | "unpause") => {
            state.handle.set_backfill_paused(backfill_id, action == "pause", actor).await?
        }
        action => return Err(PageError::bad_request(t1("a backfill has no button {}", action))),
    };
    Ok(Redirect::to(&format!("{}/backfills", crate::links::dag(&dag_id))))
}

/// What the engine makes of it: the runs, or what does not fit. Other refusals have a page of their own.
async fn asked(
    state: &AppState,
    request: BackfillRequest,
) -> Result<Result<Vec<PlannedBackfillRun>, String>, PageError> {
    match state.handle.create_backfill(request).await {
        Ok((_, planned)) => Ok(Ok(planned)),
        Err(error @ CommandError::Invalid(_)) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

impl Typed {
    /// What it asks for, or what does not fit.
    fn request(&self, dag_id: &str, dry_run: bool, actor: Actor) -> Result<BackfillRequest, String> {
        let time = |text: &str, is_end| {
            typed_instant(text.trim(), is_end).ok_or_else(|| t1("\"{}\" is no time", text.trim()))
        };
        let (from, mut to) = (time(&self.from, false)?, time(&self.until, true)?);
        // A day or a minute is meant to its end; an instant with a zone is meant itself.
        if self.until.trim().parse::<Timestamp>().is_err() {
            to = to.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(to);
        }
        let max_active_runs = self.max_active_runs.trim().parse().ok().filter(|count| *count > 0);
        let conf = match self.conf.trim() {
            "" => Ok(Map::new()),
            text => serde_json::from_str::<Map<String, Value>>(text),
        };
        Ok(BackfillRequest {
            dag_id: dag_id.into(),
            range: Range { from, to, is_newest_first: self.newest_first },
            reprocess: Reprocess::from_label(&self.reprocess).unwrap_or(Reprocess::None),
            max_active_runs: max_active_runs
                .ok_or_else(|| t("runs at a time: a number from 1 on").to_owned())?,
            conf: conf.map_err(|error| t1("conf is no JSON object: {}", error))?,
            dry_run,
            actor,
        })
    }
}

impl BackfillsPage {
    async fn read(
        state: &AppState,
        head: DagHead,
        visitor: &Visitor,
        mut typed: Typed,
    ) -> Result<Self, PageError> {
        let reader = state.handle.reader();
        let backfills = reader.backfills(Some(&head.dag_id)).await?;
        let mut runs = reader.backfill_runs(&head.dag_id).await?;
        let loaded = state.handle.dag(&head.dag_id);
        let dag = loaded.as_ref().map(|loaded| loaded.dag.as_ref());
        let now = Timestamp::now();
        let line = |row: &BackfillRow| {
            BackfillLine::new(&head.url, row, dag, runs.remove(&row.backfill_id).unwrap_or_default(), now)
        };
        if typed.max_active_runs.is_empty() {
            typed.max_active_runs = MAX_ACTIVE_RUNS.to_owned();
        }
        let chosen = Reprocess::from_label(&typed.reprocess).unwrap_or(Reprocess::None);
        let choice = |reprocess: &Reprocess| (reprocess.as_str(), words(*reprocess), *reprocess == chosen);
        Ok(Self {
            frame: head.frame(visitor, t("Backfills")).style("dag_views.css"),
            rows: backfills.iter().take(LISTED_MAX).map(line).collect(),
            choices: Reprocess::ALL.iter().map(choice).collect(),
            typed,
            fault: None,
            plan: None,
            head,
        })
    }
}

/// Which dates are run.
fn words(reprocess: Reprocess) -> &'static str {
    match reprocess {
        Reprocess::None => t("dates without a run"),
        Reprocess::Failed => t("and those whose run failed"),
        Reprocess::Completed => t("and those whose run is over"),
    }
}

impl Plan {
    fn new(planned: &[PlannedBackfillRun]) -> Self {
        let runs: Vec<&PlannedBackfillRun> = planned.iter().filter(|run| run.is_to_run).collect();
        let skipped = (planned.len() - runs.len()) as u64;
        let makes = tn(runs.len() as u64, "Makes 1 run", "Makes {} runs");
        let leaves = tn(skipped, "leaves out 1 date that has a run", "leaves out {} dates that have a run");
        Self {
            says: if skipped == 0 { makes } else { tm("{}; {}", &[&makes, &leaves]) },
            can_start: !runs.is_empty(),
            left_out: runs.len().saturating_sub(LISTED_MAX) as u64,
            runs: runs
                .iter()
                .take(LISTED_MAX)
                .map(|run| (show::exact(run.logical_date), run.newest.map(Mark::of_run)))
                .collect(),
        }
    }
}

impl BackfillLine {
    fn new(
        dag_url: &str,
        row: &BackfillRow,
        dag: Option<&Dag>,
        runs: Vec<(RunState, u64)>,
        now: Timestamp,
    ) -> Self {
        let is_open = row.completed_at.is_none();
        let has_more = dag.is_some_and(|dag| row.range.next(dag, row.last_date).is_some());
        let under_way = runs.iter().any(|(state, _)| !state.is_terminal());
        Self {
            id: row.backfill_id,
            url: format!("{dag_url}/backfills/{}", row.backfill_id),
            from: show::exact(row.range.from),
            to: show::exact(row.range.to),
            reprocess: words(row.reprocess),
            max_active_runs: row.max_active_runs,
            created: Instant::new(row.created_at, now),
            percent: if is_open || has_more { percent(row) } else { 100 },
            reached: row.last_date.map(show::exact).unwrap_or_default(),
            runs: runs.iter().map(|(state, count)| (Mark::of_run(*state), show::count(*count))).collect(),
            state: match (is_open, row.is_paused, has_more, under_way) {
                (true, true, ..) => t("paused"),
                (true, false, ..) => t("starting runs"),
                (false, _, true, _) => t("cancelled"),
                (false, _, false, true) => t("its last runs are under way"),
                (false, _, false, false) => t("done"),
            },
            is_open,
            is_paused: row.is_paused,
        }
    }
}

/// How much of its time is behind it.
fn percent(row: &BackfillRow) -> u64 {
    let Some(last) = row.last_date else { return 0 };
    let all = row.range.to.duration_since(row.range.from).as_secs().max(1);
    let done = if row.range.is_newest_first {
        row.range.to.duration_since(last)
    } else {
        last.duration_since(row.range.from)
    };
    (done.as_secs().clamp(0, all) * 100 / all).unsigned_abs()
}
