//! Sensors: operators that wait for something. While they wait they hold no slot, no thread, and leave nothing in the
//! history: they look once as an attempt, hand their look to the engine's triggerer, and go on when it has come.
//!
//! Each is a [`Sensor`] around what is its own: its arguments, and a [`Look`].

mod external_task;
mod file;
mod http;
mod kafka_lag;
mod redis_key;
mod s3_key;
mod settings;
mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
mod time;

use crate::connectors::Connectors;
use crate::operators::support::or_cancelled;
use async_trait::async_trait;
use esteira_core::spec::duration;
use esteira_operator::{
    Operator, Poke, Poked, Registry, Signature, TaskContext, TaskError, TaskErrorKind, TaskOutput, Trigger,
    Waiting,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use settings::{SensorSettings, sensor_arguments};
use std::sync::Arc;
use std::time::Duration;

/// Every built-in sensor.
pub(crate) fn register_all(registry: &mut Registry, connectors: &Connectors) {
    registry
        .register(time::DateTimeSensor)
        .register(time::TimeDeltaSensor)
        .register(Sensor(external_task::ExternalTask))
        .register(Sensor(file::FileSensor))
        .register(Sensor(http::HttpSensor::new()))
        .register(Sensor(kafka_lag::KafkaLagSensor::new(connectors.clone())))
        .register(Sensor(redis_key::RedisKeySensor::new(connectors.clone())))
        .register(Sensor(s3_key::S3KeySensor::new(connectors.clone())))
        .register(Sensor(sql::SqlSensor::new(connectors.clone())));
}

/// What is a sensor's own.
#[async_trait]
pub(crate) trait SensorKind: Send + Sync + 'static {
    /// Its name and its own arguments; those of all sensors are added.
    fn signature(&self) -> Signature;

    /// A check of a literal argument of its own.
    fn check(&self, _argument: &str, _value: &Value) -> Result<(), String> {
        Ok(())
    }

    /// What an attempt with these arguments looks at.
    async fn prepare(&self, context: &TaskContext, arguments: Value) -> Result<Arc<dyn Look>, TaskError>;
}

/// Something that is looked at, as often as need be.
#[async_trait]
pub(crate) trait Look: Send + Sync + 'static {
    /// What is waited for, for people: `the file /data/in.csv`.
    fn what(&self) -> String;

    /// Looks once.
    async fn look(&self) -> Result<Looked, TaskError>;
}

/// What a look found.
pub(crate) enum Looked {
    /// It is not there.
    NotYet,
    /// It is not there, and can only come with the end of this run: its DAG and its name.
    NotBefore(String, String),
    /// It is there; this is the result.
    Here(Box<TaskOutput>),
}

impl Looked {
    /// It is there, with this result.
    pub(crate) fn here(output: TaskOutput) -> Self {
        Self::Here(Box::new(output))
    }
}

/// An operator that waits for what a [`SensorKind`] looks at.
pub(crate) struct Sensor<K>(pub(crate) K);

#[async_trait]
impl<K: SensorKind> Operator for Sensor<K> {
    fn signature(&self) -> Signature {
        let mut signature = self.0.signature();
        signature.arguments.extend(sensor_arguments());
        signature
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        SensorSettings::check(argument, value)?;
        self.0.check(argument, value)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let (settings, own) = SensorSettings::split(arguments)?;
        let looked = self.attempt(context, &settings, own).await;
        looked.map_err(|error| settings.soften(error))
    }
}

impl<K: SensorKind> Sensor<K> {
    async fn attempt(
        &self,
        context: &TaskContext,
        settings: &SensorSettings,
        own: Value,
    ) -> Result<TaskOutput, TaskError> {
        let look = self.0.prepare(context, own).await?;
        let what = look.what();
        let run = match or_cancelled(context, look.look()).await? {
            Looked::Here(output) => {
                context.info(format!("here it is: {what}"));
                return Ok(*output);
            }
            Looked::NotYet => None,
            Looked::NotBefore(dag_id, run_id) => Some((dag_id, run_id)),
        };
        let left = time_left(context, settings.timeout);
        if left.is_zero() {
            return Err(timed_out(&what, settings.timeout));
        }
        if context.resumed.is_none() {
            let (often, long) =
                (duration::display(settings.poke_interval), duration::display(settings.timeout));
            context.info(format!("waiting for {what}: a look every {often}, for {long} at the most"));
        }
        let trigger = Trigger {
            poke_interval: settings.poke_interval,
            growth: if settings.exponential_backoff { 2.0 } else { 1.0 },
            interval_max: settings.max_wait.unwrap_or(settings.timeout),
            poke: Arc::new(Watch(look)),
        };
        // A state, so that the attempt which goes on knows that it has waited.
        let state = Value::Object(Map::new());
        Ok(TaskOutput::waiting(Waiting {
            run,
            trigger: Some(trigger),
            state,
            ..Waiting::at_most(left, format!("it waits for {what}"))
        }))
    }
}

/// A look as the triggerer makes it. Whatever it finds, the attempt looks again for itself: it is the one that tells.
struct Watch(Arc<dyn Look>);

#[async_trait]
impl Poke for Watch {
    async fn poke(&self) -> Poked {
        match self.0.look().await {
            Ok(Looked::NotYet | Looked::NotBefore(..)) => Poked::NotYet,
            Ok(Looked::Here(_)) | Err(_) => Poked::GoOn,
        }
    }
}

/// How much of the time-out is left; it counts from the beginning of the attempt.
fn time_left(context: &TaskContext, timeout: Duration) -> Duration {
    let waited = Timestamp::now().duration_since(context.started_at);
    timeout.saturating_sub(Duration::try_from(waited).unwrap_or_default())
}

fn timed_out(what: &str, timeout: Duration) -> TaskError {
    let timeout = duration::display(timeout);
    TaskError::new(TaskErrorKind::Fatal, format!("{what} did not come within {timeout}"))
        .class("sensor_timeout")
        .hint("another attempt would wait as long again, so there is none; timeout and soft_fail set what happens")
}
