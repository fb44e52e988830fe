//! The loop: waits for inputs, takes a turn over all that have come, commits it, and acts on it. The only writer.

use super::assets::AssetQueues;
use super::backfills::Backfills;
use super::deadlines::Deadlines;
use super::live::LiveRuns;
use super::notifications::Outbox;
use super::past::PastAsks;
use super::resting::Resting;
use super::schedules::Timetable;
use super::turn::{self, Act, Turn};
use super::waits::Waits;
use super::{EngineError, FolderInbox};
use crate::accounts::Accounts;
use crate::command::{Actor, Command};
use crate::dag_folder::FolderChange;
use crate::executor::{AttemptPlace, Executor, Report, Start, Told};
use crate::expand;
use crate::handle::LiveDags;
use crate::notice::Notice;
use crate::notifier::Notifier;
use crate::triggerer::Triggerer;
use crate::vault::Vault;
use esteira_core::admission::Admission;
use esteira_core::catalog::Catalog;
use esteira_core::run::{Change, Effect, Input, InstanceKey, Outcome, TaskChange, Wait};
use esteira_core::states::TaskInstanceState;
use esteira_store::{
    Batch, EventRow, InstanceLabel, InstanceUpdate, NewAttempt, Reader, RunKey, RunUpdate, StoreError, Writer,
};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// How many inputs one turn takes at most: it bounds the wait of the first among them.
const INPUTS_PER_TURN: usize = 1_024;

/// How long the loop waits before it tries a commit again that the disk did not take.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// How long callbacks that run may go on when the engine stops; those that are cut off are run at the next start.
const NOTIFIERS_GRACE: Duration = Duration::from_secs(5);

/// How often a commit is tried that fails for no reason that passes by itself.
const COMMIT_TRIES: u32 = 3;

/// The longest sleep: the sleeper's clock stands still while the machine is suspended, and is not moved with the wall
/// clock that schedules go by.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// What the loop is made of.
pub(super) struct Parts {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) catalog: Arc<dyn Catalog + Send + Sync>,
    pub(super) executor: Executor,
    /// Where what comes from outside the loop is told.
    pub(super) told: mpsc::UnboundedSender<Told>,
    pub(super) parallelism: usize,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) dags: Arc<RwLock<LiveDags>>,
    pub(super) vault: Arc<Vault>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) is_serving: bool,
    pub(super) stop: CancellationToken,
}

/// Where inputs come from.
pub(super) struct Inboxes {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reports: mpsc::UnboundedReceiver<Told>,
    pub(super) folder: FolderInbox,
}

/// The number in this database and the number in its DAG of every version, by DAG and content hash.
pub(super) type VersionIndex = HashMap<String, HashMap<String, (i64, i64)>>;

/// The loop and everything that only it may touch.
pub(super) struct MainLoop {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) catalog: Arc<dyn Catalog + Send + Sync>,
    pub(super) executor: Executor,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) shared_dags: Arc<RwLock<LiveDags>>,
    pub(super) dags: LiveDags,
    pub(super) versions: VersionIndex,
    pub(super) runs: LiveRuns,
    pub(super) resting: Resting,
    pub(super) admission: Admission<AttemptPlace>,
    pub(super) retries: BinaryHeap<Reverse<(Timestamp, AttemptPlace)>>,
    pub(super) timeouts: BinaryHeap<Reverse<(Timestamp, RunKey)>>,
    pub(super) deadlines: Deadlines,
    pub(super) notifier: Notifier,
    pub(super) outbox: Outbox,
    pub(super) waits: Waits,
    pub(super) triggerer: Triggerer,
    pub(super) past_asks: PastAsks,
    pub(super) assets: AssetQueues,
    pub(super) backfills: Backfills,
    pub(super) last_backfill_id: i64,
    pub(super) timetable: Timetable,
    pub(super) vault: Arc<Vault>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) is_serving: bool,
    stop: CancellationToken,
}

/// What woke the loop.
enum Woken {
    ByInputs,
    ByFolder(FolderChange),
    ByTime,
    ToStop,
}

