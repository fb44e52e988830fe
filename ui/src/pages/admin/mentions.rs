//! Which tasks name something that DAGs share: what removing it would touch. Looked for in the DAGs as their files are now;
//! what a template puts together only when it is rendered is not found.

use crate::{AppState, links};
use esteira_core::catalog::Catalog;
use esteira_core::dag::Task;
use serde_json::Value;

/// A DAG with tasks that name something.
pub(crate) struct Claimant {
    pub(crate) dag_id: String,
    pub(crate) url: String,
    /// The tasks, by name.
    pub(crate) tasks: String,
}

/// The DAGs with such tasks: those that are shown, and how many more there are.
#[derive(Default)]
pub(crate) struct Claimants {
    pub(crate) shown: Vec<Claimant>,
    pub(crate) more: usize,
}

/// How many DAGs are named at most, and how many letters of their tasks' names.
const CLAIMANTS_MAX: usize = 50;
const TASKS_LENGTH_MAX: usize = 200;

impl Claimants {
    /// How many there are of all.
    pub(crate) fn count(&self) -> usize {
        self.shown.len() + self.more
    }

    /// Those with tasks of which this is true.
    fn with(state: &AppState, is_one: impl Fn(&Task) -> bool) -> Self {
        let mut found = Self::default();
        for loaded in state.handle.dags() {
            let tasks = loaded.dag.tasks.iter().filter(|task| is_one(task));
            let tasks: Vec<&str> = tasks.map(|task| task.task_id.as_str()).collect();
            if tasks.is_empty() {
                continue;
            }
            if found.shown.len() == CLAIMANTS_MAX {
                found.more += 1;
                continue;
            }
            let dag_id = loaded.dag.dag_id.as_str();
            let mut tasks = tasks.join(", ");
            if let Some((end, _)) = tasks.char_indices().nth(TASKS_LENGTH_MAX) {
                tasks.truncate(end);
                tasks.push('…');
            }
            found.shown.push(Claimant { dag_id: dag_id.to_owned(), url: links::dag(dag_id), tasks });
        }
        found
    }

    /// Those with tasks that take slots of a pool.
    pub(super) fn of_pool(state: &AppState, pool: &str) -> Self {
        Self::with(state, |task| task.pool == pool)
    }

    /// Those with tasks that use a connection: they name it, their operator does so unless told otherwise, or a template of
    /// theirs reads it.
    pub(super) fn of_connection(state: &AppState, id: &str) -> Self {
        Self::with(state, |task| {
            let signature = state.registry.signature(&task.operator);
            let is_default = signature.is_some_and(|signature| {
                signature.arguments.iter().any(|argument| {
                    argument.default.as_ref().and_then(Value::as_str) == Some(id)
                        && task.arguments.get(argument.name).is_none()
                })
            });
            is_default || any_text(&task.arguments, &|text| text == id || is_read(text, &["conn"], id))
        })
    }

    /// Those with tasks whose templates read a variable.
    pub(super) fn of_variable(state: &AppState, key: &str) -> Self {
        Self::with(state, |task| {
            any_text(&task.arguments, &|text| is_read(text, &["var.value", "var.json"], key))
        })
    }
}

/// Whether this is true of a text anywhere in a value.
fn any_text(value: &Value, is_one: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_one(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, is_one)),
        Value::Object(fields) => fields.values().any(|field| any_text(field, is_one)),
        _ => false,
    }
}

/// Whether a template reads a name from one of these: `conn.warehouse`, `var.value.get('limit')`, `var.json["limit"]`.
fn is_read(text: &str, of: &[&str], name: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    of.iter().any(|object| {
        text.match_indices(object).any(|(place, _)| {
            let before = text[..place].chars().next_back();
            let rest = &text[place + object.len()..];
            let named = match rest.strip_prefix('.') {
                Some(attribute) if attribute.starts_with(name) => Some(&attribute[name.len()..]),
                _ => rest
                    .trim_start_matches(".get")
                    .strip_prefix(['(', '['])
                    .and_then(|quoted| quoted.trim_start().strip_prefix(['"', '\''])?.strip_prefix(name)),
            };
            !before.is_some_and(is_word)
                && named.is_some_and(|after| !after.chars().next().is_some_and(is_word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_read_a_name_are_found() {
        for text in [
            "{{ conn.warehouse.login }}",
            "x {{ conn.get('warehouse', {}).host }}",
            "{{ conn[\"warehouse\"] }}",
        ] {
            assert!(is_read(text, &["conn"], "warehouse"), "{text}");
        }
        for text in
            ["{{ conn.warehouse_two }}", "{{ my_conn.warehouse }}", "warehouse", "{{ conn.get('old') }}"]
        {
            assert!(!is_read(text, &["conn"], "warehouse"), "{text}");
        }
        assert!(is_read("{{ var.json.limit + 1 }}", &["var.value", "var.json"], "limit"));
    }
}
