//! Callbacks: operators that are run when something has happened to a task or a run, and deadlines, which are another thing
//! that may happen to a run. What they end in never changes what they tell of.

use super::RetryPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

crate::states::labelled! {
    /// What a callback tells of: Airflow's keys.
    CallbackKind {
        /// An attempt begins.
        OnExecute = "on_execute_callback",
        /// A task, or a run, has succeeded.
        OnSuccess = "on_success_callback",
        /// A task has failed for good, or a run has failed.
        OnFailure = "on_failure_callback",
        /// An attempt has failed, and another follows.
        OnRetry = "on_retry_callback",
        /// An attempt found that there was nothing to do.
        OnSkipped = "on_skipped_callback",
        /// A run was not over in time.
        Deadline = "deadline",
    }
}

impl CallbackKind {
    /// Those of tasks, and of default_args.
    pub const OF_TASKS: [Self; 5] =
        [Self::OnExecute, Self::OnSuccess, Self::OnFailure, Self::OnRetry, Self::OnSkipped];

    /// Those of a DAG, besides its deadlines.
    pub const OF_DAGS: [Self; 2] = [Self::OnSuccess, Self::OnFailure];

    /// What the templates of such a callback see besides what those of tasks do (Airflow's names): of a task, or of a run.
    pub fn variables(self, is_of_task: bool) -> &'static [&'static str] {
        match self {
            Self::OnFailure | Self::OnRetry if is_of_task => &["exception"],
            Self::OnSkipped => &["reason"],
            Self::OnExecute | Self::OnSuccess if is_of_task => &[],
            Self::OnExecute | Self::OnSuccess | Self::OnFailure | Self::OnRetry => &["reason"],
            Self::Deadline => &["deadline"],
        }
    }
}

/// An operator that is run to tell of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// The name of the code that it runs.
    pub operator: String,
    /// `with:` as written: strings may hold templates.
    pub arguments: Value,
    /// Whether any string under `with:` holds a template.
    pub has_templates: bool,
    /// How often it is tried again when it fails.
    #[serde(flatten)]
    pub retry: RetryPolicy,
    /// How long one try may take.
    pub execution_timeout: Option<Duration>,
}

impl Callback {
    /// How often a callback is tried again unless it says otherwise: for about 20 minutes, while the service that it
    /// speaks to may come back.
    pub fn retry_policy() -> RetryPolicy {
        RetryPolicy {
            retries: 6,
            retry_delay: Duration::from_secs(10),
            exponential_backoff: 2.0,
            max_retry_delay: Some(Duration::from_secs(600)),
            ..RetryPolicy::default()
        }
    }

    /// How long a try may take unless the callback says otherwise.
    pub const EXECUTION_TIMEOUT: Duration = Duration::from_secs(60);
}

/// The callbacks of a task or a DAG, by what they tell of; several for one thing are run side by side.
pub type Callbacks = BTreeMap<CallbackKind, Vec<Callback>>;

crate::states::labelled! {
    /// What a deadline is counted from: Airflow's references, without the fixed instant, which fits one run only.
    DeadlineReference {
        /// When the run was created.
        QueuedAt = "dagrun_queued_at",
        /// The instant that the run stands for; a run without one has no such deadline.
        LogicalDate = "dagrun_logical_date",
        /// When the run was created, and how long the runs before it took on average.
        AverageRuntime = "average_runtime",
    }
}

/// When a run is to be over, and what is run if it is not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deadline {
    /// What it is counted from.
    pub reference: DeadlineReference,
    /// How long after that it is.
    pub interval: Duration,
    /// Over how many successful runs the average is taken.
    pub max_runs: u32,
    /// With fewer successful runs than that, there is no average and no deadline.
    pub min_runs: u32,
    /// What is run when it has passed.
    pub callbacks: Vec<Callback>,
}

impl Deadline {
    /// Airflow's `max_runs` of `AVERAGE_RUNTIME`.
    pub const MAX_RUNS: u32 = 10;
}
