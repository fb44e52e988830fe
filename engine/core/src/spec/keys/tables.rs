//! The keys that DAGs, tasks, default_args, groups, params and schedules have; those that come later; and what people
//! write for them. The readers, the hints and the JSON Schema are all made from these tables.

use super::{Key, Keys, Shape};
use crate::admission::WeightRule;
use crate::dag::{DeadlineReference, Overlap};
use crate::run::TriggerRule;
use crate::schedule::{Missed, TimetableKind};

const fn key(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, shape, help }
}

fn labels<T: Copy>(all: &[T], label: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|value| label(*value)).collect()
}

/// Whether and when a failure is followed by another attempt.
const RETRIES: &[Key] = &[
    key("retries", Shape::Count, "How many further attempts there are after a failure."),
    key("retry_delay", Shape::Duration, "The time between a failure and the next attempt."),
    key(
        "retry_exponential_backoff",
        Shape::Backoff,
        "What the delay is multiplied with after each failure; 0 keeps it as it is.",
    ),
    key("max_retry_delay", Shape::Duration, "The longest delay."),
    key("retry_on", Shape::FailureClasses, "Only failures of these exit codes and classes are tried again."),
    key(
        "never_retry_on",
        Shape::FailureClasses,
        "Failures of these exit codes and classes are not tried again.",
    ),
];

/// What a task tells of by itself, and default_args for all tasks.
const CALLBACKS: &[Key] = &[
    key("on_execute_callback", Shape::OneOrMore(&CALLBACK), "What is run when an attempt begins."),
    key("on_success_callback", Shape::OneOrMore(&CALLBACK), "What is run when it has succeeded."),
    key("on_failure_callback", Shape::OneOrMore(&CALLBACK), "What is run when it has failed for good."),
    key("on_retry_callback", Shape::OneOrMore(&CALLBACK), "What is run when it will be tried again."),
    key("on_skipped_callback", Shape::OneOrMore(&CALLBACK), "What is run when it has skipped itself."),
];

/// What a task says about when and how it is run, and default_args for all tasks.
const SETTINGS: &[Key] = &[
    key("owner", Shape::Text, "Who answers for it."),
    key(
        "trigger_rule",
        Shape::Choice(|| labels(TriggerRule::ALL, TriggerRule::as_str)),
        "When it runs, as the tasks before it end.",
    ),
    key("execution_timeout", Shape::DurationOrNone, "The longest time for one attempt; null for no limit."),
    key("pool", Shape::Text, "The pool that it takes slots of."),
    key("pool_slots", Shape::Positive, "How many slots it takes."),
    key("priority_weight", Shape::Whole, "How urgent it is; more is sooner."),
    key(
        "weight_rule",
        Shape::Choice(|| labels(WeightRule::ALL, WeightRule::as_str)),
        "How the weights of other tasks count into its own.",
    ),
    key(
        "max_active_tis_per_dag",
        Shape::Positive,
        "How many of its instances run at the same time, over all runs.",
    ),
    key(
        "max_active_tis_per_dagrun",
        Shape::Positive,
        "How many of its instances run at the same time in one run.",
    ),
    key("depends_on_past", Shape::Boolean, "Whether it waits for itself in the run before."),
    key(
        "wait_for_downstream",
        Shape::Boolean,
        "Whether it waits, besides, for the tasks directly after it in the run before.",
    ),
];

/// What comes later for tasks, and for default_args.
const LATER_OF_TASKS: &[&str] = &[
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
    "params",
    "queue",
    "resources",
    "retry_policy",
    "run_as_user",
    "start_date",
    "task_display_name",
];

