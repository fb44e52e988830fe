//! YAML to DAG, with every fault of a file named at once.

pub mod duration;
