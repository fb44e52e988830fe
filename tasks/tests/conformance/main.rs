//! One suite for every connector: each test runs against the embedded twin and against the real service, and must
//! find no difference.
//!
//! The real services are those of `ESTEIRA_CONN_<ID>`; `eval "$(scripts/services env)"` sets them. Where one is not
//! set, its tests say so loudly and pass; with `CI=true` they fail. Names are new in every test, so that nothing needs
//! to be empty before, and runs do not disturb each other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cache;
mod database;
mod faults;
mod objects;
mod queue;
mod stream;
mod support;
