//! Attempts that wait without a slot: until a time, or until a run has ended.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use crate::executor::AttemptPlace;
use esteira_core::ids::{DagId, RunId};
use esteira_core::run::{Input, Wait};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// What waits, by when it looks again and by the run that it waits for.
#[derive(Default)]
pub(super) struct Waits {
    due: BinaryHeap<Reverse<(Timestamp, AttemptPlace)>>,
    for_run: HashMap<(DagId, RunId), BTreeSet<AttemptPlace>>,
}

impl Waits {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<AttemptPlace> {
        self.due.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.due.pop().map(|Reverse((_, place))| place)
    }
}

impl MainLoop {
    pub(super) fn arm_wait(&mut self, turn: &Turn, place: AttemptPlace, wait: Wait) {
        let mut until = wait.until;
        if let Some(run) = wait.run {
            if self.runs.key_of(&run.0, &run.1).is_some() {
                self.waits.for_run.entry(run).or_default().insert(place);
            } else {
                // It has ended meanwhile.
                until = turn.now;
            }
        }
        self.waits.due.push(Reverse((until, place)));
    }

    /// Lets attempts go on whose time has come.
    pub(super) fn go_on_with_due(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        while let Some(place) = self.waits.pop_due(turn.now) {
            self.go_on(turn, place)?;
        }
        Ok(())
    }

    /// Lets attempts go on that have waited for this run.
    pub(super) fn go_on_after(
        &mut self,
        turn: &mut Turn,
        dag_id: &DagId,
        run_id: &RunId,
    ) -> Result<(), EngineError> {
        let waiting = self.waits.for_run.remove(&(dag_id.clone(), run_id.clone())).unwrap_or_default();
        waiting.into_iter().try_for_each(|place| self.go_on(turn, place))
    }

    pub(super) fn go_on(&mut self, turn: &mut Turn, place: AttemptPlace) -> Result<(), EngineError> {
        self.decide(turn, place.0, Input::GoOn { instance: place.1 }, &Actor::engine())
    }
}
