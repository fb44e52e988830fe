//! Encryption at rest: secret values are sealed with keys that are not in the database.
//!
//! A sealed value is `1, the key's id (4 bytes), a random nonce (12), the ciphertext with its tag` (ChaCha20-Poly1305),
//! bound to the name that it is kept under: a row that was moved to another name does not open.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::fmt;

/// The first byte of every sealed value.
const FORMAT: u8 = 1;

/// How many bytes tell one key from another.
const ID_LENGTH: usize = 4;

/// A key has 32 bytes.
const KEY_LENGTH: usize = 32;

/// The keys that values are sealed with. The first seals; all of them open, so that a key can be replaced.
pub struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: [u8; ID_LENGTH],
    key: LessSafeKey,
}

/// A key that is none, or a value that does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no key at all.
    #[error("there is no key")]
    Empty,
    /// A key is not written as it must be.
    #[error("key {0} is not 64 hex digits")]
    NotAKey(usize),
    /// It was sealed with a key that is not among these.
    #[error("\"{0}\" is sealed with a key that is not here")]
    OtherKey(String),
    /// It was altered, or stands under another name than it was sealed for.
    #[error("\"{0}\" was altered since it was sealed")]
    Altered(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring of {}", self.keys.len())
    }
}

impl Keyring {
    /// Reads keys: each 64 hex digits, with commas or white space between them. The first one seals.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        let keys: Vec<Key> = words
            .filter(|word| !word.is_empty())
            .enumerate()
            .map(|(place, word)| Key::parse(word).ok_or(KeyringError::NotAKey(place + 1)))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys }) }
    }

    /// A new key, as [`Keyring::parse`] reads it.
    pub fn generate() -> Result<String, KeyringError> {
        let mut bytes = [0; KEY_LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyringError::NoRandomness)?;
        Ok(hex::encode(bytes))
    }

    /// Seals a value for the name that it is kept under.
    pub fn seal(&self, name: &str, value: &str) -> Result<Vec<u8>, KeyringError> {
        let Key { id, key } = self.keys.first().ok_or(KeyringError::Empty)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeyringError::NoRandomness)?;
        let mut sealed = value.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| KeyringError::Altered(name.to_owned()))?;
        Ok([&[FORMAT][..], id, &nonce, &sealed].concat())
    }

    /// Opens a value that was sealed for this name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<String, KeyringError> {
        let altered = || KeyringError::Altered(name.to_owned());
        let (format, rest) = sealed.split_first().ok_or_else(altered)?;
        let (id, rest) = rest.split_at_checked(ID_LENGTH).ok_or_else(altered)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or_else(altered)?;
        if *format != FORMAT {
            return Err(altered());
        }
        let found = self.keys.iter().find(|key| key.id == id);
        let Key { key, .. } = found.ok_or_else(|| KeyringError::OtherKey(name.to_owned()))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
        let mut opened = rest.to_vec();
        let value =
            key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut opened).map_err(|_| altered())?;
        String::from_utf8(value.to_vec()).map_err(|_| altered())
    }

    /// Whether a value is sealed with the key that seals now.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.keys.first().is_some_and(|key| sealed.get(1..=ID_LENGTH) == Some(&key.id[..]))
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == KEY_LENGTH)?;
        let mut id = [0; ID_LENGTH];
        id.copy_from_slice(&Sha256::digest(&bytes)[..ID_LENGTH]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?;
        Some(Self { id, key: LessSafeKey::new(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_own_name_with_any_of_the_keys() {
        let (old, new) = (Keyring::generate().unwrap(), Keyring::generate().unwrap());
        let before = Keyring::parse(&old).unwrap();
        let sealed = before.seal("variable:password", "hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_ne!(sealed, before.seal("variable:password", "hunter2").unwrap(), "no two are alike");
        let after = Keyring::parse(&format!("{new},\n{old}\n")).unwrap();
        assert_eq!(after.open("variable:password", &sealed).unwrap(), "hunter2");
        assert!(!after.is_current(&sealed));
        let again = after.seal("variable:password", "hunter2").unwrap();
        assert!(after.is_current(&again));
        let other = KeyringError::OtherKey("variable:password".to_owned());
        assert_eq!(before.open("variable:password", &again), Err(other));
    }

    #[test]
    fn what_was_altered_or_moved_does_not_open() {
        let keyring = Keyring::parse(&Keyring::generate().unwrap()).unwrap();
        let sealed = keyring.seal("connection:a", "redis://:pw@host").unwrap();
        let altered = |name: &str| Err(KeyringError::Altered(name.to_owned()));
        assert_eq!(keyring.open("connection:b", &sealed), altered("connection:b"));
        for place in [0, 5, 20, sealed.len() - 1] {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert_eq!(keyring.open("connection:a", &other), altered("connection:a"), "{place}");
        }
        assert_eq!(keyring.open("connection:a", &sealed[..10]), altered("connection:a"));
    }

    #[test]
    fn what_is_no_key_is_named_by_its_place_and_not_repeated() {
        let key = Keyring::generate().unwrap();
        assert_eq!(Keyring::parse(&format!("{key},secret")).unwrap_err(), KeyringError::NotAKey(2));
        assert_eq!(Keyring::parse(" \n").unwrap_err(), KeyringError::Empty);
        assert_eq!(format!("{:?}", Keyring::parse(&key).unwrap()), "Keyring of 1");
    }
}
