//! Users, sessions and tokens: made, changed, removed; and the refusals that the history tells of.

use super::commands::Stop;
use super::main_loop::MainLoop;
use super::turn::{self, Turn};
use crate::accounts::{AccountRequest, Accounts};
use crate::command::{Actor, CommandError};
use crate::home::{self, Home};
use esteira_store::{StoreError, open_writer};

impl MainLoop {
    pub(super) fn change_account(
        &mut self,
        turn: &mut Turn,
        request: &AccountRequest,
        actor: &Actor,
    ) -> Result<(), Stop> {
        Ok(put(turn, &self.accounts, request, actor)?)
    }
}

/// The same for a home that no engine holds: the change is durable when this returns.
pub async fn change_account(
    home: &Home,
    accounts: &Accounts,
    request: &AccountRequest,
    actor: &Actor,
) -> Result<(), CommandError> {
    let mut turn = Turn::new(turn::now());
    put(&mut turn, accounts, request, actor)?;
    let refused = |error: StoreError| CommandError::Store(error.to_string());
    let mut writer = open_writer(&home::database(home.root())).await.map_err(refused)?;
    writer.commit(&turn.batch).await.map_err(refused)?;
    writer.close().await.map_err(refused)
}

fn put(
    turn: &mut Turn,
    accounts: &Accounts,
    request: &AccountRequest,
    actor: &Actor,
) -> Result<(), CommandError> {
    let prepared = accounts.prepare(request, turn.now)?;
    turn.event(prepared.event, None, actor, prepared.body.to_string());
    accounts.apply(&prepared.rows);
    turn.batch.accounts.extend(prepared.rows);
    Ok(())
}
