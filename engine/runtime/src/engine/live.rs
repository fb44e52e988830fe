//! The runs that are under way, in memory.

use crate::executor::{AttemptPlace, RunFacts};
use crate::expand::Expansions;
use esteira_core::ids::{DagId, RunId};
use esteira_core::run::{InstanceKey, Run};
use esteira_store::{RunKey, RunRow};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A run that is under way.
pub(super) struct LiveRun {
    pub(super) run: Run,
    pub(super) run_id: RunId,
    pub(super) facts: Arc<RunFacts>,
    /// Its row as it was when it came here.
    pub(super) row: RunRow,
    /// What its mapped tasks are expanded over.
    pub(super) expansions: Expansions,
}

impl LiveRun {
    /// A run and what its attempts are told of it.
    pub(super) fn new(run: Run, row: &RunRow, params: Value, asset_events: Value) -> Self {
        let facts = RunFacts::of_row(row, params, asset_events);
        Self {
            run,
            run_id: row.run_id.clone(),
            facts: Arc::new(facts),
            row: row.clone(),
            expansions: Expansions::new(),
        }
    }
}

/// All runs that are under way, by number and by name.
#[derive(Default)]
pub(super) struct LiveRuns {
    by_key: HashMap<RunKey, LiveRun>,
    by_name: HashMap<(DagId, RunId), RunKey>,
    by_dag: HashMap<DagId, BTreeSet<RunKey>>,
}

impl LiveRuns {
    pub(super) fn insert(&mut self, key: RunKey, live: LiveRun) {
        self.by_name.insert((live.run.dag().dag_id.clone(), live.run_id.clone()), key);
        self.by_dag.entry(live.run.dag().dag_id.clone()).or_default().insert(key);
        self.by_key.insert(key, live);
    }

    pub(super) fn get(&self, key: RunKey) -> Option<&LiveRun> {
        self.by_key.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: RunKey) -> Option<&mut LiveRun> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn key_of(&self, dag_id: &DagId, run_id: &RunId) -> Option<RunKey> {
        self.by_name.get(&(dag_id.clone(), run_id.clone())).copied()
    }

    /// Takes a run out.
    pub(super) fn remove(&mut self, key: RunKey) -> Option<LiveRun> {
        let live = self.by_key.remove(&key)?;
        let dag_id = live.run.dag().dag_id.clone();
        if let Some(keys) = self.by_dag.get_mut(&dag_id) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_dag.remove(&dag_id);
            }
        }
        self.by_name.remove(&(dag_id, live.run_id.clone()));
        Some(live)
    }

    /// The runs that a task of this one has asked for, and that are cancelled with it.
    pub(super) fn cancelled_with(&self, parent: RunKey) -> Vec<RunKey> {
        let is_child =
            |live: &LiveRun| live.row.parent_run_key == Some(parent) && live.row.is_cancelled_with_parent;
        let open = self.by_key.iter().filter(|(_, live)| is_child(live) && !live.run.state().is_terminal());
        open.map(|(run_key, _)| *run_key).collect()
    }

    /// The DAGs that have a run here.
    pub(super) fn dag_ids(&self) -> Vec<DagId> {
        self.by_dag.keys().cloned().collect()
    }

    /// The runs of a DAG, oldest first.
    pub(super) fn of_dag(&self, dag_id: &DagId) -> impl Iterator<Item = (RunKey, &LiveRun)> {
        let keys = self.by_dag.get(dag_id).into_iter().flatten();
        keys.filter_map(|key| Some((*key, self.by_key.get(key)?)))
    }

    /// The state of one instance, if its run is under way.
    pub(super) fn instance(&self, place: AttemptPlace) -> Option<(&LiveRun, InstanceKey)> {
        self.get(place.0).filter(|live| live.run.has_instance(place.1)).map(|live| (live, place.1))
    }
}
