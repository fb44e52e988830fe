//! When a DAG is due: crontab lines, presets and intervals. croner reads the crontab lines; the instants come in as
//! arguments.

use serde::Serialize;
use std::time::Duration;

/// When a DAG runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// Only when it is triggered.
    #[default]
    Never,
    /// By a crontab line (five fields) or a preset that stands for one, in UTC.
    Cron {
        /// The line as it is written in the DAG: `0 9 * * *` or `@daily`.
        line: String,
    },
    /// Every so often.
    Interval {
        /// The time between two runs.
        #[serde(rename = "every_seconds", serialize_with = "seconds")]
        every: Duration,
    },
}

fn seconds<S: serde::Serializer>(every: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(every.as_secs_f64())
}
