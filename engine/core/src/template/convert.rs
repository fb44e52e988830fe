//! Between JSON and the template engine's values.

use minijinja::value::{Serde, Value, ValueKind};
use serde_json::{Map, Number};

/// A result that is too large, or no JSON.
pub(super) type Conversion<T> = Result<T, String>;

/// How deep a result may nest: a template can build what no file could.
const DEPTH_MAX: usize = 128;

pub(super) fn from_json(value: &serde_json::Value) -> Value {
    Value::from(Serde(value))
}

/// The JSON value of a template's result, of at most `size_max` bytes.
pub(super) fn to_json(value: &Value, size_max: usize) -> Conversion<serde_json::Value> {
    let mut room = size_max;
    convert(value, &mut room, DEPTH_MAX).map_err(|fault| match fault {
        Fault::TooLarge => format!("the result is larger than {size_max} bytes"),
        Fault::TooDeep => format!("the result nests deeper than {DEPTH_MAX} levels"),
        Fault::NotJson(what) => format!("the result holds {what}, which is no JSON value"),
    })
}

enum Fault {
    TooLarge,
    TooDeep,
    NotJson(&'static str),
}

fn take(room: &mut usize, bytes: usize) -> Result<(), Fault> {
    *room = room.checked_sub(bytes).ok_or(Fault::TooLarge)?;
    Ok(())
}

fn convert(value: &Value, room: &mut usize, depth: usize) -> Result<serde_json::Value, Fault> {
    let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
    take(room, 4)?;
    match value.kind() {
        ValueKind::Undefined => Err(Fault::NotJson("an undefined value")),
        ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number => number(value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            take(room, text.len())?;
            Ok(text.into())
        }
        ValueKind::Seq | ValueKind::Iterable => list(value, room, depth),
        ValueKind::Map => map(value, room, depth),
        _ => Err(Fault::NotJson("a function")),
    }
}

fn number(value: &Value) -> Result<serde_json::Value, Fault> {
    if value.is_integer() {
        let signed = i64::try_from(value.clone()).ok().map(Number::from);
        let number = signed.or_else(|| u64::try_from(value.clone()).ok().map(Number::from));
        return number.map(Into::into).ok_or(Fault::NotJson("a number too large"));
    }
    let number = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
    number.map(Into::into).ok_or(Fault::NotJson("a number that is infinite or none"))
}

fn list(value: &Value, room: &mut usize, depth: usize) -> Result<serde_json::Value, Fault> {
    let items = value.try_iter().map_err(|_| Fault::NotJson("a list that cannot be read"))?;
    items.map(|item| convert(&item, room, depth)).collect::<Result<Vec<_>, _>>().map(Into::into)
}

fn map(value: &Value, room: &mut usize, depth: usize) -> Result<serde_json::Value, Fault> {
    let object = value.as_object().ok_or(Fault::NotJson("a mapping that cannot be read"))?;
    let mut map = Map::new();
    for (key, item) in object.try_iter_pairs().into_iter().flatten() {
        let key = key.to_string();
        take(room, key.len())?;
        map.insert(key, convert(&item, room, depth)?);
    }
    Ok(map.into())
}
