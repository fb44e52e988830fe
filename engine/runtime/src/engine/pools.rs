//! Pools: slots that task instances share; and what each instance needs in order to start.

use super::EngineError;
use super::commands::Stop;
use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{Actor, CommandError, PoolStatus, PoolUse, PoolUser, WaitingInstance, WaitingPlace};
use crate::executor::AttemptPlace;
use esteira_core::admission::Claim;
use esteira_core::dag::{DEFAULT_POOL, TaskIndex};
use esteira_core::ids::{DagId, RunId};
use esteira_core::run::{InstanceKey, Run, Why};
use esteira_core::states::RunType;
use esteira_store::{PoolChange, PoolRow, RunKey};
use serde_json::json;
use std::collections::HashMap;

/// The longest name of a pool, in bytes (Airflow's).
const NAME_LENGTH_MAX: usize = 256;

impl MainLoop {
    pub(super) async fn load_pools(&mut self) -> Result<(), EngineError> {
        for pool in self.reader.pools().await? {
            self.admission.set_pool(&pool.name, Some(slots(&pool)));
        }
        Ok(())
    }

    pub(super) async fn set_pool(
        &mut self,
        turn: &mut Turn,
        pool: PoolRow,
        actor: &Actor,
    ) -> Result<(), Stop> {
        if pool.name.is_empty() || pool.name.len() > NAME_LENGTH_MAX {
            let message = format!("a pool's name has between 1 and {NAME_LENGTH_MAX} bytes");
            return Err(CommandError::Invalid(message).into());
        }
        let before = self.reader.pool(&pool.name).await?;
        self.admission.set_pool(&pool.name, Some(slots(&pool)));
        let mut body = json!({ "name": pool.name, "slots": pool.slots, "description": pool.description });
        if let Some(before) = before {
            body["before"] = json!({ "slots": before.slots, "description": before.description });
        }
        turn.event("pool.set", None, actor, body.to_string());
        turn.batch.pools.push(PoolChange::Set(pool));
        Ok(())
    }

    pub(super) async fn remove_pool(
        &mut self,
        turn: &mut Turn,
        name: &str,
        actor: &Actor,
    ) -> Result<(), Stop> {
        if name == DEFAULT_POOL {
            let message =
                format!("the pool \"{DEFAULT_POOL}\" cannot be removed: tasks that name no pool use it");
            return Err(CommandError::Invalid(message).into());
        }
        let Some(before) = self.reader.pool(name).await? else {
            return Err(CommandError::UnknownPool(name.to_owned()).into());
        };
        self.admission.set_pool(name, None);
        let before = json!({ "slots": before.slots, "description": before.description });
        turn.event("pool.removed", None, actor, json!({ "name": name, "before": before }).to_string());
        turn.batch.pools.push(PoolChange::Removed { name: name.to_owned() });
        Ok(())
    }

    pub(super) async fn pools(&self) -> Result<Vec<PoolStatus>, Stop> {
        let status = |pool: PoolRow| {
            let (used, wanted) = self.admission.use_of_pool(&pool.name);
            PoolStatus { pool, used, wanted }
        };
        Ok(self.reader.pools().await?.into_iter().map(status).collect())
    }

    /// Who holds slots of a pool, and who waits for some.
    pub(super) async fn pool_use(&self, name: &str) -> Result<PoolUse, Stop> {
        if self.reader.pool(name).await?.is_none() {
            return Err(CommandError::UnknownPool(name.to_owned()).into());
        }
        let user = |((run_key, instance), pool_slots): (AttemptPlace, u32)| {
            let live = self.runs.get(run_key)?;
            let why = self.admission.why(&(run_key, instance));
            Some(PoolUser {
                dag_id: live.run.dag().dag_id.clone(),
                run_id: live.run_id.clone(),
                task_id: live.run.dag().task(instance.task).task_id.clone(),
                map_index: instance.map_index,
                pool_slots,
                reason: why.map(|why| why.to_string()).unwrap_or_default(),
            })
        };
        Ok(PoolUse {
            holders: self.admission.holders(name, PoolUse::LENGTH_MAX).into_iter().filter_map(user).collect(),
            waiters: self.admission.waiters(name, PoolUse::LENGTH_MAX).into_iter().filter_map(user).collect(),
        })
    }

