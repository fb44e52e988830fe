//! From the query of a list, or the body of a `POST …/list`, to what the store is asked for: Airflow's names of filters,
//! ranges and columns.

use super::error::{ApiError, Fault};
use super::query::Pairs;
use esteira_core::states::{RunState, RunType, TaskInstanceState};
use esteira_store::{Bound, InstanceColumn, Listing, RunColumn};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Airflow's names of a run's columns, for `order_by`.
const RUN_ORDER: [(&str, RunColumn); 13] = [
    ("id", RunColumn::Key),
    ("dag_id", RunColumn::DagId),
    ("run_id", RunColumn::RunId),
    ("dag_run_id", RunColumn::RunId),
    ("state", RunColumn::State),
    ("run_type", RunColumn::RunType),
    ("logical_date", RunColumn::LogicalDate),
    ("run_after", RunColumn::RunAfter),
    ("queued_at", RunColumn::QueuedAt),
    ("start_date", RunColumn::StartedAt),
    ("end_date", RunColumn::EndedAt),
    ("duration", RunColumn::Duration),
    ("conf", RunColumn::Conf),
];

/// Airflow's names of a task instance's columns, for `order_by`.
const INSTANCE_ORDER: [(&str, InstanceColumn); 14] = [
    ("id", InstanceColumn::Key),
    ("dag_id", InstanceColumn::DagId),
    ("run_id", InstanceColumn::RunId),
    ("task_id", InstanceColumn::TaskId),
    ("task_display_name", InstanceColumn::TaskId),
    ("map_index", InstanceColumn::MapIndex),
    ("rendered_map_index", InstanceColumn::Label),
    ("state", InstanceColumn::State),
    ("try_number", InstanceColumn::TryNumber),
    ("logical_date", InstanceColumn::LogicalDate),
    ("run_after", InstanceColumn::RunAfter),
    ("start_date", InstanceColumn::StartedAt),
    ("end_date", InstanceColumn::EndedAt),
    ("duration", InstanceColumn::Duration),
];

/// The runs that a query asks for.
pub(super) fn runs(pairs: &Pairs) -> Result<Listing<RunColumn>, ApiError> {
    refuse(
        pairs,
        &["updated_at", "bundle_version", "consuming_asset_pattern", "partition_key_pattern", "cursor"],
    )?;
    let mut listing = page(pairs)?;
    listing.order = order(pairs, &RUN_ORDER)?;
    let states = labels(pairs, "state", |label| RunState::from_label(label).is_some())?;
    let types = labels(pairs, "run_type", |label| RunType::from_label(label).is_some())?;
    let lists = [
        (RunColumn::DagId, texts(pairs, "dag_id")),
        (RunColumn::RunId, texts(pairs, "run_id")),
        (RunColumn::State, states),
        (RunColumn::RunType, types),
    ];
    listing.any_of.extend(lists.into_iter().filter(|(_, values)| !values.is_empty()));
    numbers(pairs, "dag_version", RunColumn::Version, &mut listing)?;
    for (name, column) in [
        ("dag_id_pattern", RunColumn::DagId),
        ("run_id_pattern", RunColumn::RunId),
        ("triggering_user_name_pattern", RunColumn::TriggeringUser),
        ("conf_contains", RunColumn::Conf),
    ] {
        pattern(pairs, name, column, &mut listing);
    }
    for (name, column) in [
        ("logical_date", RunColumn::LogicalDate),
        ("run_after", RunColumn::RunAfter),
        ("start_date", RunColumn::StartedAt),
        ("end_date", RunColumn::EndedAt),
    ] {
        instants(pairs, name, column, &mut listing)?;
    }
    seconds(pairs, "duration", RunColumn::Duration, &mut listing)?;
    Ok(listing)
}

