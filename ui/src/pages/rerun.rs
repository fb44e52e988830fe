//! Clear or mark: what is to be run again or to get a state, with a preview of what that touches before it is done.

use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::Mark;
use crate::{AppState, links, t, t1, tm, tn};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{Redirect, Response};
use esteira_core::states::TaskInstanceState;
use esteira_runtime::{Actor, AffectedInstance, CommandError, RerunRequest};
use esteira_store::RunRow;
use serde::Deserialize;

/// How many of the task instances that are touched are named.
const NAMED_MAX: usize = 100;

/// How many runs are cleared or marked at once.
const RUNS_MAX: usize = 200;

/// What is to be done, and to which task instances. A checkbox that is not ticked is not sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// The task to begin with; all if empty.
    task: String,
    /// Of this task, only the instance with this map index, if given.
    map_index: Option<i32>,
    /// `clear`, `success`, `failed` or `skipped`.
    action: String,
    upstream: bool,
    downstream: bool,
    only_failed: bool,
    /// On the newest version of the DAG.
    latest: bool,
    /// The same tasks of the runs before this one.
    past: bool,
    /// The same tasks of the runs after this one.
    future: bool,
}

impl Wanted {
    fn mark(&self) -> Option<TaskInstanceState> {
        match self.action.as_str() {
            "success" => Some(TaskInstanceState::Success),
            "failed" => Some(TaskInstanceState::Failed),
            "skipped" => Some(TaskInstanceState::Skipped),
            _ => None,
        }
    }

    fn request(&self, dag_id: &str, run_id: &str, dry_run: bool, actor: Actor) -> RerunRequest {
        RerunRequest {
            dag_id: dag_id.into(),
            run_id: run_id.into(),
            task_ids: if self.task.is_empty() { Vec::new() } else { vec![self.task.as_str().into()] },
            map_index: self.map_index,
            upstream: self.upstream,
            downstream: self.downstream,
            only_failed: self.only_failed,
            only_running: false,
            on_latest_version: self.latest,
            mark: self.mark(),
            dry_run,
            actor,
        }
    }
}

#[derive(Template)]
#[template(path = "rerun.html")]
struct RerunPage {
    frame: Frame,
    run_id: String,
    run_url: String,
    wanted: Wanted,
    /// What can be done: its name in the form, what it says, and whether it is chosen.
    actions: Vec<(&'static str, &'static str, bool)>,
    effect: String,
    button: String,
    /// In how many runs, if in several.
    reach: Option<String>,
    rows: Vec<Touched>,
    /// How many more than the rows; "0" if none.
    left_out: String,
    /// Whether the run stands for an instant, so that others are before or after it.
    has_dates: bool,
    /// The newest version of the DAG and the run's own, if they differ and the run may go on with the newest.
    versions: Option<(i64, i64)>,
    problem: Option<String>,
}

/// A task instance that is touched.
struct Touched {
    name: String,
    url: String,
    /// Its run, if that is another than the page is about.
    run_id: String,
    mark: Mark,
}

fn touched(dag_id: &str, run_id: &str, instance: &AffectedInstance, is_other: bool) -> Touched {
    let task_id = instance.task_id.as_str();
    Touched {
        name: match instance.map_index {
            ..0 => task_id.to_owned(),
            map_index => format!("{task_id} [{map_index}]"),
        },
        url: links::instance(dag_id, run_id, task_id, instance.map_index),
        run_id: if is_other { run_id.to_owned() } else { String::new() },
        mark: Mark::of_instance(instance.state),
    }
}

/// What is touched in each run, the one that is named before all others. One that lacks the task is passed over.
type Plan = Vec<(String, Vec<AffectedInstance>)>;

/// Looks at every run before the first is touched. The error is for the person who asked.
async fn plan(state: &AppState, run: &RunRow, wanted: &Wanted, actor: &Actor) -> Result<Plan, String> {
    let (dag_id, run_id) = (run.dag_id.as_str(), run.run_id.as_str());
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut runs = vec![run_id.to_owned()];
    if let Some(at) = run.logical_date.filter(|_| wanted.past || wanted.future) {
        let (from, to) = ((!wanted.past).then_some(at), (!wanted.future).then_some(at));
        let others =
            state.handle.reader().runs_between(dag_id, from, to).await.map_err(|error| text(&error))?;
        runs.extend(others.iter().map(|other| other.run_id.to_string()).filter(|other| other != run_id));
    }
    if runs.len() > RUNS_MAX {
        let (runs, most) = (crate::show::count(runs.len() as u64), crate::show::count(RUNS_MAX as u64));
        return Err(tm(
            "These are {} runs; from here no more than {} are cleared or marked at once. The API takes more.",
            &[&runs, &most],
        ));
    }
    let mut plan = Vec::new();
    for other in runs {
        match state.handle.rerun(wanted.request(dag_id, &other, true, actor.clone())).await {
            Ok(affected) if affected.is_empty() && other != run_id => {}
            Ok(affected) => plan.push((other, affected)),
            Err(CommandError::UnknownTask { .. }) if other != run_id => {}
            Err(error) => return Err(text(&error)),
        }
    }
    Ok(plan)
}