pub(in super::super) static DAG: Keys = Keys {
    what: "a DAG",
    known: &[&[
        key("dag_id", Shape::Name, "The name of the DAG, unique in its home."),
        key("description", Shape::Text, "One line for lists."),
        key("doc_md", Shape::Text, "Longer text for people."),
        key(
            "schedule",
            Shape::Schedule,
            "When it runs by itself: a crontab line, a preset, an interval, several of them, assets, or null.",
        ),
        key(
            "timezone",
            Shape::Text,
            "The zone of the schedule, and of dates without an offset: a name of the tz database.",
        ),
        key(
            "timetable",
            Shape::Choice(|| labels(TimetableKind::ALL, TimetableKind::as_str)),
            "What of the time a run is about: the instant of its schedule, or the interval before it.",
        ),
        key("start_date", Shape::Date, "The schedule's runs stand for nothing before it."),
        key("end_date", Shape::Date, "The schedule's runs stand for nothing after it."),
        key(
            "missed",
            Shape::Choice(|| labels(Missed::ALL, Missed::as_str)),
            "What becomes of runs that were due while it was paused or no engine ran.",
        ),
        key("catchup", Shape::Boolean, "Airflow's word: true is missed: all, false is missed: skip."),
        key(
            "is_paused_upon_creation",
            Shape::Boolean,
            "Whether the DAG begins paused when it is seen for the first time.",
        ),
        key("max_active_runs", Shape::Positive, "How many runs are under way at the same time."),
        key(
            "max_active_tasks",
            Shape::Positive,
            "How many task instances of one run are under way at the same time.",
        ),
        key("max_map_length", Shape::Positive, "How many instances a mapped task may have."),
        key(
            "overlap",
            Shape::Choice(|| labels(Overlap::ALL, Overlap::as_str)),
            "What becomes of a run that is due while max_active_runs are under way.",
        ),
        key("dagrun_timeout", Shape::DurationOrNone, "The longest time for a run."),
        key("fail_fast", Shape::Boolean, "Whether the first failure ends the run."),
        key(
            "max_consecutive_failed_dag_runs",
            Shape::Count,
            "Pauses the DAG after so many failed runs in a row; 0 never does.",
        ),
        key("on_success_callback", Shape::OneOrMore(&CALLBACK), "What is run when a run has succeeded."),
        key("on_failure_callback", Shape::OneOrMore(&CALLBACK), "What is run when a run has failed."),
        key(
            "deadline",
            Shape::OneOrMore(&DEADLINE),
            "When a run is to be over, and what is run if it is not.",
        ),
        key("tags", Shape::TextList, "Words to filter by."),
        key("default_args", Shape::Keys(&DEFAULT_ARGS), "Settings for tasks that do not say otherwise."),
        key(
            "params",
            Shape::Params,
            "What a trigger may set: names, each with a default, or with a type and more.",
        ),
        key("task_groups", Shape::Named(&GROUP), "Groups of tasks, by name."),
        key("tasks", Shape::Named(&TASK), "The tasks, by name."),
    ]],
    later: &[
        "access_control",
        "allowed_run_types",
        "auto_register",
        "dag_display_name",
        "disable_bundle_versioning",
        "jinja_environment_kwargs",
        "owner_links",
        "render_template_as_native_obj",
        "rerun_with_latest_version",
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
        ("sla_miss_callback", "deadline"),
        ("sla", "deadline"),
        ("on_execute_callback", "put \"on_execute_callback\" under default_args, or on each task"),
        ("on_retry_callback", "put \"on_retry_callback\" under default_args, or on each task"),
        ("on_skipped_callback", "put \"on_skipped_callback\" under default_args, or on each task"),
        ("steps", "tasks"),
        ("jobs", "tasks"),
    ],
};

