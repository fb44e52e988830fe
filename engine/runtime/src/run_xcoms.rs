//! The XCom of a run, for templates.

use crate::executor::{RunFacts, Tools};
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::InstanceKey;
use esteira_core::template::{MappedValues, XcomSource};
use esteira_store::{Reader, RunKey};
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The XCom of a run, as one of its instances sees it. It waits for the database: it is for threads that may.
pub(crate) struct RunXcoms {
    reader: Reader,
    run_key: RunKey,
    dag: Arc<Dag>,
    /// Who pulls.
    instance: InstanceKey,
    runtime: Handle,
}

impl RunXcoms {
    pub(crate) fn new(
        tools: &Tools,
        dag: &Arc<Dag>,
        facts: &RunFacts,
        instance: InstanceKey,
        runtime: Handle,
    ) -> Self {
        Self { reader: tools.reader.clone(), run_key: facts.run_key, dag: Arc::clone(dag), instance, runtime }
    }

    /// The instance that is pulled from: in a mapped group, each pulls from those with its own map index.
    fn meant(&self, task: TaskIndex, map_index: Option<i32>) -> InstanceKey {
        let is_beside = self.instance.map_index >= 0
            && self.dag.mapped_group(task).is_some()
            && self.dag.mapped_group(task) == self.dag.mapped_group(self.instance.task);
        let own = if is_beside { self.instance.map_index } else { -1 };
        InstanceKey { task, map_index: map_index.unwrap_or(own) }
    }
}

impl XcomSource for RunXcoms {
    fn pull(&self, task_id: &str, key: &str, map_index: Option<i32>) -> Result<Option<Value>, String> {
        let Some(task) = self.dag.index_of(task_id) else { return Ok(None) };
        let value = self.reader.xcom_at(self.run_key, self.meant(task, map_index), key);
        self.runtime.block_on(value).map_err(|error| error.to_string())
    }

    fn pull_all(&self, task_id: &str, key: &str) -> Result<Option<Arc<dyn MappedValues>>, String> {
        let Some(task) = self.dag.index_of(task_id).filter(|task| self.dag.mapping(*task).is_some()) else {
            return Ok(None);
        };
        if self.meant(task, None).map_index >= 0 {
            return Ok(None);
        }
        let count = self.reader.mapped_xcom_count(self.run_key, task, key);
        let count = self.runtime.block_on(count).map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(Results {
            reader: self.reader.clone(),
            run_key: self.run_key,
            task,
            key: key.to_owned(),
            count,
            runtime: self.runtime.clone(),
        })))
    }
}

/// What the instances of a mapped task pushed under one key.
struct Results {
    reader: Reader,
    run_key: RunKey,
    task: TaskIndex,
    key: String,
    count: u32,
    runtime: Handle,
}

impl MappedValues for Results {
    fn count(&self) -> usize {
        self.count as usize
    }

    fn page(&self, from: usize, count: usize) -> Result<Vec<Value>, String> {
        let bound = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let page = self.reader.mapped_xcoms(self.run_key, self.task, &self.key, bound(from), bound(count));
        self.runtime.block_on(page).map_err(|error| error.to_string())
    }
}
