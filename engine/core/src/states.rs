//! The states of runs and task instances, and what a run is triggered by: Airflow's labels, stable in the database
//! and in the API.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An enum whose values have a stable label each, in the database, in the API and in YAML.
macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $label)] $variant),+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The label that the database, the API and people see.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $label),+ }
            }

            /// The value with this label.
            pub fn from_label(label: &str) -> Option<Self> {
                match label { $($label => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use labelled;

labelled! {
    /// The state of a notification: a callback that is to be run, or was.
    NotificationState {
        /// It is still to be run, or tried again.
        Pending = "pending",
        /// It was run.
        Success = "success",
        /// It was tried as often as its callback allows, in vain.
        Failed = "failed",
    }
}

labelled! {
    /// The state of a task instance that has been looked at; one that has not has no state (`null` in the API).
    TaskInstanceState {
        /// Its trigger rule is satisfied; it waits for a slot.
        Scheduled = "scheduled",
        /// Handed to an executor that has not started it yet.
        Queued = "queued",
        /// An attempt is under way.
        Running = "running",
        /// Its result is recorded.
        Success = "success",
        /// Its attempts are used up.
        Failed = "failed",
        /// It was cleared while an attempt was under way, and starts anew once that has ended.
        Restarting = "restarting",
        /// It failed and will be tried again at a known time.
        UpForRetry = "up_for_retry",
        /// It looks again at a known time, and holds no slot until then.
        UpForReschedule = "up_for_reschedule",
        /// It waits for something outside of it to happen, and holds no slot until then.
        Deferred = "deferred",
        /// It asked people something, and holds no slot until one has answered (Airflow 3.3).
        AwaitingInput = "awaiting_input",
        /// It will not run, because of an upstream's failure.
        UpstreamFailed = "upstream_failed",
        /// It did not need to run.
        Skipped = "skipped",
        /// It is no longer in the DAG.
        Removed = "removed",
    }
}

impl TaskInstanceState {
    /// Whether nothing more will happen to an instance in this state, unless a person clears it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::UpstreamFailed | Self::Skipped | Self::Removed)
    }

    /// Whether a leaf in this state makes its run fail.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::UpstreamFailed)
    }
}

labelled! {
    /// The state of a DAG run.
    RunState {
        /// Created, not started.
        Queued = "queued",
        /// Some of its task instances are not finished.
        Running = "running",
        /// All finished, and every leaf succeeded or was skipped.
        Success = "success",
        /// All finished, and a leaf failed; or the run was cancelled.
        Failed = "failed",
    }
}

impl RunState {
    /// Whether the run is over.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

labelled! {
    /// What kind of run it is; it is also the first part of a generated run id.
    RunType {
        /// Asked for by a person or a program.
        Manual = "manual",
        /// Started by the DAG's schedule.
        Scheduled = "scheduled",
        /// Part of a backfill.
        Backfill = "backfill",
        /// Asked for by a task of another run.
        OperatorTriggered = "operator_triggered",
        /// Started by an asset's update.
        AssetTriggered = "asset_triggered",
    }
}

labelled! {
    /// By what way a run, or any other change, was asked for.
    TriggeredBy {
        /// The command line.
        Cli = "cli",
        /// The REST API.
        RestApi = "rest_api",
        /// The web pages.
        Ui = "ui",
        /// A task of another run.
        Operator = "operator",
        /// The schedule.
        Timetable = "timetable",
        /// An update of an asset.
        Asset = "asset",
        /// A backfill.
        Backfill = "backfill",
        /// The engine itself: a restart, a changed DAG file.
        Engine = "engine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable_and_read_back() {
        let labels: Vec<_> = TaskInstanceState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(
            labels,
            [
                "scheduled",
                "queued",
                "running",
                "success",
                "failed",
                "restarting",
                "up_for_retry",
                "up_for_reschedule",
                "deferred",
                "awaiting_input",
                "upstream_failed",
                "skipped",
                "removed"
            ]
        );
        for state in TaskInstanceState::ALL {
            assert_eq!(TaskInstanceState::from_label(state.as_str()), Some(*state));
        }
        let labels: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(labels, ["queued", "running", "success", "failed"]);
    }
}
