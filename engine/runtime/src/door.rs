//! The door from an attempt back to the engine.

use crate::command::{Actor, Command, CommandError, ParentRun, TriggerRequest};
use crate::handle::LiveDags;
use async_trait::async_trait;
use esteira_core::states::{RunType, TaskInstanceState, TriggeredBy};
use esteira_operator::{EngineDoor, FoundRun, RunAsked, TaskError};
use esteira_store::{Reader, RunKey, RunRow, StoreError};
use jiff::Timestamp;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// The door of one attempt.
pub(crate) struct Door {
    pub(crate) reader: Reader,
    /// Weak: attempts do not keep an engine alive that nobody else speaks to.
    pub(crate) commands: mpsc::WeakSender<Command>,
    pub(crate) dags: Arc<RwLock<LiveDags>>,
    pub(crate) run_key: RunKey,
    /// Who asks: the task, with its run and its DAG.
    pub(crate) name: String,
}

impl Door {
    async fn find(&self, dag_id: &str, run_id: &str) -> Result<Option<RunRow>, TaskError> {
        self.reader.run(dag_id, run_id).await.map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> TaskError {
    TaskError::failed(format!("the history cannot be read: {error}"))
}

fn found(run: RunRow) -> FoundRun {
    FoundRun { run_id: run.run_id.to_string(), state: run.state }
}

#[async_trait]
impl EngineDoor for Door {
    async fn trigger(&self, asked: RunAsked) -> Result<(), TaskError> {
        let stopping = || TaskError::failed("the engine is stopping");
        let commands = self.commands.upgrade().ok_or_else(stopping)?;
        let parent =
            ParentRun { run_key: self.run_key, is_cancelled_with_parent: asked.is_cancelled_with_parent };
        let actor = Actor::new(self.name.as_str(), TriggeredBy::Operator);
        let mut request = TriggerRequest::manual(asked.dag_id.as_str(), actor);
        request.run_id = Some(asked.run_id.as_str().into());
        request.run_type = RunType::OperatorTriggered;
        request.logical_date = asked.logical_date;
        request.data_interval = asked.logical_date.map(|at| (at, at));
        request.conf = asked.conf;
        request.note = asked.note;
        request.parent = Some(parent);
        let (reply, answer) = oneshot::channel();
        commands.send(Command::Trigger(request, reply)).await.map_err(|_| stopping())?;
        match answer.await.map_err(|_| stopping())? {
            Ok(_) => Ok(()),
            Err(CommandError::RunExists { dag_id, run_id }) => {
                // An attempt before this one may have asked for it, and have been lost before it could say so.
                let run = self.find(&dag_id, &run_id).await?;
                if run.is_some_and(|run| run.triggering_user == self.name) {
                    return Ok(());
                }
                Err(TaskError::fatal(CommandError::RunExists { dag_id, run_id }.to_string())
                    .hint("name another trigger_run_id, or leave it out"))
            }
            Err(error @ (CommandError::Stopping | CommandError::Store(_))) => {
                Err(TaskError::failed(error.to_string()))
            }
            Err(error) => Err(TaskError::fatal(error.to_string())),
        }
    }

    async fn run(&self, dag_id: &str, run_id: &str) -> Result<Option<FoundRun>, TaskError> {
        Ok(self.find(dag_id, run_id).await?.map(found))
    }

    async fn run_at(&self, dag_id: &str, logical_date: Timestamp) -> Result<Option<FoundRun>, TaskError> {
        Ok(self.reader.run_at(dag_id, logical_date).await.map_err(unreadable)?.map(found))
    }

    async fn task_states(
        &self,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
    ) -> Result<Vec<Option<TaskInstanceState>>, TaskError> {
        let Some(run) = self.find(dag_id, run_id).await? else { return Ok(Vec::new()) };
        let rows = self.reader.instances(run.run_key).await.map_err(unreadable)?;
        Ok(rows.into_iter().filter(|row| row.task_id.as_str() == task_id).map(|row| row.state).collect())
    }

    fn has_dag(&self, dag_id: &str) -> bool {
        self.dags.read().unwrap_or_else(PoisonError::into_inner).contains_key(&dag_id.into())
    }
}
