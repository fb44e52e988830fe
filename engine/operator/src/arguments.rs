//! From rendered arguments to an operator's own type.

use crate::error::TaskError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads rendered arguments into the operator's own type. A template may have rendered to the wrong type, which no
/// check before the run could see: that ends the task for good, since another attempt would render the same.
pub fn parse_arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, TaskError> {
    serde_json::from_value(arguments).map_err(|error| {
        TaskError::fatal(format!("the arguments do not fit the operator: {error}")).hint(
            "look at the task's rendered arguments: a template gave another type than the argument takes",
        )
    })
}
