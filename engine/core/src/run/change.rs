//! What can change in a run. These are the bodies of the audit history's events: their spelling is persisted.

use super::{Answer, Question};
use crate::dag::TaskIndex;
use crate::ids::{DagId, RunId, TaskId};
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which instance of which task. Unmapped tasks have one instance, with map index -1 (Airflow's number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// The task.
    pub task: TaskIndex,
    /// The place among the task's mapped instances, or -1.
    pub map_index: i32,
}

impl InstanceKey {
    /// The one instance of a task that is not mapped.
    pub fn unmapped(task: TaskIndex) -> Self {
        Self { task, map_index: -1 }
    }
}

/// One change of a run: of the run itself or of one of its instances.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The run began.
    RunStarted,
    /// The run is to end before its time.
    StopRequested {
        /// Why.
        cause: StopCause,
    },
    /// The run is over.
    RunEnded {
        /// Success or failed.
        state: RunState,
    },
    /// The run was not over in time. It goes on all the same.
    DeadlineMissed {
        /// The deadline's place in the DAG.
        deadline: u32,
        /// When it was.
        at: Timestamp,
    },
    /// A run that was over goes on: instances of it were cleared or marked. It waits for its turn like a new one.
    RunQueued,
    /// A person gave a run that was over another end.
    RunMarked {
        /// Success or failed.
        state: RunState,
    },
    /// Something changed in an instance.
    Task {
        /// Which one.
        instance: InstanceKey,
        /// What.
        change: TaskChange,
    },
}

crate::states::labelled! {
    /// Why a run is to end before its time. Whatever the cause, the run fails; teardowns still run.
    StopCause {
        /// Somebody asked for it.
        Cancelled = "cancelled",
        /// A task failed, and the DAG says `fail_fast`.
        FailFast = "fail_fast",
        /// It took longer than the DAG's `dagrun_timeout`.
        TimedOut = "timed_out",
    }
}

/// What a task that branches says of the tasks directly after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// Only these go on, and what comes after them; the others directly after it are skipped.
    Only(Vec<TaskId>),
    /// None goes on: those directly after it are skipped, and their own rules decide about the rest.
    Nothing,
    /// None goes on, however far after it, whatever their rules say.
    NothingAfter,
}

/// What happens to an instance once its attempt, which was told to end, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It is cleared, and starts anew.
    Clear,
    /// The same, with all other instances of its mapped task: then the task is expanded anew.
    ClearTask,
    /// It gets the state that a person gave it.
    Mark(TaskInstanceState),
}

/// One change of a task instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum TaskChange {
    /// The mapped task has so many instances, 0 and up; from here on they stand for it.
    Expanded {
        /// How many; at least one.
        count: u32,
    },
    /// What the mapped task is to be expanded over cannot be had, so it failed.
    ExpansionFailed {
        /// Why.
        error: AttemptError,
    },
    /// The mapped task was cleared as a whole: it has no instances until it is expanded again.
    Folded,
    /// Its upstreams allow it to run, or its retry is due.
    Scheduled,
    /// An attempt began.
    Started {
        /// Its number, from 1.
        try_number: u32,
    },
    /// The attempt succeeded; its XCom is in the same transaction.
    Succeeded {
        /// The attempt's number.
        try_number: u32,
        /// Which of the tasks after it go on, if it says so.
        follow: Option<Follow>,
    },
    /// The attempt failed.
    Failed {
        /// The attempt's number.
        try_number: u32,
        /// Why.
        error: AttemptError,
        /// When the next attempt is due; none when there is no other.
        retry_at: Option<Timestamp>,
    },
    /// The attempt ended without result or report: the engine or the machine went away.
    Lost {
        /// The attempt's number.
        try_number: u32,
        /// Whether it is tried again, which does not use up `retries`.
        again: bool,
    },
    /// The attempt was ended because the engine was told to stop; it is tried again, and costs neither a retry nor a
    /// loss.
    Interrupted {
        /// The attempt's number.
        try_number: u32,
    },
    /// The attempt waits for something and holds no slot meanwhile; it goes on at a known time, or sooner.
    Rescheduled {
        /// The attempt's number; it keeps it.
        try_number: u32,
        /// What it waits for.
        wait: Wait,
    },
    /// Somebody answered what the attempt asked.
    Answered {
        /// The attempt's number.
        try_number: u32,
        /// What.
        answer: Answer,
    },
    /// The attempt found that there was nothing to do, or the run was cancelled before it began.
    Skipped {
        /// Why, in one sentence.
        reason: String,
    },
    /// An upstream failed, so it will not run.
    UpstreamFailed,
    /// It is as if it had never run, but for its attempts, which are kept.
    Cleared,
    /// Its attempt is told to end; this happens to the instance then.
    Interrupting {
        /// What.
        afterwards: Afterwards,
    },
    /// A person gave it this state.
    Marked {
        /// Success, failed or skipped.
        state: TaskInstanceState,
    },
}

