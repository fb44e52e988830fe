//! Alerts as a page shows them: what a message in the queue says, in words, and who has acknowledged it.

use super::period::{DAY, Period};
use super::reading::{QUANTITIES, Quantity, parse_time, time_iso, time_text};
use crate::data_api::alerts::document;
use crate::links;
use crate::locale::tm;
use crate::show::Instant;
use esteira_store::AcknowledgementRow;
use esteira_tasks::queue::QueueMessage;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// An alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// Its own name: the same when the same thing is sent again.
    pub(crate) message_id: String,
    /// What is too high: `NO₂ 201`; the message's own words where that is not known.
    pub(crate) labels: Vec<String>,
    /// The conditions that fired: `NO2 > 200`.
    pub(crate) conditions: String,
    /// When the reading was taken, in seconds since 1970.
    pub(crate) time: Option<i64>,
    /// The same for people; empty where that is not known.
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
    /// How many times it waits in the queue: once for each run that has sent it.
    pub(crate) copies: usize,
    /// Who has seen it.
    pub(crate) acknowledged: Option<Acknowledged>,
}

/// Who has acknowledged an alert.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) when: Instant,
    pub(crate) note: String,
}

impl Alert {
    /// Reads a message. Whatever it is, something is shown.
    pub(crate) fn from_message(message: &QueueMessage) -> Self {
        let mut alert = Self::from_document(&document(message));
        if alert.message_id.is_empty() {
            alert.message_id = match message.message_id.as_str() {
                "" => hex::encode(Sha256::digest(&message.body)),
                named => named.to_owned(),
            };
        }
        alert
    }

    fn from_document(document: &Value) -> Self {
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
            message_id: text_of("message_id"),
            labels,
            conditions,
            time,
            when: time.map(time_text).unwrap_or_default(),
            when_iso: time.map(time_iso).unwrap_or_default(),
            around: time
                .map(|time| Period::Between(Some(time - 3 * DAY), Some(time + 3 * DAY)).query())
                .unwrap_or_default(),
            run_url: if run_id.is_empty() { String::new() } else { links::run(&text_of("dag_id"), &run_id) },
            run_id,
            text,
            copies: 1,
            acknowledged: None,
        }
    }

    /// The same, and who has acknowledged it.
    pub(crate) fn acknowledged_by(mut self, row: &AcknowledgementRow, now: Timestamp) -> Self {
        self.acknowledged = Some(Acknowledged {
            by: row.acknowledged_by.clone(),
            at: row.acknowledged_at,
            when: Instant::new(row.acknowledged_at, now),
            note: row.note.clone(),
        });
        self
    }

    /// What it says in one line, for the names of its buttons.
    pub(crate) fn name(&self) -> String {
        let labels = self.labels.join(", ");
        if self.when.is_empty() { labels } else { tm("{} of {}", &[&labels, &self.when]) }
    }
}

/// The alerts in these messages, each once: the newest reading first, and those without a time last.
pub(crate) fn distinct(messages: &[QueueMessage]) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for message in messages {
        let alert = Alert::from_message(message);
        match places.get(&alert.message_id) {
            Some(place) => alerts[*place].copies += 1,
            None => {
                places.insert(alert.message_id.clone(), alerts.len());
                alerts.push(alert);
            }
        }
    }
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.time));
    alerts
}

/// What is above its limit.
fn labels(record: &Value) -> Vec<String> {
    let label = |quantity: &Quantity| {
        let value =
            record[quantity.field].as_f64().filter(|value| *value > quantity.limit.unwrap_or(f64::MAX))?;
        Some(format!("{} {}", quantity.name(), quantity.text(value)))
    };
    QUANTITIES.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(message_id: &str, body: Value) -> QueueMessage {
        QueueMessage {
            message_id: message_id.to_owned(),
            content_type: "application/json".to_owned(),
            body: body.to_string().into(),
        }
    }

    fn of_day(day: u32, run_id: &str) -> QueueMessage {
        let record = json!({"date": format!("{day}/03/2005"), "time": "21.00.00", "NO2": 201.0});
        let message_id = format!("id-{day}");
        message(&message_id, json!({"message_id": message_id, "run_id": run_id, "record": record}))
    }

    #[test]
    fn an_alert_says_what_is_too_high_and_when() {
        let alert = Alert::from_document(&json!({
            "message_id": "1", "dag_id": "d", "run_id": "r", "conditions": ["NO2 > 200"],
            "record": {"date": "24/03/2005", "time": "21.00.00", "CO": 2.0, "NO2": 201.0}, "text": "ALERT NO2 > 200",
        }));
        assert_eq!(alert.name(), "NO₂ 201 of 24/03/2005 21:00");
        assert_eq!(
            (alert.when_iso.as_str(), alert.conditions.as_str(), alert.message_id.as_str()),
            ("2005-03-24T21:00:00", "NO2 > 200", "1")
        );
    }

    #[test]
    fn a_message_of_somebody_else_is_shown_as_it_is() {
        assert_eq!(Alert::from_document(&json!("ALERTA! {}")).labels, ["ALERTA! {}"]);
        assert_eq!(Alert::from_document(&json!({"a": 1})).labels, ["{\"a\":1}"]);
        assert_eq!(Alert::from_document(&json!({"conditions": ["T > 40"]})).labels, ["T > 40"]);
        // It has a name in any case: the message's, or one that follows from what it says.
        assert_eq!(Alert::from_message(&message("m", json!({"a": 1}))).message_id, "m");
        let nameless = |body| Alert::from_message(&message("", body)).message_id;
        assert_eq!(nameless(json!({"a": 1})), nameless(json!({"a": 1})));
        assert_ne!(nameless(json!({"a": 1})), nameless(json!({"a": 2})));
    }

    #[test]
    fn what_two_runs_have_sent_is_one_alert_and_the_newest_comes_first() {
        let messages =
            [of_day(2, "r"), message("x", json!("ALERTA!")), of_day(24, "r"), of_day(2, "s"), of_day(3, "s")];
        let alerts = distinct(&messages);
        let shown: Vec<(&str, usize)> =
            alerts.iter().map(|alert| (alert.message_id.as_str(), alert.copies)).collect();
        assert_eq!(shown, [("id-24", 1), ("id-3", 1), ("id-2", 2), ("x", 1)]);
    }
}
