//! What every page of a DAG shows above its tabs: its name, facts and buttons.

use crate::AppState;
use crate::definition::Definition;
use crate::error_pages::PageError;
use crate::frame::{Frame, Section, Visitor};
use crate::links;
use crate::show::{self, Instant, Mark};
use crate::{t, t1, tn};
use esteira_core::states::RunState;
use esteira_store::{DagRow, RunFilter, RunRow};
use jiff::{SignedDuration, Timestamp};

/// How many of the newest runs the facts are about.
const RECENT_RUNS: u32 = 50;

/// The upper part of a DAG's pages.
pub(crate) struct DagHead {
    pub(crate) dag_id: String,
    pub(crate) url: String,
    pub(crate) tab: &'static str,
    pub(crate) definition: Definition,
    pub(crate) file: String,
    pub(crate) version: i64,
    pub(crate) hash: String,
    pub(crate) is_paused: bool,
    pub(crate) is_stale: bool,
    pub(crate) schedule: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) owners: String,
    pub(crate) next: Option<Instant>,
    pub(crate) open: Option<(Mark, String)>,
    pub(crate) successes: usize,
    pub(crate) failures: usize,
    pub(crate) median: Option<String>,
}

impl DagHead {
    /// Reads what the head shows of `dag_id`.
    pub(crate) async fn read(state: &AppState, dag_id: &str, tab: &'static str) -> Result<Self, PageError> {
        let reader = state.handle.reader();
        let dag = reader.dag(dag_id).await?.ok_or_else(|| unknown_dag(dag_id))?;
        let version = reader.version_by_id(dag.version_id).await?;
        let filter = RunFilter { dag_id: Some(dag_id.to_owned()), ..RunFilter::default() };
        let recent = reader.runs(&filter, RECENT_RUNS).await?.rows;
        let hash = version.map(|version| version.source_hash.chars().take(7).collect()).unwrap_or_default();
        Ok(Self::new(state, dag, hash, &recent, tab))
    }

    fn new(state: &AppState, dag: DagRow, hash: String, recent: &[RunRow], tab: &'static str) -> Self {
        let definition = Definition::read(&dag.definition);
        let loaded = state.handle.dag(dag.dag_id.as_str());
        let next = loaded.filter(|loaded| !loaded.is_paused).and_then(|loaded| loaded.next_run_at());
        let in_state = |wanted: RunState| recent.iter().filter(|run| run.state == wanted).count();
        Self {
            url: links::dag(dag.dag_id.as_str()),
            tab,
            file: dag.file,
            version: dag.version_number,
            hash,
            is_paused: dag.is_paused,
            is_stale: dag.is_stale,
            schedule: definition.schedule.text(),
            tags: definition
                .tags
                .iter()
                .map(|tag| (links::with_query("/dags", &[("tag", tag)]), tag.clone()))
                .collect(),
            owners: definition.owners.join(", "),
            next: next.map(|at| Instant::new(at, Timestamp::now())),
            open: open_runs(in_state(RunState::Running), in_state(RunState::Queued)),
            successes: in_state(RunState::Success),
            failures: in_state(RunState::Failed),
            median: median_length(recent).map(show::duration),
            dag_id: dag.dag_id.to_string(),
            definition,
        }
    }

    /// The frame of a page of this DAG.
    pub(crate) fn frame(&self, visitor: &Visitor, tab: &str) -> Frame {
        let frame = visitor.frame(Section::Dags, self.dag_id.clone()).crumb("DAGs", "/dags");
        let frame = frame.events(links::query(&[("dag_id", &self.dag_id)]));
        if tab.is_empty() {
            return frame.crumb(self.dag_id.clone(), "");
        }
        frame.crumb(self.dag_id.clone(), self.url.clone()).crumb(tab, "")
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> &str {
        links::file_name(&self.file)
    }

    /// `on` for the tab that is open, for templates.
    pub(crate) fn on(&self, tab: &str) -> &'static str {
        if self.tab == tab { "on" } else { "" }
    }
}

/// The error for a DAG that was never loaded.
pub(crate) fn unknown_dag(dag_id: &str) -> PageError {
    PageError::not_found(t1("there is no DAG \"{}\"", dag_id))
        .hint(t("a file with faults makes no DAG: look at the import errors"))
}

fn open_runs(running: usize, queued: usize) -> Option<(Mark, String)> {
    match (running, queued) {
        (0, 0) => None,
        (0, queued) => {
            Some((Mark::of_run(RunState::Queued), tn(queued as u64, "1 run queued", "{} runs queued")))
        }
        (running, _) => {
            Some((Mark::of_run(RunState::Running), tn(running as u64, "1 running", "{} running")))
        }
    }
}

/// The median length of the runs that succeeded.
fn median_length(runs: &[RunRow]) -> Option<SignedDuration> {
    let succeeded = runs.iter().filter(|run| run.state == RunState::Success);
    let mut lengths: Vec<SignedDuration> =
        succeeded.filter_map(|run| Some(show::span(run.started_at?, run.ended_at?))).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied()
}
