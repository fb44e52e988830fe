//! What templates find elsewhere: the XCom of a run, variables, connections, the run before.

use crate::executor::RunFacts;
use crate::vault::Vault;
use esteira_core::dag::{Dag, TaskIndex};
use esteira_core::run::InstanceKey;
use esteira_core::template::{MappedValues, PreviousRun, TemplateSource};
use esteira_store::{Reader, RunKey};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What the templates of a run find elsewhere, as one of its instances sees it. It waits for the database: it is for threads that may.
pub(crate) struct RunSource {
    reader: Reader,
    vault: Arc<Vault>,
    run_key: RunKey,
    logical_date: Option<Timestamp>,
    dag: Arc<Dag>,
    /// Who pulls.
    instance: InstanceKey,
    runtime: Handle,
}

impl RunSource {
    pub(crate) fn new(
        reader: &Reader,
        vault: &Arc<Vault>,
        dag: &Arc<Dag>,
        facts: &RunFacts,
        instance: InstanceKey,
        runtime: Handle,
    ) -> Self {
        Self {
            reader: reader.clone(),
            vault: Arc::clone(vault),
            run_key: facts.run_key,
            logical_date: facts.logical_date,
            dag: Arc::clone(dag),
            instance,
            runtime,
        }
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

impl TemplateSource for RunSource {
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

    fn variable(&self, key: &str) -> Result<Option<String>, String> {
        self.vault.variable(key)
    }

    fn connection(&self, id: &str) -> Result<Option<Value>, String> {
        self.vault.connection_fields(id)
    }

    fn now(&self) -> Option<Timestamp> {
        Some(Timestamp::now())
    }

    fn random(&self) -> Option<[u8; 16]> {
        Some(uuid::Uuid::new_v4().into_bytes())
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, String> {
        let Some(at) = self.logical_date else { return Ok(None) };
        let found = self.reader.success_before(self.dag.dag_id.as_str(), at);
        let found = self.runtime.block_on(found).map_err(|error| error.to_string())?;
        Ok(found.map(|run| PreviousRun {
            data_interval: run.data_interval_start.zip(run.data_interval_end),
            started_at: run.started_at,
            ended_at: run.ended_at,
        }))
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
