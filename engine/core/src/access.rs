//! Who may do what: four roles, each of which may do all that the one before it may.

use crate::states::labelled;
use serde::{Deserialize, Serialize};
use std::fmt;

labelled! {
    /// What a user may do (the roles of Airflow's simple auth manager). The order counts: each may do more.
    Role {
        /// Look at everything but variables and connections.
        Viewer = "viewer",
        /// Also start, stop, clear, mark, pause and answer.
        User = "user",
        /// Also change what DAGs share: variables, connections, pools, assets, webhooks; and remove DAGs.
        Operator = "operator",
        /// Also manage users and keys.
        Admin = "admin",
    }
}

/// The longest name of a user, in bytes.
pub const USER_NAME_LENGTH_MAX: usize = 100;

/// Whether a text can name a user: letters, digits and `_ . @ + -`, 100 bytes at the most.
pub fn is_valid_user_name(name: &str) -> bool {
    let is_fine = |letter: char| letter.is_alphanumeric() || "_.@+-".contains(letter);
    (1..=USER_NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_more_than_the_one_before() {
        assert!(Role::ALL.is_sorted());
        assert_eq!(Role::ALL.last(), Some(&Role::Admin));
        assert_eq!(Role::from_label("operator"), Some(Role::Operator));
    }

    #[test]
    fn names_of_users_are_short_and_plain() {
        for good in ["maria", "maria.silva@example.org", "joão", "ci-bot+1"] {
            assert!(is_valid_user_name(good), "{good}");
        }
        for bad in ["", "maria silva", "a/b", "x\n", &"x".repeat(101)] {
            assert!(!is_valid_user_name(bad), "{bad}");
        }
    }
}
