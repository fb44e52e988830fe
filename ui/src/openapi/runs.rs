//! The operations on runs and on what is in them: `ui/src/api/{dag_runs,task_instances,mapped,reruns,xcoms,logs,hitl}.rs`.

use super::Operation;
use super::schema::{
    any, at_least, body, boolean, instant, integer, list, map, maybe, number, object, one_of, reference, text,
};
use serde_json::{Value, json};

const RUN: &str = "DagRun";
const INSTANCE: &str = "Task Instance";
const XCOM: &str = "XCom";
const HITL: &str = "Human in the loop";

const DAG_ID: [&str; 2] = ["dag_id_pattern", "dag_id_prefix_pattern"];
const RUN_ID: [&str; 2] = ["run_id_pattern", "run_id_prefix_pattern"];
const TASK_ID: [&str; 2] = ["task_id_pattern", "task_id_prefix_pattern"];

/// `GET …/dagRuns`.
pub(crate) fn list_runs() -> Operation {
    ranges(Operation::new("get_dag_runs", RUN, "The runs of a DAG, or of all (~)"))
        .window()
        .ordered()
        .query("state", list(run_state()), "In one of these states")
        .query("run_type", list(text()), "Of one of these kinds")
        .query("dag_version", list(integer()), "On one of these versions")
        .query("dag_id", list(text()), "Of one of these DAGs")
        .query("run_id", list(text()), "With one of these names")
        .patterns(DAG_ID, "The DAG's name")
        .patterns(RUN_ID, "The run's name")
        .patterns(
            ["triggering_user_name_pattern", "triggering_user_name_prefix_pattern"],
            "The name of who asked for it",
        )
        .query("conf_contains", text(), "A part of its conf, as JSON text")
        .answers(reference("DAGRunCollection"))
}

/// The ranges that runs and task instances have.
fn ranges(operation: Operation) -> Operation {
    let at = instant();
    operation
        .range(["logical_date_gte", "logical_date_gt", "logical_date_lte", "logical_date_lt"], &at)
        .range(["run_after_gte", "run_after_gt", "run_after_lte", "run_after_lt"], &at)
        .range(["start_date_gte", "start_date_gt", "start_date_lte", "start_date_lt"], &at)
        .range(["end_date_gte", "end_date_gt", "end_date_lte", "end_date_lt"], &at)
        .range(["duration_gte", "duration_gt", "duration_lte", "duration_lt"], &number())
}

fn run_state() -> Value {
    one_of(&["queued", "running", "success", "failed"])
}

/// `POST /dags/~/dagRuns/list`.
pub(crate) fn batch_runs() -> Operation {
    Operation::new("get_list_dag_runs_batch", RUN, "The runs that a body asks for")
        .body(filters())
        .answers(reference("DAGRunCollection"))
}

/// The filters of a list, in a body: those of the query, lists of them with names in the plural.
fn filters() -> Value {
    json!({ "type": "object", "description": "The filters of the list, as in its query; page_limit, page_offset, order_by; dag_ids, dag_run_ids, task_ids, states, run_types" })
}

/// `GET …/dagRuns/list`: the run of that name.
pub(crate) fn run_called_list() -> Operation {
    Operation::new("get_dag_run_called_list", RUN, "The run that is called list").answers(reference("DAGRun"))
}

/// `POST …/dagRuns`.
pub(crate) fn trigger() -> Operation {
    let fields = [
        ("dag_run_id", maybe(text())),
        ("logical_date", maybe(instant())),
        ("data_interval_start", maybe(instant())),
        ("data_interval_end", maybe(instant())),
        ("conf", maybe(map(any()))),
        ("note", maybe(text())),
    ];
    Operation::new("trigger_dag_run", RUN, "Start a run").body(body(&[], fields)).answers(reference("DAGRun"))
}

/// `GET …/dagRuns/{run_id}`.
pub(crate) fn one_run() -> Operation {
    Operation::new("get_dag_run", RUN, "A run").answers(reference("DAGRun"))
}

