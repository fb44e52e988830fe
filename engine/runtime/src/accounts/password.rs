//! Passwords: kept as Argon2id with OWASP's least parameters (19 MiB, 2 passes), which are the crate's own defaults.

use crate::command::CommandError;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use std::sync::LazyLock;

/// The fewest letters that a password has (NIST SP 800-63B).
pub const PASSWORD_LENGTH_MIN: usize = 8;

/// The most bytes: checking a longer one would only cost time.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// What the password of a name that nobody has is compared with, so that it takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_password("nobody has this one").ok());

/// The hash of a new password, in the PHC format. Takes some 50 ms of a core, and 19 MiB.
pub fn hash_password(password: &str) -> Result<String, CommandError> {
    if password.chars().count() < PASSWORD_LENGTH_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(CommandError::Invalid(format!(
            "a password has at least {PASSWORD_LENGTH_MIN} characters, and at most {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    let hash =
        hash.map_err(|error| CommandError::Store(format!("the password cannot be hashed: {error}")))?;
    Ok(hash.to_string())
}

/// Whether it is the password with this hash; never, where there is no hash, but after the same time. Takes as long as
/// [`hash_password`].
pub(super) fn check_password(password: &str, hash: Option<&str>) -> bool {
    let is_known = hash.is_some();
    let Some(hash) = hash.or(NOBODY.as_deref()).and_then(|hash| PasswordHash::new(hash).ok()) else {
        return false;
    };
    password.len() <= PASSWORD_BYTES_MAX
        && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        && is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_by_its_hash_which_does_not_hold_it() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(!hash.contains("horse"));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "each has a salt of its own");
        assert!(check_password("correct horse", Some(&hash)));
        assert!(!check_password("correct horsE", Some(&hash)));
        assert!(!check_password("correct horse", Some("no hash")));
        assert!(!check_password("nobody has this one", None));
    }

    #[test]
    fn passwords_are_neither_short_nor_endless() {
        assert!(hash_password("seven77").is_err());
        assert!(hash_password("ação-çãé").is_ok(), "eight letters, more bytes");
        let endless = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert!(hash_password(&endless).is_err());
        let hash = hash_password("correct horse").unwrap();
        assert!(!check_password(&endless, Some(&hash)));
    }
}
