//! The first page: how the engine and the services are, how runs went, what runs, what failed and why, what is due next, and
//! where instances wait for slots. Each part is small and read by an index, so that the page is as fast on a large home.

use super::activity::{self, Hour};
use super::cells::run_key;
use crate::AppState;
use crate::data_api::DataState;
use crate::data_api::stats::ServiceHealth;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::sensors::Dashboard;
use crate::show::{Elapsed, Instant, Mark, count};
use crate::{links, t};
use askama::Template;
use axum::Extension;
use axum::extract::{FromRef, State};
use axum::response::Response;
use esteira_core::states::RunState;
use esteira_runtime::PoolStatus;
use esteira_store::{FirstFailure, RunFilter, RunRow, StoreError};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How many rows each of the short lists has.
const ROWS: u32 = 6;

/// How many DAGs are told of that are due next.
const DUE_ROWS: usize = 8;

/// How long the page waits for the loop; one that takes longer is said to be busy.
const PATIENCE: Duration = Duration::from_millis(300);

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    has_dags: bool,
    is_engine_up: bool,
    started: Instant,
    facts: Vec<Fact>,
    hours: Vec<Hour>,
    under_way: Vec<UnderWay>,
    more_under_way: u64,
    failures: Vec<Failure>,
    due: Vec<Due>,
    pools: Vec<Pool>,
    /// None while they are asked for the first time.
    services: Option<Vec<ServiceHealth>>,
}

/// A number that people look for first.
struct Fact {
    label: &'static str,
    number: String,
    url: String,
    /// The state whose colour it has where it is not nothing.
    mark: Mark,
    is_none: bool,
}

struct UnderWay {
    key: String,
    dag_id: String,
    dag_url: String,
    run_id: String,
    url: String,
    mark: Mark,
    elapsed: Elapsed,
}

struct Failure {
    key: String,
    dag_id: String,
    dag_url: String,
    run_id: String,
    url: String,
    at: Instant,
    mark: Mark,
    /// The task that failed first, with its address, and why.
    first: Option<(String, String, String)>,
}

struct Due {
    dag_id: String,
    url: String,
    at: Instant,
}

struct Pool {
    name: String,
    used: u32,
    slots: String,
    wanted: u32,
    /// The part in use, in thousandths.
    share: u64,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let reader = state.handle.reader();
    let of = |run_state| RunFilter { states: vec![run_state], ..RunFilter::default() };
    let running = reader.run_count(&of(RunState::Running)).await?;
    let queued = reader.run_count(&of(RunState::Queued)).await?;
    let unfinished = RunFilter { states: vec![RunState::Running, RunState::Queued], ..RunFilter::default() };
    let under_way = reader.runs(&unfinished, ROWS).await?.rows;
    let since = activity::since(now);
    let counts = reader.runs_by_hour(since).await?;
    let pools = tokio::time::timeout(PATIENCE, state.handle.pools()).await.ok().and_then(Result::ok);
    let frame = visitor.frame(Section::Home, t("Home")).crumb(t("Home"), "");
    let page = HomePage {
        has_dags: !state.handle.dags().is_empty(),
        is_engine_up: pools.is_some(),
        started: Instant::new(state.handle.started_at(), now),
        facts: facts(&frame, running, queued, &counts),
        hours: activity::hours(since, &counts),
        more_under_way: (running + queued).saturating_sub(under_way.len() as u64),
        under_way: under_way.iter().map(|run| UnderWay::new(run, now)).collect(),
        failures: failures(&state, now).await?,
        due: due(&state, now),
        pools: busiest(pools.unwrap_or_default()),
        services: dashboard.services(&DataState::from_ref(&state)).await,
        frame,
    };
    Ok(frame::html(&page))
}

