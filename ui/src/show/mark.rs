//! States as people see them: colour, glyph and word together, the same on every page and in every picture.
//! The colours are in `static/app.css`, by the name.

use crate::t;
use esteira_core::states::{RunState, TaskInstanceState};
use esteira_store::EventRow;
use serde_json::Value;
use std::fmt;

/// How a state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The name that the style sheet knows: Airflow's label, or `no_status`.
    pub(crate) name: &'static str,
    /// The word, in English.
    pub(crate) label: &'static str,
    /// The sign for small sizes and for eyes that see no colour.
    pub(crate) glyph: &'static str,
}

impl Mark {
    /// Of a task instance.
    pub(crate) fn of_instance(state: Option<TaskInstanceState>) -> Self {
        use TaskInstanceState as S;
        let Some(state) = state else {
            return Self { name: "no_status", label: "not yet", glyph: "" };
        };
        let (label, glyph) = match state {
            S::Scheduled => ("scheduled", "◷"),
            S::Queued => ("queued", "◷"),
            S::Running => ("running", "▶"),
            S::Success => ("success", "✓"),
            S::Failed => ("failed", "✕"),
            S::UpForRetry => ("up for retry", "↻"),
            S::UpstreamFailed => ("upstream failed", "⇡"),
            S::Skipped => ("skipped", "⤼"),
            S::Restarting => ("restarting", "⟲"),
            S::UpForReschedule => ("up for reschedule", "◌"),
            S::Deferred => ("deferred", "◇"),
            S::AwaitingInput => ("awaiting input", "?"),
            S::Removed => ("removed", "−"),
        };
        Self { name: state.as_str(), label, glyph }
    }

    /// The word, in the language of whoever looks.
    pub(crate) fn word(self) -> &'static str {
        t(self.label)
    }

    /// Of a run.
    pub(crate) fn of_run(state: RunState) -> Self {
        Self::of_instance(TaskInstanceState::from_label(state.as_str()))
    }

    /// Of an attempt that has ended, by its outcome.
    pub(crate) fn of_outcome(outcome: &str) -> Self {
        match outcome {
            "lost" => Self { name: "lost", label: "lost", glyph: "⌁" },
            "cleared" => Self { name: "skipped", label: "cleared", glyph: "⟲" },
            "marked" => Self { name: "skipped", label: "marked", glyph: "✎" },
            "interrupted" => Self { name: "lost", label: "interrupted", glyph: "⌁" },
            other => Self::of_instance(TaskInstanceState::from_label(other)),
        }
    }
}

/// Every word of a state: what languages must have. They are not literals where they are shown.
#[cfg(test)]
pub(crate) const STATE_LABELS: [&str; 18] = [
    "not yet",
    "scheduled",
    "queued",
    "running",
    "success",
    "failed",
    "up for retry",
    "upstream failed",
    "skipped",
    "restarting",
    "up for reschedule",
    "deferred",
    "awaiting input",
    "removed",
    "lost",
    "cleared",
    "marked",
    "interrupted",
];

/// A badge.
impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { name, glyph, .. }, word) = (self, self.word());
        write!(formatter, "<span class=\"badge\" data-s=\"{name}\" data-g=\"{glyph}\">{word}</span>")
    }
}

impl askama::filters::HtmlSafe for Mark {}

/// The state in which an event leaves its subject, if it changes one.
pub(crate) fn state_after(event: &EventRow) -> Option<Mark> {
    use TaskInstanceState as S;
    let body = || serde_json::from_str::<Value>(&event.body).unwrap_or_default();
    let state = match event.name.as_str() {
        "run.created" => return Some(Mark::of_run(RunState::Queued)),
        "run.queued" => return Some(Mark::of_run(RunState::Queued)),
        "run.started" => return Some(Mark::of_run(RunState::Running)),
        "run.ended" | "run.marked" => {
            return body()["state"].as_str().and_then(RunState::from_label).map(Mark::of_run);
        }
        "task.scheduled" => S::Scheduled,
        "task.started" => S::Running,
        "task.succeeded" => S::Success,
        "task.failed" if body()["retry_at"].is_null() => S::Failed,
        "task.failed" => S::UpForRetry,
        "task.interrupting" if !body()["afterwards"]["mark"].is_null() => return None,
        "task.interrupting" => S::Restarting,
        "task.cleared" => return Some(Mark::of_instance(None)),
        "task.marked" => {
            return body()["state"]
                .as_str()
                .and_then(S::from_label)
                .map(|state| Mark::of_instance(Some(state)));
        }
        "task.interrupted" => S::Scheduled,
        "task.lost" if body()["again"] == true => S::Scheduled,
        "task.lost" => S::Failed,
        "task.skipped" => S::Skipped,
        "task.upstream_failed" => S::UpstreamFailed,
        _ => return None,
    };
    Some(Mark::of_instance(Some(state)))
}

/// How an event is shown where it stands for itself. As [`state_after`], but for an attempt that went away with the
/// engine: that its task waits again does not say what became of the attempt.
pub(crate) fn mark_of_event(event: &EventRow) -> Option<Mark> {
    match event.name.as_str() {
        "task.lost" => Some(Mark::of_outcome("lost")),
        "task.interrupted" => Some(Mark::of_outcome("interrupted")),
        _ => state_after(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_went_with_the_engine_has_a_word_and_its_task_waits() {
        let event = |name: &str| EventRow {
            seq: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            name: name.to_owned(),
            run_key: Some(1),
            dag_id: "d".into(),
            run_id: "r".into(),
            task_id: "t".into(),
            task_index: Some(0),
            map_index: -1,
            try_number: 1,
            actor: "engine".into(),
            via: "engine".into(),
            body: String::new(),
            hash: String::new(),
        };
        let interrupted = event("task.interrupted");
        assert_eq!(state_after(&interrupted).unwrap().name, "scheduled");
        let shown = mark_of_event(&interrupted).unwrap();
        assert_eq!((shown.name, shown.label), ("lost", "interrupted"));
        assert_eq!(Some(shown), Some(Mark::of_outcome("interrupted")));
        assert_eq!(mark_of_event(&event("task.lost")).unwrap().label, "lost");
        assert_eq!(mark_of_event(&event("task.started")), state_after(&event("task.started")));
    }

    #[test]
    fn every_state_has_a_word_and_a_sign_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for state in TaskInstanceState::ALL {
            let mark = Mark::of_instance(Some(*state));
            assert!(!mark.glyph.is_empty() && seen.insert(mark.label), "{state}");
            assert!(STATE_LABELS.contains(&mark.label), "{state}");
        }
        assert_eq!(
            Mark::of_run(RunState::Failed).to_string(),
            "<span class=\"badge\" data-s=\"failed\" data-g=\"✕\">failed</span>"
        );
    }
}
