//! Alerts as a page shows them: what a message in the queue says, in words.

use super::period::{DAY, Period};
use super::reading::{QUANTITIES, Quantity, parse_time, time_iso, time_text};
use crate::links;
use serde_json::Value;

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// What is too high: `NO₂ 201`; the message's own words where that is not known.
    pub(crate) labels: Vec<String>,
    /// The conditions that fired: `NO2 > 200`.
    pub(crate) conditions: String,
    /// When the reading was taken, for people; empty where that is not known.
    pub(crate) when: String,
    /// The same for programs.
    pub(crate) when_iso: String,
    /// The query of the days around it, or empty.
    pub(crate) around: String,
    /// The run that sent it.
    pub(crate) run_id: String,
    /// The address of that run, or empty.
    pub(crate) run_url: String,
    /// All that it says.
    pub(crate) text: String,
}

impl Alert {
    /// Reads a message's document. Whatever it is, something is shown.
    pub(crate) fn from_document(document: &Value) -> Self {
        let text_of = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        let record = &document["record"];
        let time = parse_time(record["date"].as_str().unwrap_or(""), record["time"].as_str().unwrap_or(""));
        let conditions: Vec<&str> =
            document["conditions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let conditions = conditions.join(", ");
        let text = match document {
            Value::String(text) => text.clone(),
            _ if document["text"].is_string() => text_of("text"),
            other => other.to_string(),
        };
        let run_id = text_of("run_id");
        let mut labels = labels(record);
        if labels.is_empty() {
            let words = if conditions.is_empty() { text.as_str() } else { conditions.as_str() };
            labels.push(words.chars().take(40).collect());
        }
        Self {
            labels,
            conditions,
            when: time.map(time_text).unwrap_or_default(),
            when_iso: time.map(time_iso).unwrap_or_default(),
            around: time
                .map(|time| Period::Between(Some(time - 3 * DAY), Some(time + 3 * DAY)).query())
                .unwrap_or_default(),
            run_url: if run_id.is_empty() { String::new() } else { links::run(&text_of("dag_id"), &run_id) },
            run_id,
            text,
        }
    }
}

/// What is above its limit.
fn labels(record: &Value) -> Vec<String> {
    let label = |quantity: &Quantity| {
        let value =
            record[quantity.field].as_f64().filter(|value| *value > quantity.limit.unwrap_or(f64::MAX))?;
        Some(format!("{} {}", quantity.name, quantity.text(value)))
    };
    QUANTITIES.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alert_says_what_is_too_high_and_when() {
        let alert = Alert::from_document(&json!({
            "message_id": "1", "dag_id": "d", "run_id": "r", "conditions": ["NO2 > 200"],
            "record": {"date": "24/03/2005", "time": "21.00.00", "CO": 2.0, "NO2": 201.0}, "text": "ALERT NO2 > 200",
        }));
        assert_eq!((alert.labels, alert.when.as_str()), (vec!["NO₂ 201".to_owned()], "24/03/2005 21:00"));
        assert_eq!(
            (alert.when_iso.as_str(), alert.conditions.as_str()),
            ("2005-03-24T21:00:00", "NO2 > 200")
        );
    }

    #[test]
    fn a_message_of_somebody_else_is_shown_as_it_is() {
        assert_eq!(Alert::from_document(&json!("ALERTA! {}")).labels, ["ALERTA! {}"]);
        assert_eq!(Alert::from_document(&json!({"a": 1})).labels, ["{\"a\":1}"]);
        assert_eq!(Alert::from_document(&json!({"conditions": ["T > 40"]})).labels, ["T > 40"]);
    }
}
