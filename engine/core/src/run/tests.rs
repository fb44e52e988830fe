//! The state machine by example: one test a rule.

use super::*;
use crate::dag::{Dag, Graph, Group, Task};
use crate::run::{AttemptError, AttemptErrorKind, Change, Effect, Input, LOSSES_MAX, Outcome, TaskChange};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// A DAG of tasks named by their index; `upstream[n]` is what task n waits for.
pub(super) fn dag(upstream: &[&[u32]], retries: u32) -> Arc<Dag> {
    dag_of(upstream, |task| {
        task.retry.retries = retries;
        task.retry.retry_delay = Duration::from_secs(60);
    })
}

/// The same, with each task as `change` makes it.
pub(super) fn dag_of(upstream: &[&[u32]], change: impl Fn(&mut Task)) -> Arc<Dag> {
    dag_in_groups(upstream, Vec::new(), change)
}

/// The same, with groups for the tasks to be in.
pub(super) fn dag_in_groups(upstream: &[&[u32]], groups: Vec<Group>, change: impl Fn(&mut Task)) -> Arc<Dag> {
    let tasks = (0..upstream.len())
        .map(|index| {
            let mut task = Task::new(format!("task_{index}"), "empty");
            change(&mut task);
            task
        })
        .collect();
    let graph = upstream.iter().map(|tasks| tasks.iter().copied().map(TaskIndex).collect()).collect();
    Arc::new(Dag { groups, ..Dag::new("d", tasks, Graph::new(graph).unwrap()) })
}

/// An attempt that succeeded, and says nothing about the tasks after it.
pub(super) const SUCCESS: Outcome = Outcome::Success { follow: None };

/// A run with a clock of its own.
struct World {
    run: Run,
    now: Timestamp,
    changes: Vec<(Timestamp, Change)>,
}

fn key(task: u32) -> InstanceKey {
    InstanceKey::unmapped(TaskIndex(task))
}

fn failed(kind: AttemptErrorKind) -> Outcome {
    Outcome::Failed(AttemptError::new(kind, "no"))
}

impl World {
    fn new(dag: Arc<Dag>) -> Self {
        let mut world = Self { run: Run::new(dag, "r"), now: Timestamp::UNIX_EPOCH, changes: Vec::new() };
        world.input(Input::Start);
        world
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        let decision = self.run.decide(input, self.now).unwrap();
        self.changes.extend(decision.changes.into_iter().map(|change| (self.now, change)));
        decision.effects
    }

    fn start(&mut self, task: u32) -> u32 {
        let effects = self.input(Input::StartAttempt { instance: key(task) });
        match effects.as_slice() {
            [Effect::StartAttempt { try_number, .. }] => *try_number,
            other => panic!("task {task} did not start: {other:?}"),
        }
    }

    fn end(&mut self, task: u32, outcome: Outcome) -> Vec<Effect> {
        let try_number = self.run.instance(key(task)).try_number;
        self.input(Input::Report { instance: key(task), try_number, outcome })
    }

    fn states(&self) -> Vec<&'static str> {
        self.run.instances().map(|(_, live)| live.state.map_or("none", TaskInstanceState::as_str)).collect()
    }
}

#[test]
fn downstream_tasks_start_when_all_upstreams_have_succeeded() {
    let mut world = World::new(dag(&[&[], &[], &[0, 1]], 0));
    assert_eq!(world.states(), ["scheduled", "scheduled", "none"]);
    world.start(0);
    world.start(1);
    assert_eq!(world.end(0, SUCCESS), [Effect::FreeSlot { instance: key(0) }]);
    assert_eq!(world.end(1, SUCCESS)[1], Effect::Enqueue { instance: key(2) });
    world.start(2);
    world.end(2, SUCCESS);
    assert_eq!(world.run.state(), RunState::Success);
}

#[test]
fn a_failure_spreads_at_once_and_fails_the_run_when_the_rest_has_ended() {
    let mut world = World::new(dag(&[&[], &[0], &[1], &[]], 0));
    world.start(0);
    world.start(3);
    world.end(0, failed(AttemptErrorKind::Failed));
    assert_eq!(world.states(), ["failed", "upstream_failed", "upstream_failed", "running"]);
    assert_eq!(world.run.state(), RunState::Running);
    world.end(3, SUCCESS);
    assert_eq!(world.run.state(), RunState::Failed);
}

#[test]
fn a_failed_middle_task_with_its_leaves_failed_by_it_is_a_failed_run_but_a_skip_is_not() {
    let mut world = World::new(dag(&[&[], &[0]], 0));
    world.start(0);
    world.end(0, Outcome::Skipped { reason: "nothing to do".into() });
    assert_eq!((world.states(), world.run.state()), (vec!["skipped", "skipped"], RunState::Success));
}

