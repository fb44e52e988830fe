//! The code behind `operator:` keys.

use crate::connectors::Connectors;
use esteira_operator::Registry;

/// Every built-in operator.
pub fn register_all(_registry: &mut Registry, _connectors: &Connectors) {}
