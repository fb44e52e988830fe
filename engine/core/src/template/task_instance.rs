//! `ti` in templates: the fields of the task instance, and `ti.xcom_pull`.

use super::mapped_list::MappedList;
use super::{TemplateSource, convert};
use minijinja::value::{Enumerator, Kwargs, Object, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The key of a task's result proper.
pub(super) const RETURN_VALUE: &str = "return_value";

/// Which value is pulled: the task, the key, the map index.
type Address = (String, String, Option<i32>);

/// The task instance as templates see it. It lives for one rendering, and pulls each value once.
pub(super) struct TaskInstance {
    fields: Value,
    xcom: Arc<dyn TemplateSource + Send + Sync>,
    pulled: Mutex<HashMap<Address, Value>>,
}

impl TaskInstance {
    pub(super) fn new(fields: &serde_json::Value, xcom: Arc<dyn TemplateSource + Send + Sync>) -> Self {
        Self { fields: convert::from_json(fields), xcom, pulled: Mutex::default() }
    }

    /// `xcom_pull(task_ids, key="return_value", map_indexes=None, default=None)`: a list of tasks gives a list.
    fn xcom_pull(&self, arguments: &[Value]) -> Result<Value, Error> {
        let (tasks, key, named): (Option<Value>, Option<String>, Kwargs) = from_args(arguments)?;
        let tasks = match tasks {
            Some(tasks) => Some(tasks),
            None => named.get::<Option<Value>>("task_ids")?,
        };
        let key = match key {
            Some(key) => key,
            None => named.get::<Option<String>>("key")?.unwrap_or_else(|| RETURN_VALUE.to_owned()),
        };
        let map_index: Option<i32> = named.get("map_indexes")?;
        let default: Option<Value> = named.get("default")?;
        named.assert_all_used()?;
        let Some(tasks) = tasks.filter(|tasks| !tasks.is_none()) else {
            return Err(invalid("xcom_pull must be told the task to pull from"));
        };
        let pull_or_default = |task: &Value| {
            let task = task
                .as_str()
                .ok_or_else(|| invalid("xcom_pull takes the name of a task, or a list of names"))?;
            let value = self.pull(task, &key, map_index)?;
            Ok(if value.is_none() { default.clone().unwrap_or(value) } else { value })
        };
        match tasks.kind() {
            ValueKind::Seq => {
                tasks.try_iter()?.map(|task| pull_or_default(&task)).collect::<Result<_, Error>>()
            }
            _ => pull_or_default(&tasks),
        }
    }

    /// A value, or none when there is no such value (Airflow's rule).
    fn pull(&self, task_id: &str, key: &str, map_index: Option<i32>) -> Result<Value, Error> {
        let address = (task_id.to_owned(), key.to_owned(), map_index);
        let unreadable = |reason: String| {
            invalid(format!("the XCom \"{key}\" of the task \"{task_id}\" could not be read: {reason}"))
        };
        if map_index.is_none()
            && let Some(values) = self.xcom.pull_all(task_id, key).map_err(unreadable)?
        {
            return Ok(Value::from_object(MappedList::new(values)));
        }
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = pulled.get(&address) {
            return Ok(value.clone());
        }
        let found = self.xcom.pull(task_id, key, map_index).map_err(unreadable)?;
        let value = found.map_or_else(|| Value::from(()), |value| convert::from_json(&value));
        pulled.insert(address, value.clone());
        Ok(value)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl fmt::Debug for TaskInstance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.fields, formatter)
    }
}

impl Object for TaskInstance {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.fields.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.fields.try_iter().map_or(Enumerator::Empty, |keys| Enumerator::Values(keys.collect()))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "xcom_pull" => self.xcom_pull(arguments),
            _ => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("ti has no method {method}; it has xcom_pull"),
            )),
        }
    }
}
