//! Names that travel through the whole product: cheap to clone, and never mistaken for one another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as it is; [`is_valid_name`] says whether a person may choose it.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &*self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// The name of a DAG, unique in an Esteira home.
    DagId
}
name_type! {
    /// The name of a task, unique in its DAG.
    TaskId
}
name_type! {
    /// The name of a DAG run, unique in its DAG: `<run type>__<suffix>`.
    RunId
}

/// The longest name that a DAG, a task or a run may have, in bytes (Airflow's own limit).
pub const NAME_LENGTH_MAX: usize = 250;

/// Whether `name` may name a DAG or a task: letters, digits, `_`, `-` and `.`, and not too long (Airflow's rule).
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_LENGTH_MAX
        && name != "."
        && name != ".."
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

/// Whether `run_id` may name a run: Airflow's `^[A-Za-z0-9_.~:+-]+$`.
pub fn is_valid_run_id(run_id: &str) -> bool {
    !run_id.is_empty()
        && run_id.len() <= NAME_LENGTH_MAX
        && run_id != "."
        && run_id != ".."
        && run_id.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.~:+-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_airflows_rules() {
        for good in ["a", "air_quality.v2", "load-csv", "açúcar"] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "a:b", &"x".repeat(251)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
        assert!(is_valid_run_id("manual__2026-11-22T10:00:00.123456+00:00"));
        assert!(!is_valid_run_id("../etc"));
    }
}
