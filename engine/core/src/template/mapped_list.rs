//! The results of a mapped task in templates: a list that reads its values when they are looked at.

use super::{MappedValues, convert};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How many values are read at a time.
const PAGE: usize = 500;

/// The list. It keeps the page that was read last.
pub(super) struct MappedList {
    values: Arc<dyn MappedValues>,
    page: Mutex<(usize, Vec<Value>)>,
}

impl MappedList {
    pub(super) fn new(values: Arc<dyn MappedValues>) -> Self {
        Self { values, page: Mutex::default() }
    }

    fn get(&self, place: usize) -> Option<Value> {
        if place >= self.values.count() {
            return None;
        }
        let first = place / PAGE * PAGE;
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if page.0 != first || page.1.is_empty() {
            // A value that cannot be read any more is no value; the engine's own log tells of the database's fault.
            let values = self.values.page(first, PAGE).unwrap_or_default();
            *page = (first, values.iter().map(convert::from_json).collect());
        }
        page.1.get(place - first).cloned()
    }
}

impl fmt::Debug for MappedList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of {} results", self.values.count())
    }
}

impl Object for MappedList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_usize()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.values.count())
    }
}
