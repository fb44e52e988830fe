//! What all sensors take: how often they look, how long they wait, and what happens then. The names and defaults are
//! Airflow's (`BaseSensorOperator`).

use crate::operators::support::{ensure, optional_duration};
use esteira_core::spec::duration;
use esteira_operator::{Argument, ArgumentKind, TaskError, TaskErrorKind, parse_arguments};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

const POKE_INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Looking more often than this helps nobody.
const POKE_INTERVAL_MIN: Duration = Duration::from_millis(10);

const NAMES: [&str; 5] = ["poke_interval", "timeout", "soft_fail", "exponential_backoff", "max_wait"];

/// The settings of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SensorSettings {
    pub(crate) poke_interval: Duration,
    pub(crate) timeout: Duration,
    soft_fail: bool,
    pub(crate) exponential_backoff: bool,
    pub(crate) max_wait: Option<Duration>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "optional_duration")]
    poke_interval: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    soft_fail: bool,
    #[serde(default)]
    exponential_backoff: bool,
    #[serde(default, deserialize_with = "optional_duration")]
    max_wait: Option<Duration>,
}

/// The arguments of every sensor.
pub(crate) fn sensor_arguments() -> Vec<Argument> {
    use ArgumentKind::{Boolean, Duration};
    vec![
        Argument::optional("poke_interval", Duration, "The time between two looks.").with_default("1m"),
        Argument::optional("timeout", Duration, "How long it waits, all in all.").with_default("7d"),
        Argument::optional("soft_fail", Boolean, "Whether it is skipped where it would fail.")
            .with_default(false),
        Argument::optional(
            "exponential_backoff",
            Boolean,
            "Whether the time between two looks doubles with each.",
        )
        .with_default(false),
        Argument::optional("max_wait", Duration, "The longest time between two looks, when it grows."),
    ]
}

impl SensorSettings {
    /// Takes the arguments of every sensor out of all; the others are given back.
    pub(crate) fn split(arguments: Value) -> Result<(Self, Value), TaskError> {
        let Value::Object(mut own) = arguments else { return Ok((Self::read(Map::new())?, arguments)) };
        let mut shared = Map::new();
        for name in NAMES {
            if let Some(value) = own.remove(name) {
                shared.insert(name.to_owned(), value);
            }
        }
        Ok((Self::read(shared)?, Value::Object(own)))
    }

    fn read(shared: Map<String, Value>) -> Result<Self, TaskError> {
        let written: Written = parse_arguments(Value::Object(shared))?;
        Ok(Self {
            poke_interval: written.poke_interval.unwrap_or(POKE_INTERVAL).max(POKE_INTERVAL_MIN),
            timeout: written.timeout.unwrap_or(TIMEOUT),
            soft_fail: written.soft_fail,
            exponential_backoff: written.exponential_backoff,
            max_wait: written.max_wait,
        })
    }

    /// A check of a literal argument.
    pub(crate) fn check(argument: &str, value: &Value) -> Result<(), String> {
        match argument {
            "poke_interval" | "timeout" | "max_wait" => {
                let length = duration::from_value(value)?;
                ensure(!length.is_zero(), &format!("`{argument}` is longer than nothing"))
            }
            _ => Ok(()),
        }
    }

    /// A failure as it counts: with `soft_fail` it is a skip. A cancel stays one.
    pub(crate) fn soften(&self, error: TaskError) -> TaskError {
        match error.kind {
            TaskErrorKind::Failed | TaskErrorKind::Fatal if self.soft_fail => {
                TaskError::skipped(error.message)
            }
            _ => error,
        }
    }
}
