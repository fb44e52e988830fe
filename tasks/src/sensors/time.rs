//! Waiting for a time: `date_time_sensor` for an instant or a time of day, `time_delta_sensor` for a while. There is
//! nothing to look at: the engine wakes them.

use crate::operators::support::{ensure, optional_duration};
use async_trait::async_trait;
use esteira_core::spec::duration;
use esteira_operator::{
    Argument, ArgumentKind, Operator, Signature, TaskContext, TaskError, TaskOutput, Waiting, parse_arguments,
};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Waits for an instant, or for a time of the day (Airflow's `DateTimeSensor` and `TimeSensor`).
pub(crate) struct DateTimeSensor;

#[derive(Deserialize)]
struct DateTimeArguments {
    target_time: String,
    timezone: Option<String>,
}

#[async_trait]
impl Operator for DateTimeSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::Text;
        Signature {
            name: "date_time_sensor",
            summary: "Waits for an instant, or for a time of the day.",
            arguments: vec![
                Argument::required(
                    "target_time",
                    Text,
                    "An instant (2026-01-31T09:00:00Z, or a date of the templates), or a time of the day (09:00), which is that of the run's date.",
                ),
                Argument::optional(
                    "timezone",
                    Text,
                    "The zone of a time of the day, and of an instant without an offset.",
                )
                .with_default("UTC"),
            ],
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match argument {
            "target_time" => target(text, &TimeZone::UTC, Timestamp::UNIX_EPOCH).map(drop),
            "timezone" => ensure(TimeZone::get(text).is_ok(), &format!("there is no time zone \"{text}\"")),
            _ => Ok(()),
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: DateTimeArguments = parse_arguments(arguments)?;
        let zone = match arguments.timezone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name)
                .map_err(|_| TaskError::fatal(format!("there is no time zone \"{name}\"")))?,
        };
        let run_date = context.logical_date.as_ref().and_then(|text| text.parse().ok());
        let target = target(&arguments.target_time, &zone, run_date.unwrap_or(context.started_at));
        wait_until(context, target.map_err(TaskError::fatal)?)
    }
}

/// The instant that a text names; a time of the day is that of `about`, by the clocks of the zone.
fn target(text: &str, zone: &TimeZone, about: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil = match text.parse::<Time>() {
        Ok(time) if !text.contains('-') => about.to_zoned(zone.clone()).date().to_datetime(time),
        _ => text.parse().map_err(|_| {
            format!("\"{text}\" is neither an instant such as 2026-01-31T09:00:00Z nor a time such as 09:00")
        })?,
    };
    let zoned = civil
        .to_zoned(zone.clone())
        .map_err(|error| format!("\"{text}\" is no time that there is: {error}"))?;
    Ok(zoned.timestamp())
}

/// Waits for a while (Airflow's `TimeDeltaSensor`).
pub(crate) struct TimeDeltaSensor;

#[derive(Deserialize)]
struct TimeDeltaArguments {
    #[serde(default, deserialize_with = "optional_duration")]
    delta: Option<Duration>,
    #[serde(default)]
    from: From,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    #[default]
    Start,
    DataIntervalEnd,
}

#[async_trait]
impl Operator for TimeDeltaSensor {
    fn signature(&self) -> Signature {
        use ArgumentKind::{Choice, Duration};
        Signature {
            name: "time_delta_sensor",
            summary: "Waits for a while.",
            arguments: vec![
                Argument::required("delta", Duration, "How long."),
                Argument::optional(
                    "from",
                    Choice(&["start", "data_interval_end"]),
                    "From when on: the task's start, or the end of the run's data interval, as in Airflow.",
                )
                .with_default("start"),
            ],
        }
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let arguments: TimeDeltaArguments = parse_arguments(arguments)?;
        let from = match arguments.from {
            From::Start => context.started_at,
            From::DataIntervalEnd => {
                let end = context.variables["data_interval_end"].as_str().and_then(|text| text.parse().ok());
                end.ok_or_else(|| {
                    TaskError::fatal("this run has no data interval").hint("write from: start")
                })?
            }
        };
        let delta =
            SignedDuration::try_from(arguments.delta.unwrap_or_default()).unwrap_or(SignedDuration::MAX);
        wait_until(context, from.checked_add(delta).unwrap_or(Timestamp::MAX))
    }
}

fn wait_until(context: &TaskContext, target: Timestamp) -> Result<TaskOutput, TaskError> {
    let left = target.duration_since(Timestamp::now());
    if left <= SignedDuration::ZERO {
        return Ok(TaskOutput::returning(json!(target.to_string())));
    }
    let left = Duration::try_from(left).unwrap_or(Duration::MAX).min(duration::DURATION_MAX);
    context.info(format!("waiting until {target:.0}"));
    Ok(TaskOutput::waiting(Waiting::at_most(left, format!("it waits until {target:.0}"))))
}
