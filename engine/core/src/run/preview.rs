//! What an answer would touch, before somebody gives it: a copy of the run is told, and compared with the run.

use super::{
    Answer, AttemptError, AttemptErrorKind, Consequence, Effect, Input, InstanceKey, Outcome, Question, Run,
};
use crate::dag::{TaskIndex, reachable};
use crate::states::TaskInstanceState;
use jiff::Timestamp;
use serde_json::Map;
use std::collections::VecDeque;

/// What comes of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerPreview {
    /// Whether the task that asks fails.
    pub fails: bool,
    /// The tasks after it that may run then, in the order of the file.
    pub goes_on: Vec<TaskIndex>,
    /// The tasks after it that will not run, for the sake of this answer.
    pub skipped: Vec<TaskIndex>,
}

impl Run {
    /// What comes of this option of what the instance asks; none if it asks nothing.
    pub fn preview_answer(
        &self,
        instance: InstanceKey,
        option: &str,
        now: Timestamp,
    ) -> Option<AnswerPreview> {
        let consequence = self.asks(instance)?.consequences.get(option);
        let copy = self.answered(instance, option, consequence, now)?;
        let graph = &self.dag.graph;
        let after = reachable([instance.task], |task| graph.downstream(task));
        let (skipped, others): (Vec<_>, Vec<_>) = after.into_iter().partition(|task| {
            self.keys_of(*task).any(|key| !is_passed_over(self, key))
                && copy.keys_of(*task).all(|key| is_passed_over(&copy, key))
        });
        let may_run = |task: &TaskIndex| {
            copy.keys_of(*task)
                .any(|key| !copy.instance(key).state.is_some_and(TaskInstanceState::is_terminal))
        };
        Some(AnswerPreview {
            fails: matches!(consequence, Some(Consequence::Fails)),
            goes_on: others.into_iter().filter(may_run).collect(),
            skipped,
        })
    }

    /// What an instance asks at the moment.
    pub fn asks(&self, instance: InstanceKey) -> Option<&Question> {
        let live = self.instance(instance);
        let is_open = live.state == Some(TaskInstanceState::AwaitingInput);
        live.wait.as_ref().filter(|_| is_open)?.question.as_deref()
    }

    /// The run as it is when the attempt has ended with this answer; nothing else goes on meanwhile.
    fn answered(
        &self,
        instance: InstanceKey,
        option: &str,
        consequence: Option<&Consequence>,
        now: Timestamp,
    ) -> Option<Run> {
        let answer = Answer {
            chosen_options: vec![option.to_owned()],
            params_input: Map::new(),
            responded_by: String::new(),
            responded_at: now,
        };
        let mut copy = self.clone();
        let mut effects = VecDeque::from(copy.decide(Input::Answer { instance, answer }, now).ok()?.effects);
        while let Some(effect) = effects.pop_front() {
            let input = match effect {
                Effect::Enqueue { instance: ready } if ready == instance => Input::StartAttempt { instance },
                Effect::StartAttempt { instance: begun, try_number } if begun == instance => {
                    Input::Report { instance, try_number, outcome: outcome(consequence) }
                }
                _ => continue,
            };
            effects.extend(copy.decide(input, now).ok()?.effects);
        }
        Some(copy)
    }
}

fn outcome(consequence: Option<&Consequence>) -> Outcome {
    match consequence {
        None => Outcome::Success { follow: None },
        Some(Consequence::Follow(follow)) => Outcome::Success { follow: Some(follow.clone()) },
        Some(Consequence::Fails) => Outcome::Failed(AttemptError::new(AttemptErrorKind::Fatal, "rejected")),
    }
}

/// Whether an instance does not run at all.
fn is_passed_over(run: &Run, key: InstanceKey) -> bool {
    use TaskInstanceState as S;
    matches!(run.instance(key).state, Some(S::Skipped | S::UpstreamFailed | S::Removed))
}

#[cfg(test)]
mod tests {
    use super::super::tests::dag_of;
    use super::*;
    use crate::run::{Follow, TriggerRule, Wait};
    use std::collections::BTreeMap;

    /// Task 0 asks; 1 and 2 come after it, 3 after 1, and 4 after 3 and 2 whenever none of them failed; 5 stands alone.
    fn asking() -> Run {
        let dag = dag_of(&[&[], &[0], &[0], &[1], &[2, 3], &[]], |task| {
            if task.task_id.as_str() == "task_4" {
                task.trigger_rule = TriggerRule::NoneFailed;
            }
        });
        let only = Consequence::Follow(Follow::Only(vec!["task_2".into()]));
        let question = Question {
            subject: "?".to_owned(),
            options: ["all", "two", "none", "no more", "fail"].map(str::to_owned).into(),
            consequences: BTreeMap::from_iter([
                ("two".to_owned(), only),
                ("none".to_owned(), Consequence::Follow(Follow::Nothing)),
                ("no more".to_owned(), Consequence::Follow(Follow::NothingAfter)),
                ("fail".to_owned(), Consequence::Fails),
            ]),
            ..Question::default()
        };
        let wait = Wait {
            until: Timestamp::MAX,
            run: None,
            is_watched: false,
            reason: "w".to_owned(),
            state: serde_json::Value::Null,
            question: Some(Box::new(question)),
            answer: None,
        };
        let mut run = Run::new(dag, "r");
        let instance = InstanceKey::unmapped(TaskIndex(0));
        let now = Timestamp::UNIX_EPOCH;
        run.decide(Input::Start, now).expect("it begins");
        run.decide(Input::StartAttempt { instance }, now).expect("there is a slot");
        let outcome = Outcome::Waits(wait);
        run.decide(Input::Report { instance, try_number: 1, outcome }, now).expect("it asks");
        run
    }

    #[test]
    fn each_option_tells_which_tasks_go_on_and_which_are_skipped() {
        let run = asking();
        let before = format!("{run:?}");
        let preview = |option| {
            let instance = InstanceKey::unmapped(TaskIndex(0));
            let found = run.preview_answer(instance, option, Timestamp::UNIX_EPOCH).expect("it asks");
            let numbers = |tasks: Vec<TaskIndex>| tasks.into_iter().map(|task| task.0).collect::<Vec<_>>();
            (numbers(found.goes_on), numbers(found.skipped), found.fails)
        };
        assert_eq!(preview("all"), (vec![1, 2, 3, 4], vec![], false));
        assert_eq!(preview("two"), (vec![2, 4], vec![1, 3], false));
        assert_eq!(preview("none"), (vec![4], vec![1, 2, 3], false), "4 runs when none failed");
        assert_eq!(preview("no more"), (vec![], vec![1, 2, 3, 4], false));
        assert_eq!(preview("fail"), (vec![], vec![1, 2, 3, 4], true));
        assert_eq!(format!("{run:?}"), before, "the run itself is not touched");
        assert_eq!(
            run.preview_answer(InstanceKey::unmapped(TaskIndex(5)), "all", Timestamp::UNIX_EPOCH),
            None
        );
    }
}
