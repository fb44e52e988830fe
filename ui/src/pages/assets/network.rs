//! Which tasks bring an asset up to date, and which DAGs are run for it.

use crate::{AppState, links};
use std::collections::BTreeMap;

/// What stands before an asset and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Neighbours {
    /// The tasks that bring it up to date: DAG and task.
    pub(crate) producers: Vec<(String, String)>,
    /// The DAGs that are run for it, each with the condition that it waits for.
    pub(crate) consumers: Vec<(String, String)>,
}

impl Neighbours {
    /// The DAGs whose tasks bring it up to date, each once, with its page.
    pub(crate) fn producing_dags(&self) -> Vec<(String, String)> {
        let mut dags: Vec<&String> = self.producers.iter().map(|(dag_id, _)| dag_id).collect();
        dags.dedup();
        dags.into_iter().map(|dag_id| (dag_id.clone(), links::dag(dag_id))).collect()
    }

    /// The DAGs that are run for it, each with its page.
    pub(crate) fn consuming_dags(&self) -> Vec<(String, String)> {
        self.consumers.iter().map(|(dag_id, _)| (dag_id.clone(), links::dag(dag_id))).collect()
    }
}

/// The neighbours of every asset that a DAG names, by the asset's name.
pub(super) fn all(state: &AppState) -> BTreeMap<String, Neighbours> {
    let mut found: BTreeMap<String, Neighbours> = BTreeMap::new();
    for loaded in state.handle.dags() {
        let dag_id = loaded.dag.dag_id.to_string();
        for task in &loaded.dag.tasks {
            for uri in &task.outlets {
                let producer = (dag_id.clone(), task.task_id.to_string());
                found.entry(uri.clone()).or_default().producers.push(producer);
            }
        }
        let Some(condition) = &loaded.dag.schedule.assets else { continue };
        for uri in condition.uris() {
            let consumer = (dag_id.clone(), condition.to_string());
            found.entry(uri.to_owned()).or_default().consumers.push(consumer);
        }
    }
    found
}