    /// Why each instance of a run that has not ended is not running; nothing for a run that is over.
    pub(super) async fn why_waiting(
        &self,
        dag_id: &DagId,
        run_id: &RunId,
    ) -> Result<Vec<WaitingInstance>, Stop> {
        let Some((run_key, live)) = self.under_way(dag_id, run_id).await? else { return Ok(Vec::new()) };
        let waiting = live.run.instances().filter_map(|(instance, _)| {
            Some(WaitingInstance {
                task_id: live.run.dag().task(instance.task).task_id.clone(),
                map_index: instance.map_index,
                reason: self.reason(&live.run, run_key, instance)?,
            })
        });
        Ok(waiting.collect())
    }

    /// Why these instances of a run are not running, in their order; none for those of a run that is over.
    pub(super) async fn why_these_wait(
        &self,
        dag_id: &DagId,
        run_id: &RunId,
        places: &[WaitingPlace],
    ) -> Result<Vec<Option<String>>, Stop> {
        let Some((run_key, live)) = self.under_way(dag_id, run_id).await? else {
            return Ok(vec![None; places.len()]);
        };
        let (run, dag) = (&live.run, live.run.dag());
        let tasks: HashMap<&str, TaskIndex> =
            dag.indices().map(|task| (dag.task(task).task_id.as_str(), task)).collect();
        let reason = |(task_id, map_index): &WaitingPlace| {
            let task = *tasks.get(task_id.as_str())?;
            match *map_index {
                None => run.keys_of(task).find_map(|key| self.reason(run, run_key, key)),
                Some(map_index) => {
                    let key = InstanceKey { task, map_index };
                    run.has_instance(key).then(|| self.reason(run, run_key, key)).flatten()
                }
            }
        };
        Ok(places.iter().map(reason).collect())
    }

    /// A run in memory; none when it is over. One that there is not is refused.
    async fn under_way(&self, dag_id: &DagId, run_id: &RunId) -> Result<Option<(RunKey, &LiveRun)>, Stop> {
        if let Some(run_key) = self.runs.key_of(dag_id, run_id) {
            return Ok(self.runs.get(run_key).map(|live| (run_key, live)));
        }
        match self.reader.run(dag_id.as_str(), run_id.as_str()).await? {
            Some(_) => Ok(None),
            None => {
                let (dag_id, run_id) = (dag_id.to_string(), run_id.to_string());
                Err(CommandError::UnknownRun { dag_id, run_id }.into())
            }
        }
    }

    fn reason(&self, run: &Run, run_key: RunKey, instance: InstanceKey) -> Option<String> {
        Some(match run.why(instance)? {
            Why::Because(sentence) => sentence,
            Why::RunIsQueued => self.why_queued(&run.dag().dag_id),
            Why::Slot => self.admission.why(&(run_key, instance))?.to_string(),
        })
    }

    /// What an instance needs in order to start.
    pub(super) fn claim(&self, place: AttemptPlace) -> Option<Claim> {
        let (live, instance) = self.runs.instance(place)?;
        let dag = live.run.dag();
        let task = dag.task(instance.task);
        Some(Claim {
            dag_id: dag.dag_id.clone(),
            task_id: task.task_id.clone(),
            run: place.0,
            is_backfill: live.facts.run_type == RunType::Backfill.as_str(),
            pool: task.pool.clone(),
            pool_slots: task.pool_slots,
            priority_weight: task.priority_weight,
            weight: dag.weight(instance.task),
            max_active_tasks: dag.max_active_tasks,
            max_active_tis_per_dag: task.max_active_tis_per_dag,
            max_active_tis_per_dagrun: task.max_active_tis_per_dagrun,
        })
    }
}

fn slots(pool: &PoolRow) -> u32 {
    pool.slots.unwrap_or(u32::MAX)
}
