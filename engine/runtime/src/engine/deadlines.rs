//! Deadlines of runs: when they are, and that they have passed.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use esteira_core::dag::{Deadline, DeadlineReference};
use esteira_core::run::Input;
use esteira_store::{NewRun, RunKey, RunRow};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

/// Deadlines that may still be missed: when, whose, which.
pub(super) type Deadlines = BinaryHeap<Reverse<(Timestamp, RunKey, u32)>>;

impl MainLoop {
    /// Finds out when the deadlines of runs are that have just been created.
    pub(super) async fn arm_new_deadlines(&mut self, runs: &[NewRun]) -> Result<(), EngineError> {
        for run in runs {
            self.arm_deadlines(run.run_key).await?;
        }
        Ok(())
    }

    /// Finds out when the deadlines of a run are that count for it still.
    pub(super) async fn arm_deadlines(&mut self, run_key: RunKey) -> Result<(), EngineError> {
        let Some(live) = self.runs.get(run_key) else { return Ok(()) };
        let open: Vec<u32> = live.run.open_deadlines().collect();
        if open.is_empty() {
            return Ok(());
        }
        let (dag, row) = (Arc::clone(live.run.dag()), live.row.clone());
        for place in open {
            if let Some(at) = self.deadline(&dag.deadlines[place as usize], &row).await? {
                self.deadlines.push(Reverse((at, run_key, place)));
            }
        }
        Ok(())
    }

    /// When a deadline of this run is, if it has such a one. What the past runs took is taken as it was when the run was
    /// created, so that an engine that is started later comes to the same.
    async fn deadline(&self, deadline: &Deadline, run: &RunRow) -> Result<Option<Timestamp>, EngineError> {
        let reference = match deadline.reference {
            DeadlineReference::QueuedAt => Some(run.queued_at),
            DeadlineReference::LogicalDate => run.logical_date,
            DeadlineReference::AverageRuntime => {
                let past =
                    self.reader.runtimes(run.dag_id.as_str(), run.queued_at, deadline.max_runs).await?;
                let average = average(&past).filter(|_| past.len() >= deadline.min_runs as usize);
                average.and_then(|average| after(run.queued_at, average))
            }
        };
        Ok(reference.and_then(|reference| after(reference, deadline.interval)))
    }

    /// Tells runs that their deadlines have passed.
    pub(super) fn miss_due_deadlines(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        while let Some(Reverse((at, run_key, deadline))) = self.deadlines.peek().copied() {
            if at > turn.now {
                break;
            }
            self.deadlines.pop();
            self.decide(turn, run_key, Input::DeadlinePassed { deadline, at }, &Actor::engine())?;
        }
        Ok(())
    }
}

/// None beyond the end of time.
fn after(instant: Timestamp, interval: Duration) -> Option<Timestamp> {
    instant.checked_add(SignedDuration::try_from(interval).ok()?).ok()
}

fn average(lengths: &[Duration]) -> Option<Duration> {
    let count = u32::try_from(lengths.len()).ok().filter(|count| *count > 0)?;
    Some(lengths.iter().sum::<Duration>() / count)
}
