//! The operators that this process knows, by name.

use crate::{Catalog, Operator, Signature};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The operators that this process knows. It is the [`Catalog`] that DAGs are checked against.
#[derive(Default)]
pub struct Registry {
    operators: BTreeMap<&'static str, Entry>,
}

struct Entry {
    signature: Signature,
    operator: Arc<dyn Operator>,
}

impl Registry {
    /// A registry without operators.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operator under the name in its signature; a second one of the same name takes the place of the first.
    pub fn register(&mut self, operator: impl Operator) -> &mut Self {
        let signature = operator.signature();
        self.operators.insert(signature.name, Entry { signature, operator: Arc::new(operator) });
        self
    }

    /// The operator of this name.
    pub fn operator(&self, name: &str) -> Option<Arc<dyn Operator>> {
        self.operators.get(name).map(|entry| Arc::clone(&entry.operator))
    }

    /// All signatures, by name.
    pub fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.operators.values().map(|entry| &entry.signature)
    }
}

impl Catalog for Registry {
    fn signature(&self, operator: &str) -> Option<&Signature> {
        self.operators.get(operator).map(|entry| &entry.signature)
    }

    fn names(&self) -> Vec<&str> {
        self.operators.keys().copied().collect()
    }

    fn check(&self, operator: &str, argument: &str, value: &Value) -> Result<(), String> {
        match self.operators.get(operator) {
            Some(entry) => entry.operator.check(argument, value),
            None => Ok(()),
        }
    }
}
