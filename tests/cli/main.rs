//! The command line from outside: the real binary in homes of its own, its words held by snapshots.

#![allow(clippy::unwrap_used)]

mod access;
mod audit;
mod authoring;
mod bad_input;
mod demo;
mod examples;
mod help;
mod history;
mod official_client;
mod remote;
mod running;
mod sample;
mod schema_fuzz;
mod serving;
mod validate;
mod world;