fn facts(frame: &Frame, running: u64, queued: u64, counts: &[(usize, RunState, u64)]) -> Vec<Fact> {
    let in_a_day = |wanted: RunState| {
        counts.iter().filter(|(_, state, _)| *state == wanted).map(|(_, _, number)| number).sum::<u64>()
    };
    let fact = |label, number: u64, mark: Mark, url: String| Fact {
        label,
        number: count(number),
        url,
        mark,
        is_none: number == 0,
    };
    let runs = |state: RunState| links::with_query("/runs", &[("state", state.as_str())]);
    let (waiting, broken) = (frame.open_questions, frame.import_errors as u64);
    let person = Mark { name: "awaiting_input", label: "awaiting input", glyph: "?" };
    [
        Some(fact(t("running"), running, Mark::of_run(RunState::Running), runs(RunState::Running))),
        Some(fact(t("queued"), queued, Mark::of_run(RunState::Queued), runs(RunState::Queued))),
        Some(fact(
            t("failed in 24 h"),
            in_a_day(RunState::Failed),
            Mark::of_run(RunState::Failed),
            runs(RunState::Failed),
        )),
        Some(fact(
            t("succeeded in 24 h"),
            in_a_day(RunState::Success),
            Mark::of_run(RunState::Success),
            runs(RunState::Success),
        )),
        Some(fact(t("waiting for a person"), waiting, person, "/actions".to_owned())),
        (broken > 0).then(|| {
            fact(t("import errors"), broken, Mark::of_run(RunState::Failed), "/import-errors".to_owned())
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl UnderWay {
    fn new(run: &RunRow, now: Timestamp) -> Self {
        Self {
            key: run_key(run),
            dag_url: links::dag(run.dag_id.as_str()),
            dag_id: run.dag_id.to_string(),
            url: links::run(run.dag_id.as_str(), run.run_id.as_str()),
            run_id: run.run_id.to_string(),
            mark: Mark::of_run(run.state),
            elapsed: Elapsed::between(Some(run.started_at.unwrap_or(run.queued_at)), None, now),
        }
    }
}

/// The newest runs that failed, each with what failed first in it.
async fn failures(state: &AppState, now: Timestamp) -> Result<Vec<Failure>, StoreError> {
    let reader = state.handle.reader();
    let filter = RunFilter { states: vec![RunState::Failed], ..RunFilter::default() };
    let mut failures = Vec::new();
    for run in reader.runs(&filter, ROWS).await?.rows {
        let first = reader.first_failure(run.run_key).await?;
        failures.push(Failure::new(&run, first, now));
    }
    Ok(failures)
}

impl Failure {
    fn new(run: &RunRow, first: Option<FirstFailure>, now: Timestamp) -> Self {
        let (dag_id, run_id) = (run.dag_id.as_str(), run.run_id.as_str());
        let first = first.map(|first| {
            let url = links::instance(dag_id, run_id, &first.task_id, first.map_index);
            (first.task_id, url, first.message.unwrap_or_default())
        });
        Self {
            key: run_key(run),
            dag_url: links::dag(dag_id),
            dag_id: dag_id.to_owned(),
            url: links::run(dag_id, run_id),
            run_id: run_id.to_owned(),
            at: Instant::new(run.ended_at.unwrap_or(run.queued_at), now),
            mark: Mark::of_run(run.state),
            first,
        }
    }
}

/// The DAGs whose schedules start a run next, the soonest first.
fn due(state: &AppState, now: Timestamp) -> Vec<Due> {
    let dags = state.handle.dags();
    let mut due: Vec<_> = dags
        .iter()
        .filter(|dag| !dag.is_paused)
        .filter_map(|dag| Some((dag.next_run_at()?, dag.dag.dag_id.as_str())))
        .collect();
    due.sort();
    let row = |(at, dag_id): (Timestamp, &str)| Due {
        url: links::dag(dag_id),
        dag_id: dag_id.to_owned(),
        at: Instant::new(at, now),
    };
    due.into_iter().take(DUE_ROWS).map(row).collect()
}

/// The pools whose slots are most in demand; one without a limit has none to wait for.
fn busiest(mut pools: Vec<PoolStatus>) -> Vec<Pool> {
    let demand = |status: &PoolStatus| {
        let claimed = u64::from(status.used) + u64::from(status.wanted);
        status.pool.slots.map_or(0, |slots| claimed * 1_000 / u64::from(slots.max(1)))
    };
    pools.sort_by(|one, other| {
        demand(other).cmp(&demand(one)).then_with(|| one.pool.name.cmp(&other.pool.name))
    });
    let row = |status: PoolStatus| {
        let used_share = |slots: u32| u64::from(status.used) * 1_000 / u64::from(slots.max(1));
        Pool {
            share: status.pool.slots.map_or(0, used_share).min(1_000),
            slots: status.pool.slots.map(count).unwrap_or_default(),
            name: status.pool.name,
            used: status.used,
            wanted: status.wanted,
        }
    };
    pools.into_iter().take(ROWS as usize).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use esteira_store::PoolRow;

    #[test]
    fn pools_that_are_waited_for_come_first() {
        let pool = |name: &str, slots, used, wanted| PoolStatus {
            pool: PoolRow { name: name.to_owned(), slots, description: String::new() },
            used,
            wanted,
        };
        let pools = vec![
            pool("free", Some(10), 0, 0),
            pool("endless", None, 90, 9),
            pool("full", Some(2), 2, 7),
            pool("half", Some(4), 2, 0),
        ];
        let rows: Vec<_> = busiest(pools).into_iter().map(|row| (row.name, row.share)).collect();
        let expected = [("full", 1_000), ("half", 500), ("endless", 0), ("free", 0)];
        assert_eq!(rows, expected.map(|(name, share)| (name.to_owned(), share)));
    }
}