/// What an attempt that holds no slot waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// When it looks again, in microseconds since 1970 in the history.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub until: Timestamp,
    /// The run whose end wakes it sooner: its DAG and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<(DagId, RunId)>,
    /// Whether something is looked at meanwhile, which is known in memory only: after a restart the attempt is executed
    /// once more, and says what.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_watched: bool,
    /// What it waits for, in one sentence.
    pub reason: String,
    /// What it is told when it goes on.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub state: serde_json::Value,
    /// What it asks people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Box<Question>>,
    /// What somebody answered; that is an event of its own.
    #[serde(skip)]
    pub answer: Option<Box<Answer>>,
}

impl Wait {
    /// A wait for a time, and nothing else.
    pub fn until(until: Timestamp, reason: impl Into<String>) -> Self {
        Self {
            until,
            run: None,
            is_watched: false,
            reason: reason.into(),
            state: serde_json::Value::Null,
            question: None,
            answer: None,
        }
    }

    /// What the attempt is told when it goes on: of one that asked, the answer as well, or null if nobody gave one.
    pub fn told(&self) -> serde_json::Value {
        match &self.question {
            None => self.state.clone(),
            Some(_) => serde_json::json!({ "state": self.state, "answer": self.answer }),
        }
    }
}

/// Why an attempt failed, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptError {
    /// What kind of end it was.
    pub kind: AttemptErrorKind,
    /// What happened, without secrets.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exit code of its process, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The class of the error, for `retry_on`: `ValueError`, `http_503`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

impl AttemptError {
    /// An error of this kind.
    pub fn new(kind: AttemptErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, exit_code: None, class: None }
    }
}

