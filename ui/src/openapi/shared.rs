//! The operations on what DAGs share, and on the server itself:
//! `ui/src/api/{pools,variables,connections,assets,backfills,event_logs,monitor}.rs`.

use super::Operation;
use super::schema::{
    any, body, boolean, collection, instant, integer, list, map, maybe, object, one_of, reference, text,
};
use serde_json::{Value, json};

const POOL: &str = "Pool";
const VARIABLE: &str = "Variable";
const CONNECTION: &str = "Connection";
const ASSET: &str = "Asset";
const BACKFILL: &str = "Backfill";

/// `GET /monitor/health`.
pub(crate) fn health() -> Operation {
    let status = || maybe(one_of(&["healthy", "unhealthy"]));
    let part = |beat: &'static str| object([("status", status()), (beat, maybe(instant()))]);
    Operation::new("get_health", "Monitor", "How the parts of the engine are").answers(object([
        ("metadatabase", object([("status", status())])),
        ("scheduler", part("latest_scheduler_heartbeat")),
        ("triggerer", part("latest_triggerer_heartbeat")),
        ("dag_processor", part("latest_dag_processor_heartbeat")),
        ("started_at", instant()),
    ]))
}

/// `GET /version`.
pub(crate) fn version() -> Operation {
    Operation::new("get_version", "Version", "The version of Esteira")
        .answers(object([("version", text()), ("git_version", maybe(text()))]))
}

/// `GET /eventLogs`.
pub(crate) fn list_events() -> Operation {
    Operation::new("get_event_logs", "Event Log", "The audit history, newest first")
        .window()
        .ordered()
        .query("dag_id", list(text()), "About one of these DAGs")
        .query("run_id", list(text()), "About runs of one of these names")
        .query("task_id", list(text()), "About one of these tasks")
        .query("map_index", list(integer()), "About one of these mapped instances")
        .query("try_number", list(integer()), "About one of these attempts")
        .query("event", list(text()), "With one of these names")
        .query("included_events", list(text()), "With one of these names")
        .query("excluded_events", list(text()), "With none of these names")
        .query("owner", list(text()), "Caused by one of these people or programs")
        .query("before", instant(), "Not after this instant")
        .query("after", instant(), "Not before this instant")
        .patterns(["dag_id_pattern", "dag_id_prefix_pattern"], "The DAG's name")
        .patterns(["run_id_pattern", "run_id_prefix_pattern"], "The run's name")
        .patterns(["task_id_pattern", "task_id_prefix_pattern"], "The task's name")
        .patterns(["event_pattern", "event_prefix_pattern"], "The event's name")
        .patterns(["owner_pattern", "owner_prefix_pattern"], "The name of who caused it")
        .answers(collection("event_logs", "EventLog"))
}

/// `GET /eventLogs/{seq}`.
pub(crate) fn one_event() -> Operation {
    Operation::new("get_event_log", "Event Log", "An event").answers(reference("EventLog"))
}

/// `GET /pools`.
pub(crate) fn list_pools() -> Operation {
    Operation::new("get_pools", POOL, "The pools, and how they are used")
        .window()
        .ordered()
        .patterns(["pool_name_pattern", "pool_name_prefix_pattern"], "The name")
        .answers(collection("pools", "Pool"))
}

/// `POST /pools`.
pub(crate) fn create_pool() -> Operation {
    let fields = [
        ("name", json!({ "type": "string", "minLength": 1 })),
        ("slots", json!({ "type": "integer", "minimum": -1, "maximum": u32::MAX })),
        ("description", maybe(text())),
        ("include_deferred", maybe(boolean())),
    ];
    Operation::new("post_pool", POOL, "Make a pool; -1 slots are as many as anyone wants")
        .body(body(&["name", "slots"], fields))
        .answers_with(201, reference("Pool"))
}

/// `GET /pools/{name}`.
pub(crate) fn one_pool() -> Operation {
    Operation::new("get_pool", POOL, "A pool").answers(reference("Pool"))
}

/// `PATCH /pools/{name}`.
pub(crate) fn patch_pool() -> Operation {
    let fields = [
        ("name", maybe(text())),
        ("pool", maybe(text())),
        ("slots", maybe(integer())),
        ("description", maybe(text())),
        ("include_deferred", maybe(boolean())),
    ];
    Operation::new("patch_pool", POOL, "Change a pool").body(body(&[], fields)).answers(reference("Pool"))
}