impl MainLoop {
    pub(super) async fn new(parts: Parts) -> Result<Self, EngineError> {
        let mut versions = VersionIndex::new();
        for (version_id, dag_id, number, hash) in parts.reader.version_index().await? {
            versions.entry(dag_id).or_default().insert(hash, (version_id, number));
        }
        Ok(Self {
            writer: parts.writer,
            reader: parts.reader,
            catalog: parts.catalog,
            notifier: Notifier::new(Arc::clone(parts.executor.tools()), parts.told.clone()),
            executor: parts.executor,
            notices: parts.notices,
            shared_dags: parts.dags,
            dags: LiveDags::new(),
            versions,
            runs: LiveRuns::default(),
            resting: Resting::default(),
            admission: Admission::new(parts.parallelism),
            retries: BinaryHeap::new(),
            timeouts: BinaryHeap::new(),
            deadlines: Deadlines::new(),
            outbox: Outbox::default(),
            waits: Waits::default(),
            triggerer: Triggerer::start(parts.told),
            past_asks: PastAsks::new(),
            assets: AssetQueues::default(),
            backfills: Backfills::new(),
            last_backfill_id: 0,
            timetable: Timetable::default(),
            vault: parts.vault,
            accounts: parts.accounts,
            is_serving: parts.is_serving,
            stop: parts.stop,
        })
    }

    /// Takes turns until told to stop.
    pub(super) async fn run(mut self, mut inboxes: Inboxes) -> Result<(), EngineError> {
        let (mut commands, mut reports) = (Vec::new(), Vec::new());
        loop {
            let woken = self.wait(&mut inboxes, &mut commands, &mut reports).await;
            let mut turn = Turn::new(turn::now());
            match woken {
                Woken::ToStop => break,
                Woken::ByInputs | Woken::ByTime => {}
                Woken::ByFolder(change) => self.folder_changed(&mut turn, change).await?,
            }
            for told in reports.drain(..) {
                self.told(&mut turn, told)?;
            }
            for command in commands.drain(..) {
                self.command(&mut turn, command).await?;
            }
            self.timers(&mut turn).await?;
            self.finish(turn).await?;
        }
        self.shut_down(inboxes).await
    }

