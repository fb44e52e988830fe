//! The picture of a DAG, from left to right: where nodes stand ([`layout`]), and how they are drawn ([`drawing`]).

mod drawing;
mod layout;

pub(crate) use drawing::{Drawing, NODES_MAX, NodeState};