/// `PATCH …/dagRuns/{run_id}`.
pub(crate) fn patch_run() -> Operation {
    Operation::new("patch_dag_run", RUN, "Mark a run that is over, or cancel one that is under way (failed)")
        .body(body(&[], [("state", maybe(one_of(&["success", "failed"])))]))
        .answers(reference("DAGRun"))
}

/// `DELETE …/dagRuns/{run_id}`.
pub(crate) fn delete_run() -> Operation {
    Operation::new("delete_dag_run", RUN, "Remove a run that is not under way").answers_nothing(204)
}

/// `GET …/dagRuns/{run_id}/wait`.
pub(crate) fn wait() -> Operation {
    Operation::new(
        "wait_dag_run_until_finished",
        RUN,
        "A line of JSON whenever the state of a run changes, until it is over",
    )
    .needs(
        "interval",
        json!({ "type": "number", "exclusiveMinimum": 0 }),
        "Airflow's; nothing is polled here",
    )
    .query("result", list(text()), "Tasks whose results the last line has")
    .or_text("application/x-ndjson")
}

/// `POST …/dagRuns/{run_id}/clear`.
pub(crate) fn clear_run() -> Operation {
    let fields = [
        ("dry_run", maybe(boolean())),
        ("only_failed", maybe(boolean())),
        ("run_on_latest_version", maybe(boolean())),
        ("only_new", maybe(boolean())),
    ];
    Operation::new(
        "clear_dag_run",
        RUN,
        "Run the tasks of a run again; only says which unless dry_run is false",
    )
    .body(body(&[], fields))
    .answers(json!({ "anyOf": [reference("DAGRun"), reference("TaskInstanceCollection")] }))
}

/// `POST …/clearTaskInstances`.
pub(crate) fn clear_instances() -> Operation {
    let task = json!({ "anyOf": [text(), { "type": "array", "items": any() }] });
    let switch = |name| (name, maybe(boolean()));
    let fields = [
        ("dag_run_id", maybe(text())),
        ("start_date", maybe(instant())),
        ("end_date", maybe(instant())),
        ("task_ids", maybe(list(task))),
        switch("dry_run"),
        switch("only_failed"),
        switch("only_running"),
        switch("reset_dag_runs"),
        switch("include_past"),
        switch("include_future"),
        switch("include_upstream"),
        switch("include_downstream"),
        switch("run_on_latest_version"),
        switch("prevent_running_task"),
    ];
    Operation::new(
        "post_clear_task_instances",
        INSTANCE,
        "Run task instances again; only says which unless dry_run is false",
    )
    .body(body(&[], fields))
    .answers(reference("TaskInstanceCollection"))
}

/// `GET …/taskInstances`.
pub(crate) fn list_instances() -> Operation {
    instance_filters(Operation::new(
        "get_task_instances",
        INSTANCE,
        "The task instances of a run, or of all (~)",
    ))
    .answers(reference("TaskInstanceCollection"))
}

fn instance_filters(operation: Operation) -> Operation {
    ranges(operation)
        .window()
        .ordered()
        .query("state", list(text()), "In one of these states; none for no state")
        .query("task_id", list(text()), "Of one of these tasks")
        .query("dag_id", list(text()), "Of one of these DAGs")
        .query("run_id", list(text()), "Of one of these runs")
        .query("map_index", list(integer()), "With one of these map indices")
        .query("try_number", list(integer()), "In one of these attempts")
        .query("version_number", list(integer()), "On one of these versions of the DAG")
        .patterns(DAG_ID, "The DAG's name")
        .patterns(RUN_ID, "The run's name")
        .patterns(TASK_ID, "The task's name")
        .patterns(["task_display_name_pattern", "task_display_name_prefix_pattern"], "The task's name")
        .patterns(
            ["rendered_map_index_pattern", "rendered_map_index_prefix_pattern"],
            "A mapped instance's name",
        )
}

/// `POST …/taskInstances/list`.
pub(crate) fn batch_instances() -> Operation {
    Operation::new("get_task_instances_batch", INSTANCE, "The task instances that a body asks for")
        .body(filters())
        .answers(reference("TaskInstanceCollection"))
}

