//! Clearing and marking: `POST …/clearTaskInstances`, `POST …/dagRuns/{run_id}/clear`, `PATCH …/taskInstances/{task_id}`;
//! in one run, or in many.

use super::body::Body;
use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use super::{dag_runs, task_instances};
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use esteira_core::states::TaskInstanceState;
use esteira_runtime::{Actor, AffectedInstance, CommandError, RerunRequest};
use esteira_store::RunRow;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Which runs of a DAG are meant.
#[derive(Debug, Default)]
struct Reach {
    /// This one.
    run_id: Option<String>,
    /// And all that stand for an earlier logical date.
    past: bool,
    /// And all that stand for a later one.
    future: bool,
    /// Without a run: all from this logical date on.
    start: Option<Timestamp>,
    /// Without a run: all up to this logical date.
    end: Option<Timestamp>,
}

impl Reach {
    fn of_run(run_id: &str) -> Self {
        Self { run_id: Some(run_id.to_owned()), ..Self::default() }
    }

    fn read(mut self, body: &mut Body) -> Self {
        self.past = body.boolean("include_past").unwrap_or(false);
        self.future = body.boolean("include_future").unwrap_or(false);
        self
    }

    /// The runs, the one that is named before all others.
    async fn runs(&self, state: &AppState, dag_id: &str) -> Result<Vec<RunRow>, ApiError> {
        let reader = state.handle.reader();
        let Some(run_id) = &self.run_id else {
            return Ok(reader.runs_between(dag_id, self.start, self.end).await?);
        };
        let run = dag_runs::find(state, dag_id, run_id).await?;
        if !self.past && !self.future {
            return Ok(vec![run]);
        }
        let at = run.logical_date.ok_or_else(|| {
            ApiError::conflict(format!(
                "run \"{run_id}\" stands for no logical date: no run is before or after it"
            ))
        })?;
        let (from, to) = ((!self.past).then_some(at), (!self.future).then_some(at));
        let mut others = reader.runs_between(dag_id, from, to).await?;
        others.retain(|other| other.run_key != run.run_key);
        others.insert(0, run);
        Ok(others)
    }
}

/// `POST /dags/{dag_id}/clearTaskInstances`. As in Airflow, it only says what it would clear unless `dry_run` is false,
/// and only clears what failed unless `only_failed` is false.
pub(super) async fn clear_instances(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut reach = Reach { run_id: body.text("dag_run_id"), ..Reach::default() }.read(&mut body);
    (reach.start, reach.end) = (body.instant("start_date"), body.instant("end_date"));
    if reach.run_id.is_none() && reach.start.is_none() && reach.end.is_none() {
        let message = "dag_run_id is needed, or start_date or end_date for all runs between them";
        body.fault("dag_run_id", "missing", message, Value::Null);
    }
    let mut request = request(&dag_id, actor);
    let (task_ids, map_index) = body.tasks("task_ids");
    request.task_ids = task_ids.into_iter().map(Into::into).collect();
    request.map_index = map_index;
    request.dry_run = body.boolean("dry_run").unwrap_or(true);
    request.only_failed = body.boolean("only_failed").unwrap_or(true);
    request.only_running = body.boolean("only_running").unwrap_or(false);
    request.upstream = body.boolean("include_upstream").unwrap_or(false);
    request.downstream = body.boolean("include_downstream").unwrap_or(false);
    request.on_latest_version = body.boolean("run_on_latest_version").unwrap_or(false);
    let spares_running = body.boolean("prevent_running_task").unwrap_or(false);
    // A run that has ended always goes on when something in it is cleared.
    body.boolean("reset_dag_runs");
    body.unsupported("note");
    body.end()?;
    let plan = Plan::make(&state, request, &reach).await?;
    if spares_running && let Some(running) = plan.running() {
        return Err(ApiError::conflict(format!("{running} is running, and prevent_running_task is true")));
    }
    plan.carry_out(&state).await
}

/// `POST /dags/{dag_id}/dagRuns/{run_id}/clear`. A dry run, which is the default, gives the task instances; otherwise the
/// run is given.
pub(super) async fn clear_run(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut request = request(&dag_id, actor);
    request.dry_run = body.boolean("dry_run").unwrap_or(true);
    request.only_failed = body.boolean("only_failed").unwrap_or(false);
    request.on_latest_version = body.boolean("run_on_latest_version").unwrap_or(false);
    body.unsupported_unless_false("only_new");
    body.unsupported("note");
    body.end()?;
    let is_dry = request.dry_run;
    let answer = Plan::make(&state, request, &Reach::of_run(&run_id)).await?.carry_out(&state).await?;
    if is_dry {
        return Ok(answer);
    }
    let run = dag_runs::find(&state, &dag_id, &run_id).await?;
    dag_runs::answer(&state, &run).await
}

