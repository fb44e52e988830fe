//! Secrets never reach a log, a page, an event or a message: known values are replaced by `***`.

use std::sync::{PoisonError, RwLock};

/// The secret values known so far. Shared by the connectors, which learn them, and the log, which masks them.
#[derive(Debug, Default)]
pub struct Masker {
    secrets: RwLock<Vec<String>>,
}

/// Values shorter than this are too common to mask: they would blot out ordinary words (Airflow's rule is alike).
const SECRET_LENGTH_MIN: usize = 5;

impl Masker {
    /// Remembers a secret, in plain and in percent-encoded form.
    pub fn add(&self, secret: &str) {
        if secret.len() < SECRET_LENGTH_MIN {
            return;
        }
        let encoded =
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for form in [secret.to_owned(), encoded] {
            if !secrets.contains(&form) {
                secrets.push(form);
            }
        }
        // The longest first, so that a secret inside another leaves nothing of it.
        secrets.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text with every known secret as `***`.
    pub fn mask(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = text.to_owned();
        for secret in secrets.iter() {
            if masked.contains(secret.as_str()) {
                masked = masked.replace(secret.as_str(), "***");
            }
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_encoded_forms_are_masked_and_short_ones_are_not() {
        let masker = Masker::default();
        masker.add("hunter2/x");
        masker.add("hunter2");
        masker.add("abc");
        assert_eq!(masker.mask("p=hunter2/x q=hunter2%2Fx r=hunter2 abc"), "p=*** q=*** r=*** abc");
    }
}
