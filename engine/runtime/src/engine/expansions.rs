//! Mapped tasks: what they are expanded over comes in, is kept with the run, and gives them their instances.

use super::EngineError;
use super::main_loop::MainLoop;
use super::turn::Turn;
use crate::command::Actor;
use crate::expand::owner;
use esteira_core::dag::{Expansion, TaskIndex};
use esteira_core::run::{AttemptError, AttemptErrorKind, Input};
use esteira_store::{EncodedXcom, NewExpansion, RunKey};
use std::sync::Arc;

/// How many bytes of JSON a mapped task may be expanded over: as much as a large XCom.
const EXPANSION_SIZE_MAX: usize = 256 * 1024 * 1024;

impl MainLoop {
    pub(super) fn expanded(
        &mut self,
        turn: &mut Turn,
        run_key: RunKey,
        task: TaskIndex,
        result: Result<Expansion, AttemptError>,
    ) -> Result<(), EngineError> {
        let Some(live) = self.runs.get_mut(run_key) else { return Ok(()) };
        let owner = owner(live.run.dag(), task);
        let count = result.and_then(|expansion| {
            let encoded = encode(&owner, &expansion)?;
            let count = u32::try_from(expansion.len()).unwrap_or(u32::MAX);
            live.expansions.insert(owner.clone(), Arc::new(expansion));
            turn.batch.expansions.push(NewExpansion { run_key, owner, encoded });
            Ok(count)
        });
        self.decide(turn, run_key, Input::Expanded { task, count }, &Actor::engine())
    }
}

fn encode(owner: &str, expansion: &Expansion) -> Result<EncodedXcom, AttemptError> {
    let failed = |reason: String| AttemptError::new(AttemptErrorKind::Fatal, reason);
    let value = serde_json::to_value(expansion).map_err(|error| failed(error.to_string()))?;
    EncodedXcom::encode(owner, &value, EXPANSION_SIZE_MAX).map_err(|error| failed(error.to_string()))
}