/// `DELETE /pools/{name}`.
pub(crate) fn remove_pool() -> Operation {
    Operation::new("delete_pool", POOL, "Remove a pool").answers_nothing(204)
}

/// `GET /variables`.
pub(crate) fn list_variables() -> Operation {
    Operation::new("get_variables", VARIABLE, "The variables; a secret's value is told as ***")
        .window()
        .ordered()
        .patterns(["variable_key_pattern", "variable_key_prefix_pattern"], "The name")
        .answers(collection("variables", "Variable"))
}

fn variable_fields() -> [(&'static str, Value); 4] {
    [
        ("key", maybe(text())),
        ("value", any()),
        ("description", maybe(text())),
        ("is_secret", maybe(boolean())),
    ]
}

/// `POST /variables`.
pub(crate) fn create_variable() -> Operation {
    Operation::new("post_variable", VARIABLE, "Make a variable")
        .body(body(&["key", "value"], variable_fields()))
        .answers_with(201, reference("Variable"))
}

/// `GET /variables/{key}`.
pub(crate) fn one_variable() -> Operation {
    Operation::new("get_variable", VARIABLE, "A variable").answers(reference("Variable"))
}

/// `PATCH /variables/{key}`.
pub(crate) fn patch_variable() -> Operation {
    Operation::new("patch_variable", VARIABLE, "Change a variable")
        .query("update_mask", list(text()), "Airflow's; what the body gives changes")
        .body(body(&[], variable_fields()))
        .answers(reference("Variable"))
}

/// `DELETE /variables/{key}`.
pub(crate) fn remove_variable() -> Operation {
    Operation::new("delete_variable", VARIABLE, "Remove a variable").answers_nothing(204)
}

/// `GET /connections`.
pub(crate) fn list_connections() -> Operation {
    Operation::new("get_connections", CONNECTION, "The connections of the store; passwords are told as ***")
        .window()
        .ordered()
        .patterns(["connection_id_pattern", "connection_id_prefix_pattern"], "The id")
        .answers(collection("connections", "Connection"))
}

fn connection_body() -> Value {
    let extra = json!({ "anyOf": [{ "type": ["string", "null"] }, { "type": "object" }] });
    let fields = [
        ("connection_id", text()),
        ("conn_type", text()),
        ("description", maybe(text())),
        ("host", maybe(text())),
        ("login", maybe(text())),
        ("password", maybe(text())),
        ("schema", maybe(text())),
        ("port", maybe(integer())),
        ("extra", extra),
    ];
    body(&["connection_id", "conn_type"], fields)
}

/// `POST /connections`.
pub(crate) fn create_connection() -> Operation {
    Operation::new("post_connection", CONNECTION, "Make a connection")
        .body(connection_body())
        .answers_with(201, reference("Connection"))
}

/// `POST /connections/test`.
pub(crate) fn test_connection() -> Operation {
    Operation::new("test_connection", CONNECTION, "Whether a service answers")
        .body(connection_body())
        .answers(object([("status", boolean()), ("message", text())]))
}

/// `GET /connections/{connection_id}`.
pub(crate) fn one_connection() -> Operation {
    Operation::new("get_connection", CONNECTION, "A connection").answers(reference("Connection"))
}

/// `PATCH /connections/{connection_id}`.
pub(crate) fn patch_connection() -> Operation {
    Operation::new("patch_connection", CONNECTION, "Change a connection")
        .query("update_mask", list(text()), "Airflow's; what the body gives changes")
        .body(connection_body())
        .answers(reference("Connection"))
}

/// `DELETE /connections/{connection_id}`.
pub(crate) fn remove_connection() -> Operation {
    Operation::new("delete_connection", CONNECTION, "Remove a connection").answers_nothing(204)
}

/// `GET /assets`.
pub(crate) fn list_assets() -> Operation {
    Operation::new("get_assets", ASSET, "The assets, and the DAGs that make them and are run for them")
        .window()
        .ordered()
        .query("dag_ids", list(text()), "Named by one of these DAGs")
        .patterns(["name_pattern", "name_prefix_pattern"], "The name")
        .patterns(["uri_pattern", "uri_prefix_pattern"], "The name")
        .answers(collection("assets", "Asset"))
}

/// `GET /assets/{asset_id}`.
pub(crate) fn one_asset() -> Operation {
    Operation::new("get_asset", ASSET, "An asset").answers(reference("Asset"))
}

/// `GET /assets/events`.
pub(crate) fn list_asset_events() -> Operation {
    Operation::new("get_asset_events", ASSET, "The updates of assets, newest first")
        .window()
        .ordered()
        .query("asset_id", integer(), "Of this asset")
        .query("uri", text(), "Of the asset of this name")
        .query("source_dag_id", list(text()), "By a task of one of these DAGs")
        .query("source_run_id", list(text()), "By a task of one of these runs")
        .query("source_task_id", list(text()), "By one of these tasks")
        .query("source_map_index", list(integer()), "By one of these mapped instances")
        .patterns(["name_pattern", "name_prefix_pattern"], "The asset's name")
        .range(["timestamp_gte", "timestamp_gt", "timestamp_lte", "timestamp_lt"], &instant())
        .answers(collection("asset_events", "AssetEvent"))
}

/// `POST /assets/events`.
pub(crate) fn update_asset() -> Operation {
    let fields = [("asset_id", maybe(integer())), ("uri", maybe(text())), ("extra", maybe(map(any())))];
    Operation::new("create_asset_event", ASSET, "Say that an asset was updated")
        .body(body(&[], fields))
        .answers(reference("AssetEvent"))
}

/// `POST /assets/{asset_id}/materialize`.
pub(crate) fn materialize() -> Operation {
    let fields = [
        ("dag_run_id", maybe(text())),
        ("logical_date", maybe(instant())),
        ("conf", maybe(map(any()))),
        ("note", maybe(text())),
    ];
    Operation::new("materialize_asset", ASSET, "Start the DAG that brings an asset up to date")
        .optional_body(body(&[], fields))
        .answers(reference("DAGRun"))
}

/// `GET /backfills`.
pub(crate) fn list_backfills() -> Operation {
    Operation::new("list_backfills", BACKFILL, "The backfills, newest first")
        .window()
        .ordered()
        .query("active", boolean(), "Only those that are not over, or only the others")
        .query("dag_id", text(), "Of this DAG")
        .answers(collection("backfills", "Backfill"))
}

fn backfill_body() -> Value {
    let fields = [
        ("dag_id", json!({ "type": "string", "minLength": 1 })),
        ("from_date", instant()),
        ("to_date", instant()),
        ("reprocess_behavior", maybe(one_of(&["failed", "completed", "none"]))),
        ("max_active_runs", json!({ "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX })),
        ("run_backwards", maybe(boolean())),
        ("dag_run_conf", maybe(map(any()))),
        ("run_on_latest_version", maybe(boolean())),
    ];
    body(&["dag_id", "from_date", "to_date"], fields)
}

/// `POST /backfills`.
pub(crate) fn create_backfill() -> Operation {
    Operation::new("create_backfill", BACKFILL, "Run a DAG for every date of a range")
        .body(backfill_body())
        .answers(reference("Backfill"))
}

/// `POST /backfills/dry_run`.
pub(crate) fn backfill_dry_run() -> Operation {
    let run = object([
        ("logical_date", instant()),
        ("data_interval_start", instant()),
        ("data_interval_end", instant()),
        ("newest_state", maybe(text())),
    ]);
    Operation::new("create_backfill_dry_run", BACKFILL, "Which runs that would have")
        .body(backfill_body())
        .answers(object([("backfills", list(run)), ("total_entries", integer()), ("skipped", integer())]))
}

/// `GET /backfills/{backfill_id}`.
pub(crate) fn one_backfill() -> Operation {
    Operation::new("get_backfill", BACKFILL, "A backfill").answers(reference("Backfill"))
}

/// `PUT /backfills/{backfill_id}/pause`.
pub(crate) fn pause_backfill() -> Operation {
    Operation::new("pause_backfill", BACKFILL, "Let a backfill start no runs").answers(reference("Backfill"))
}

/// `PUT /backfills/{backfill_id}/unpause`.
pub(crate) fn unpause_backfill() -> Operation {
    Operation::new("unpause_backfill", BACKFILL, "Let a backfill go on").answers(reference("Backfill"))
}

/// `PUT /backfills/{backfill_id}/cancel`.
pub(crate) fn cancel_backfill() -> Operation {
    Operation::new("cancel_backfill", BACKFILL, "End a backfill").answers(reference("Backfill"))
}