crate::states::labelled! {
    /// What kind of end a failed attempt met.
    AttemptErrorKind {
        /// The task failed; it may be tried again.
        Failed = "failed",
        /// The task failed in a way that another attempt would meet too.
        Fatal = "fatal",
        /// It took longer than its `execution_timeout`.
        TimedOut = "timed_out",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl Change {
    /// The event's name in the history: `run.started`, `task.scheduled`…
    pub fn event_name(&self) -> &'static str {
        match self {
            Self::RunStarted => "run.started",
            Self::StopRequested { cause: StopCause::Cancelled } => "run.cancel_requested",
            Self::StopRequested { .. } => "run.stop_requested",
            Self::RunEnded { .. } => "run.ended",
            Self::DeadlineMissed { .. } => "run.deadline_missed",
            Self::RunQueued => "run.queued",
            Self::RunMarked { .. } => "run.marked",
            Self::Task { change, .. } => match change {
                TaskChange::Expanded { .. } => "task.expanded",
                TaskChange::ExpansionFailed { .. } => "task.expansion_failed",
                TaskChange::Folded => "task.folded",
                TaskChange::Scheduled => "task.scheduled",
                TaskChange::Started { .. } => "task.started",
                TaskChange::Succeeded { .. } => "task.succeeded",
                TaskChange::Failed { .. } => "task.failed",
                TaskChange::Lost { .. } => "task.lost",
                TaskChange::Interrupted { .. } => "task.interrupted",
                TaskChange::Rescheduled { .. } => "task.rescheduled",
                TaskChange::Answered { .. } => "task.answered",
                TaskChange::Skipped { .. } => "task.skipped",
                TaskChange::UpstreamFailed => "task.upstream_failed",
                TaskChange::Cleared => "task.cleared",
                TaskChange::Interrupting { .. } => "task.interrupting",
                TaskChange::Marked { .. } => "task.marked",
            },
        }
    }

    /// What the event says beyond its name, its instance and its attempt number, as JSON text; empty for nothing.
    pub fn body(&self) -> String {
        let value = match self {
            Self::RunEnded { state } | Self::RunMarked { state } => serde_json::json!({ "state": state }),
            Self::DeadlineMissed { deadline, at } => {
                serde_json::json!({ "deadline": deadline, "at": at.as_microsecond() })
            }
            Self::StopRequested { cause } if *cause != StopCause::Cancelled => {
                serde_json::json!({ "cause": cause })
            }
            Self::Task { change: TaskChange::Succeeded { follow: Some(follow), .. }, .. } => {
                serde_json::json!({ "follow": follow })
            }
            Self::Task { change: TaskChange::Interrupting { afterwards }, .. } => {
                serde_json::json!({ "afterwards": afterwards })
            }
            Self::Task { change: TaskChange::Expanded { count }, .. } => {
                serde_json::json!({ "count": count })
            }
            Self::Task { change: TaskChange::ExpansionFailed { error }, .. } => {
                serde_json::json!({ "error": error })
            }
            Self::Task { change: TaskChange::Marked { state }, .. } => serde_json::json!({ "state": state }),
            Self::Task { change: TaskChange::Failed { error, retry_at, .. }, .. } => {
                serde_json::json!({ "error": error, "retry_at": retry_at.map(Timestamp::as_microsecond) })
            }
            Self::Task { change: TaskChange::Rescheduled { wait, .. }, .. } => {
                serde_json::json!({ "wait": wait })
            }
            Self::Task { change: TaskChange::Answered { answer, .. }, .. } => {
                serde_json::json!({ "answer": answer })
            }
            Self::Task { change: TaskChange::Lost { again, .. }, .. } => {
                serde_json::json!({ "again": again })
            }
            Self::Task { change: TaskChange::Skipped { reason }, .. } => {
                serde_json::json!({ "reason": reason })
            }
            _ => return String::new(),
        };
        value.to_string()
    }

    /// The attempt that the change is about, if it is about one.
    pub fn try_number(&self) -> Option<u32> {
        let Self::Task { change, .. } = self else { return None };
        match change {
            TaskChange::Started { try_number }
            | TaskChange::Succeeded { try_number, .. }
            | TaskChange::Failed { try_number, .. }
            | TaskChange::Lost { try_number, .. }
            | TaskChange::Rescheduled { try_number, .. }
            | TaskChange::Answered { try_number, .. }
            | TaskChange::Interrupted { try_number } => Some(*try_number),
            TaskChange::Expanded { .. }
            | TaskChange::ExpansionFailed { .. }
            | TaskChange::Folded
            | TaskChange::Scheduled
            | TaskChange::Skipped { .. }
            | TaskChange::UpstreamFailed
            | TaskChange::Cleared
            | TaskChange::Interrupting { .. }
            | TaskChange::Marked { .. } => None,
        }
    }

    /// Reads a change back from the history: what [`Change::event_name`], the instance, the attempt number and
    /// [`Change::body`] said. None when they say nothing that this version knows.
    pub fn read(
        name: &str,
        instance: Option<InstanceKey>,
        try_number: Option<u32>,
        body: &str,
    ) -> Option<Self> {
        let body: serde_json::Value =
            if body.is_empty() { serde_json::Value::Null } else { serde_json::from_str(body).ok()? };
        if let Some(change) = Self::read_of_run(name, &body) {
            return Some(change);
        }
        let field = |name: &str| body[name].clone();
        let change = match name {
            "task.expanded" => TaskChange::Expanded { count: u32::try_from(body["count"].as_u64()?).ok()? },
            "task.expansion_failed" => {
                TaskChange::ExpansionFailed { error: serde_json::from_value(field("error")).ok()? }
            }
            "task.folded" => TaskChange::Folded,
            "task.scheduled" => TaskChange::Scheduled,
            "task.started" => TaskChange::Started { try_number: try_number? },
            "task.succeeded" => TaskChange::Succeeded {
                try_number: try_number?,
                follow: serde_json::from_value(field("follow")).ok()?,
            },
            "task.failed" => TaskChange::Failed {
                try_number: try_number?,
                error: serde_json::from_value(field("error")).ok()?,
                retry_at: match body["retry_at"].as_i64() {
                    Some(micros) => Some(Timestamp::from_microsecond(micros).ok()?),
                    None => None,
                },
            },
            "task.lost" => TaskChange::Lost { try_number: try_number?, again: body["again"].as_bool()? },
            "task.rescheduled" => TaskChange::Rescheduled {
                try_number: try_number?,
                wait: serde_json::from_value(field("wait")).ok()?,
            },
            "task.answered" => TaskChange::Answered {
                try_number: try_number?,
                answer: serde_json::from_value(field("answer")).ok()?,
            },
            "task.interrupted" => TaskChange::Interrupted { try_number: try_number? },
            "task.skipped" => TaskChange::Skipped { reason: body["reason"].as_str()?.to_owned() },
            "task.upstream_failed" => TaskChange::UpstreamFailed,
            "task.cleared" => TaskChange::Cleared,
            "task.interrupting" => {
                TaskChange::Interrupting { afterwards: serde_json::from_value(field("afterwards")).ok()? }
            }
            "task.marked" => {
                TaskChange::Marked { state: TaskInstanceState::from_label(body["state"].as_str()?)? }
            }
            _ => return None,
        };
        Some(Self::Task { instance: instance?, change })
    }

    fn read_of_run(name: &str, body: &serde_json::Value) -> Option<Self> {
        let state = || RunState::from_label(body["state"].as_str()?);
        Some(match name {
            "run.started" => Self::RunStarted,
            "run.cancel_requested" => Self::StopRequested { cause: StopCause::Cancelled },
            "run.stop_requested" => {
                Self::StopRequested { cause: StopCause::from_label(body["cause"].as_str()?)? }
            }
            "run.ended" => Self::RunEnded { state: state()? },
            "run.deadline_missed" => Self::DeadlineMissed {
                deadline: u32::try_from(body["deadline"].as_u64()?).ok()?,
                at: Timestamp::from_microsecond(body["at"].as_i64()?).ok()?,
            },
            "run.queued" => Self::RunQueued,
            "run.marked" => Self::RunMarked { state: state()? },
            _ => return None,
        })
    }
}