/// The task instances that a query asks for.
pub(super) fn instances(pairs: &Pairs) -> Result<Listing<InstanceColumn>, ApiError> {
    let without = [
        "updated_at",
        "pool",
        "pool_name_pattern",
        "queue",
        "queue_name_pattern",
        "executor",
        "operator",
        "operator_name_pattern",
        "task_group_id",
        "version_number",
        "cursor",
    ];
    refuse(pairs, &without)?;
    let mut listing = page(pairs)?;
    listing.order = order(pairs, &INSTANCE_ORDER)?;
    let states = labels(pairs, "state", |label| {
        is_no_status(label) || TaskInstanceState::from_label(label).is_some()
    })?;
    let states = states.into_iter().map(|label| label.filter(|label| !is_no_status(label))).collect();
    let lists = [
        (InstanceColumn::DagId, texts(pairs, "dag_id")),
        (InstanceColumn::RunId, texts(pairs, "run_id")),
        (InstanceColumn::TaskId, texts(pairs, "task_id")),
        (InstanceColumn::State, states),
    ];
    listing.any_of.extend(lists.into_iter().filter(|(_, values)| !values.is_empty()));
    numbers(pairs, "map_index", InstanceColumn::MapIndex, &mut listing)?;
    numbers(pairs, "try_number", InstanceColumn::TryNumber, &mut listing)?;
    for (name, column) in [
        ("dag_id_pattern", InstanceColumn::DagId),
        ("run_id_pattern", InstanceColumn::RunId),
        ("task_id_pattern", InstanceColumn::TaskId),
        ("task_display_name_pattern", InstanceColumn::TaskId),
        ("rendered_map_index_pattern", InstanceColumn::Label),
    ] {
        pattern(pairs, name, column, &mut listing);
    }
    for (name, column) in [
        ("logical_date", InstanceColumn::LogicalDate),
        ("run_after", InstanceColumn::RunAfter),
        ("start_date", InstanceColumn::StartedAt),
        ("end_date", InstanceColumn::EndedAt),
    ] {
        instants(pairs, name, column, &mut listing)?;
    }
    seconds(pairs, "duration", InstanceColumn::Duration, &mut listing)?;
    Ok(listing)
}

/// Airflow's words for an instance without a state.
fn is_no_status(label: &str) -> bool {
    matches!(label, "none" | "no_status" | "null")
}

fn page<C>(pairs: &Pairs) -> Result<Listing<C>, ApiError> {
    let window = pairs.window()?;
    let (limit, offset) = (window.limit as u32, window.offset as u32);
    Ok(Listing { limit, offset, ..Listing::default() })
}

/// What Airflow has and Esteira does not must not be passed over: the answer would be another than the one that was asked
/// for.
fn refuse(pairs: &Pairs, names: &[&str]) -> Result<(), ApiError> {
    let bounds = ["", "_gte", "_gt", "_lte", "_lt"];
    let all = names.iter().flat_map(|name| bounds.map(|bound| format!("{name}{bound}")));
    let Some(name) = all.into_iter().find(|name| pairs.text(name).is_some()) else { return Ok(()) };
    let message = format!("Esteira cannot filter by {name}");
    Err(ApiError::invalid(vec![Fault::of("query", &name, "value_error", message, json!(pairs.text(&name)))]))
}

fn texts(pairs: &Pairs, name: &str) -> Vec<Option<String>> {
    pairs.all(name).filter(|text| !text.is_empty()).map(|text| Some(text.to_owned())).collect()
}

/// The values of a key that must each be one that exists; another is a 422.
pub(super) fn labels(
    pairs: &Pairs,
    name: &str,
    is_one: impl Fn(&str) -> bool,
) -> Result<Vec<Option<String>>, ApiError> {
    let labels = texts(pairs, name);
    match labels.iter().flatten().find(|label| !is_one(label)) {
        Some(wrong) => {
            let message = format!("there is no {name} '{wrong}'");
            Err(ApiError::invalid(vec![Fault::of("query", name, "enum", message, json!(wrong))]))
        }
        None => Ok(labels),
    }
}

