//! The operations on DAGs, their versions, tasks and runs as counts: `ui/src/api/{dags,tasks,versions,import_errors}.rs`.

use super::Operation;
use super::schema::{at_least, body, boolean, integer, list, null, one_of, reference, text};

const DAG: &str = "DAG";
const VERSION: &str = "DagVersion";
const TASK: &str = "Task";

/// `GET /dags`.
pub(crate) fn list_dags() -> Operation {
    Operation::new("get_dags", DAG, "The DAGs")
        .window()
        .ordered()
        .patterns(["dag_id_pattern", "dag_id_prefix_pattern"], "The name")
        .patterns(["dag_display_name_pattern", "dag_display_name_prefix_pattern"], "The name")
        .query("tags", list(text()), "With one of these tags")
        .query("tags_match_mode", one_of(&["any", "all"]), "One of the tags, or all of them")
        .query("owners", list(text()), "With one of these owners")
        .query("paused", boolean(), "Only those that are paused, or only the others")
        .query("has_import_errors", boolean(), "Only those whose file is broken, or only the others")
        .query("exclude_stale", boolean(), "Without those whose file is gone; true unless given")
        .answers(reference("DAGCollection"))
}

/// `GET /dags/{dag_id}`.
pub(crate) fn one_dag() -> Operation {
    Operation::new("get_dag", DAG, "A DAG").answers(reference("DAG"))
}

/// `PATCH /dags/{dag_id}`.
pub(crate) fn patch_dag() -> Operation {
    Operation::new("patch_dag", DAG, "Pause or unpause a DAG")
        .query("update_mask", list(text()), "The keys of the body that count")
        .body(body(&["is_paused"], [("is_paused", boolean())]))
        .answers(reference("DAG"))
}

/// `DELETE /dags/{dag_id}`.
pub(crate) fn delete_dag() -> Operation {
    Operation::new("delete_dag", DAG, "Remove a DAG with all its runs").answers(null())
}

/// `GET /dags/{dag_id}/details`.
pub(crate) fn dag_details() -> Operation {
    Operation::new("get_dag_details", DAG, "A DAG with its params, dates and limits")
        .answers(reference("DAGDetails"))
}

/// `GET /dagTags`.
pub(crate) fn tags() -> Operation {
    Operation::new("get_dag_tags", DAG, "All tags")
        .window()
        .ordered()
        .patterns(["tag_name_pattern", "tag_name_prefix_pattern"], "The tag")
        .answers(reference("DAGTagCollection"))
}

/// `GET /dagStats`.
pub(crate) fn stats() -> Operation {
    Operation::new("get_dag_stats", "DagStats", "How many runs of each DAG are in each state")
        .query("dag_ids", list(text()), "Only of these DAGs")
        .answers(reference("DagStatsCollection"))
}

/// `GET /dags/{dag_id}/tasks`.
pub(crate) fn list_tasks() -> Operation {
    Operation::new("get_tasks", TASK, "The tasks of a DAG").ordered().answers(reference("TaskCollection"))
}

/// `GET /dags/{dag_id}/tasks/{task_id}`.
pub(crate) fn one_task() -> Operation {
    Operation::new("get_task", TASK, "A task").answers(reference("Task"))
}

/// `GET /dags/{dag_id}/dagVersions`.
pub(crate) fn list_versions() -> Operation {
    Operation::new("get_dag_versions", VERSION, "The contents that the file of a DAG has had")
        .window()
        .ordered()
        .query("version_number", integer(), "Only this one")
        .answers(reference("DAGVersionCollection"))
}

/// `GET /dags/{dag_id}/dagVersions/{number}`.
pub(crate) fn one_version() -> Operation {
    Operation::new("get_dag_version", VERSION, "A version of a DAG").answers(reference("DAGVersionOfFile"))
}

/// `GET /dagSources/{dag_id}`.
pub(crate) fn source() -> Operation {
    Operation::new("get_dag_source", "DagSource", "The YAML of a DAG")
        .query("version_number", integer(), "Of this version; of the newest unless given")
        .answers(reference("DAGSource"))
        .or_text("text/plain")
}

/// `GET /importErrors`.
pub(crate) fn list_import_errors() -> Operation {
    Operation::new("get_import_errors", "Import Error", "Files that make no DAG at the moment")
        .window()
        .ordered()
        .patterns(["filename_pattern", "filename_prefix_pattern"], "The file's name")
        .answers(reference("ImportErrorCollection"))
}

/// `GET /importErrors/{import_error_id}`.
pub(crate) fn one_import_error() -> Operation {
    Operation::new("get_import_error", "Import Error", "One of them, by its place in the list")
        .answers(reference("ImportError"))
}

/// `GET /api/dags/{dag_id}/preview`.
pub(crate) fn preview() -> Operation {
    Operation::new("preview_dag_runs", DAG, "What the schedule of a DAG will start")
        .query("from", text(), "From this instant on; from now on unless given")
        .query("count", at_least(0), "How many runs: 10 unless given, 1,000 at the most")
        .answers(reference("Preview"))
}