/// `GET …/taskInstances/list`: the task of that name.
pub(crate) fn instance_called_list() -> Operation {
    of_instance("get_task_instance_called_list", "The instance of the task that is called list")
        .answers(reference("TaskInstance"))
}

fn of_instance(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, INSTANCE, summary).query(
        "map_index",
        integer(),
        "Its place among mapped ones; -1 unless given",
    )
}

/// `GET …/taskInstances/{task_id}`.
pub(crate) fn one_instance() -> Operation {
    of_instance("get_task_instance", "A task instance").answers(reference("TaskInstance"))
}

fn mark_body() -> Value {
    let fields = [
        ("new_state", one_of(&["success", "failed", "skipped"])),
        ("include_upstream", maybe(boolean())),
        ("include_downstream", maybe(boolean())),
        ("include_past", maybe(boolean())),
        ("include_future", maybe(boolean())),
    ];
    body(&["new_state"], fields)
}

/// `PATCH …/taskInstances/{task_id}`.
pub(crate) fn mark_instance() -> Operation {
    of_instance("patch_task_instance", "Give a task instance a state")
        .body(mark_body())
        .answers(reference("TaskInstanceCollection"))
}

/// `PATCH …/taskInstances/{task_id}/dry_run`.
pub(crate) fn would_mark_instance() -> Operation {
    of_instance("patch_task_instance_dry_run", "What that would touch")
        .body(mark_body())
        .answers(reference("TaskInstanceCollection"))
}

/// `GET …/tries`.
pub(crate) fn tries() -> Operation {
    of_instance("get_task_instance_tries", "The attempts of a task instance")
        .answers(reference("TaskInstanceTries"))
}

/// `GET …/tries/{try_number}`.
pub(crate) fn one_try() -> Operation {
    of_instance("get_task_instance_try_details", "An attempt").answers(reference("TaskInstanceTry"))
}

/// `GET …/listMapped`.
pub(crate) fn list_mapped() -> Operation {
    instance_filters(Operation::new("get_mapped_task_instances", INSTANCE, "The mapped instances of a task"))
        .answers(reference("TaskInstanceCollection"))
}

/// `GET …/{map_index}`.
pub(crate) fn one_mapped() -> Operation {
    Operation::new("get_mapped_task_instance", INSTANCE, "A mapped instance")
        .answers(reference("TaskInstance"))
}

/// `PATCH …/{map_index}`.
pub(crate) fn mark_mapped() -> Operation {
    Operation::new("patch_mapped_task_instance", INSTANCE, "Give a mapped instance a state")
        .body(mark_body())
        .answers(reference("TaskInstanceCollection"))
}

/// `PATCH …/{map_index}/dry_run`.
pub(crate) fn would_mark_mapped() -> Operation {
    Operation::new("patch_mapped_task_instance_dry_run", INSTANCE, "What that would touch")
        .body(mark_body())
        .answers(reference("TaskInstanceCollection"))
}

/// `GET …/{map_index}/tries`.
pub(crate) fn mapped_tries() -> Operation {
    Operation::new("get_mapped_task_instance_tries", INSTANCE, "The attempts of a mapped instance")
        .answers(reference("TaskInstanceTries"))
}

/// `GET …/{map_index}/tries/{try_number}`.
pub(crate) fn one_mapped_try() -> Operation {
    Operation::new("get_mapped_task_instance_try_details", INSTANCE, "An attempt of a mapped instance")
        .answers(reference("TaskInstanceTry"))
}

/// `GET …/logs/{try_number}`.
pub(crate) fn log() -> Operation {
    of_instance("get_log", "The log of an attempt, page by page")
        .query("token", at_least(0), "The continuation_token of the page before")
        .query("full_content", boolean(), "Airflow's; a page has as much as one answer should hold")
        .answers(object([("content", list(reference("LogLine"))), ("continuation_token", maybe(text()))]))
        .or_text("application/x-ndjson")
}

