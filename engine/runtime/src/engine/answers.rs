//! Answers to what attempts ask people.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{AnswerEffect, AnswerRequest, CommandError};
use esteira_core::dag::TaskIndex;
use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::{Answer, Input, InstanceKey, Question};
use esteira_store::RunKey;
use jiff::Timestamp;

/// Of more options than these, nobody is told beforehand what comes of each.
const PREVIEWED_MAX: usize = 12;

impl MainLoop {
    /// Gives an attempt its answer, if it asks and the answer fits.
    pub(super) async fn answer(&mut self, turn: &mut Turn, request: &AnswerRequest) -> Result<Answer, Stop> {
        let asking = (request.task_id.clone(), request.map_index);
        let (run_key, instance) = self.asking(&request.dag_id, &request.run_id, &asking).await?;
        let accepted = self
            .question(run_key, instance)
            .ok_or_else(|| not_asked(&request.run_id, &request.task_id))?
            .accept(&request.chosen_options, &request.params_input);
        let answer = Answer {
            chosen_options: request.chosen_options.clone(),
            params_input: accepted.map_err(CommandError::Invalid)?,
            responded_by: request.actor.name.to_string(),
            responded_at: turn.now,
        };
        self.decide(turn, run_key, Input::Answer { instance, answer: answer.clone() }, &request.actor)?;
        Ok(answer)
    }

    /// What comes of each option of what an instance asks.
    pub(super) async fn preview_answer(
        &self,
        now: Timestamp,
        dag_id: &DagId,
        run_id: &RunId,
        asking: &(TaskId, i32),
    ) -> Result<Vec<AnswerEffect>, Stop> {
        let (run_key, instance) = self.asking(dag_id, run_id, asking).await?;
        let Some(question) = self.question(run_key, instance) else {
            return Err(not_asked(run_id, &asking.0));
        };
        let Some(live) = self.runs.get(run_key) else { return Err(not_asked(run_id, &asking.0)) };
        let names = |tasks: Vec<TaskIndex>| {
            tasks.into_iter().map(|task| live.run.dag().task(task).task_id.clone()).collect()
        };
        let effect = |option: &String| {
            let preview = live.run.preview_answer(instance, option, now)?;
            Some(AnswerEffect {
                option: option.clone(),
                fails: preview.fails,
                goes_on: names(preview.goes_on),
                skipped: names(preview.skipped),
            })
        };
        let options = question.options.iter().filter(|_| question.options.len() <= PREVIEWED_MAX);
        Ok(options.filter_map(effect).collect())
    }

    /// Where a task instance is that may be asking something.
    async fn asking(
        &self,
        dag_id: &DagId,
        run_id: &RunId,
        (task_id, map_index): &(TaskId, i32),
    ) -> Result<(RunKey, InstanceKey), Stop> {
        let Some(run_key) = self.runs.key_of(dag_id, run_id) else {
            let is_known = self.reader.run(dag_id.as_str(), run_id.as_str()).await?.is_some();
            let (dag_id, unknown) = (dag_id.to_string(), run_id.to_string());
            return Err(match is_known {
                true => not_asked(run_id, task_id),
                false => CommandError::UnknownRun { dag_id, run_id: unknown }.into(),
            });
        };
        let Some(live) = self.runs.get(run_key) else { return Err(not_asked(run_id, task_id)) };
        let Some(task) = live.run.dag().index_of(task_id.as_str()) else {
            let (task_id, run_id) = (task_id.to_string(), run_id.to_string());
            return Err(CommandError::UnknownTask { run_id, task_id }.into());
        };
        let instance = InstanceKey { task, map_index: *map_index };
        if live.run.has_instance(instance) {
            Ok((run_key, instance))
        } else {
            Err(not_asked(run_id, task_id))
        }
    }

    /// What an instance asks at the moment.
    fn question(&self, run_key: RunKey, instance: InstanceKey) -> Option<&Question> {
        self.runs.get(run_key)?.run.asks(instance)
    }
}

fn not_asked(run_id: &RunId, task_id: &TaskId) -> Stop {
    CommandError::NotAsked { task_id: task_id.to_string(), run_id: run_id.to_string() }.into()
}
