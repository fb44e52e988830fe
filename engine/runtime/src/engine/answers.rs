//! Answers to what attempts ask people.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{AnswerRequest, CommandError};
use esteira_core::run::{Answer, Input, InstanceKey};
use esteira_core::states::TaskInstanceState;

impl MainLoop {
    /// Gives an attempt its answer, if it asks and the answer fits.
    pub(super) async fn answer(&mut self, turn: &mut Turn, request: &AnswerRequest) -> Result<Answer, Stop> {
        let (dag_id, run_id) = (&request.dag_id, &request.run_id);
        let not_asked = || {
            let (task_id, run_id) = (request.task_id.to_string(), run_id.to_string());
            Stop::from(CommandError::NotAsked { task_id, run_id })
        };
        let Some(run_key) = self.runs.key_of(dag_id, run_id) else {
            let is_known = self.reader.run(dag_id.as_str(), run_id.as_str()).await?.is_some();
            let (dag_id, run_id) = (dag_id.to_string(), run_id.to_string());
            return Err(if is_known {
                not_asked()
            } else {
                CommandError::UnknownRun { dag_id, run_id }.into()
            });
        };
        let Some(live) = self.runs.get(run_key) else { return Err(not_asked()) };
        let Some(task) = live.run.dag().index_of(request.task_id.as_str()) else {
            let (task_id, run_id) = (request.task_id.to_string(), run_id.to_string());
            return Err(CommandError::UnknownTask { run_id, task_id }.into());
        };
        let instance = InstanceKey { task, map_index: request.map_index };
        if !live.run.has_instance(instance) {
            return Err(not_asked());
        }
        let current = live.run.instance(instance);
        let question = current.wait.as_ref().and_then(|wait| wait.question.as_deref());
        let is_open = current.state == Some(TaskInstanceState::AwaitingInput);
        let Some(question) = question.filter(|_| is_open) else { return Err(not_asked()) };
        let accepted = question.accept(&request.chosen_options, &request.params_input);
        let answer = Answer {
            chosen_options: request.chosen_options.clone(),
            params_input: accepted.map_err(CommandError::Invalid)?,
            responded_by: request.actor.name.to_string(),
            responded_at: turn.now,
        };
        self.decide(turn, run_key, Input::Answer { instance, answer: answer.clone() }, &request.actor)?;
        Ok(answer)
    }
}
