//! Where facts about runs come from: the database of a home, or the API of a server, which gives the same rows. So what is
//! printed of them is written once.

mod fields;
mod log;
mod rows;

pub(crate) use fields::Fields;
pub(crate) use log::LogPlace;

use super::server::{AT_ONCE, Server, ServerArguments};
use super::{Failure, history, suggestion};
use crate::config::Settings;
use esteira_runtime::home;
use esteira_store::{
    AttemptKey, AttemptRow, EventFilter, EventRow, NotificationRow, Page, Reader, RunFilter, RunRow,
    TaskInstanceRow, XcomRow,
};
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// The word that stands for the newest run of a DAG.
const LATEST: &str = "latest";

/// Where facts come from.
pub(crate) enum Source {
    /// From the database of a home: it works while an engine runs and when none does.
    Home {
        /// The database.
        reader: Reader,
        /// The home.
        root: PathBuf,
    },
    /// From the API of a server that was named.
    Server(Box<Server>),
}

type Query = Vec<(&'static str, String)>;

impl Source {
    /// The server that is named, or else the home.
    pub(crate) async fn open(settings: &Settings, arguments: &ServerArguments) -> Result<Self, Failure> {
        match Server::named(arguments)? {
            Some(server) => Ok(Self::Server(Box::new(server))),
            None => Ok(Self::home(settings, history::open(settings).await?)),
        }
    }

    /// The home, whose history was opened.
    pub(crate) fn home(settings: &Settings, reader: Reader) -> Self {
        Self::Home { reader, root: settings.home.clone() }
    }

    /// Whether nothing goes on, since no engine runs.
    pub(crate) fn is_at_rest(&self) -> bool {
        match self {
            Self::Home { root, .. } => home::running_engine(root).is_none(),
            Self::Server(_) => false,
        }
    }

    /// From here on, a server that is away for a while is asked again.
    pub(crate) fn be_patient(&mut self) {
        if let Self::Server(server) = self {
            server.be_patient();
        }
    }

    /// Runs, newest first.
    pub(crate) async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Page<RunRow>, Failure> {
        let server = match self {
            Self::Home { reader, .. } => return reader.runs(filter, limit).await.map_err(history::failure),
            Self::Server(server) => server,
        };
        let (dag_id, mut query) = run_query(filter);
        query.push(("order_by", "-id".to_owned()));
        let list = server.first(&["dags", dag_id, "dagRuns"], &query, "dag_runs", limit as usize).await?;
        let mut rows = list.rows.iter().map(rows::run).collect::<Result<Vec<_>, _>>()?;
        // A run that is new since the page before has moved the others on.
        let mut seen = HashSet::new();
        rows.retain(|run| seen.insert((run.dag_id.clone(), run.run_id.clone())));
        Ok(Page { rows, has_more: list.has_more })
    }

    /// The newest run of each of these DAGs, by their names.
    pub(crate) async fn newest_runs(&self, dags: Vec<String>) -> Result<HashMap<String, RunRow>, Failure> {
        if let Self::Home { reader, .. } = self {
            let names: Vec<&str> = dags.iter().map(String::as_str).collect();
            let runs = reader.latest_runs_of(&names, 1).await.map_err(history::failure)?;
            return Ok(runs
                .into_iter()
                .filter_map(|(dag_id, mut runs)| Some((dag_id, runs.pop()?)))
                .collect());
        }
        let newest = |dag_id: String| async move {
            let filter = RunFilter { dag_id: Some(dag_id.clone()), ..RunFilter::default() };
            let newest = self.runs(&filter, 1).await?.rows.pop();
            Ok::<_, Failure>(newest.map(|run| (dag_id, run)))
        };
        let found = stream::iter(dags).map(newest).buffered(AT_ONCE).try_filter_map(|found| ready(Ok(found)));
        found.try_collect().await
    }

    /// How many runs there are of these.
    pub(crate) async fn run_count(&self, filter: &RunFilter) -> Result<u64, Failure> {
        let server = match self {
            Self::Home { reader, .. } => return reader.run_count(filter).await.map_err(history::failure),
            Self::Server(server) => server,
        };
        let (dag_id, mut query) = run_query(filter);
        query.push(("limit", "1".to_owned()));
        let answer = server.get_with(&["dags", dag_id, "dagRuns"], &query).await?;
        Ok(answer["total_entries"].as_u64().unwrap_or_default())
    }

    /// The run of this name, or the newest one for `latest`.
    pub(crate) async fn run(&self, dag_id: &str, run_id: &str) -> Result<RunRow, Failure> {
        let found = match (self, run_id) {
            (_, LATEST) => self.newest_run(dag_id).await?,
            (Self::Home { reader, .. }, _) => reader.run(dag_id, run_id).await.map_err(history::failure)?,
            (Self::Server(server), _) => {
                let found = server.look_up(&["dags", dag_id, "dagRuns", run_id], &[]).await?;
                found.as_ref().map(rows::run).transpose()?
            }
        };
        match found {
            Some(run) => Ok(run),
            None => Err(self.unknown_run(dag_id, run_id).await?),
        }
    }

    async fn newest_run(&self, dag_id: &str) -> Result<Option<RunRow>, Failure> {
        self.check_dag(dag_id).await?;
        let filter = RunFilter { dag_id: Some(dag_id.to_owned()), ..RunFilter::default() };
        Ok(self.runs(&filter, 1).await?.rows.pop())
    }

    async fn unknown_run(&self, dag_id: &str, run_id: &str) -> Result<Failure, Failure> {
        if self.newest_run(dag_id).await?.is_none() {
            let failure = Failure::usage(format!("DAG \"{dag_id}\" has no runs yet"));
            return Ok(match self {
                Self::Home { .. } => failure.hint(format!("esteira run {dag_id}")),
                Self::Server(_) => failure.hint(format!("esteira trigger {dag_id}")),
            });
        }
        let failure = Failure::usage(format!("DAG \"{dag_id}\" has no run \"{run_id}\""));
        Ok(failure
            .hint(format!("esteira runs list --dag {dag_id} names them; {LATEST} stands for the newest")))
    }

    /// Says so when there is no DAG of this name.
    pub(crate) async fn check_dag(&self, dag_id: &str) -> Result<(), Failure> {
        let is_known = match self {
            Self::Home { reader, .. } => reader.dag(dag_id).await.map_err(history::failure)?.is_some(),
            Self::Server(server) => server.look_up(&["dags", dag_id], &[]).await?.is_some(),
        };
        if is_known { Ok(()) } else { Err(self.unknown_dag(dag_id).await?) }
    }

    /// Says that there is no DAG of this name.
    pub(crate) async fn unknown_dag(&self, dag_id: &str) -> Result<Failure, Failure> {
        let names = self.dag_names().await?;
        let place = if matches!(self, Self::Home { .. }) { "in this home" } else { "on this server" };
        let failure = Failure::usage(format!("there is no DAG \"{dag_id}\" {place}"));
        Ok(failure.some_hint(suggestion(dag_id, names.iter().map(String::as_str))))
    }

    async fn dag_names(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Home { reader, .. } => {
                let dags = reader.dags().await.map_err(history::failure)?;
                Ok(dags.iter().map(|dag| dag.dag_id.to_string()).collect())
            }
            // A token that is bound to some DAGs is not let in to the list: then there is no suggestion.
            Self::Server(server) => {
                let all = [("exclude_stale", "false".to_owned())];
                let dags = server.all(&["dags"], &all, "dags").await.unwrap_or_default();
                Ok(dags.iter().filter_map(|dag| dag["dag_id"].as_str()).map(str::to_owned).collect())
            }
        }
    }

    /// The instances of a run, in the order of the DAG's file.
    pub(crate) async fn instances(&self, run: &RunRow) -> Result<Vec<TaskInstanceRow>, Failure> {
        match self {
            Self::Home { reader, .. } => reader.instances(run.run_key).await.map_err(history::failure),
            Self::Server(server) => {
                let path = ["dags", run.dag_id.as_str(), "dagRuns", run.run_id.as_str(), "taskInstances"];
                server.all(&path, &[], "task_instances").await?.iter().map(rows::instance).collect()
            }
        }
    }

    /// The instance of a task in a run.
    pub(crate) async fn instance(
        &self,
        run: &RunRow,
        task_id: &str,
        map_index: i32,
    ) -> Result<TaskInstanceRow, Failure> {
        let found = match self {
            Self::Home { reader, .. } => {
                reader.instance(run.run_key, task_id, map_index).await.map_err(history::failure)?
            }
            Self::Server(server) => {
                let path =
                    ["dags", run.dag_id.as_str(), "dagRuns", run.run_id.as_str(), "taskInstances", task_id];
                let found = server.look_up(&path, &[("map_index", map_index.to_string())]).await?;
                found.as_ref().map(rows::instance).transpose()?
            }
        };
        match found {
            Some(instance) => Ok(instance),
            None => Err(self.unknown_instance(run, task_id, map_index).await?),
        }
    }

    async fn unknown_instance(
        &self,
        run: &RunRow,
        task_id: &str,
        map_index: i32,
    ) -> Result<Failure, Failure> {
        let instances = self.instances(run).await?;
        let name = format!("{}/{}", run.dag_id, run.run_id);
        if instances.iter().any(|instance| instance.task_id.as_str() == task_id) {
            let failure =
                Failure::usage(format!("task \"{task_id}\" of run {name} has no map index {map_index}"));
            return Ok(failure.hint("leave --map-index out for a task that is not mapped"));
        }
        let hint = suggestion(task_id, instances.iter().map(|instance| instance.task_id.as_str()));
        Ok(Failure::usage(format!("run {name} has no task \"{task_id}\"")).some_hint(hint))
    }

    /// The attempts of an instance that have ended, oldest first.
    pub(crate) async fn attempts(
        &self,
        run: &RunRow,
        instance: &TaskInstanceRow,
    ) -> Result<Vec<AttemptRow>, Failure> {
        let TaskInstanceRow { task_id, task_index, map_index, try_number, .. } = instance;
        if *try_number == 0 {
            return Ok(Vec::new());
        }
        match self {
            Self::Home { reader, .. } => {
                let key = AttemptKey { run_key: run.run_key, task_index: *task_index, map_index: *map_index };
                reader.attempts(key).await.map_err(history::failure)
            }
            Self::Server(server) => {
                let (dag_id, run_id) = (run.dag_id.as_str(), run.run_id.as_str());
                let path = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id.as_str(), "tries"];
                let answer = server.get_with(&path, &[("map_index", map_index.to_string())]).await?;
                let tries = answer["task_instances"].as_array().map_or(&[][..], Vec::as_slice);
                // Only one that has ended has an error, or the word that it has none.
                let ended = tries.iter().filter(|attempt| attempt.get("error").is_some());
                ended.map(rows::attempt).collect()
            }
        }
    }

    /// The callbacks of a run; none where they are not told of.
    pub(crate) async fn notifications(&self, run: &RunRow) -> Result<Option<Vec<NotificationRow>>, Failure> {
        match self {
            Self::Home { reader, .. } => {
                reader.notifications_of_run(run.run_key).await.map(Some).map_err(history::failure)
            }
            Self::Server(_) => Ok(None),
        }
    }

    /// What the instances of a run pushed, without the values; of one task if one is named.
    pub(crate) async fn xcoms(&self, run: &RunRow, task_id: Option<&str>) -> Result<Vec<XcomRow>, Failure> {
        match self {
            Self::Home { reader, .. } => reader.xcoms(run.run_key, task_id).await.map_err(history::failure),
            Self::Server(server) => {
                let path = xcom_path(run, task_id.unwrap_or("~"));
                server.all(&path, &[], "xcom_entries").await?.iter().map(rows::xcom).collect()
            }
        }
    }

    /// A value that an instance pushed.
    pub(crate) async fn xcom_value(
        &self,
        run: &RunRow,
        task_id: &str,
        map_index: i32,
        key: &str,
    ) -> Result<Option<Value>, Failure> {
        match self {
            Self::Home { reader, .. } => {
                reader.xcom_value(run.run_key, task_id, map_index, key).await.map_err(history::failure)
            }
            Self::Server(server) => {
                let path: Vec<&str> = xcom_path(run, task_id).into_iter().chain([key]).collect();
                let found = server.look_up(&path, &[("map_index", map_index.to_string())]).await?;
                Ok(found.map(|mut entry| entry["value"].take()))
            }
        }
    }

    /// Events, newest first; of one run if one is named.
    pub(crate) async fn events(
        &self,
        filter: EventFilter,
        run: Option<&RunRow>,
        limit: u32,
    ) -> Result<Page<EventRow>, Failure> {
        let server = match self {
            Self::Home { reader, .. } => {
                let filter = EventFilter { run_key: run.map(|run| run.run_key), ..filter };
                return reader.events(&filter, limit).await.map_err(history::failure);
            }
            Self::Server(server) => server,
        };
        let run_id = run.map(|run| run.run_id.to_string());
        let pairs = [
            ("dag_id", filter.dag_id),
            ("run_id", run_id),
            ("task_id", filter.task_id),
            ("event_prefix_pattern", filter.name),
            ("owner", filter.actor),
        ];
        let query: Query =
            pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
        let list = server.first(&["eventLogs"], &query, "event_logs", limit as usize).await?;
        let rows = list.rows.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { rows, has_more: list.has_more })
    }
}

/// The DAG that a list of runs is about, `~` for all, and the rest of what is asked.
fn run_query(filter: &RunFilter) -> (&str, Query) {
    let states = filter.states.iter().map(|state| ("state", state.to_string())).collect();
    (filter.dag_id.as_deref().unwrap_or("~"), states)
}

fn xcom_path<'a>(run: &'a RunRow, task_id: &'a str) -> [&'a str; 7] {
    ["dags", run.dag_id.as_str(), "dagRuns", run.run_id.as_str(), "taskInstances", task_id, "xcomEntries"]
}
