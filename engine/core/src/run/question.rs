//! What a task asks people, and what they answer (Airflow's human in the loop).

use super::Follow;
use crate::dag::{Params, check_param};
use crate::spec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a task asks people. The history keeps it: no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// One line.
    pub subject: String,
    /// What is needed to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What may be chosen; at least one.
    pub options: Vec<String>,
    /// What counts as chosen when nobody answers in time; without it, the task fails then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Vec<String>>,
    /// Whether several options may be chosen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multiple: bool,
    /// What is to be filled in besides, as the params of a DAG are written: an object.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// What comes of options, for those that look before they answer; after any other, all that comes after goes on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consequences: BTreeMap<String, Consequence>,
}

/// What comes of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The task that asks fails.
    Fails,
    /// It succeeds, and says this of the tasks directly after it.
    Follow(Follow),
}

/// What somebody answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The options that were chosen.
    pub chosen_options: Vec<String>,
    /// What was filled in, by name.
    #[serde(default)]
    pub params_input: Map<String, Value>,
    /// Who answered.
    pub responded_by: String,
    /// When, in microseconds since 1970 in the history.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub responded_at: Timestamp,
}

impl Question {
    /// Whether the question makes sense. The error is one sentence for the author of the DAG.
    pub fn check(&self) -> Result<(), String> {
        if self.options.is_empty() {
            return Err("options must name at least one".to_owned());
        }
        if let Some(twice) =
            self.options.iter().enumerate().find(|(place, it)| self.options[..*place].contains(it))
        {
            return Err(format!("the option \"{}\" is there twice", twice.1));
        }
        if let Some(defaults) = &self.defaults {
            self.check_chosen(defaults).map_err(|reason| format!("defaults: {reason}"))?;
        }
        self.fields().map(drop)
    }

    /// The params that are filled in, by name.
    pub fn fields(&self) -> Result<Params, String> {
        spec::read_params(&self.params)
    }

    /// What is filled in, with the defaults for what is not given, if the answer fits the question. The error is one
    /// sentence for whoever answered.
    pub fn accept(
        &self,
        chosen_options: &[String],
        params_input: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        self.check_chosen(chosen_options)?;
        let fields = self.fields()?;
        if let Some(unknown) = params_input.keys().find(|name| !fields.contains_key(*name)) {
            return Err(format!("nothing was asked under the name \"{unknown}\""));
        }
        let mut filled = Map::new();
        for (name, param) in &fields {
            let given = params_input.get(name);
            if let Some(value) = given {
                check_param(name, param, value).map_err(|error| error.0)?;
            }
            let value = given.or(param.default.as_ref());
            let value = value.ok_or_else(|| format!("\"{name}\" has no default and was not filled in"))?;
            filled.insert(name.clone(), value.clone());
        }
        Ok(filled)
    }

    fn check_chosen(&self, chosen: &[String]) -> Result<(), String> {
        if let Some(unknown) = chosen.iter().find(|option| !self.options.contains(option)) {
            return Err(format!("\"{unknown}\" is no option; the options are {}", self.options.join(", ")));
        }
        match chosen {
            [] => Err(format!("choose one of {}", self.options.join(", "))),
            [_] => Ok(()),
            _ if self.multiple => Ok(()),
            _ => Err("only one option may be chosen".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(multiple: bool, params: Value) -> Question {
        Question {
            subject: "?".to_owned(),
            options: vec!["Approve".to_owned(), "Reject".to_owned()],
            multiple,
            params: params.as_object().cloned().expect("an object"),
            ..Question::default()
        }
    }

    #[test]
    fn an_answer_fits_or_is_refused_in_one_sentence() {
        let asked = question(
            false,
            json!({"reason": {"type": "string", "minLength": 3}, "days": {"type": "integer", "default": 1}, "site": "Roma"}),
        );
        let chosen = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let accept = |names: &[&str], params: Value| {
            asked.accept(&chosen(names), params.as_object().expect("an object"))
        };
        let filled = accept(&["Approve"], json!({"reason": "fine"})).expect("it fits");
        assert_eq!(Value::Object(filled), json!({"reason": "fine", "days": 1, "site": "Roma"}));
        let refused = |names: &[&str], params: Value| accept(names, params).expect_err("it does not fit");
        assert_eq!(refused(&[], json!({})), "choose one of Approve, Reject");
        assert_eq!(refused(&["Maybe"], json!({})), "\"Maybe\" is no option; the options are Approve, Reject");
        assert_eq!(refused(&["Approve", "Reject"], json!({})), "only one option may be chosen");
        assert_eq!(refused(&["Reject"], json!({})), "\"reason\" has no default and was not filled in");
        assert_eq!(refused(&["Reject"], json!({"x": 1})), "nothing was asked under the name \"x\"");
        assert!(refused(&["Reject"], json!({"reason": "no"})).contains("shorter than 3"));
        assert!(refused(&["Reject"], json!({"reason": "none", "days": "x"})).contains("takes integer"));
        let several = question(true, json!({}));
        assert!(several.accept(&chosen(&["Approve", "Reject"]), &Map::new()).is_ok());
    }

    #[test]
    fn a_question_that_nobody_could_answer_is_refused() {
        let with = |options: &[&str], defaults: Option<&[&str]>, params: Value| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let asked = Question {
                options: owned(options),
                defaults: defaults.map(owned),
                ..question(false, params)
            };
            asked.check()
        };
        assert!(with(&["a"], Some(&["a"]), json!({"p": {"type": "integer"}})).is_ok());
        assert!(with(&[], None, json!({})).is_err());
        assert!(with(&["a", "a"], None, json!({})).is_err());
        assert!(with(&["a"], Some(&["b"]), json!({})).is_err());
        let wrong = with(&["a"], None, json!({"p": {"type": "int"}})).expect_err("no type");
        assert_eq!(wrong, "unknown type \"int\" of a param: did you mean \"integer\"?");
    }
}