    async fn wait(
        &self,
        inboxes: &mut Inboxes,
        commands: &mut Vec<Command>,
        reports: &mut Vec<Told>,
    ) -> Woken {
        let due = self.next_due();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep(until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::ToStop,
            count = inboxes.reports.recv_many(reports, INPUTS_PER_TURN) => {
                debug_assert!(count > 0, "the executor holds a sender");
                Woken::ByInputs
            }
            count = inboxes.commands.recv_many(commands, INPUTS_PER_TURN) => {
                // Every handle is gone: nobody can ask for anything any more.
                if count == 0 { Woken::ToStop } else { Woken::ByInputs }
            }
            change = inboxes.folder.recv(), if self.is_serving => match change {
                Some(change) => Woken::ByFolder(change),
                None => Woken::ToStop,
            },
            () = timer => Woken::ByTime,
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        let retry = self.retries.peek().map(|Reverse((at, _))| *at);
        let timeout = self.timeouts.peek().map(|Reverse((at, _))| *at);
        let deadline = self.deadlines.peek().map(|Reverse((at, ..))| *at);
        let timers = [retry, timeout, deadline, self.waits.next_due(), self.outbox.next_due()];
        timers.into_iter().chain([self.timetable.next_due()]).flatten().min()
    }

    /// Retries, time-outs of runs and schedules whose time has come.
    async fn timers(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        while let Some(Reverse((at, place))) = self.retries.peek().copied() {
            if at > turn.now {
                break;
            }
            self.retries.pop();
            self.decide(turn, place.0, Input::RetryDue { instance: place.1 }, &Actor::engine())?;
        }
        while let Some(Reverse((at, run_key))) = self.timeouts.peek().copied() {
            if at > turn.now {
                break;
            }
            self.timeouts.pop();
            self.decide(turn, run_key, Input::TimedOut, &Actor::engine())?;
        }
        self.miss_due_deadlines(turn)?;
        self.notify_due(turn);
        self.go_on_with_due(turn)?;
        self.start_due_runs(turn).await
    }

    fn told(&mut self, turn: &mut Turn, told: Told) -> Result<(), EngineError> {
        match told {
            Told::Report(report) => self.report(turn, *report),
            Told::GoOn(place) => self.go_on(turn, place),
            Told::Notified { notification_id, result } => {
                self.notified(turn, notification_id, result);
                Ok(())
            }
            Told::Expansion { run_key, task, result } => self.expanded(turn, run_key, task, result),
        }
    }

    /// An attempt ended.
    pub(super) fn report(&mut self, turn: &mut Turn, report: Report) -> Result<(), EngineError> {
        let Report { place, try_number, outcome, xcoms, arguments, after_commit, label, trigger } = report;
        self.executor.ended(place, try_number);
        let Some((live, instance)) = self.runs.instance(place) else { return Ok(()) };
        let current = live.run.instance(instance);
        let is_under_way =
            matches!(current.state, Some(TaskInstanceState::Running | TaskInstanceState::Restarting));
        if !is_under_way || current.try_number != try_number {
            return Ok(());
        }
        let started_at = current.started_at.unwrap_or(turn.now);
        if let Some(label) = label {
            turn.batch.labels.push(InstanceLabel { run_key: place.0, instance, label });
        }
        let input = Input::Report { instance, try_number, outcome };
        let changes = self.decide_telling(turn, place.0, input, &Actor::engine())?;
        let waits = |change: &Change| matches!(change, Change::Task { change: TaskChange::Rescheduled { .. }, instance: of } if *of == instance);
        if let Some(trigger) = trigger.filter(|_| changes.iter().any(waits)) {
            turn.acts.push(Act::Watch { place, trigger });
        }
        let Some((label, error)) = changes.iter().find_map(|change| end_of_attempt(change, instance)) else {
            return Ok(());
        };
        turn.batch.attempts.push(NewAttempt {
            run_key: place.0,
            instance,
            try_number,
            outcome: label,
            started_at,
            ended_at: turn.now,
            error,
            arguments,
        });
        // What did not come to count, because it was cleared or marked meanwhile, has no result.
        if label == "success" {
            let now = turn.now;
            turn.batch.xcoms.extend(xcoms.into_iter().map(|xcom| (place.0, instance, now, xcom)));
            turn.outlets.push(place);
            if let Some((after_commit, key)) = after_commit {
                turn.acts.push(Act::AfterCommit(after_commit, key));
            }
        }
        Ok(())
    }

    /// Lets a run decide, and carries what follows into the turn.
    pub(super) fn decide(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        input: Input,
        actor: &Actor,
    ) -> Result<(), EngineError> {
        self.decide_telling(turn, run_key, input, actor).map(drop)
    }

    /// The same, and tells what has changed.
    fn decide_telling(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        input: Input,
        actor: &Actor,
    ) -> Result<Vec<Change>, EngineError> {
        let Some(live) = self.runs.get_mut(run_key) else { return Ok(Vec::new()) };
        let decision =
            live.run.decide(input, turn.now).map_err(|error| EngineError::Bug(error.to_string()))?;
        turn.changes(run_key, &live.run_id, &live.run, &decision.changes, actor);
        if decision.changes.iter().any(|change| matches!(change, Change::RunEnded { .. })) {
            turn.ended_runs.push((live.run.dag().dag_id.clone(), run_key));
        }
        for change in &decision.changes {
            if let Change::Task { instance, .. } = change {
                self.triggerer.forget((run_key, *instance));
            }
        }
        self.call_back(turn, run_key, &decision.changes);
        self.effects(turn, run_key, decision.effects);
        Ok(decision.changes)
    }

    pub(super) fn effects(&mut self, turn: &mut Turn, run_key: RunKey, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Expand { task } => turn.acts.push(Act::Expand { run_key, task }),
                Effect::ArmWait { instance, wait } => self.arm_wait(turn, (run_key, instance), wait),
                Effect::AskPast { task } => {
                    if let Some(live) = self.runs.get(run_key) {
                        let dag_id = live.run.dag().dag_id.clone();
                        self.past_asks.entry(dag_id).or_default().insert((run_key, task));
                        // Answered at the end of the turn, like all whose runs have changed in it.
                        turn.touched_instances.insert((run_key, InstanceKey::unmapped(task)));
                    }
                }
                Effect::ArmTimeout { at } => self.timeouts.push(Reverse((at, run_key))),
                Effect::Enqueue { instance } => {
                    let place = (run_key, instance);
                    if let Some(claim) = self.claim(place) {
                        self.admission.enqueue(place, claim);
                    }
                }
                Effect::Dequeue { instance } => self.admission.dequeue(&(run_key, instance)),
                Effect::FreeSlot { instance } => self.admission.free(&(run_key, instance)),
                Effect::ArmRetry { instance, at } => self.retries.push(Reverse((at, (run_key, instance)))),
                Effect::StartAttempt { instance, try_number } => {
                    turn.acts.push(Act::StartAttempt { place: (run_key, instance), try_number })
                }
                Effect::KillAttempt { instance, try_number } => {
                    turn.acts.push(Act::KillAttempt { place: (run_key, instance), try_number })
                }
            }
        }
    }

    /// Ends a turn: gives out slots, commits, acts.
    pub(super) async fn finish(&mut self, mut turn: Turn) -> Result<(), EngineError> {
        while let Some(place) = turn.outlets.pop() {
            self.outlets_updated(&mut turn, place).await?;
        }
        self.make_use_of_room(&mut turn).await?;
        self.go_on_with_backfills(&mut turn).await?;
        self.answer_pasts(&mut turn).await?;
        // What an answer has skipped may have ended a run.
        self.make_use_of_room(&mut turn).await?;
        while let Some(place) = self.admission.admit() {
            self.decide(&mut turn, place.0, Input::StartAttempt { instance: place.1 }, &Actor::engine())?;
        }
        self.arm_new_deadlines(&turn.batch.new_runs).await?;
        self.write_rows(&mut turn);
        if !turn.batch.is_empty() {
            let events = self.commit(&turn.batch).await?;
            self.publish_dags(&turn);
            for event in events {
                // Nobody listening is no fault.
                let _ = self.notices.send(Notice::Event(Arc::new(event)));
            }
        }
        self.act(turn);
        Ok(())
    }

    /// The rows of what has changed, as they stand now.
    fn write_rows(&self, turn: &mut Turn) {
        for run_key in &turn.touched_runs {
            let Some(live) = self.runs.get(*run_key) else { continue };
            turn.batch.runs.push(RunUpdate {
                run_key: *run_key,
                state: live.run.state(),
                started_at: live.run.started_at(),
                ended_at: live.run.ended_at(),
            });
        }
        for place in &turn.touched_instances {
            // One that was expanded meanwhile is gone.
            let Some((live, instance)) = self.runs.instance(*place) else { continue };
            turn.batch.instances.push(InstanceUpdate {
                run_key: place.0,
                instance,
                task_id: live.run.dag().task(instance.task).task_id.clone(),
                live: live.run.instance(instance).clone(),
            });
        }
    }

    /// Commits, however long the disk takes: what is in memory has changed already, so there is no way back, and
    /// nothing is acted upon before it is durable. An engine that is told to stop meanwhile gives up: what was not
    /// durable has not happened, and the next start goes on from what was.
    async fn commit(&mut self, batch: &Batch) -> Result<Vec<EventRow>, EngineError> {
        let mut tries = 0;
        loop {
            let error = match self.writer.commit(batch).await {
                Ok(events) => return Ok(events),
                Err(error) => error,
            };
            tries += 1;
            let may_pass = matches!(error, StoreError::DiskFull | StoreError::Busy);
            if (!may_pass && tries >= COMMIT_TRIES) || self.stop.is_cancelled() {
                return Err(error.into());
            }
            tracing::error!("{error}");
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(COMMIT_AGAIN) => {}
            }
            if let Err(error) = self.writer.reconnect().await {
                tracing::error!("{error}");
            }
        }
    }

    fn act(&mut self, turn: Turn) {
        for act in turn.acts {
            match act {
                Act::StartAttempt { place, try_number } => {
                    let Some((live, instance)) = self.runs.instance(place) else { continue };
                    let (dag, facts) = (Arc::clone(live.run.dag()), Arc::clone(&live.facts));
                    let current = live.run.instance(instance);
                    let start = Start {
                        expansion: live.expansions.get(&expand::owner(&dag, instance.task)).cloned(),
                        resumed: current.wait.as_ref().map(Wait::told),
                        started_at: current.started_at.unwrap_or_else(turn::now),
                        ask_number: try_number - current.losses.min(try_number - 1),
                    };
                    self.executor.start(dag, facts, instance, try_number, start);
                }
                Act::Expand { run_key, task } => {
                    let Some(live) = self.runs.get(run_key) else { continue };
                    self.executor.expand(Arc::clone(live.run.dag()), Arc::clone(&live.facts), task);
                }
                Act::RemoveLogs(dag_id, run_id) => self.executor.remove_logs(dag_id, run_id),
                Act::Notify(notification_id) => self.notify(notification_id),
                Act::Watch { place, trigger } => self.triggerer.watch(place, trigger),
                Act::KillAttempt { place, try_number } => self.executor.kill(place, try_number),
                Act::AfterCommit(after_commit, key) => self.executor.after_commit(after_commit, key),
                Act::Reply(reply) => reply(),
            }
        }
        for run_key in turn.touched_runs {
            if self.runs.get(run_key).is_some_and(|live| live.run.state().is_terminal()) {
                self.runs.remove(run_key);
            }
        }
    }

    fn publish_dags(&self, turn: &Turn) {
        if turn.dags_changed {
            *self.shared_dags.write().unwrap_or_else(PoisonError::into_inner) = self.dags.clone();
        }
    }

    /// Ends what runs, records it as interrupted, and closes the database.
    async fn shut_down(mut self, mut inboxes: Inboxes) -> Result<(), EngineError> {
        inboxes.commands.close();
        self.executor.kill_all();
        self.executor.drain().await;
        self.notifier.finish(NOTIFIERS_GRACE).await;
        let mut turn = Turn::new(turn::now());
        // What ended with a result in these last moments keeps it; what was made to end has not failed.
        while let Ok(told) = inboxes.reports.try_recv() {
            match told {
                Told::Report(report) if matches!(report.outcome, Outcome::Success { .. }) => {
                    self.report(&mut turn, *report)?;
                }
                Told::Notified { notification_id, result } => {
                    self.notified(&mut turn, notification_id, result);
                }
                _ => {}
            }
        }
        let interrupted: Vec<_> = self.executor.running().collect();
        for (place, try_number) in interrupted {
            self.report(&mut turn, report_without_result(place, try_number, Outcome::Interrupted))?;
        }
        turn.event("engine.stopped", None, &Actor::engine(), String::new());
        self.write_rows(&mut turn);
        self.commit(&turn.batch).await?;
        for act in turn.acts {
            if let Act::AfterCommit(after_commit, key) = act {
                self.executor.after_commit(after_commit, key);
            }
        }
        self.executor.drain().await;
        Ok(self.writer.close().await?)
    }
}

