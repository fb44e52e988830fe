//! Why an instance is not running, in one sentence.

use super::{InstanceKey, Past, Run, TriggerRule};
use crate::dag::TaskIndex;
use crate::states::{RunState, TaskInstanceState};

/// Why an instance is not running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its run has not begun.
    RunIsQueued,
    /// It waits for a slot; [`crate::admission`] knows more.
    Slot,
    /// For the reason that this sentence gives.
    Because(String),
}

/// How many tasks are named before the rest is only counted.
const NAMED: usize = 3;

impl Run {
    /// Why an instance that has not ended is not running; none for one that runs or has ended.
    pub fn why(&self, key: InstanceKey) -> Option<Why> {
        let live = self.instance(key);
        match live.state {
            None if self.state == RunState::Queued => Some(Why::RunIsQueued),
            None => Some(Why::Because(self.why_not_looked_at(key))),
            Some(TaskInstanceState::Scheduled | TaskInstanceState::Queued) => Some(Why::Slot),
            Some(TaskInstanceState::UpForRetry) => {
                let retries = self.dag.task(key.task).retry.retries;
                let at = live.retry_at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
                let failures = live.failures;
                let at = at.unwrap_or_default();
                Some(Why::Because(format!(
                    "it failed, and is tried again at {at} (retry {failures} of {retries})"
                )))
            }
            Some(TaskInstanceState::UpForReschedule | TaskInstanceState::AwaitingInput) => {
                Some(Why::Because(live.wait.as_ref().map(|wait| wait.reason.clone()).unwrap_or_default()))
            }
            Some(TaskInstanceState::Restarting) => Some(Why::Because(
                "it was cleared; its attempt is being ended, then it starts anew".to_owned(),
            )),
            Some(_) => None,
        }
    }

    fn why_not_looked_at(&self, key: InstanceKey) -> String {
        let task = key.task;
        if let Past::Forbids(reason) = &self.tasks[task.get()].past {
            return reason.clone();
        }
        if self.tasks[task.get()].is_expanding {
            return "what it is expanded over is being read".to_owned();
        }
        let has_ended = |other: &TaskIndex| self.state_seen(*other, key).is_some();
        let scopes = &self.dag.scopes;
        let upstream = self.dag.graph.upstream(task).iter();
        let mut waits_for: Vec<TaskIndex> = upstream
            .chain(scopes.between(task))
            .chain(scopes.setups_of(task))
            .filter(|task| !has_ended(task))
            .copied()
            .collect();
        waits_for.sort_unstable();
        waits_for.dedup();
        let names: Vec<String> = waits_for
            .iter()
            .take(NAMED)
            .map(|task| format!("\"{}\"", self.dag.task(*task).task_id))
            .collect();
        let more = waits_for.len() - names.len();
        let list = match (names.as_slice(), more) {
            ([], _) => "other tasks".to_owned(),
            ([only], 0) => only.clone(),
            ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
            (names, more) => format!("{} and {more} more", names.join(", ")),
        };
        match self.dag.task(task).trigger_rule {
            TriggerRule::AllSuccess => format!("it waits for {list}"),
            rule => format!("it waits for {list}, by its trigger rule {rule}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SUCCESS, dag_of};
    use super::*;
    use crate::run::{AttemptError, AttemptErrorKind, Input, Outcome};
    use jiff::Timestamp;

    #[test]
    fn every_state_has_its_reason() {
        let dag = dag_of(&[&[], &[0], &[], &[], &[0, 2, 3, 1], &[2]], |task| {
            task.retry.retries = 2;
            if task.task_id.as_str() == "task_5" {
                task.trigger_rule = TriggerRule::OneFailed;
            }
        });
        let mut run = Run::new(dag, "r");
        let key = |task: u32| InstanceKey::unmapped(TaskIndex(task));
        assert_eq!(run.why(key(0)), Some(Why::RunIsQueued));
        let input = |run: &mut Run, input| run.decide(input, Timestamp::UNIX_EPOCH).unwrap();
        input(&mut run, Input::Start);
        assert_eq!(run.why(key(0)), Some(Why::Slot));
        for task in [0, 2, 3] {
            input(&mut run, Input::StartAttempt { instance: key(task) });
        }
        let failed = Outcome::Failed(AttemptError::new(AttemptErrorKind::Failed, "no"));
        input(&mut run, Input::Report { instance: key(0), try_number: 1, outcome: failed });
        input(&mut run, Input::Report { instance: key(3), try_number: 1, outcome: SUCCESS });
        input(&mut run, Input::Clear { instances: vec![key(2)] });
        let told: Vec<String> = (0..6)
            .map(|task| match run.why(key(task)) {
                Some(Why::Because(sentence)) => sentence,
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "it failed, and is tried again at 1970-01-01 00:05:00 UTC (retry 1 of 2)",
                "it waits for \"task_0\"",
                "it was cleared; its attempt is being ended, then it starts anew",
                "None",
                "it waits for \"task_0\", \"task_1\" and \"task_2\"",
                "it waits for \"task_2\", by its trigger rule one_failed",
            ]
        );
    }
}