/// What can be done with task instances: its name in the form, and what it says.
fn actions() -> [(&'static str, &'static str); 4] {
    [
        ("clear", t("Run again (clear)")),
        ("success", t("Mark as success")),
        ("failed", t("Mark as failed")),
        ("skipped", t("Mark as skipped")),
    ]
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
    PageActor(actor): PageActor,
) -> Result<Response, PageError> {
    let run = super::run::find(&state, &dag_id, &run_id).await?;
    let newest = state.handle.reader().dag(&dag_id).await?.filter(|_| run.state.is_terminal());
    let newest =
        newest.filter(|dag| dag.version_id != run.version_id && !dag.is_stale && wanted.mark().is_none());
    let (plan, problem) = match plan(&state, &run, &wanted, &actor).await {
        Ok(plan) => (plan, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let count = plan.iter().map(|(_, affected)| affected.len()).sum();
    let runs = plan.len();
    let run_url = links::run(&dag_id, &run_id);
    let title =
        if wanted.task.is_empty() { t("Run again").to_owned() } else { t1("{}: again", &wanted.task) };
    let (dag, own) = (dag_id.as_str(), run_id.as_str());
    let rows: Vec<Touched> = plan
        .iter()
        .flat_map(|(other, affected)| affected.iter().map(move |it| touched(dag, other, it, other != own)))
        .take(NAMED_MAX)
        .collect();
    let chosen = if wanted.mark().is_some() { wanted.action.clone() } else { "clear".to_owned() };
    let page = RerunPage {
        frame: visitor
            .frame(Section::Dags, title)
            .crumb("DAGs", "/dags")
            .crumb(dag_id.clone(), links::dag(&dag_id))
            .crumb(run_id.clone(), run_url.clone())
            .crumb(t("Clear or mark"), ""),
        actions: actions().into_iter().map(|(name, text)| (name, text, chosen == name)).collect(),
        effect: effect(&wanted, count),
        reach: (runs > 1).then(|| t1("In {} runs.", crate::show::count(runs as u64))),
        button: button(&wanted, count),
        left_out: crate::show::count(count.saturating_sub(rows.len()) as u64),
        rows,
        has_dates: run.logical_date.is_some(),
        versions: newest.map(|dag| (dag.version_number, run.version_number)),
        run_id,
        run_url,
        wanted,
        problem,
    };
    Ok(frame::html(&page))
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    PageActor(actor): PageActor,
    Form(wanted): Form<Wanted>,
) -> Result<Redirect, PageError> {
    let run = super::run::find(&state, &dag_id, &run_id).await?;
    let runs: Vec<String> = match wanted.past || wanted.future {
        true => {
            let plan = plan(&state, &run, &wanted, &actor).await;
            plan.map_err(CommandError::Invalid)?.into_iter().map(|(other, _)| other).collect()
        }
        false => vec![run_id.clone()],
    };
    let mut count = 0;
    for other in runs {
        count += state.handle.rerun(wanted.request(&dag_id, &other, false, actor.clone())).await?.len();
    }
    let done = if wanted.mark().is_some() { "marked" } else { "cleared" };
    let pairs = [("done", done), ("number", &count.to_string())];
    Ok(Redirect::to(&links::with_query(&links::run(&dag_id, &run_id), &pairs)))
}

/// What was done, in the words of the page that shows what came of it.
pub(super) fn done(what: &str, number: u64) -> Option<String> {
    match what {
        "cleared" => Some(tn(number, "Cleared 1 task instance.", "Cleared {} task instances.")),
        "marked" => Some(tn(number, "Marked 1 task instance.", "Marked {} task instances.")),
        "run-marked" => Some(t("Gave the run another state.").to_owned()),
        "cancelled" => Some(t("Told the run to end.").to_owned()),
        "triggered" => Some(t("Started this run.").to_owned()),
        _ => None,
    }
}

fn effect(wanted: &Wanted, count: usize) -> String {
    let count = count as u64;
    match (wanted.mark(), count) {
        (_, 0) => t("This touches nothing.").to_owned(),
        (None, _) => format!(
            "{} {}",
            tn(count, "Clears 1 task instance.", "Clears {} task instances."),
            clear_effect()
        ),
        (Some(mark), _) => {
            let word = Mark::of_instance(Some(mark)).word();
            let gives = match count {
                1 => t1("Gives 1 task instance the state {}.", word),
                _ => tm("Gives {} task instances the state {}.", &[&crate::show::count(count), &word]),
            };
            let besides = match mark {
                TaskInstanceState::Success => {
                    t("What failed after them for their sake is cleared, and the run goes on.")
                }
                _ => t("What runs among them is ended first."),
            };
            format!("{gives} {besides}")
        }
    }
}

/// What becomes of what is cleared.
fn clear_effect() -> String {
    let parts = [
        t(
            "What is cleared starts anew as its trigger rules allow; what it pushed is gone, attempts and logs are kept.",
        ),
        t("What runs among it is ended first. The run goes on."),
    ];
    parts.join(" ")
}

fn button(wanted: &Wanted, count: usize) -> String {
    let count = count as u64;
    match wanted.mark() {
        None => tn(count, "Clear 1 task instance", "Clear {} task instances"),
        Some(state) => {
            let word = Mark::of_instance(Some(state)).word();
            match count {
                1 => t1("Mark 1 task instance as {}", word),
                _ => tm("Mark {} task instances as {}", &[&crate::show::count(count), &word]),
            }
        }
    }
}
