//! Variables and connections: set, removed, sealed with another key.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::{self, Turn};
use crate::command::{Actor, CommandError};
use crate::home::{self, Home};
use crate::vault::{SecretRequest, Vault};
use esteira_store::{StoreError, open_writer};

impl MainLoop {
    pub(super) fn change_secret(
        &mut self,
        turn: &mut Turn,
        request: &SecretRequest,
        actor: &Actor,
    ) -> Result<usize, Stop> {
        Ok(put(turn, &self.vault, request, actor)?)
    }
}

/// The same for a home that no engine holds: the change is durable when this returns.
pub async fn change_secret(
    home: &Home,
    vault: &Vault,
    request: &SecretRequest,
    actor: &Actor,
) -> Result<usize, CommandError> {
    let mut turn = Turn::new(turn::now());
    let count = put(&mut turn, vault, request, actor)?;
    let refused = |error: StoreError| CommandError::Store(error.to_string());
    let mut writer = open_writer(&home::database(home.root())).await.map_err(refused)?;
    writer.commit(&turn.batch).await.map_err(refused)?;
    writer.close().await.map_err(refused)?;
    Ok(count)
}

fn put(
    turn: &mut Turn,
    vault: &Vault,
    request: &SecretRequest,
    actor: &Actor,
) -> Result<usize, CommandError> {
    let changes = vault.prepare(request, turn.now)?;
    let count = changes.len();
    for change in changes {
        turn.event(change.event, None, actor, change.body);
        turn.batch.secrets.push(change.row);
    }
    vault.apply(request);
    Ok(count)
}
