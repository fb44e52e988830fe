//! Secrets never reach a log, a page, an event or a message: known values are replaced by `***`.

use crate::sieve::Sieve;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// The secret values known so far. Shared by the connectors, which learn them, and the log, which masks them.
#[derive(Debug, Default)]
pub struct Masker {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: BTreeSet<String>,
    /// Every spelling of every secret; of two that begin at the same place the longer is found.
    spellings: Option<AhoCorasick>,
    /// What tells, for most texts, that there is none of them.
    sieve: Option<Sieve>,
}

/// Values shorter than this are too common to mask: they would blot out ordinary words (Airflow's rule is alike).
const SECRET_LENGTH_MIN: usize = 5;

/// What stands for a secret.
const MASK: &str = "***";

/// What `encodeURIComponent` and its like leave as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Masker {
    /// Remembers a secret, in all its spellings: plain, in JSON, percent-encoded and in base64, also as a part of a longer
    /// text that was encoded whole.
    pub fn add(&self, secret: &str) {
        self.add_all([secret]);
    }

    /// The same for many at once.
    pub fn add_all<'s>(&self, secrets: impl IntoIterator<Item = &'s str>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.secrets.len();
        for secret in secrets {
            // A log shows a text of several lines line by line.
            let lines = secret.lines().map(str::trim).filter(|line| line.len() < secret.len());
            let parts = std::iter::once(secret).chain(lines);
            known.secrets.extend(parts.filter(|part| part.len() >= SECRET_LENGTH_MIN).map(str::to_owned));
        }
        if known.secrets.len() == before {
            return;
        }
        let spellings: BTreeSet<String> = known.secrets.iter().flat_map(|secret| spellings(secret)).collect();
        known.sieve = Sieve::new(spellings.iter().map(String::as_bytes));
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(spellings);
        known.spellings = Some(automaton.unwrap_or_else(|error| {
            // Better to stop than to go on and show them.
            panic!("the secrets are too many to be masked: {error}")
        }));
    }

    /// The text with every known secret as `***`.
    pub fn mask(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(spellings) = &known.spellings else { return text.to_owned() };
        if known.sieve.as_ref().is_some_and(|sieve| !sieve.may_match(text.as_bytes())) {
            return text.to_owned();
        }
        let mut masked = String::with_capacity(text.len());
        spellings.replace_all_with(text, &mut masked, |_, _, masked| {
            masked.push_str(MASK);
            true
        });
        masked
    }

    /// The value with every known secret in its texts and keys as `***`.
    pub fn mask_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.mask_json(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, field)| (self.mask(&key), self.mask_json(field))).collect()
            }
            other => other,
        }
    }
}

/// How a secret may be written.
fn spellings(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let mut spellings = vec![secret.to_owned(), json[1..json.len() - 1].to_owned()];
    for kept in [NON_ALPHANUMERIC, UNRESERVED] {
        let encoded = utf8_percent_encode(secret, kept).to_string();
        spellings.push(encoded.replace("%20", "+"));
        spellings.push(lower_case_escapes(&encoded));
        spellings.push(encoded);
    }
    for engine in [STANDARD, URL_SAFE] {
        spellings.push(engine.encode(secret));
        for before in 0..3 {
            spellings.push(base64_inside(&engine, secret, before));
        }
    }
    spellings.retain(|spelling| spelling.len() >= SECRET_LENGTH_MIN);
    spellings
}

/// `%2F` as `%2f`.
fn lower_case_escapes(encoded: &str) -> String {
    let mut pieces = encoded.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

/// The base64 letters that a secret alone decides, where so many bytes (of every three) stand before it: a secret inside a
/// longer text, such as the password in `user:password`.
fn base64_inside(engine: &impl base64::Engine, secret: &str, before: usize) -> String {
    let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
    let encoded = engine.encode(&bytes);
    // Six bits a letter.
    let first = (before * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    encoded.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        let masker = Masker::default();
        masker.add_all(secrets.iter().copied());
        masker
    }

    #[test]
    fn plain_and_encoded_forms_are_masked_and_short_ones_are_not() {
        let masker = masker(&["hunter2/x", "hunter2", "abc"]);
        assert_eq!(
            masker.mask("p=hunter2/x q=hunter2%2Fx r=hunter2 s=hunter2%2fx abc"),
            "p=*** q=*** r=*** s=*** abc"
        );
        assert_eq!(Masker::default().mask("hunter2"), "hunter2");
    }

    #[test]
    fn a_secret_in_base64_leaves_nothing_of_itself_wherever_it_stands() {
        let secret = "s3cr3t!/p\u{e4}ss?word";
        let masker = masker(&[secret]);
        for engine in [STANDARD, URL_SAFE] {
            for (before, after) in
                [("", ""), ("u:", ""), ("user:", "\n"), ("a", "bc"), ("ab", "c"), ("abc", "abcd")]
            {
                let encoded = engine.encode(format!("{before}{secret}{after}"));
                let masked = masker.mask(&format!("Basic {encoded}"));
                assert!(masked.contains(MASK), "{before:?} {after:?}: {encoded} became {masked}");
                // What is left decodes to less than a letter of it.
                let left = masked.replace("Basic ", "").replace(MASK, "").len();
                assert!(left <= (before.len() + after.len()) * 4 / 3 + 8, "{encoded} became {masked}");
            }
        }
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKC\nAQEA0Z3VS5JJ\n-----END KEY-----";
        let masker = masker(&[key]);
        assert_eq!(masker.mask("line MIIEpAIBAAKC and AQEA0Z3VS5JJ"), "line *** and ***");
        assert_eq!(masker.mask(&serde_json::json!({ "key": key }).to_string()), r#"{"key":"***"}"#);
    }

    #[test]
    fn json_and_forms_are_spellings_too() {
        let masker = masker(&["pa\"ss\\word", "two words"]);
        assert_eq!(masker.mask(r#"{"p":"pa\"ss\\word","q":"two+words"}"#), r#"{"p":"***","q":"***"}"#);
    }
}
