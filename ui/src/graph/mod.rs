//! The picture of a DAG, from left to right: where nodes stand ([`layout`]), how they are drawn ([`drawing`]), on the
//! panels of their groups ([`groups`]), and the chain of tasks that a run's length is due to ([`critical`]).

mod critical;
mod drawing;
mod groups;
mod layout;

pub(crate) use critical::critical_path;
pub(crate) use drawing::{Drawing, NODES_MAX, NodeState};