#[test]
fn retries_wait_for_their_delay_and_run_out() {
    let mut world = World::new(dag(&[&[]], 1));
    assert_eq!(world.start(0), 1);
    let at = world.now + SignedDuration::from_secs(60);
    let effects = world.end(0, failed(AttemptErrorKind::TimedOut));
    assert_eq!(effects, [Effect::FreeSlot { instance: key(0) }, Effect::ArmRetry { instance: key(0), at }]);
    assert_eq!(world.states(), ["up_for_retry"]);
    assert!(world.input(Input::RetryDue { instance: key(0) }).is_empty(), "the timer came too early");
    world.now = at;
    world.input(Input::RetryDue { instance: key(0) });
    assert_eq!(world.start(0), 2);
    world.end(0, failed(AttemptErrorKind::Failed));
    assert_eq!((world.states(), world.run.state()), (vec!["failed"], RunState::Failed));
}

#[test]
fn a_fatal_failure_is_not_tried_again() {
    let mut world = World::new(dag(&[&[]], 5));
    world.start(0);
    world.end(0, failed(AttemptErrorKind::Fatal));
    assert_eq!(world.states(), ["failed"]);
}

#[test]
fn losses_do_not_use_up_retries_and_run_out_after_three() {
    let mut world = World::new(dag(&[&[]], 1));
    for loss in 1..=LOSSES_MAX {
        assert_eq!(world.start(0), loss);
        world.end(0, Outcome::Lost);
        assert_eq!(world.states(), ["scheduled"]);
    }
    world.start(0);
    world.end(0, failed(AttemptErrorKind::Failed));
    assert_eq!(world.states(), ["up_for_retry"]);
    world.now += SignedDuration::from_secs(60);
    world.input(Input::RetryDue { instance: key(0) });
    world.start(0);
    world.end(0, Outcome::Lost);
    assert_eq!(world.states(), ["failed"]);
}

#[test]
fn an_engine_that_is_told_to_stop_costs_an_attempt_neither_a_retry_nor_a_loss() {
    let mut world = World::new(dag(&[&[]], 0));
    for stop in 1..=2 * LOSSES_MAX {
        assert_eq!(world.start(0), stop);
        world.end(0, Outcome::Interrupted);
        assert_eq!(world.states(), ["scheduled"]);
    }
    world.start(0);
    world.input(Input::Cancel);
    world.end(0, Outcome::Interrupted);
    assert_eq!((world.states(), world.run.state()), (vec!["failed"], RunState::Failed));
}

#[test]
fn a_report_of_an_attempt_that_is_no_longer_current_is_dropped() {
    let mut world = World::new(dag(&[&[]], 0));
    let first = world.start(0);
    world.end(0, Outcome::Lost);
    world.start(0);
    let before = world.changes.len();
    let stale = Input::Report { instance: key(0), try_number: first, outcome: SUCCESS };
    assert!(world.input(stale).is_empty());
    assert_eq!((world.changes.len(), world.states()), (before, vec!["running"]));
    world.end(0, SUCCESS);
    assert!(world.end(0, failed(AttemptErrorKind::Failed)).is_empty(), "a second report of the same attempt");
    assert_eq!(world.states(), ["success"]);
}

#[test]
fn cancel_skips_what_has_not_begun_ends_what_runs_and_fails_the_run() {
    let mut world = World::new(dag(&[&[], &[], &[0], &[]], 3));
    let try_number = world.start(0);
    world.start(3);
    world.end(3, failed(AttemptErrorKind::Failed));
    let effects = world.input(Input::Cancel);
    assert!(effects.contains(&Effect::KillAttempt { instance: key(0), try_number }));
    assert_eq!(world.states(), ["running", "skipped", "skipped", "skipped"]);
    assert!(world.input(Input::Cancel).is_empty(), "a second cancel changes nothing");
    world.end(0, failed(AttemptErrorKind::Cancelled));
    assert_eq!((world.states()[0], world.run.state()), ("failed", RunState::Failed));
    world.now += SignedDuration::from_secs(60);
    assert!(world.input(Input::RetryDue { instance: key(3) }).is_empty(), "its retry is disarmed");
}

#[test]
fn a_cancelled_run_whose_last_attempt_still_succeeds_is_failed_and_keeps_the_result() {
    let mut world = World::new(dag(&[&[]], 0));
    world.start(0);
    world.input(Input::Cancel);
    world.end(0, SUCCESS);
    assert_eq!((world.states(), world.run.state()), (vec!["success"], RunState::Failed));
}

#[test]
fn an_illegal_change_is_refused_with_both_sides_named() {
    let mut run = Run::new(dag(&[&[]], 0), "r");
    run.apply(&Change::RunStarted, Timestamp::UNIX_EPOCH).unwrap();
    let change =
        Change::Task { instance: key(0), change: TaskChange::Succeeded { try_number: 1, follow: None } };
    let error = run.apply(&change, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task.succeeded cannot follow: task task_0 is no_status in attempt 0, its run is running"
    );
}

