//! Assets: names of data that tasks bring up to date and that DAGs are run for.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Which assets must have been updated for a DAG to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetCondition {
    /// This one.
    Asset(String),
    /// All of these.
    All(Vec<AssetCondition>),
    /// One of these.
    Any(Vec<AssetCondition>),
}

impl AssetCondition {
    /// Whether it is met, where `is_updated` says which assets were updated.
    pub fn is_met(&self, is_updated: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Asset(uri) => is_updated(uri),
            Self::All(conditions) => conditions.iter().all(|condition| condition.is_met(is_updated)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.is_met(is_updated)),
        }
    }

    /// Every asset that it names, once, in the order of the alphabet.
    pub fn uris(&self) -> BTreeSet<&str> {
        match self {
            Self::Asset(uri) => BTreeSet::from([uri.as_str()]),
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().flat_map(AssetCondition::uris).collect()
            }
        }
    }
}

/// For people: `a and (b or c)`.
impl fmt::Display for AssetCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (conditions, joint) = match self {
            Self::Asset(uri) => return formatter.write_str(uri),
            Self::All(conditions) => (conditions, " and "),
            Self::Any(conditions) => (conditions, " or "),
        };
        for (place, condition) in conditions.iter().enumerate() {
            if place > 0 {
                formatter.write_str(joint)?;
            }
            match condition {
                Self::Asset(uri) => formatter.write_str(uri)?,
                nested => write!(formatter, "({nested})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_met_by_all_or_by_one() {
        let asset = |uri: &str| AssetCondition::Asset(uri.to_owned());
        let condition =
            AssetCondition::All(vec![asset("a"), AssetCondition::Any(vec![asset("b"), asset("c")])]);
        assert_eq!(condition.to_string(), "a and (b or c)");
        assert_eq!(condition.uris().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        for (updated, is_met) in [("a", false), ("ab", true), ("ac", true), ("bc", false), ("abc", true)] {
            assert_eq!(condition.is_met(&|uri: &str| updated.contains(uri)), is_met, "{updated}");
        }
    }
}
