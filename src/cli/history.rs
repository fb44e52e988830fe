//! The history of a home, read straight from its database: it works while an engine runs and when none does.

use super::{Failure, suggestion};
use crate::config::Settings;
use esteira_runtime::home;
use esteira_store::{Reader, RunFilter, RunRow, StoreError, TaskInstanceRow};

/// The word that stands for the newest run of a DAG.
const LATEST: &str = "latest";

/// The history, or why there is none.
pub(crate) async fn open(settings: &Settings) -> Result<Reader, Failure> {
    open_if_any(settings).await?.ok_or_else(|| {
        let message = format!("no runs yet in the home {}", settings.home.display());
        Failure::usage(message)
            .hint("esteira run DAG starts one; --home DIR or ESTEIRA_HOME names another home")
    })
}

/// The history, if there is one.
pub(crate) async fn open_if_any(settings: &Settings) -> Result<Option<Reader>, Failure> {
    let path = home::database(&settings.home);
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => esteira_store::open_reader(&path).await.map(Some).map_err(failure),
        Err(error) => {
            let message = format!("the home {} cannot be read: {error}", settings.home.display());
            Err(Failure::usage(message).hint("choose another home with --home"))
        }
    }
}

/// A database's fault in words for the command line.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn failure(error: StoreError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        StoreError::Sql(_) | StoreError::Corrupt(_) => {
            failure.hint("was the home made by another version of Esteira? esteira audit verify checks it")
        }
        _ => failure,
    }
}

/// The run of this name, or the newest one for `latest`.
pub(crate) async fn run(reader: &Reader, dag_id: &str, run_id: &str) -> Result<RunRow, Failure> {
    let found = match run_id {
        LATEST => newest_run(reader, dag_id).await?,
        _ => reader.run(dag_id, run_id).await.map_err(failure)?,
    };
    match found {
        Some(run) => Ok(run),
        None => Err(unknown_run(reader, dag_id, run_id).await?),
    }
}

/// The newest run of a DAG.
pub(crate) async fn newest_run(reader: &Reader, dag_id: &str) -> Result<Option<RunRow>, Failure> {
    let filter = RunFilter { dag_id: Some(dag_id.to_owned()), ..RunFilter::default() };
    Ok(reader.runs(&filter, 1).await.map_err(failure)?.rows.pop())
}

async fn unknown_run(reader: &Reader, dag_id: &str, run_id: &str) -> Result<Failure, Failure> {
    check_dag(reader, dag_id).await?;
    if newest_run(reader, dag_id).await?.is_none() {
        let failure = Failure::usage(format!("DAG \"{dag_id}\" has no runs yet"));
        return Ok(failure.hint(format!("esteira run {dag_id}")));
    }
    let failure = Failure::usage(format!("DAG \"{dag_id}\" has no run \"{run_id}\""));
    Ok(failure.hint(format!("esteira runs list --dag {dag_id} names them; {LATEST} stands for the newest")))
}

/// Says so when the history knows no DAG of this name.
pub(crate) async fn check_dag(reader: &Reader, dag_id: &str) -> Result<(), Failure> {
    if reader.dag(dag_id).await.map_err(failure)?.is_some() {
        return Ok(());
    }
    let dags = reader.dags().await.map_err(failure)?;
    let hint = suggestion(dag_id, dags.iter().map(|dag| dag.dag_id.as_str()));
    Err(Failure::usage(format!("there is no DAG \"{dag_id}\" in this home")).some_hint(hint))
}

/// The instance of a task in a run.
pub(crate) async fn instance(
    reader: &Reader,
    run: &RunRow,
    task_id: &str,
    map_index: i32,
) -> Result<TaskInstanceRow, Failure> {
    if let Some(instance) = reader.instance(run.run_key, task_id, map_index).await.map_err(failure)? {
        return Ok(instance);
    }
    let instances = reader.instances(run.run_key).await.map_err(failure)?;
    let name = format!("{}/{}", run.dag_id, run.run_id);
    if instances.iter().any(|instance| instance.task_id.as_str() == task_id) {
        let failure =
            Failure::usage(format!("task \"{task_id}\" of run {name} has no map index {map_index}"));
        return Err(failure.hint("leave --map-index out for a task that is not mapped"));
    }
    let hint = suggestion(task_id, instances.iter().map(|instance| instance.task_id.as_str()));
    Err(Failure::usage(format!("run {name} has no task \"{task_id}\"")).some_hint(hint))
}
