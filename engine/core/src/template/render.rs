//! Rendering: a task's arguments with every template in them replaced by its value.

use super::environment::environment;
use super::inspect::{LiteralPull, literal_pull};
use super::stored::Names;
use super::task_instance::TaskInstance;
use super::{Context, TemplateError, contains_template, convert};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

/// The most bytes that one rendered string may have, and the values of one expression together.
pub const OUTPUT_SIZE_MAX: usize = 16 * 1024 * 1024;

/// Renders every string in `arguments` (a task's `with:`); keys are left as they are.
///
/// A string that is one whole `{{ expression }}` becomes the expression's value, of whatever JSON type; inside a longer
/// string the value is written as text.
pub fn render(arguments: &Json, context: &Context) -> Result<Json, TemplateError> {
    Renderer { context, names: OnceCell::new() }.value(arguments, &Path::Root)
}

/// Where a value stands in the arguments.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Self::Root => text.push_str("with"),
            Self::Key(parent, key) => {
                parent.write(text);
                let _ = write!(text, ".{key}");
            }
            Self::Item(parent, place) => {
                parent.write(text);
                let _ = write!(text, "[{place}]");
            }
        }
    }
}

struct Renderer<'a> {
    context: &'a Context,
    /// The context in the engine's own values, made when the first template needs it.
    names: OnceCell<Arc<Names>>,
}

impl Renderer<'_> {
    fn value(&self, value: &Json, path: &Path<'_>) -> Result<Json, TemplateError> {
        match value {
            Json::String(text) if contains_template(text) => self.text(text).map_err(|message| {
                let mut place = String::new();
                path.write(&mut place);
                TemplateError { path: place, message }
            }),
            Json::Array(items) => items
                .iter()
                .enumerate()
                .map(|(place, item)| self.value(item, &Path::Item(path, place)))
                .collect(),
            Json::Object(map) => map
                .iter()
                .map(|(key, item)| Ok((key.clone(), self.value(item, &Path::Key(path, key))?)))
                .collect::<Result<serde_json::Map<_, _>, _>>()
                .map(Json::Object),
            other => Ok(other.clone()),
        }
    }

    fn text(&self, text: &str) -> Result<Json, String> {
        // What an earlier template did not find, and had a default for, is of no concern here.
        self.names.get().and_then(|names| names.fault());
        let Some(expression) = whole_expression(text) else { return self.as_text(text) };
        if let Some(LiteralPull { task_id, key }) = literal_pull(expression) {
            return self.pull_untouched(task_id, key);
        }
        match environment().compile_expression(expression) {
            Ok(compiled) => {
                let value = compiled.eval(self.names()).map_err(|error| self.explain(&error))?;
                if value.is_undefined() {
                    let detail = format!("`{}` is undefined", expression.trim());
                    return Err(self.explain(&Error::new(ErrorKind::UndefinedError, detail)));
                }
                convert::to_json(&value, OUTPUT_SIZE_MAX)
            }
            // It may still be a template of several expressions: `{{ a }} and {{ b }}`.
            Err(_) => self.as_text(text),
        }
    }

    /// The common `{{ ti.xcom_pull('task') }}` hands a value on as it is, however large, without a copy of its parts.
    fn pull_untouched(&self, task_id: &str, key: &str) -> Result<Json, String> {
        let unreadable = |reason: String| {
            format!("the XCom \"{key}\" of the task \"{task_id}\" could not be read: {reason}")
        };
        if let Some(values) = self.context.source.pull_all(task_id, key).map_err(unreadable)? {
            return values.page(0, values.count()).map(Json::Array).map_err(unreadable);
        }
        self.context.source.pull(task_id, key, None).map(Option::unwrap_or_default).map_err(unreadable)
    }

    fn as_text(&self, text: &str) -> Result<Json, String> {
        let template = environment().template_from_str(text).map_err(|error| self.explain(&error))?;
        let mut output = Limited::default();
        let rendered = template.render_captured_to(self.names(), &mut output).map(|_| ());
        if output.is_full {
            return Err(format!("the result is larger than {OUTPUT_SIZE_MAX} bytes"));
        }
        rendered.map_err(|error| self.explain(&error))?;
        String::from_utf8(output.bytes).map(Json::String).map_err(|_| "the result is no text".into())
    }

    fn names(&self) -> Value {
        Value::from_dyn_object(Arc::clone(self.names.get_or_init(|| Arc::new(names(self.context)))))
    }

    /// The engine's error in one sentence.
    fn explain(&self, error: &Error) -> String {
        // What was looked up and not found says more than that it is undefined.
        if let Some(fault) = self.names.get().and_then(|names| names.fault()) {
            return fault;
        }
        let detail = error.detail().unwrap_or_default();
        let mut message = match (error.kind(), detail) {
            (ErrorKind::OutOfFuel, _) => "the template does too much work".to_owned(),
            (ErrorKind::UndefinedError, "") => "a name in the template is not defined".to_owned(),
            (kind, "") => kind.to_string(),
            (_, detail) => detail.to_owned(),
        };
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            let _ = write!(message, ": {source}");
            cause = source.source();
        }
        if message.contains("unsupported types") {
            message.push_str("; dates are texts: write logical_date.add(days=1), or .subtract");
        }
        let has_no_date = self.context.variables.get("logical_date").is_some_and(Json::is_null);
        if has_no_date && error.kind() == ErrorKind::UndefinedError {
            message.push_str(" (this run has no logical date, so ds, ts and their like do not exist)");
        }
        message
    }
}

fn names(context: &Context) -> Names {
    let mut names: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in context.variables.as_object().into_iter().flatten() {
        let is_task_instance = matches!(name.as_str(), "ti" | "task_instance");
        if !is_task_instance {
            names.insert(name.clone(), convert::from_json(value));
        }
    }
    let fields = context.variables.get("ti").unwrap_or(&Json::Null);
    let task_instance = Value::from_object(TaskInstance::new(fields, Arc::clone(&context.source)));
    names.insert("ti".into(), task_instance.clone());
    names.insert("task_instance".into(), task_instance);
    Names::new(names, Arc::clone(&context.source))
}

/// The inside of a string that begins with `{{` and ends with `}}`. It need not be one expression: compiling it tells.
/// A line end after it, which YAML's `|` leaves, does not count.
fn whole_expression(text: &str) -> Option<&str> {
    let inside = text.trim_end_matches(['\n', '\r']).strip_prefix("{{")?.strip_suffix("}}")?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    Some(inside.strip_suffix(['-', '+']).unwrap_or(inside))
}

/// Output that stops at [`OUTPUT_SIZE_MAX`].
#[derive(Default)]
struct Limited {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_SIZE_MAX {
            self.is_full = true;
            return Err(io::Error::other("the output is full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