fn numbers<C>(pairs: &Pairs, name: &str, column: C, listing: &mut Listing<C>) -> Result<(), ApiError> {
    let mut found = Vec::new();
    for text in pairs.all(name).filter(|text| !text.is_empty()) {
        found.push(text.parse().map_err(|_| {
            let (kind, message) = (super::query::INTEGER_KIND, super::query::INTEGER_MESSAGE);
            ApiError::invalid(vec![Fault::of("query", name, kind, message, json!(text))])
        })?);
    }
    if !found.is_empty() {
        listing.any_number.push((column, found));
    }
    Ok(())
}

/// Airflow searches for the text anywhere; `~` stands for all, and its `%` is no part of the text.
fn pattern<C>(pairs: &Pairs, name: &str, column: C, listing: &mut Listing<C>) {
    let text = pairs.text(name).map(|text| text.replace('%', "")).unwrap_or_default();
    if !text.is_empty() && text != "~" {
        listing.containing.push((column, text));
    }
}

const BOUNDS: [(&str, Bound); 4] =
    [("gte", Bound::AtLeast), ("gt", Bound::MoreThan), ("lte", Bound::AtMost), ("lt", Bound::LessThan)];

fn instants<C: Copy>(pairs: &Pairs, name: &str, column: C, listing: &mut Listing<C>) -> Result<(), ApiError> {
    for (suffix, bound) in BOUNDS {
        let key = format!("{name}_{suffix}");
        let message = "Input should be a valid datetime with a timezone, such as 2026-11-22T09:00:00Z";
        // A sign in a query may have been read as a space.
        let Some(text) = pairs.text(&key).map(|text| text.replace(' ', "+")) else { continue };
        let at: Timestamp = text.parse().map_err(|_| {
            ApiError::invalid(vec![Fault::of(
                "query",
                &key,
                "datetime_from_date_parsing",
                message,
                json!(text),
            )])
        })?;
        listing.within.push((column, bound, at.as_microsecond() as f64));
    }
    Ok(())
}

fn seconds<C: Copy>(pairs: &Pairs, name: &str, column: C, listing: &mut Listing<C>) -> Result<(), ApiError> {
    for (suffix, bound) in BOUNDS {
        let key = format!("{name}_{suffix}");
        let value = pairs.parsed::<f64>(&key, "float_parsing", "Input should be a valid number")?;
        listing.within.extend(value.map(|value| (column, bound, value)));
    }
    Ok(())
}

/// The columns of `order_by`, and whether backwards.
fn order<C: Copy>(pairs: &Pairs, columns: &[(&str, C)]) -> Result<Vec<(C, bool)>, ApiError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let order = pairs.order(&names)?;
    Ok(order.into_iter().map(|(place, is_backwards)| (columns[place].1, is_backwards)).collect())
}

/// The body of a `POST …/list` as the query that it stands for. Its lists have names in the plural.
pub(super) fn pairs_of_body(body: Value) -> Pairs {
    let mut pairs = Vec::new();
    for (key, value) in body.as_object().cloned().unwrap_or_default() {
        let name = match key.as_str() {
            "page_limit" => "limit",
            "page_offset" => "offset",
            "dag_ids" => "dag_id",
            "dag_run_ids" => "run_id",
            "task_ids" => "task_id",
            "states" => "state",
            "run_types" => "run_type",
            other => other,
        };
        let text = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match &value {
            Value::Null => {}
            Value::Array(items) => pairs.extend(items.iter().map(|item| (name.to_owned(), text(item)))),
            one => pairs.push((name.to_owned(), text(one))),
        }
    }
    Pairs::new(pairs)
}

/// Airflow's batch lists have `~` in their addresses, and nothing else.
pub(super) fn only_wildcard(name: &str, given: &str) -> Result<(), ApiError> {
    if given == "~" {
        return Ok(());
    }
    let message = "Input should be '~'";
    Err(ApiError::invalid(vec![Fault::of("path", name, "literal_error", message, json!(given))]))
}