#[test]
fn changes_are_read_back_as_they_were_written() {
    let error = AttemptError { hint: Some("h".into()), ..AttemptError::new(AttemptErrorKind::TimedOut, "m") };
    let at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
    let task = |change| Change::Task { instance: key(3), change };
    let question = Question {
        subject: "s".to_owned(),
        body: Some("b".to_owned()),
        options: vec!["o".to_owned()],
        defaults: Some(vec!["o".to_owned()]),
        multiple: true,
        params: serde_json::Map::from_iter([("p".to_owned(), 1.into())]),
        consequences: BTreeMap::from_iter([
            ("o".to_owned(), Consequence::Follow(Follow::Only(vec!["a".into()]))),
            ("p".to_owned(), Consequence::Fails),
        ]),
    };
    let answer = Answer {
        chosen_options: vec!["o".to_owned()],
        params_input: serde_json::Map::from_iter([("p".to_owned(), 2.into())]),
        responded_by: "ana".to_owned(),
        responded_at: Timestamp::UNIX_EPOCH,
    };
    let changes = [
        Change::DeadlineMissed { deadline: 1, at },
        Change::RunStarted,
        Change::StopRequested { cause: StopCause::Cancelled },
        Change::StopRequested { cause: StopCause::FailFast },
        Change::StopRequested { cause: StopCause::TimedOut },
        Change::RunQueued,
        Change::RunMarked { state: RunState::Success },
        Change::RunEnded { state: RunState::Failed },
        task(TaskChange::Expanded { count: 3 }),
        task(TaskChange::ExpansionFailed { error: error.clone() }),
        task(TaskChange::Folded),
        task(TaskChange::Scheduled),
        task(TaskChange::Started { try_number: 2 }),
        task(TaskChange::Succeeded { try_number: 2, follow: None }),
        task(TaskChange::Succeeded { try_number: 2, follow: Some(Follow::Nothing) }),
        task(TaskChange::Succeeded { try_number: 2, follow: Some(Follow::NothingAfter) }),
        task(TaskChange::Succeeded { try_number: 2, follow: Some(Follow::Only(vec!["a".into()])) }),
        task(TaskChange::Cleared),
        task(TaskChange::Interrupting { afterwards: Afterwards::Clear }),
        task(TaskChange::Interrupting { afterwards: Afterwards::Mark(TaskInstanceState::Success) }),
        task(TaskChange::Marked { state: TaskInstanceState::Skipped }),
        task(TaskChange::Failed { try_number: 2, error: error.clone(), retry_at: Some(at) }),
        task(TaskChange::Failed { try_number: 2, error, retry_at: None }),
        task(TaskChange::Lost { try_number: 2, again: true }),
        task(TaskChange::Rescheduled {
            try_number: 2,
            wait: Wait {
                until: at,
                run: Some(("d".into(), "r".into())),
                is_watched: true,
                reason: "w".to_owned(),
                state: serde_json::json!({"a": 1}),
                question: Some(Box::new(question.clone())),
                answer: None,
            },
        }),
        task(TaskChange::Answered { try_number: 2, answer: answer.clone() }),
        task(TaskChange::Interrupted { try_number: 2 }),
        task(TaskChange::Skipped { reason: "r".into() }),
        task(TaskChange::UpstreamFailed),
    ];
    for change in changes {
        let instance = matches!(change, Change::Task { .. }).then(|| key(3));
        let read = Change::read(change.event_name(), instance, change.try_number(), &change.body());
        assert_eq!(read, Some(change));
    }
    assert_eq!(Change::read("task.flown", Some(key(0)), None, ""), None);
}

#[test]
fn a_teardown_that_was_being_cleared_when_its_run_was_cancelled_runs_again() {
    let mut world = World::new(dag_of(&[&[], &[0]], |task| {
        task.is_setup = task.task_id.as_str() == "task_0";
        task.is_teardown = !task.is_setup;
    }));
    world.start(0);
    world.end(0, SUCCESS);
    world.start(1);
    world.input(Input::Clear { instances: vec![key(1)] });
    world.input(Input::Cancel);
    let effects = world.end(1, failed(AttemptErrorKind::Cancelled));
    assert_eq!(effects, [Effect::FreeSlot { instance: key(1) }, Effect::Enqueue { instance: key(1) }]);
    assert!(world.input(Input::Clear { instances: vec![key(0)] }).is_empty(), "it is being stopped");
    world.start(1);
    world.end(1, SUCCESS);
    assert_eq!((world.states(), world.run.state()), (vec!["success", "success"], RunState::Failed));
}

#[test]
fn a_wait_without_end_is_read_back() {
    let wait = Wait::until(crate::instant::LAST, "w");
    let change = Change::Task { instance: key(3), change: TaskChange::Rescheduled { try_number: 2, wait } };
    let read = Change::read(change.event_name(), Some(key(3)), change.try_number(), &change.body());
    assert_eq!(read, Some(change));
}