pub(in super::super) static TASK: Keys = Keys {
    what: "a task",
    known: &[
        &[
            key("operator", Shape::Operator, "The code that the task runs."),
            key("with", Shape::Arguments, "The operator's arguments. Templates are rendered here."),
            key("partial", Shape::Arguments, "The arguments that all instances of a mapped task share."),
            key("expand", Shape::Lists, "One instance for each combination of the items of these lists."),
            key("expand_zip", Shape::Lists, "One instance for each place in these lists."),
            key("expand_kwargs", Shape::Mappings, "One instance for each mapping of this list."),
            key("map_index_template", Shape::Text, "The name of each mapped instance, as a template."),
            key("depends_on", Shape::TextOrList, "The tasks and groups that it comes after."),
            key("is_setup", Shape::Boolean, "Whether it prepares something for the tasks after it."),
            key("is_teardown", Shape::Boolean, "Whether it tidies up after the setups before it."),
            key("on_failure_fail_dagrun", Shape::Boolean, "Whether the run fails when this teardown does."),
            key("outlets", Shape::TextOrList, "The assets that are up to date once it has succeeded."),
            key("doc_md", Shape::Text, "Longer text for people."),
        ],
        SETTINGS,
        RETRIES,
        CALLBACKS,
    ],
    later: LATER_OF_TASKS,
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

pub(in super::super) static DEFAULT_ARGS: Keys = Keys {
    what: "default_args",
    known: &[SETTINGS, RETRIES, CALLBACKS],
    later: LATER_OF_TASKS,
    instead: &[
        ("retry", "retries"),
        ("timeout", "execution_timeout"),
        ("operator", "each task names its own operator"),
        ("depends_on", "each task names its own upstream tasks"),
        ("with", "each task has its own arguments"),
        ("catchup", "catchup is a key of the DAG, not of default_args"),
    ],
};

pub(in super::super) static GROUP: Keys = Keys {
    what: "a task group",
    known: &[&[
        key("tooltip", Shape::Text, "One line for people."),
        key("depends_on", Shape::TextOrList, "The tasks and groups that it comes after."),
        key("expand", Shape::Lists, "One instance for each combination of the items of these lists."),
        key("expand_zip", Shape::Lists, "One instance for each place in these lists."),
        key("expand_kwargs", Shape::Mappings, "One instance for each mapping of this list."),
        key("default_args", Shape::Keys(&DEFAULT_ARGS), "Settings for tasks that do not say otherwise."),
        key("tasks", Shape::Named(&TASK), "The tasks, by name."),
        key("task_groups", Shape::Named(&GROUP), "Groups of tasks, by name."),
    ]],
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

pub(in super::super) static PARAM: Keys = Keys {
    what: "a param",
    known: &[&[
        key("type", Shape::Types, "The type of the values: a word of JSON Schema, or several."),
        key("default", Shape::Any, "The value when a trigger gives none; without it, a trigger must."),
        key("enum", Shape::List, "The only values that it takes."),
        key("const", Shape::Any, "The only value that it takes."),
        key("title", Shape::Text, "The label in forms."),
        key("description", Shape::Text, "One line for people."),
        key("description_md", Shape::Text, "Airflow's word for the same."),
        key("examples", Shape::List, "Values that forms suggest."),
        key("values_display", Shape::Map, "How each value of enum is called in forms."),
        key("section", Shape::Text, "The part of the form that it stands in."),
        key("format", Shape::Text, "What a string is: date, date-time, time, email, uri, uuid, multiline, …"),
        key("pattern", Shape::Text, "The regular expression that a string matches."),
        key("minLength", Shape::Count, "The fewest characters of a string."),
        key("maxLength", Shape::Count, "The most characters of a string."),
        key("minimum", Shape::Number, "The least number."),
        key("maximum", Shape::Number, "The greatest number."),
        key("exclusiveMinimum", Shape::Number, "What a number is above."),
        key("exclusiveMaximum", Shape::Number, "What a number is below."),
        key("multipleOf", Shape::Number, "What a number is a multiple of."),
        key("items", Shape::Map, "The schema of the items of a list."),
        key("minItems", Shape::Count, "The fewest items of a list."),
        key("maxItems", Shape::Count, "The most items of a list."),
        key("uniqueItems", Shape::Boolean, "Whether no item of a list may come twice."),
        key("properties", Shape::Map, "The schemas of the values of a mapping, by key."),
        key("required", Shape::TextList, "The keys that a mapping must have."),
        key("additionalProperties", Shape::Any, "Whether a mapping may have other keys, or their schema."),
    ]],
    later: &["custom_html_form"],
    instead: &[
        ("choices", "enum"),
        ("values", "enum"),
        ("value", "default"),
        ("help", "description"),
        ("kind", "type"),
        ("min", "minimum"),
        ("max", "maximum"),
        ("regex", "pattern"),
    ],
};

pub(in super::super) static CALLBACK: Keys = Keys {
    what: "a callback",
    known: &[
        &[
            key("operator", Shape::Operator, "The code that the callback runs."),
            key("with", Shape::Arguments, "The operator's arguments. Templates are rendered here."),
            key(
                "execution_timeout",
                Shape::DurationOrNone,
                "The longest time for one try; null for no limit.",
            ),
        ],
        RETRIES,
    ],
    later: &[],
    instead: &[
        ("callback", "operator"),
        ("notifier", "operator"),
        ("type", "operator"),
        ("kwargs", "with"),
        ("args", "with"),
        ("arguments", "with"),
        ("timeout", "execution_timeout"),
    ],
};

pub(in super::super) static DEADLINE: Keys = Keys {
    what: "a deadline",
    known: &[&[
        key(
            "reference",
            Shape::Choice(|| labels(DeadlineReference::ALL, DeadlineReference::as_str)),
            "What it is counted from; dagrun_queued_at if not given.",
        ),
        key("interval", Shape::Duration, "How long after that it is."),
        key("max_runs", Shape::Positive, "Over how many successful runs the average is taken."),
        key("min_runs", Shape::Positive, "With fewer successful runs there is no average and no deadline."),
        key("callback", Shape::OneOrMore(&CALLBACK), "What is run when it has passed."),
    ]],
    later: &[],
    instead: &[
        ("callbacks", "callback"),
        ("after", "interval"),
        ("within", "interval"),
        ("from", "reference"),
    ],
};

pub(in super::super) static SCHEDULE: Keys = Keys {
    what: "a schedule",
    known: &[&[
        key("assets", Shape::Assets, "The assets whose updates start a run."),
        key("lines", Shape::Schedule, "Times besides."),
    ]],
    later: &[],
    instead: &[("cron", "lines"), ("line", "lines"), ("asset", "assets"), ("datasets", "assets")],
};

pub(in super::super) static ASSETS: Keys = Keys {
    what: "a condition on assets",
    known: &[&[
        key("all", Shape::AssetList, "Every one of these."),
        key("any", Shape::AssetList, "One of these."),
    ]],
    later: &[],
    instead: &[("and", "all"), ("or", "any")],
};
