//! Assets: their updates wait, each for every DAG that is run for it, until the DAG's condition is met; then one run takes
//! all that wait. None is lost while a DAG is busy: its run queues like any other.

use super::EngineError;
use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{Actor, CommandError, TriggerRequest};
use crate::dag_folder::LoadedDag;
use crate::executor::AttemptPlace;
use crate::preview::iso;
use esteira_core::ids::{DagId, RunId};
use esteira_core::run::InstanceKey;
use esteira_core::states::{RunType, TriggeredBy};
use esteira_store::{AssetChange, AssetEventRow};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The longest name of an asset, in bytes (Airflow's).
const URI_LENGTH_MAX: usize = 1500;

/// The updates that wait for each DAG, oldest first.
#[derive(Default)]
pub(super) struct AssetQueues {
    waiting: HashMap<DagId, Vec<AssetEventRow>>,
    last_event_id: i64,
}

impl MainLoop {
    pub(super) async fn load_assets(&mut self) -> Result<(), EngineError> {
        self.assets.last_event_id = self.reader.last_asset_event().await?;
        for (dag_id, event) in self.reader.waiting_asset_events().await? {
            self.assets.waiting.entry(dag_id).or_default().push(event);
        }
        Ok(())
    }

    /// Names the assets of a DAG that was loaded.
    pub(super) fn name_assets(&self, turn: &mut Turn, loaded: &LoadedDag) {
        let outlets = loaded.dag.tasks.iter().flat_map(|task| &task.outlets).map(String::as_str);
        let scheduled = loaded.dag.schedule.assets.iter().flat_map(|condition| condition.uris());
        turn.batch.assets.extend(outlets.chain(scheduled).map(|uri| AssetChange::Named(uri.to_owned())));
    }

    /// A task instance has succeeded: what it names as outlets is up to date.
    pub(super) async fn outlets_updated(
        &mut self,
        turn: &mut Turn,
        place: AttemptPlace,
    ) -> Result<(), EngineError> {
        let Some((live, instance)) = self.runs.instance(place) else { return Ok(()) };
        let InstanceKey { task, map_index } = instance;
        let dag = Arc::clone(live.run.dag());
        let run_id = live.run_id.to_string();
        for uri in &dag.task(task).outlets {
            let event = AssetEventRow {
                asset_event_id: 0,
                uri: uri.clone(),
                at: turn.now,
                extra: json!({}),
                dag_id: dag.dag_id.to_string(),
                run_id: run_id.clone(),
                task_id: dag.task(task).task_id.to_string(),
                map_index,
            };
            self.asset_updated(turn, event, &Actor::engine()).await?;
        }
        Ok(())
    }

    /// Somebody outside says that an asset was updated.
    pub(super) async fn asset_updated_outside(
        &mut self,
        turn: &mut Turn,
        uri: String,
        extra: Map<String, Value>,
        actor: &Actor,
    ) -> Result<AssetEventRow, Stop> {
        if uri.is_empty() || uri.len() > URI_LENGTH_MAX {
            let message = format!("an asset's name has between 1 and {URI_LENGTH_MAX} bytes");
            return Err(CommandError::Invalid(message).into());
        }
        turn.batch.assets.push(AssetChange::Named(uri.clone()));
        let event = AssetEventRow {
            asset_event_id: 0,
            uri,
            at: turn.now,
            extra: Value::Object(extra),
            dag_id: String::new(),
            run_id: String::new(),
            task_id: String::new(),
            map_index: -1,
        };
        Ok(self.asset_updated(turn, event, actor).await?)
    }

    async fn asset_updated(
        &mut self,
        turn: &mut Turn,
        mut event: AssetEventRow,
        actor: &Actor,
    ) -> Result<AssetEventRow, EngineError> {
        self.assets.last_event_id += 1;
        event.asset_event_id = self.assets.last_event_id;
        let source = (!event.dag_id.is_empty()).then(|| DagId::from(event.dag_id.as_str()));
        let body = json!({
            "asset_event_id": event.asset_event_id,
            "uri": event.uri,
            "extra": event.extra,
            "run_id": event.run_id,
            "task_id": event.task_id,
            "map_index": event.map_index,
        });
        turn.event("asset.updated", source.as_ref(), actor, body.to_string());
        turn.batch.assets.push(AssetChange::Updated(event.clone()));
        for loaded in self.dags_run_for(&event.uri) {
            let dag_id = loaded.dag.dag_id.clone();
            let used = AssetChange::Used {
                dag_id: dag_id.clone(),
                asset_event_id: event.asset_event_id,
                run_key: None,
            };
            turn.batch.assets.push(used);
            self.assets.waiting.entry(dag_id).or_default().push(event.clone());
            self.start_run_for_assets(turn, &loaded).await?;
        }
        Ok(event)
    }

    /// The DAGs that are run for an asset and are not paused: a paused one misses what happens meanwhile, as in Airflow.
    fn dags_run_for(&self, uri: &str) -> Vec<Arc<LoadedDag>> {
        let is_for = |loaded: &&Arc<LoadedDag>| {
            let condition = loaded.dag.schedule.assets.as_ref();
            self.is_serving
                && !loaded.is_paused
                && condition.is_some_and(|condition| condition.uris().contains(uri))
        };
        self.dags.values().filter(is_for).cloned().collect()
    }

    /// Starts a run with all updates that wait for a DAG, if its condition is met.
    async fn start_run_for_assets(&mut self, turn: &mut Turn, loaded: &LoadedDag) -> Result<(), EngineError> {
        let dag_id = &loaded.dag.dag_id;
        let Some(condition) = &loaded.dag.schedule.assets else { return Ok(()) };
        let waiting = self.assets.waiting.get(dag_id).map_or(&[][..], Vec::as_slice);
        if !condition.is_met(&|uri: &str| waiting.iter().any(|event| event.uri == uri)) {
            return Ok(());
        }
        let mut at = turn.now;
        let mut run_id;
        loop {
            run_id = RunId::from(format!("{}__{}", RunType::AssetTriggered, iso(at)));
            if !self.is_taken(&turn.batch.new_runs, dag_id, &run_id).await? {
                break;
            }
            at = at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(at);
        }
        let mut request = TriggerRequest::manual(dag_id.clone(), Actor::new("assets", TriggeredBy::Asset));
        request.run_type = RunType::AssetTriggered;
        let events = self.assets.waiting.remove(dag_id).unwrap_or_default();
        request.asset_events = by_asset(&events);
        match self.create_run(turn, loaded, request, run_id) {
            Ok(row) => {
                turn.batch.assets.extend(events.iter().map(|event| AssetChange::Used {
                    dag_id: dag_id.clone(),
                    asset_event_id: event.asset_event_id,
                    run_key: Some(row.run_key),
                }));
            }
            Err(error) => {
                turn.batch.assets.push(AssetChange::Unused { dag_id: dag_id.clone() });
                let body = json!({ "error": error.to_string() }).to_string();
                turn.event("dag.schedule_failed", Some(dag_id), &Actor::schedule(), body);
            }
        }
        Ok(())
    }
}

/// Updates as templates see them: the list of each asset's, by its name.
pub(super) fn by_asset(events: &[AssetEventRow]) -> Value {
    let mut by_uri: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for event in events {
        by_uri.entry(&event.uri).or_default().push(json!({
            "uri": event.uri,
            "timestamp": event.at.to_string(),
            "extra": event.extra,
            "source_dag_id": event.dag_id,
            "source_run_id": event.run_id,
            "source_task_id": event.task_id,
            "source_map_index": event.map_index,
        }));
    }
    json!(by_uri)
}
