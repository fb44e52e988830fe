//! The keys that DAGs, tasks, default_args and params have; those that come later; and what people write for them.

use super::marked::{Content, Entry, Mark, Node};
use super::report::{Fault, Report, quoted};
use super::suggest::did_you_mean;

/// The keys of one kind of mapping.
pub(super) struct Keys {
    /// What the mapping is, for messages: "a task".
    pub(super) what: &'static str,
    /// The keys that it has.
    pub(super) known: &'static [&'static str],
    /// Keys of Airflow that come later.
    pub(super) later: &'static [&'static str],
    /// What people write, and what they mean: a key, or a sentence.
    pub(super) instead: &'static [(&'static str, &'static str)],
}

pub(super) const DAG: Keys = Keys {
    what: "a DAG",
    known: &[
        "dag_id",
        "description",
        "doc_md",
        "schedule",
        "timezone",
        "timetable",
        "start_date",
        "end_date",
        "missed",
        "catchup",
        "is_paused_upon_creation",
        "max_active_runs",
        "max_active_tasks",
        "max_map_length",
        "overlap",
        "dagrun_timeout",
        "fail_fast",
        "max_consecutive_failed_dag_runs",
        "tags",
        "default_args",
        "params",
        "task_groups",
        "tasks",
    ],
    later: &[
        "access_control",
        "allowed_run_types",
        "auto_register",
        "dag_display_name",
        "deadline",
        "disable_bundle_versioning",
        "jinja_environment_kwargs",
        "on_failure_callback",
        "on_success_callback",
        "owner_links",
        "render_template_as_native_obj",
        "rerun_with_latest_version",
        "sla_miss_callback",
        "template_searchpath",
        "template_undefined",
        "user_defined_filters",
        "user_defined_macros",
    ],
    instead: &[
        ("schedule_interval", "schedule"),
        ("cron", "schedule"),
        ("tz", "timezone"),
        ("id", "dag_id"),
        ("name", "dag_id"),
        ("dag", "the keys of a DAG stand at the top of the file, not under \"dag\""),
        ("owner", "put \"owner\" under default_args, or on each task"),
        ("retries", "put \"retries\" under default_args, or on each task"),
        ("retry_delay", "put \"retry_delay\" under default_args, or on each task"),
        ("execution_timeout", "put \"execution_timeout\" under default_args, or on each task"),
        ("paused", "is_paused_upon_creation"),
        ("steps", "tasks"),
        ("jobs", "tasks"),
    ],
};

pub(super) const TASK: Keys = Keys {
    what: "a task",
    known: &[
        "operator",
        "with",
        "partial",
        "expand",
        "expand_zip",
        "expand_kwargs",
        "map_index_template",
        "depends_on",
        "trigger_rule",
        "retries",
        "retry_delay",
        "retry_exponential_backoff",
        "max_retry_delay",
        "retry_on",
        "never_retry_on",
        "execution_timeout",
        "pool",
        "pool_slots",
        "priority_weight",
        "weight_rule",
        "max_active_tis_per_dag",
        "max_active_tis_per_dagrun",
        "depends_on_past",
        "wait_for_downstream",
        "is_setup",
        "is_teardown",
        "on_failure_fail_dagrun",
        "outlets",
        "owner",
        "doc_md",
    ],
    later: &[
        "do_xcom_push",
        "email",
        "email_on_failure",
        "email_on_retry",
        "end_date",
        "executor",
        "executor_config",
        "ignore_first_depends_on_past",
        "inlets",
        "multiple_outputs",
        "on_execute_callback",
        "on_failure_callback",
        "on_retry_callback",
        "on_skipped_callback",
        "on_success_callback",
        "params",
        "queue",
        "resources",
        "retry_policy",
        "run_as_user",
        "start_date",
        "task_display_name",
    ],
    instead: &[
        ("args", "with"),
        ("arguments", "with"),
        ("op_kwargs", "with"),
        ("upstream", "depends_on"),
        ("dependencies", "depends_on"),
        ("needs", "depends_on"),
        ("after", "depends_on"),
        ("requires", "depends_on"),
        ("retry", "retries"),
        ("timeout", "execution_timeout"),
        ("type", "operator"),
        ("uses", "operator"),
        ("description", "doc_md"),
        ("task_id", "the task's name is its key under tasks"),
        ("name", "the task's name is its key under tasks"),
        ("task_group", "write the task under \"tasks\" of its group, in task_groups"),
        ("task_group_name", "write the task under \"tasks\" of its group, in task_groups"),
        ("setup", "is_setup"),
        ("teardown", "is_teardown"),
        ("map", "expand"),
        ("foreach", "expand"),
        ("downstream", "write depends_on on the tasks that come after"),
    ],
};

