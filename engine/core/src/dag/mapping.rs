//! What a mapped task is expanded over, and the arguments that each of its instances gets.
//!
//! Source of the rules: Airflow 3.3, `task-sdk/.../mappedoperator.py` and `expandinput.py`: the cross product counts up
//! the last key first; a mapping is as good as the list of its pairs.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What a task or a group is expanded over, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mapping {
    /// How its lists are put together.
    pub kind: MappingKind,
    /// For a product or a zip, an object with a list under each name; otherwise a list of objects. Each list, or the
    /// whole, may be a template that gives one.
    pub over: Value,
    /// Whether any string in it holds a template.
    pub has_templates: bool,
}

crate::states::labelled! {
    /// How the lists of a mapping are put together.
    MappingKind {
        /// Each value of each list with each of the others.
        Product = "expand",
        /// The first values of all lists, then the second ones; all are equally long.
        Zip = "expand_zip",
        /// The objects of one list.
        Each = "expand_kwargs",
    }
}

/// The arguments of all instances of a mapped task, as they are kept with the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expansion {
    /// Each value of each list with each of the others, the last list counting up first.
    Product(IndexMap<String, Vec<Value>>),
    /// The values of all lists at the same place.
    Zip(IndexMap<String, Vec<Value>>),
    /// One object for each instance.
    Each(Vec<Map<String, Value>>),
}

impl Expansion {
    /// From what a mapping's templates gave. The error is one sentence.
    pub fn new(kind: MappingKind, over: Value, length_max: u32) -> Result<Self, String> {
        let expansion = match (kind, over) {
            (MappingKind::Product, over) => Self::Product(lists(kind, over)?),
            (MappingKind::Zip, over) => {
                let lists = lists(kind, over)?;
                let first = lists.values().next().map_or(0, Vec::len);
                if let Some(other) = lists.values().map(Vec::len).find(|length| *length != first) {
                    return Err(format!(
                        "the lists of expand_zip are not equally long: one has {first} values, one {other}"
                    ));
                }
                Self::Zip(lists)
            }
            (MappingKind::Each, Value::Array(items)) => {
                Self::Each(items.into_iter().enumerate().map(object).collect::<Result<_, _>>()?)
            }
            (MappingKind::Each, other) => {
                return Err(format!("expand_kwargs needs a list of mappings, and got {}", kind_of(&other)));
            }
        };
        match expansion.length() {
            Some(length) if length <= length_max as usize => Ok(expansion),
            length => {
                let length =
                    length.map_or_else(|| "more than can be counted".to_owned(), |length| length.to_string());
                Err(format!("it would have {length} instances, and the DAG's max_map_length is {length_max}"))
            }
        }
    }

    /// How many instances there are; none when they cannot be counted.
    fn length(&self) -> Option<usize> {
        match self {
            Self::Product(lists) => {
                lists.values().try_fold(1_usize, |length, list| length.checked_mul(list.len()))
            }
            Self::Zip(lists) => Some(lists.values().next().map_or(0, Vec::len)),
            Self::Each(items) => Some(items.len()),
        }
    }

    /// How many instances there are.
    pub fn len(&self) -> usize {
        self.length().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The arguments of one instance; nothing for one that there is not.
    pub fn arguments(&self, map_index: usize) -> Map<String, Value> {
        match self {
            Self::Product(lists) => {
                let mut rest = map_index;
                let mut chosen: Vec<(String, Value)> = Vec::with_capacity(lists.len());
                for (name, list) in lists.iter().rev() {
                    let Some(place) = rest.checked_rem(list.len()) else { return Map::new() };
                    chosen.push((name.clone(), list[place].clone()));
                    rest /= list.len();
                }
                chosen.into_iter().rev().collect()
            }
            Self::Zip(lists) => lists
                .iter()
                .filter_map(|(name, list)| Some((name.clone(), list.get(map_index)?.clone())))
                .collect(),
            Self::Each(items) => items.get(map_index).cloned().unwrap_or_default(),
        }
    }
}

fn lists(kind: MappingKind, over: Value) -> Result<IndexMap<String, Vec<Value>>, String> {
    let Value::Object(map) = over else {
        return Err(format!("{kind} needs a mapping from names to lists, and got {}", kind_of(&over)));
    };
    map.into_iter()
        .map(|(name, value)| match value {
            Value::Array(items) => Ok((name, items)),
            Value::Object(pairs) => Ok((
                name,
                pairs.into_iter().map(|(key, value)| Value::Array(vec![key.into(), value])).collect(),
            )),
            other => Err(format!(
                "\"{name}\" can be expanded over a list or a mapping, and is {}",
                kind_of(&other)
            )),
        })
        .collect()
}

fn object((place, item): (usize, Value)) -> Result<Map<String, Value>, String> {
    match item {
        Value::Object(map) => Ok(map),
        other => Err(format!("value {place} of expand_kwargs is {}, not a mapping", kind_of(&other))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all(kind: MappingKind, over: Value) -> Vec<Value> {
        let expansion = Expansion::new(kind, over, 1024).unwrap();
        (0..expansion.len()).map(|place| Value::Object(expansion.arguments(place))).collect()
    }

    #[test]
    fn the_product_counts_up_the_last_list_first() {
        assert_eq!(
            all(MappingKind::Product, json!({"a": [1, 2], "b": ["x", "y", "z"]})),
            [
                json!({"a": 1, "b": "x"}),
                json!({"a": 1, "b": "y"}),
                json!({"a": 1, "b": "z"}),
                json!({"a": 2, "b": "x"}),
                json!({"a": 2, "b": "y"}),
                json!({"a": 2, "b": "z"}),
            ]
        );
        assert_eq!(all(MappingKind::Product, json!({"a": [1, 2], "b": []})), Vec::<Value>::new());
        assert_eq!(
            all(MappingKind::Product, json!({"a": {"k": 1, "l": 2}})),
            [json!({"a": ["k", 1]}), json!({"a": ["l", 2]})]
        );
    }

    #[test]
    fn a_zip_goes_through_all_lists_at_once_and_a_list_of_mappings_is_taken_as_it_is() {
        assert_eq!(
            all(MappingKind::Zip, json!({"a": [1, 2], "b": ["x", "y"]})),
            [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"})]
        );
        assert_eq!(all(MappingKind::Each, json!([{"a": 1}, {"b": 2}])), [json!({"a": 1}), json!({"b": 2})]);
    }

    #[test]
    fn what_cannot_be_expanded_over_is_told() {
        let table = [
            (
                MappingKind::Product,
                json!({"a": 3}),
                "\"a\" can be expanded over a list or a mapping, and is a number",
            ),
            (MappingKind::Product, json!([1]), "expand needs a mapping from names to lists, and got a list"),
            (
                MappingKind::Zip,
                json!({"a": [1, 2], "b": [1]}),
                "the lists of expand_zip are not equally long: one has 2 values, one 1",
            ),
            (MappingKind::Each, json!({"a": 1}), "expand_kwargs needs a list of mappings, and got a mapping"),
            (MappingKind::Each, json!([{}, 1]), "value 1 of expand_kwargs is a number, not a mapping"),
            (
                MappingKind::Product,
                json!({"a": [1, 2], "b": [1, 2], "c": [1, 2]}),
                "it would have 8 instances, and the DAG's max_map_length is 7",
            ),
        ];
        for (kind, over, message) in table {
            assert_eq!(Expansion::new(kind, over, 7).unwrap_err(), message);
        }
    }
}
