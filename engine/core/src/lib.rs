//! The pure engine. Nothing here reads a clock, a file, a socket, a database or a random source, and nothing is
//! async: time and outcomes come in as data, decisions go out as data. `Cargo.toml` shows it.
//!
//! - [`dag`]: what a validated DAG is.
//! - [`catalog`]: what an operator says about its arguments, so that a DAG can be checked before it runs.
//! - [`spec`]: YAML to DAG, with every fault of a file named at once.
//! - [`run`]: the state machine of a DAG run: inputs in, changes and effects out.
//! - [`admission`]: which of the scheduled task instances may start now, and why the others wait.
//! - [`schedule`]: when a DAG is due. [`backfill`]: the runs of a range of the past.
//! - [`asset`]: names of data that DAGs are run for.
//! - [`template`]: the `{{ }}` language.
//! - [`history`]: the hash chain of the audit history.
//! - [`access`]: the roles of users.
#![warn(missing_docs)]

pub mod access;
pub mod admission;
pub mod asset;
pub mod backfill;
pub mod catalog;
pub mod dag;
pub mod history;
pub mod ids;
pub mod instant;
pub mod run;
pub mod schedule;
pub mod spec;
pub mod states;
pub mod template;