pub(super) const DEFAULT_ARGS: Keys = Keys {
    what: "default_args",
    known: &[
        "owner",
        "trigger_rule",
        "retries",
        "retry_delay",
        "retry_exponential_backoff",
        "max_retry_delay",
        "retry_on",
        "never_retry_on",
        "execution_timeout",
        "pool",
        "pool_slots",
        "priority_weight",
        "weight_rule",
        "max_active_tis_per_dag",
        "max_active_tis_per_dagrun",
        "depends_on_past",
        "wait_for_downstream",
    ],
    later: TASK.later,
    instead: &[
        ("retry", "retries"),
        ("timeout", "execution_timeout"),
        ("operator", "each task names its own operator"),
        ("depends_on", "each task names its own upstream tasks"),
        ("with", "each task has its own arguments"),
        ("catchup", "catchup is a key of the DAG, not of default_args"),
    ],
};

pub(super) const GROUP: Keys = Keys {
    what: "a task group",
    known: &[
        "tooltip",
        "depends_on",
        "expand",
        "expand_zip",
        "expand_kwargs",
        "default_args",
        "tasks",
        "task_groups",
    ],
    later: &["prefix_group_id", "ui_color", "ui_fgcolor"],
    instead: &[
        ("group_id", "the group's name is its key under task_groups"),
        ("group_name", "the group's name is its key under task_groups"),
        ("dependencies", "depends_on"),
        ("upstream", "depends_on"),
        ("needs", "depends_on"),
        ("description", "tooltip"),
        ("groups", "task_groups"),
    ],
};

pub(super) const PARAM: Keys = Keys {
    what: "a param",
    known: &["type", "default", "enum", "title", "description"],
    later: &[
        "const",
        "custom_html_form",
        "description_md",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "section",
        "values_display",
    ],
    instead: &[
        ("choices", "enum"),
        ("values", "enum"),
        ("value", "default"),
        ("help", "description"),
        ("kind", "type"),
    ],
};

pub(super) const SCHEDULE: Keys = Keys {
    what: "a schedule",
    known: &["assets", "lines"],
    later: &[],
    instead: &[("cron", "lines"), ("line", "lines"), ("asset", "assets"), ("datasets", "assets")],
};

pub(super) const ASSETS: Keys = Keys {
    what: "a condition on assets",
    known: &["all", "any"],
    later: &[],
    instead: &[("and", "all"), ("or", "any")],
};

/// The values of a mapping by key; unknown keys have been reported.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    /// The mapping's own place, for what is missing in it.
    pub(super) mark: Mark,
}

impl<'n> Fields<'n> {
    /// A mapping without keys.
    pub(super) fn none(mark: Mark) -> Self {
        Self { entries: &[], mark }
    }

    /// The value of this key, if it is given.
    pub(super) fn get(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of this key, if it is given and not null.
    pub(super) fn given(&self, key: &str) -> Option<&'n Node> {
        self.get(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }
}

impl Keys {
    /// The fields of `node`, which must be a mapping. `mark` is the place of its name, where what it lacks is shown.
    pub(super) fn fields<'n>(
        &self,
        node: &'n Node,
        mark: Mark,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            let message = format!("{} must be a mapping, not {}", self.what, node.describe());
            report.add(Fault::error("wrong-type", node.mark, message));
            return None;
        };
        for entry in entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            self.report_unknown(entry, report);
        }
        Some(Fields { entries, mark })
    }

    fn report_unknown(&self, entry: &Entry, report: &mut Report<'_>) {
        let key = entry.key.as_str();
        if self.later.contains(&key) {
            let message = format!("the key {} is not supported yet", quoted(key));
            let hint = "it is a key of Airflow that Esteira does not have yet: leave it out".to_owned();
            report.add(Fault::error("unsupported-key", entry.mark, message).hint(hint));
            return;
        }
        let hint = if report.is_full() { None } else { self.hint(key) };
        let message = format!("unknown key {} in {}", quoted(key), self.what);
        report.add(Fault::error("unknown-key", entry.mark, message).hint(hint));
    }

    fn hint(&self, key: &str) -> Option<String> {
        if let Some((_, meant)) = self.instead.iter().find(|(written, _)| *written == key) {
            let is_key = self.known.contains(meant);
            return Some(if is_key { format!("did you mean \"{meant}\"?") } else { (*meant).to_owned() });
        }
        did_you_mean(key, self.known.iter().copied())
            .or_else(|| Some(format!("the keys of {} are {}", self.what, self.known.join(", "))))
    }
}