/// `GET …/xcomEntries`.
pub(crate) fn list_xcoms() -> Operation {
    Operation::new(
        "get_xcom_entries",
        XCOM,
        "What a task instance pushed, without the values; ~ for any task",
    )
    .window()
    .ordered()
    .query("xcom_key", text(), "Of this key")
    .patterns(["xcom_key_pattern", "xcom_key_prefix_pattern"], "The key")
    .query("map_index", integer(), "Of this mapped instance")
    .answers(reference("XComCollection"))
}

/// `POST …/xcomEntries`.
pub(crate) fn create_xcom() -> Operation {
    let fields = [
        ("key", json!({ "type": "string", "minLength": 1 })),
        ("value", any()),
        ("map_index", maybe(integer())),
        ("dag_id", maybe(text())),
        ("run_id", maybe(text())),
        ("task_id", maybe(text())),
    ];
    Operation::new("create_xcom_entry", XCOM, "Give a task instance a value that it has not pushed")
        .body(body(&["key"], fields))
        .answers_with(201, reference("XComWithValue"))
}

/// `GET …/xcomEntries/{key}`.
pub(crate) fn one_xcom() -> Operation {
    Operation::new("get_xcom_entry", XCOM, "A value")
        .query("map_index", integer(), "Of this mapped instance")
        .query("stringify", boolean(), "As JSON text")
        .query("deserialize", boolean(), "Airflow's; values are JSON here, and told as they are")
        .answers(reference("XComWithValue"))
}

/// `GET …/hitlDetails`.
pub(crate) fn list_hitl() -> Operation {
    Operation::new("get_hitl_details", HITL, "What tasks ask people, newest first; ~ for any DAG or run")
        .window()
        .ordered()
        .query("task_id", list(text()), "Of one of these tasks")
        .query("map_index", list(integer()), "Of one of these mapped instances")
        .query("state", list(text()), "Of instances in one of these states")
        .query("responded_by_user_id", list(text()), "Answered by one of these people")
        .query("responded_by_user_name", list(text()), "Answered by one of these people")
        .patterns(DAG_ID, "The DAG's name")
        .patterns(TASK_ID, "The task's name")
        .range(["created_at_gte", "created_at_gt", "created_at_lte", "created_at_lt"], &instant())
        .query("response_received", boolean(), "Only those that were answered, or only the others")
        .query("subject_search", text(), "A part of the subject")
        .query("body_search", text(), "A part of the body")
        .answers(reference("HITLDetailCollection"))
}

/// `GET …/{map_index}/hitlDetails`.
pub(crate) fn one_hitl() -> Operation {
    Operation::new("get_hitl_detail", HITL, "What an instance asked last").answers(reference("HITLDetail"))
}

/// `GET …/hitlDetails/tries/{try_number}`.
pub(crate) fn hitl_of_try() -> Operation {
    Operation::new("get_hitl_detail_try_detail", HITL, "What an attempt asked")
        .answers(reference("HITLDetail"))
}

/// `PATCH …/{map_index}/hitlDetails`.
pub(crate) fn answer() -> Operation {
    let options = json!({ "type": "array", "items": text(), "minItems": 1 });
    let fields = [("chosen_options", options), ("params_input", maybe(map(any())))];
    Operation::new("update_hitl_detail", HITL, "Answer").body(body(&["chosen_options"], fields)).answers(
        object([
            ("responded_by", reference("Person")),
            ("responded_at", instant()),
            ("chosen_options", list(text())),
            ("params_input", map(any())),
        ]),
    )
}

/// `GET /api/dags/{dag_id}/dagRuns/{run_id}/waiting`.
pub(crate) fn waiting() -> Operation {
    let instance = object([("task_id", text()), ("map_index", integer()), ("reason", text())]);
    Operation::new("why_waiting", RUN, "Why each task instance of a run is not running").answers(object([
        ("dag_id", text()),
        ("dag_run_id", text()),
        ("waiting", list(instance)),
        ("total_entries", at_least(0)),
    ]))
}
