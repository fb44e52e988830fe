//! Bodies of requests: JSON objects whose keys are all known, with every fault named at once, as FastAPI does.

use super::error::{ApiError, Fault};
use crate::AppState;
use crate::serve::BODY_BYTES_MAX;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The keys of a body that were not taken yet, and the faults so far.
#[derive(Debug)]
pub(super) struct Body {
    keys: Map<String, Value>,
    faults: Vec<Fault>,
}

impl FromRequest<AppState> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err(ApiError::unsupported_media_type());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unreadable(&error))?;
        Self::read(&bytes)
    }
}

/// A body that may be left out.
pub(super) struct MaybeBody(pub(super) Option<Body>);

impl FromRequest<AppState> for MaybeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &AppState) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, &()).await.map_err(|error| unreadable(&error))?;
        // Some clients name the kind of a body that they do not send.
        if bytes.is_empty() { Ok(Self(None)) } else { Body::read(&bytes).map(Some).map(Self) }
    }
}

fn unreadable(error: &BytesRejection) -> ApiError {
    let message = match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            format!("the body is larger than {} MiB", BODY_BYTES_MAX / (1024 * 1024))
        }
        _ => error.body_text(),
    };
    ApiError::unreadable_body(error.status(), message)
}

impl Body {
    fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        let whole = |kind, message: String| {
            ApiError::invalid(vec![Fault { kind, place: vec!["body".to_owned()], message, input: json!({}) }])
        };
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| whole("json_invalid", format!("JSON decode error: {error}")))?;
        match value {
            Value::Object(keys) => Ok(Self::of(keys)),
            _ => {
                Err(whole("model_attributes_type", "Input should be a valid dictionary or object".to_owned()))
            }
        }
    }

    /// Of these keys.
    pub(super) fn of(keys: Map<String, Value>) -> Self {
        Self { keys, faults: Vec::new() }
    }

    /// Whether a key is given, and not null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|value| !value.is_null())
    }

    /// All keys, whatever they are.
    pub(super) fn whole(self) -> Value {
        Value::Object(self.keys)
    }

    /// Takes a key; null is as good as none.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.keys.shift_remove(key).filter(|value| !value.is_null())
    }

    /// Adds a fault of a key.
    pub(super) fn fault(&mut self, key: &str, kind: &'static str, message: impl Into<String>, input: Value) {
        self.faults.push(Fault::of("body", key, kind, message, input));
    }

    /// Takes a string.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.fault(key, "string_type", "Input should be a valid string", other);
                None
            }
        }
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(value) => Some(value),
            other => {
                self.fault(key, "bool_type", "Input should be a valid boolean", other);
                None
            }
        }
    }

    /// Takes any value.
    pub(super) fn any(&mut self, key: &str) -> Option<Value> {
        self.take(key)
    }

    /// Takes a whole number.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        let value = self.take(key)?;
        let number = value.as_i64();
        if number.is_none() {
            self.fault(key, "int_type", "Input should be a valid integer", value);
        }
        number
    }

    /// Takes a list of task names. One of them alone may have a map index: `["task", 3]`.
    pub(super) fn tasks(&mut self, key: &str) -> (Vec<String>, Option<i32>) {
        let Some(value) = self.take(key) else { return (Vec::new(), None) };
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        if let [item] = items
            && let Some((name, map_index)) = with_map_index(item)
        {
            return (vec![name], Some(map_index));
        }
        let names: Option<Vec<String>> =
            items.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
        match names.filter(|_| value.is_array()) {
            Some(names) => (names, None),
            None => {
                let message = "Input should be a list of task names, or one name with its map index";
                self.fault(key, "list_type", message, value);
                (Vec::new(), None)
            }
        }
    }

    /// Takes a list of strings, which must be there and not be empty.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let Some(value) = self.take(key) else {
            self.fault(key, "missing", "Field required", Value::Null);
            return None;
        };
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        let texts: Option<Vec<String>> = items.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        let texts = texts.filter(|texts| !texts.is_empty());
        if texts.is_none() {
            self.fault(key, "list_type", "Input should be a list of at least one string", value);
        }
        texts
    }

    /// Takes an object.
    pub(super) fn object(&mut self, key: &str) -> Option<Map<String, Value>> {
        match self.take(key)? {
            Value::Object(map) => Some(map),
            other => {
                self.fault(key, "dict_type", "Input should be a valid dictionary", other);
                None
            }
        }
    }

    /// Takes an instant.
    pub(super) fn instant(&mut self, key: &str) -> Option<Timestamp> {
        let text = self.text(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = "Input should be a valid datetime with a timezone, such as 2026-11-22T09:00:00Z";
            self.fault(key, "datetime_from_date_parsing", message, json!(text));
        }
        parsed
    }

    /// Takes a key of Airflow's that Esteira does not serve: giving it is a fault, `null` is none.
    pub(super) fn unsupported(&mut self, key: &str) {
        if let Some(input) = self.take(key) {
            self.fault(key, "value_error", format!("{key} is not supported"), input);
        }
    }

    /// Takes a switch of Airflow's that Esteira does not serve: `false` is as good as none.
    pub(super) fn unsupported_unless_false(&mut self, key: &str) {
        if let Some(input) = self.take(key).filter(|value| *value != Value::Bool(false)) {
            self.fault(key, "value_error", format!("{key} is not supported"), input);
        }
    }

    /// Ends the reading: keys that nobody took are faults, and any fault is an error.
    pub(super) fn end(mut self) -> Result<(), ApiError> {
        for (key, input) in std::mem::take(&mut self.keys) {
            self.fault(&key, "extra_forbidden", "Extra inputs are not permitted", input);
        }
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.faults)) }
    }
}

/// `["task", 3]`.
fn with_map_index(item: &Value) -> Option<(String, i32)> {
    let [name, map_index] = item.as_array()?.as_slice() else { return None };
    Some((name.as_str()?.to_owned(), i32::try_from(map_index.as_i64()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn every_fault_is_named_and_null_is_none() {
        let mut body =
            Body::read(br#"{"conf": [], "logical_date": null, "note": "n", "colour": 1}"#).unwrap();
        assert_eq!((body.object("conf"), body.instant("logical_date")), (None, None));
        assert_eq!(body.text("note").as_deref(), Some("n"));
        assert_eq!(body.faults.len(), 1);
        let error = body.end().unwrap_err();
        assert!(format!("{error:?}").contains("extra_forbidden"));
        assert_eq!(error.into_response().status(), 422);
        assert!(Body::read(b"[]").is_err() && Body::read(b"{").is_err());
    }
}