/// `PATCH …/taskInstances/{task_id}`: `new_state` marks it, and more with `include_upstream` and `include_downstream`.
pub(super) async fn mark_instance(
    state: State<AppState>,
    path: Path<(String, String, String)>,
    pairs: Pairs,
    actor: ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    mark(state, path, &pairs, actor, body, false).await
}

/// `PATCH …/taskInstances/{task_id}/dry_run`: what that would mark.
pub(super) async fn would_mark_instance(
    state: State<AppState>,
    path: Path<(String, String, String)>,
    pairs: Pairs,
    actor: ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    mark(state, path, &pairs, actor, body, true).await
}

async fn mark(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: &Pairs,
    ApiActor(actor): ApiActor,
    mut body: Body,
    dry_run: bool,
) -> Result<Json<Value>, ApiError> {
    let mut request = request(&dag_id, actor);
    let new_state = body.text("new_state");
    request.mark = new_state.as_deref().and_then(TaskInstanceState::from_label);
    if request.mark.is_none() {
        let message = "Input should be 'success', 'failed' or 'skipped'";
        body.fault("new_state", "enum", message, json!(new_state));
    }
    request.task_ids = vec![task_id.into()];
    request.map_index = pairs.integer("map_index")?.filter(|map_index: &i32| *map_index >= 0);
    request.dry_run = dry_run;
    request.upstream = body.boolean("include_upstream").unwrap_or(false);
    request.downstream = body.boolean("include_downstream").unwrap_or(false);
    let reach = Reach::of_run(&run_id).read(&mut body);
    body.unsupported("note");
    body.end()?;
    Plan::make(&state, request, &reach).await?.carry_out(&state).await
}

fn request(dag_id: &str, actor: Actor) -> RerunRequest {
    RerunRequest {
        dag_id: dag_id.into(),
        run_id: "".into(),
        task_ids: Vec::new(),
        map_index: None,
        upstream: false,
        downstream: false,
        only_failed: false,
        only_running: false,
        on_latest_version: false,
        mark: None,
        dry_run: false,
        actor,
    }
}

/// What a request is about, in every run that it reaches: looked at in all of them before the first is touched.
struct Plan {
    request: RerunRequest,
    runs: Vec<(RunRow, Vec<AffectedInstance>)>,
}

impl Plan {
    /// Another run than the one that is named may lack the tasks, or have nothing to do: it is passed over.
    async fn make(state: &AppState, request: RerunRequest, reach: &Reach) -> Result<Self, ApiError> {
        let mut runs = Vec::new();
        for run in reach.runs(state, request.dag_id.as_str()).await? {
            let is_named = reach.run_id.as_deref() == Some(run.run_id.as_str());
            let dry = RerunRequest { run_id: run.run_id.clone(), dry_run: true, ..request.clone() };
            match state.handle.rerun(dry).await {
                Ok(instances) if instances.is_empty() && !is_named => {}
                Ok(instances) => runs.push((run, instances)),
                Err(CommandError::UnknownTask { .. }) if !is_named => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { request, runs })
    }

    /// The first instance that is running, as a person names it.
    fn running(&self) -> Option<String> {
        let mut instances =
            self.runs.iter().flat_map(|(run, instances)| instances.iter().map(move |it| (run, it)));
        let is_running =
            |state| matches!(state, Some(TaskInstanceState::Running | TaskInstanceState::Restarting));
        let (run, instance) = instances.find(|(_, instance)| is_running(instance.state))?;
        Some(format!("task \"{}\" in run \"{}\"", instance.task_id, run.run_id))
    }

    /// Does it, unless it is only asked what it would do, and gives the task instances as they were before.
    async fn carry_out(self, state: &AppState) -> Result<Json<Value>, ApiError> {
        let mut shapes = Vec::new();
        for (run, instances) in &self.runs {
            shapes.extend(task_instances::shapes_before(state, run, instances).await?);
        }
        if !self.request.dry_run {
            for (run, _) in self.runs {
                state.handle.rerun(RerunRequest { run_id: run.run_id, ..self.request.clone() }).await?;
            }
        }
        let total = shapes.len();
        Ok(Json(json!({ "task_instances": shapes, "total_entries": total })))
    }
}
