//! The template engine as it is set up once for all templates.

use super::{filters, methods};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use std::sync::LazyLock;

/// How much work a template may do: some five million steps, which take a twentieth of a second or so.
const FUEL: u64 = 5_000_000;

/// How deep macros may call each other.
const RECURSION_MAX: usize = 100;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(build);

/// The engine: strict, bounded, and without a way to other templates or files.
pub(super) fn environment() -> &'static Environment<'static> {
    &ENVIRONMENT
}

fn build() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(format);
    environment.set_unknown_method_callback(methods::call);
    filters::register(&mut environment);
    environment
}

/// Lists and mappings inside a longer text are written as JSON, which is what the other side of a command or a
/// request most likely reads.
fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return minijinja::escape_formatter(output, state, value);
    }
    let json = super::convert::to_json(value, super::OUTPUT_SIZE_MAX)
        .map_err(|message| Error::new(ErrorKind::BadSerialization, message))?;
    output.write_str(&json.to_string()).map_err(Into::into)
}
