//! The shapes that answers are made of, by name: Airflow's names, where they are Airflow's.

use super::schema::{
    any, at_least, boolean, collection, collection_of, instant, integer, list, map, maybe, null, number,
    object, one_of, reference, text, uuid,
};
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use serde_json::{Map, Value, json};

/// Every shape, by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let all =
        errors().into_iter().chain(dags()).chain(tasks()).chain(runs()).chain(instances()).chain(shared());
    all.chain(own()).map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = (&'static str, Value);

/// How errors are told.
fn errors() -> Vec<Named> {
    let fault = object([("type", text()), ("loc", list(any())), ("msg", text()), ("input", any())]);
    let detail = json!({ "anyOf": [text(), list(reference("Fault"))] });
    let mut data = object([("error", text())]);
    data["properties"]["hint"] = text();
    data["properties"]["service"] = text();
    // What the gate says stands before the data API's own words.
    data["required"] = json!([]);
    data["properties"]["detail"] = detail.clone();
    vec![("Fault", fault), ("Error", object([("detail", detail)])), ("DataError", data)]
}

fn dag_fields() -> Vec<Named> {
    vec![
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("description", maybe(text())),
        ("is_paused", boolean()),
        ("is_stale", boolean()),
        ("fileloc", text()),
        ("relative_fileloc", text()),
        ("file_token", uuid()),
        ("bundle_name", text()),
        ("bundle_version", null()),
        ("last_parsed_time", instant()),
        ("last_parse_duration", null()),
        ("last_expired", null()),
        ("timetable_summary", maybe(text())),
        ("timetable_description", text()),
        ("timetable_partitioned", boolean()),
        ("timetable_periodic", boolean()),
        ("tags", list(reference("DAGTag"))),
        ("owners", list(text())),
        ("max_active_tasks", integer()),
        ("max_active_runs", integer()),
        ("max_consecutive_failed_dag_runs", integer()),
        ("has_task_concurrency_limits", boolean()),
        ("has_import_errors", boolean()),
        ("is_backfillable", boolean()),
        ("next_dagrun_logical_date", maybe(instant())),
        ("next_dagrun_data_interval_start", maybe(instant())),
        ("next_dagrun_data_interval_end", maybe(instant())),
        ("next_dagrun_run_after", maybe(instant())),
    ]
}

fn detail_fields() -> Vec<Named> {
    vec![
        ("catchup", boolean()),
        ("dag_run_timeout", null()),
        ("asset_expression", any()),
        ("doc_md", maybe(text())),
        ("start_date", maybe(instant())),
        ("end_date", maybe(instant())),
        ("is_paused_upon_creation", null()),
        ("params", map(reference("Param"))),
        ("render_template_as_native_obj", boolean()),
        ("template_search_path", null()),
        ("timezone", maybe(text())),
        ("last_parsed", instant()),
        ("default_args", null()),
        ("owner_links", map(text())),
        ("concurrency", integer()),
        ("active_runs_count", at_least(0)),
        ("latest_dag_version", reference("DAGVersion")),
    ]
}

fn version_fields() -> Vec<Named> {
    vec![
        ("id", uuid()),
        ("version_number", at_least(1)),
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("bundle_name", text()),
        ("bundle_version", null()),
        ("bundle_url", null()),
        ("created_at", instant()),
    ]
}

/// DAGs and what is told of them.
fn dags() -> Vec<Named> {
    let tag = object([("name", text()), ("dag_id", text()), ("dag_display_name", text())]);
    let count = object([("state", run_state()), ("count", at_least(0))]);
    let stats = object([("dag_id", text()), ("dag_display_name", text()), ("stats", list(count))]);
    let of_file = version_fields().into_iter().chain([("source_hash", text()), ("file", text())]);
    let param = object([("value", any()), ("description", maybe(text())), ("schema", map(any()))]);
    let source = object([
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("version_number", integer()),
        ("content", text()),
    ]);
    let import_error = object([
        ("import_error_id", at_least(1)),
        ("timestamp", instant()),
        ("filename", text()),
        ("bundle_name", text()),
        ("stack_trace", text()),
    ]);
    let planned = object([
        ("dag_id", text()),
        ("schedule", any()),
        ("is_paused", boolean()),
        ("from", instant()),
        ("runs", list(any())),
    ]);
    vec![
        ("DAGTag", tag),
        ("DAG", object(dag_fields())),
        ("DAGDetails", object(dag_fields().into_iter().chain(detail_fields()))),
        ("DAGCollection", collection("dags", "DAG")),
        ("DAGTagCollection", collection_of("tags", text())),
        ("DagStats", stats),
        ("DagStatsCollection", collection("dags", "DagStats")),
        ("DAGVersion", object(version_fields())),
        ("DAGVersionOfFile", object(of_file)),
        ("DAGVersionCollection", collection("dag_versions", "DAGVersionOfFile")),
        ("DAGSource", source),
        ("Param", param),
        ("ImportError", import_error),
        ("ImportErrorCollection", collection("import_errors", "ImportError")),
        ("Preview", planned),
    ]
}

/// Tasks of a DAG.
fn tasks() -> Vec<Named> {
    let delta = object([
        ("__type", text()),
        ("days", integer()),
        ("seconds", integer()),
        ("microseconds", integer()),
    ]);
    let task = object([
        ("task_id", text()),
        ("task_display_name", text()),
        ("operator_name", text()),
        ("owner", maybe(text())),
        ("doc_md", maybe(text())),
        ("start_date", maybe(instant())),
        ("end_date", maybe(instant())),
        ("trigger_rule", text()),
        ("depends_on_past", boolean()),
        ("wait_for_downstream", boolean()),
        ("retries", at_least(0)),
        ("retry_delay", reference("TimeDelta")),
        ("retry_exponential_backoff", number()),
        ("execution_timeout", maybe(reference("TimeDelta"))),
        ("queue", null()),
        ("pool", text()),
        ("pool_slots", integer()),
        ("priority_weight", integer()),
        ("weight_rule", text()),
        ("ui_color", null()),
        ("ui_fgcolor", null()),
        ("template_fields", list(text())),
        ("upstream_task_ids", list(text())),
        ("downstream_task_ids", list(text())),
        ("class_ref", null()),
        ("is_mapped", boolean()),
        ("params", null()),
        ("extra_links", list(text())),
    ]);
    vec![("TimeDelta", delta), ("Task", task), ("TaskCollection", collection("tasks", "Task"))]
}

fn labels(all: impl Iterator<Item = &'static str>) -> Value {
    one_of(&all.collect::<Vec<_>>())
}

fn run_state() -> Value {
    labels(RunState::ALL.iter().map(|state| state.as_str()))
}

/// Runs.
fn runs() -> Vec<Named> {
    let ways = TriggeredBy::ALL.iter().filter(|way| **way != TriggeredBy::Engine).map(|way| way.as_str());
    let run = object([
        ("dag_run_id", text()),
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("state", run_state()),
        ("run_type", labels(RunType::ALL.iter().map(|kind| kind.as_str()))),
        ("triggered_by", maybe(labels(ways))),
        ("triggering_user_name", maybe(text())),
        ("logical_date", maybe(instant())),
        ("data_interval_start", maybe(instant())),
        ("data_interval_end", maybe(instant())),
        ("run_after", instant()),
        ("queued_at", instant()),
        ("start_date", maybe(instant())),
        ("end_date", maybe(instant())),
        ("duration", maybe(number())),
        ("last_scheduling_decision", null()),
        ("conf", map(any())),
        ("note", maybe(text())),
        ("dag_versions", list(reference("DAGVersion"))),
        ("bundle_version", null()),
        ("partition_key", null()),
    ]);
    vec![("DAGRun", run), ("DAGRunCollection", collection("dag_runs", "DAGRun"))]
}

fn instance_fields() -> Vec<Named> {
    vec![
        ("id", uuid()),
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("dag_run_id", text()),
        ("task_id", text()),
        ("task_display_name", text()),
        ("map_index", at_least(-1)),
        ("rendered_map_index", maybe(text())),
        ("state", maybe(labels(TaskInstanceState::ALL.iter().map(|state| state.as_str())))),
        ("try_number", at_least(0)),
        ("max_tries", at_least(0)),
        ("logical_date", maybe(instant())),
        ("run_after", instant()),
        ("scheduled_when", maybe(instant())),
        ("queued_when", maybe(instant())),
        ("start_date", maybe(instant())),
        ("end_date", maybe(instant())),
        ("duration", maybe(number())),
        ("operator", maybe(text())),
        ("operator_name", maybe(text())),
        ("pool", text()),
        ("pool_slots", integer()),
        ("queue", null()),
        ("priority_weight", integer()),
        ("hostname", null()),
        ("unixname", null()),
        ("pid", null()),
        ("executor", null()),
        ("executor_config", text()),
        ("note", null()),
        ("rendered_fields", map(any())),
        ("trigger", null()),
        ("triggerer_job", null()),
        ("dag_version", reference("DAGVersion")),
    ]
}

/// Task instances and what is in them.
fn instances() -> Vec<Named> {
    let mut attempt = object(instance_fields());
    // What an attempt failed of; one that runs has none yet.
    attempt["properties"]["error"] = any();
    let line = object([("timestamp", instant()), ("level", text()), ("logger", text()), ("event", text())]);
    let xcom = vec![
        ("key", text()),
        ("timestamp", instant()),
        ("logical_date", maybe(instant())),
        ("run_after", instant()),
        ("map_index", at_least(-1)),
        ("task_id", text()),
        ("task_display_name", text()),
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("run_id", text()),
        ("size", at_least(0)),
    ];
    let question = object([
        ("task_instance", maybe(reference("TaskInstance"))),
        ("options", list(text())),
        ("subject", text()),
        ("body", maybe(text())),
        ("defaults", maybe(list(text()))),
        ("multiple", boolean()),
        ("params", map(reference("Param"))),
        ("assigned_users", list(any())),
        ("created_at", instant()),
        ("responded_by_user", maybe(reference("Person"))),
        ("responded_at", maybe(instant())),
        ("chosen_options", maybe(list(text()))),
        ("params_input", maybe(map(any()))),
        ("response_received", boolean()),
    ]);
    vec![
        ("TaskInstance", object(instance_fields())),
        ("TaskInstanceCollection", collection("task_instances", "TaskInstance")),
        ("TaskInstanceTry", attempt),
        ("TaskInstanceTries", collection("task_instances", "TaskInstanceTry")),
        ("LogLine", line),
        ("XCom", object(xcom.clone())),
        ("XComCollection", collection("xcom_entries", "XCom")),
        ("XComWithValue", object(xcom.into_iter().chain([("value", any())]))),
        ("Person", object([("id", text()), ("name", text())])),
        ("HITLDetail", question),
        ("HITLDetailCollection", collection("hitl_details", "HITLDetail")),
    ]
}

/// What DAGs share.
fn shared() -> Vec<Named> {
    let pool = object([
        ("name", text()),
        ("slots", at_least(-1)),
        ("description", text()),
        ("include_deferred", boolean()),
        ("occupied_slots", at_least(0)),
        ("running_slots", at_least(0)),
        ("queued_slots", at_least(0)),
        ("scheduled_slots", at_least(0)),
        ("deferred_slots", at_least(0)),
        ("open_slots", at_least(-1)),
    ]);
    let variable = object([
        ("key", text()),
        ("value", text()),
        ("description", text()),
        ("is_encrypted", boolean()),
        ("is_secret", boolean()),
        ("team_name", null()),
    ]);
    let connection = object([
        ("connection_id", text()),
        ("conn_type", text()),
        ("description", text()),
        ("host", maybe(text())),
        ("login", maybe(text())),
        ("password", maybe(text())),
        ("schema", maybe(text())),
        ("port", maybe(integer())),
        ("extra", maybe(text())),
        ("team_name", null()),
    ]);
    let event = object([
        ("event_log_id", at_least(1)),
        ("when", instant()),
        ("event", text()),
        ("dag_id", maybe(text())),
        ("dag_display_name", maybe(text())),
        ("run_id", maybe(text())),
        ("task_id", maybe(text())),
        ("task_display_name", maybe(text())),
        ("map_index", maybe(integer())),
        ("try_number", maybe(integer())),
        ("logical_date", null()),
        ("owner", text()),
        ("via", text()),
        ("extra", maybe(text())),
        ("hash", text()),
    ]);
    vec![("Pool", pool), ("Variable", variable), ("Connection", connection), ("EventLog", event)]
        .into_iter()
        .chain(assets())
        .collect()
}

/// Assets and backfills.
fn assets() -> Vec<Named> {
    let times = || [("created_at", instant()), ("updated_at", instant())];
    let last = object([("id", integer()), ("timestamp", instant())]);
    let asset = object([
        ("id", integer()),
        ("name", text()),
        ("uri", text()),
        ("group", text()),
        ("extra", map(any())),
        ("created_at", instant()),
        ("updated_at", instant()),
        ("scheduled_dags", list(object([("dag_id", text())].into_iter().chain(times())))),
        (
            "producing_tasks",
            list(object([("dag_id", text()), ("task_id", text())].into_iter().chain(times()))),
        ),
        ("consuming_tasks", list(any())),
        ("aliases", list(any())),
        ("watchers", list(any())),
        ("last_asset_event", maybe(last)),
    ]);
    let event = object([
        ("id", integer()),
        ("asset_id", maybe(integer())),
        ("uri", text()),
        ("name", text()),
        ("group", text()),
        ("extra", any()),
        ("source_dag_id", maybe(text())),
        ("source_run_id", maybe(text())),
        ("source_task_id", maybe(text())),
        ("source_map_index", integer()),
        ("created_dagruns", list(any())),
        ("timestamp", instant()),
        ("partition_key", null()),
    ]);
    let backfill = object([
        ("id", integer()),
        ("dag_id", text()),
        ("dag_display_name", text()),
        ("from_date", instant()),
        ("to_date", instant()),
        ("dag_run_conf", map(any())),
        ("is_paused", boolean()),
        ("reprocess_behavior", text()),
        ("max_active_runs", integer()),
        ("run_backwards", boolean()),
        ("created_at", instant()),
        ("updated_at", instant()),
        ("completed_at", maybe(instant())),
    ]);
    vec![("Asset", asset), ("AssetEvent", event), ("Backfill", backfill)]
}

/// Users and tokens.
fn own() -> Vec<Named> {
    let user =
        object([("name", text()), ("role", text()), ("created_at", instant()), ("changed_at", instant())]);
    let token = vec![
        ("token_id", text()),
        ("user", text()),
        ("label", text()),
        ("role", text()),
        ("dag_ids", maybe(list(text()))),
        ("created_at", instant()),
        ("expires_at", maybe(instant())),
    ];
    vec![
        ("User", user),
        ("Token", object(token.clone())),
        ("NewToken", object(token.into_iter().chain([("token", text())]))),
    ]
}
