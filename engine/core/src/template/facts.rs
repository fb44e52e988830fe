//! From the facts of a run to the names that its templates see: Airflow's.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// The facts of a run and of the attempt whose arguments are rendered.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts<'a> {
    /// The DAG.
    pub dag_id: &'a str,
    /// The run.
    pub run_id: &'a str,
    /// What kind of run it is: `manual`.
    pub run_type: &'a str,
    /// The instant that the run is for; without it `ds`, `ts` and their like do not exist.
    pub logical_date: Option<Timestamp>,
    /// The beginning of the data that the run is for.
    pub data_interval_start: Option<Timestamp>,
    /// The end of the data that the run is for.
    pub data_interval_end: Option<Timestamp>,
    /// When the run began.
    pub start_date: Option<Timestamp>,
    /// What the trigger gave: an object.
    pub conf: &'a Value,
    /// The params, resolved against `conf`: an object.
    pub params: &'a Value,
    /// The task.
    pub task_id: &'a str,
    /// Which attempt of it, from 1.
    pub try_number: u32,
    /// The updates of assets that the run was started for, by asset: an object.
    pub asset_events: &'a Value,
    /// Which of its mapped instances; `None` (-1 in templates) when it is not mapped.
    pub map_index: Option<i32>,
    /// How many instances the task is expanded to, if it is mapped.
    pub expanded_ti_count: Option<u32>,
    /// The assets that it updates.
    pub outlets: &'a [String],
    /// What this instance is expanded over, by name, if it is mapped.
    pub expand: Option<&'a Value>,
}

/// The variables of a [`super::Context`] for these facts. Instants are ISO 8601 strings in UTC, as Python writes them.
pub fn context_variables(facts: &RunFacts<'_>) -> Value {
    let mut variables = Map::new();
    if let Some(date) = facts.logical_date {
        variables.insert("ds".into(), format_utc(date, DS).into());
        variables.insert("ds_nodash".into(), format_utc(date, DS_NODASH).into());
        variables.insert("ts".into(), iso(date).into());
        variables.insert("ts_nodash".into(), format_utc(date, TS_NODASH).into());
        variables.insert("ts_nodash_with_tz".into(), format_utc(date, TS_NODASH_WITH_TZ).into());
    }
    for (name, instant) in [
        ("logical_date", facts.logical_date),
        ("data_interval_start", facts.data_interval_start),
        ("data_interval_end", facts.data_interval_end),
    ] {
        variables.insert(name.into(), optional(instant));
    }
    let task_instance = json!({
        "dag_id": facts.dag_id,
        "run_id": facts.run_id,
        "task_id": facts.task_id,
        "try_number": facts.try_number,
        "map_index": facts.map_index.unwrap_or(-1),
    });
    variables.insert("try_number".into(), facts.try_number.into());
    let logical_date = facts.logical_date.map_or_else(String::new, |date| format_utc(date, DS_NODASH));
    let key = format!("{}__{}__{logical_date}", facts.dag_id, facts.task_id);
    variables.insert("task_instance_key_str".into(), key.into());
    variables.insert("expanded_ti_count".into(), facts.expanded_ti_count.into());
    variables.insert("outlets".into(), facts.outlets.into());
    if let Some(expand) = facts.expand {
        variables.insert("expand".into(), expand.clone());
    }
    variables.insert("triggering_asset_events".into(), facts.asset_events.clone());
    variables.insert("run_id".into(), facts.run_id.into());
    variables.insert("params".into(), facts.params.clone());
    variables.insert("dag".into(), json!({"dag_id": facts.dag_id}));
    variables.insert("dag_run".into(), dag_run(facts));
    variables.insert("task".into(), json!({"task_id": facts.task_id}));
    variables.insert("ti".into(), task_instance.clone());
    variables.insert("task_instance".into(), task_instance);
    Value::Object(variables)
}

fn dag_run(facts: &RunFacts<'_>) -> Value {
    json!({
        "dag_id": facts.dag_id,
        "run_id": facts.run_id,
        "run_type": facts.run_type,
        "conf": facts.conf,
        "logical_date": optional(facts.logical_date),
        "data_interval_start": optional(facts.data_interval_start),
        "data_interval_end": optional(facts.data_interval_end),
        "start_date": optional(facts.start_date),
    })
}

pub(super) const DS: &str = "%Y-%m-%d";
pub(super) const DS_NODASH: &str = "%Y%m%d";
pub(super) const TS_NODASH: &str = "%Y%m%dT%H%M%S";
pub(super) const TS_NODASH_WITH_TZ: &str = "%Y%m%dT%H%M%S%z";

/// An instant in UTC by a strftime format.
pub(super) fn format_utc(instant: Timestamp, format: &str) -> String {
    instant.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// Python's `isoformat`: an offset instead of `Z`, and microseconds only where there are any.
pub(crate) fn iso(instant: Timestamp) -> String {
    let has_microseconds = instant.subsec_nanosecond() / 1_000 != 0;
    format_utc(instant, if has_microseconds { "%Y-%m-%dT%H:%M:%S.%6f%:z" } else { "%Y-%m-%dT%H:%M:%S%:z" })
}

fn optional(instant: Option<Timestamp>) -> Value {
    instant.map_or(Value::Null, |instant| iso(instant).into())
}
