//! The check of the history, and what it found last. It reads everything, so pages never do it by themselves: they show what
//! was found, when and for whom, and offer it anew.

use crate::AppState;
use esteira_runtime::audit::{self, Verification};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of the history's wholeness, since this program has started. Cloning shares it.
#[derive(Clone, Default)]
pub struct AuditCheck(Arc<Mutex<Known>>);

/// What is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// What was found last.
    pub(crate) last: Option<Found>,
    /// Who has it checked at the moment, and since when.
    pub(crate) running: Option<(String, Timestamp)>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The verdict; or why there is none, for people.
    pub(crate) verdict: Result<Verification, String>,
    /// Who had it checked.
    pub(crate) by: String,
    /// When it ended.
    pub(crate) at: Timestamp,
}

impl AuditCheck {
    /// What is known at the moment.
    pub(crate) fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody has it checked; false, when somebody has already.
    fn begin(&self, by: &str) -> bool {
        let mut known = self.lock();
        let is_free = known.running.is_none();
        if is_free {
            known.running = Some((by.to_owned(), Timestamp::now()));
        }
        is_free
    }

    fn end(&self, verdict: Result<Verification, String>, by: &str) {
        let found = Found { verdict, by: by.to_owned(), at: Timestamp::now() };
        *self.lock() = Known { last: Some(found), running: None };
    }
}

/// Checks the whole history. Replaying all runs is work for a processor: it gets a thread of its own, so that other requests
/// do not wait. The error is for people.
pub(crate) async fn verified(state: &AppState, by: &str) -> Result<Verification, String> {
    let is_told = state.audit.begin(by);
    let (reader, registry) = (state.handle.reader().clone(), Arc::clone(&state.registry));
    let runtime = tokio::runtime::Handle::current();
    let check = move || runtime.block_on(audit::verify(&reader, &*registry));
    let verdict = match tokio::task::spawn_blocking(check).await {
        Ok(verification) => verification.map_err(|error| error.to_string()),
        Err(panic) => Err(panic.to_string()),
    };
    if is_told {
        state.audit.end(verdict.clone(), by);
    }
    verdict
}

/// Has it checked in the background, unless that is being done; it goes on when whoever asked goes away.
pub(crate) fn start(state: &AppState, by: String) -> tokio::task::JoinHandle<()> {
    let state = state.clone();
    tokio::spawn(async move {
        if state.audit.known().running.is_none()
            && let Err(error) = verified(&state, &by).await
        {
            tracing::error!(%error, "the history could not be checked");
        }
    })
}