/// The report of an attempt that cannot report: it is gone, or was made to end.
pub(super) fn report_without_result(place: AttemptPlace, try_number: u32, outcome: Outcome) -> Report {
    Report {
        place,
        try_number,
        outcome,
        xcoms: Vec::new(),
        arguments: None,
        after_commit: None,
        label: None,
        trigger: None,
    }
}

/// How the attempt of this instance ended by this change, for its row: a label, and why it failed as JSON text.
fn end_of_attempt(change: &Change, of: InstanceKey) -> Option<(&'static str, Option<String>)> {
    let Change::Task { instance, change } = change else { return None };
    let label = match change {
        _ if *instance != of => return None,
        TaskChange::Succeeded { .. } => "success",
        TaskChange::Skipped { .. } => "skipped",
        TaskChange::Failed { error, .. } => return Some(("failed", serde_json::to_string(error).ok())),
        TaskChange::Lost { .. } => "lost",
        TaskChange::Interrupted { .. } => "interrupted",
        TaskChange::Cleared => "cleared",
        TaskChange::Marked { .. } => "marked",
        _ => return None,
    };
    Some((label, None))
}

/// How long from now until `at`; nothing for the past.
fn until(at: Timestamp) -> Duration {
    let rest = at.duration_since(Timestamp::now());
    // A little more than what is left, so that the clock has passed `at` when the sleeper wakes.
    let rest = Duration::try_from(rest.max(SignedDuration::ZERO)).unwrap_or_default();
    rest.min(SLEEP_MAX) + Duration::from_micros(100)
}
