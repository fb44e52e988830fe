//! `var` and `conn` in templates, and the names whose values are looked up only when a template reads them.

use super::macros::Macros;
use super::{PreviousRun, TemplateSource, convert, facts};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Source = Arc<dyn TemplateSource + Send + Sync>;

/// All names of a template: those that are there, and those that are looked up.
pub(super) struct Names {
    pub(super) known: BTreeMap<String, Value>,
    source: Source,
    stored: Arc<Stored>,
    previous: OnceLock<Option<PreviousRun>>,
}

/// What of the run before a name stands for.
const PREVIOUS: [&str; 4] = [
    "prev_data_interval_start_success",
    "prev_data_interval_end_success",
    "prev_start_date_success",
    "prev_end_date_success",
];

impl Names {
    pub(super) fn new(known: BTreeMap<String, Value>, source: Source) -> Self {
        let stored = Arc::new(Stored { source: Arc::clone(&source), fault: Mutex::default() });
        Self { known, source, stored, previous: OnceLock::new() }
    }

    fn previous(&self, name: &str) -> Value {
        let run = self.previous.get_or_init(|| {
            self.source.previous_success().unwrap_or_else(|fault| {
                self.stored.note(fault);
                None
            })
        });
        let Some(run) = run else { return Value::from(()) };
        let at = match name {
            "prev_data_interval_start_success" => run.data_interval.map(|(start, _)| start),
            "prev_data_interval_end_success" => run.data_interval.map(|(_, end)| end),
            "prev_start_date_success" => run.started_at,
            _ => run.ended_at,
        };
        at.map_or(Value::from(()), |at| Value::from(facts::iso(at)))
    }

    /// Why a value that a template read could not be had, if one could not.
    pub(super) fn fault(&self) -> Option<String> {
        self.stored.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.known.keys()).finish()
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let place = |kind| Value::from_object(Place { kind, stored: Arc::clone(&self.stored) });
        match name {
            "var" => Some(place(Kind::Var)),
            "conn" => Some(place(Kind::Conn)),
            "macros" => Some(Macros::value(&self.source)),
            _ if PREVIOUS.contains(&name) => Some(self.previous(name)),
            _ => self.known.get(name).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

/// Variables and connections, and the first fault that reading them met: a lookup itself can only find nothing.
struct Stored {
    source: Source,
    fault: Mutex<Option<String>>,
}

impl Stored {
    fn note(&self, fault: String) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    fn find(&self, kind: Kind, name: &str) -> Option<Value> {
        let found = match kind {
            Kind::Conn => self.source.connection(name).map(|found| found.map(Connection::value)),
            Kind::Text => self.source.variable(name).map(|found| found.map(Value::from)),
            Kind::Json => {
                self.source.variable(name).and_then(|found| found.map(|text| json(name, &text)).transpose())
            }
            Kind::Var => return None,
        };
        found.unwrap_or_else(|fault| {
            self.note(fault);
            None
        })
    }
}

fn json(name: &str, text: &str) -> Result<Value, String> {
    let value: serde_json::Value = serde_json::from_str(text)
        // The error's own text could repeat a piece of the value.
        .map_err(|error| format!("the variable \"{name}\" is no JSON (column {})", error.column()))?;
    Ok(convert::from_json(&value))
}

/// A name with names in it.
struct Place {
    kind: Kind,
    stored: Arc<Stored>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `var`
    Var,
    /// `var.value`
    Text,
    /// `var.json`
    Json,
    /// `conn`
    Conn,
}

impl Kind {
    fn what(self, name: &str) -> String {
        match self {
            Self::Var => format!("var has value and json, and no {name}"),
            Self::Text | Self::Json => format!("there is no variable \"{name}\""),
            Self::Conn => format!("there is no connection \"{name}\""),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.kind, formatter)
    }
}

impl Object for Place {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let inside = |kind| Value::from_object(Self { kind, stored: Arc::clone(&self.stored) });
        match (self.kind, name) {
            (Kind::Var, "value") => Some(inside(Kind::Text)),
            (Kind::Var, "json") => Some(inside(Kind::Json)),
            (kind, name) => {
                let found = self.stored.find(kind, name);
                if found.is_none() {
                    self.stored.note(kind.what(name));
                }
                found
            }
        }
    }

    /// It has names in it, and is no value itself: a secret is not written out by mistake.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        if method != "get" || matches!(self.kind, Kind::Var) {
            let message = format!("there is no method {method}; write var.value.get('name', 'default')");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        let (name, _): (&str, Option<Value>) = from_args(arguments)?;
        // A default may be none, which is another thing than no default.
        let default = arguments.get(1).cloned();
        let found = self.stored.find(self.kind, name).or(default);
        found.ok_or_else(|| Error::new(ErrorKind::UndefinedError, self.kind.what(name)))
    }
}

/// `conn.id`: its fields, and `get_uri()`.
#[derive(Debug)]
struct Connection(Value);

impl Connection {
    fn value(fields: serde_json::Value) -> Value {
        Value::from_object(Self(convert::from_json(&fields)))
    }
}

impl Object for Connection {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    /// It has names in it, and is no value itself: a secret is not written out by mistake.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _arguments: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "get_uri" => self.0.get_attr("uri"),
            _ => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("a connection has no method {method}; it has get_uri"),
            )),
        }
    }
}
