//! Who may come in, and how far: the one place that pages, API and command line pass.
//!
//! ```text
//!   request ─▶ caller (who is it?) ─▶ gate (may they?) ─▶ handler
//!                 │ cookie, bearer        │ the route's Access, from routes::Routes, without which no route can be made
//!                 ▼                       ▼
//!             Accounts                 401, 403, or the page to sign in; told in the history by refusals
//! ```
//!
//! Another way to sign in (OIDC, say) would end where [`session`] begins: with a user's name, for which it starts a session.

pub(crate) mod caller;
pub(crate) mod gate;
pub(crate) mod refusals;
mod routes;
pub(crate) mod session;
mod throttle;

pub(crate) use caller::{ApiActor, Caller, PageActor};
pub(crate) use routes::{ADMIN, Access, OPERATOR, Route, Routes, Table, USER, VIEWER};
pub(crate) use throttle::Throttle;

use refusals::Refusals;
use std::sync::Arc;

/// What the doors keep in memory. Cloning shares it.
#[derive(Clone, Default)]
pub struct Doors {
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) refusals: Arc<Refusals>,
}
