//! Values that somebody gives task instances from outside.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{CommandError, XcomRequest};
use esteira_core::dag::TaskIndex;
use esteira_core::run::InstanceKey;
use esteira_store::{EncodedXcom, NewEvent, Subject};
use serde_json::json;

impl MainLoop {
    /// Keeps a value as if the instance had pushed it. One that is there is not overwritten.
    pub(super) async fn set_xcom(&mut self, turn: &mut Turn, request: &XcomRequest) -> Result<(), Stop> {
        let XcomRequest { dag_id, run_id, task_id, map_index, key, value, actor } = request;
        let run = self.reader.run(dag_id.as_str(), run_id.as_str()).await?;
        let unknown = || CommandError::UnknownRun { dag_id: dag_id.to_string(), run_id: run_id.to_string() };
        let run = run.ok_or_else(unknown)?;
        let found = self.reader.instance(run.run_key, task_id.as_str(), *map_index).await?;
        let unknown =
            || CommandError::UnknownTask { run_id: run_id.to_string(), task_id: task_id.to_string() };
        let found = found.ok_or_else(unknown)?;
        let instance = InstanceKey { task: TaskIndex(found.task_index), map_index: *map_index };
        let is_new = |(run_key, of, _, xcom): &(i64, InstanceKey, _, EncodedXcom)| {
            *run_key == run.run_key && *of == instance && xcom.key() == key
        };
        let is_there = self.reader.xcom_at(run.run_key, instance, key).await?.is_some();
        if is_there || turn.batch.xcoms.iter().any(is_new) {
            let (task_id, key) = (task_id.to_string(), key.clone());
            return Err(CommandError::XcomExists { task_id, key }.into());
        }
        let xcom = EncodedXcom::encode(key, value, self.executor.tools().xcom_size_max);
        let xcom = xcom.map_err(|error| CommandError::Invalid(error.to_string()))?;
        turn.batch.xcoms.push((run.run_key, instance, turn.now, xcom));
        turn.batch.events.push(NewEvent {
            at: turn.now,
            name: "xcom.set",
            subject: Subject {
                dag_id: Some(dag_id.clone()),
                run: Some((run.run_key, run_id.clone())),
                task: Some((instance, task_id.clone())),
            },
            try_number: 0,
            actor: actor.name.clone(),
            via: actor.via,
            body: json!({ "key": key }).to_string(),
        });
        Ok(())
    }
}
