//! The hash chain of the audit history: each event's hash covers the event and the hash before it, so that no row
//! can be altered, removed or put in without every later hash telling of it.

use sha2::{Digest, Sha256};

/// The fields of an event that its hash covers, in this order.
#[derive(Clone, Copy, Debug)]
pub struct HashedFields<'a> {
    /// The event's number, from 1.
    pub seq: i64,
    /// When it happened, in microseconds since 1970.
    pub at_micros: i64,
    /// Its name.
    pub name: &'a str,
    /// The DAG that it is about, or empty.
    pub dag_id: &'a str,
    /// The run that it is about, or empty.
    pub run_id: &'a str,
    /// The task that it is about, or empty.
    pub task_id: &'a str,
    /// The map index, or -1.
    pub map_index: i32,
    /// The attempt's number, or 0.
    pub try_number: u32,
    /// Who caused it.
    pub actor: &'a str,
    /// By what way it was asked for.
    pub via: &'a str,
    /// What it says beyond its name, as JSON text, or empty.
    pub body: &'a str,
}

/// The hash before the first event.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash of an event: SHA-256 over the hash before it and its fields, texts with their length before them so
/// that no two events give the same bytes.
pub fn chain(previous: &[u8; 32], event: &HashedFields<'_>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(event.seq.to_le_bytes());
    hasher.update(event.at_micros.to_le_bytes());
    hasher.update(event.map_index.to_le_bytes());
    hasher.update(event.try_number.to_le_bytes());
    for text in [event.name, event.dag_id, event.run_id, event.task_id, event.actor, event.via, event.body] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> HashedFields<'static> {
        HashedFields {
            seq: 1,
            at_micros: 2,
            name: "task.started",
            dag_id: "d",
            run_id: "r",
            task_id: "t",
            map_index: -1,
            try_number: 1,
            actor: "engine",
            via: "engine",
            body: "",
        }
    }

    #[test]
    fn every_field_and_the_place_in_the_chain_count() {
        let plain = chain(&GENESIS, &event());
        assert_eq!(plain, chain(&GENESIS, &event()));
        let others = [
            chain(&plain, &event()),
            chain(&GENESIS, &HashedFields { seq: 2, ..event() }),
            chain(&GENESIS, &HashedFields { at_micros: 3, ..event() }),
            chain(&GENESIS, &HashedFields { dag_id: "dr", run_id: "", ..event() }),
            chain(&GENESIS, &HashedFields { task_id: "", actor: "tengine", ..event() }),
            chain(&GENESIS, &HashedFields { try_number: 2, ..event() }),
            chain(&GENESIS, &HashedFields { map_index: 0, ..event() }),
            chain(&GENESIS, &HashedFields { body: "{}", ..event() }),
        ];
        for other in others {
            assert_ne!(plain, other);
        }
    }
}
