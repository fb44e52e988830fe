//! Alerts that people acknowledge, or take that back. The queue that they wait in is left as it is.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::{AcknowledgeRequest, CommandError};
use esteira_store::{AcknowledgementChange, AcknowledgementRow};
use serde_json::json;
use std::collections::HashSet;

/// What a message's name may have, in bytes (AMQP's).
const MESSAGE_ID_BYTES_MAX: usize = 255;

/// How many alerts one request may name.
const ALERTS_MAX: usize = 1_000;

/// How long a note may be, in characters.
const NOTE_LENGTH_MAX: usize = 500;

impl MainLoop {
    /// Acknowledges alerts, or takes that back; gives how many that changed. What is so already stays as it is: whoever
    /// came first is the one who acknowledged.
    pub(super) async fn acknowledge_alerts(
        &mut self,
        turn: &mut Turn,
        request: &AcknowledgeRequest,
    ) -> Result<usize, Stop> {
        check(request).map_err(CommandError::Invalid)?;
        let known = self.reader.acknowledgements(&request.message_ids).await?;
        let mut acknowledged: HashSet<String> = known.into_iter().map(|row| row.message_id).collect();
        // What is in the batch already will be there before this is.
        for change in &turn.batch.acknowledgements {
            match change {
                AcknowledgementChange::Made(row) => acknowledged.insert(row.message_id.clone()),
                AcknowledgementChange::Withdrawn { message_id } => acknowledged.remove(message_id),
            };
        }
        let mut changed = 0;
        for message_id in &request.message_ids {
            let is_new = if request.is_withdrawn {
                acknowledged.remove(message_id)
            } else {
                acknowledged.insert(message_id.clone())
            };
            if is_new {
                changed += 1;
                change(turn, request, message_id);
            }
        }
        Ok(changed)
    }
}

fn change(turn: &mut Turn, request: &AcknowledgeRequest, message_id: &str) {
    let AcknowledgeRequest { actor, note, is_withdrawn, .. } = request;
    let mut body = json!({ "message_id": message_id });
    if !note.is_empty() {
        body["note"] = json!(note);
    }
    let name = if *is_withdrawn { "alert.reopened" } else { "alert.acknowledged" };
    turn.event(name, None, actor, body.to_string());
    let message_id = message_id.to_owned();
    turn.batch.acknowledgements.push(if *is_withdrawn {
        AcknowledgementChange::Withdrawn { message_id }
    } else {
        AcknowledgementChange::Made(AcknowledgementRow {
            message_id,
            acknowledged_by: actor.name.to_string(),
            acknowledged_at: turn.now,
            note: note.clone(),
        })
    });
}

fn check(request: &AcknowledgeRequest) -> Result<(), String> {
    let AcknowledgeRequest { message_ids, note, .. } = request;
    if message_ids.is_empty() || message_ids.len() > ALERTS_MAX {
        return Err(format!("name between 1 and {ALERTS_MAX} alerts"));
    }
    if message_ids.iter().any(|name| name.is_empty() || name.len() > MESSAGE_ID_BYTES_MAX) {
        return Err(format!("an alert's message_id has between 1 and {MESSAGE_ID_BYTES_MAX} bytes"));
    }
    if note.chars().count() > NOTE_LENGTH_MAX {
        return Err(format!("a note has at most {NOTE_LENGTH_MAX} characters"));
    }
    Ok(())
}
