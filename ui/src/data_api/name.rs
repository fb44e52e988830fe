//! Names in addresses: keys of hashes and names of objects, which hold slashes, colons and dots.
//!
//! A name arrives as the rest of the raw path, percent-encoded in whole, in part or not at all, and is decoded once:
//! `%2F` is a slash, `%252F` is the text `%2F`. A name never leaves the prefix that it is put behind.

use super::error::DataError;
use percent_encoding::percent_decode_str;

/// The longest name, in bytes: what S3 takes as a key.
pub(crate) const NAME_BYTES_MAX: usize = 1024;

/// A name that is safe to put behind a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The name in a raw path, behind `route`: `/api/cache/` in `/api/cache/sensor:10%2F03%2F2004:18.00.00`.
    pub(crate) fn from_path(raw_path: &str, route: &str) -> Result<Self, DataError> {
        let raw = raw_path.split_once(route).map_or("", |(_, raw)| raw);
        Self::new(decode(raw)?)
    }

    /// A name that is decoded already.
    pub(crate) fn new(name: String) -> Result<Self, DataError> {
        match fault(&name) {
            None => Ok(Self(name)),
            Some(fault) => Err(DataError::bad_request(format!("This name cannot be: {fault}"), NAME_HINT)),
        }
    }

    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

const NAME_HINT: &str =
    "A name is the rest of the address, such as sensor:10/03/2004:18.00.00, raw or percent-encoded";

/// The beginning of names. May be empty, and may end in the middle of a name.
pub(crate) fn check_prefix(prefix: String) -> Result<String, DataError> {
    if prefix.is_empty() {
        return Ok(prefix);
    }
    match fault(&prefix) {
        None => Ok(prefix),
        Some(fault) => Err(DataError::bad_request(format!("This prefix cannot be: {fault}"), NAME_HINT)),
    }
}

/// Decodes percent-encoding, once.
pub(crate) fn decode(raw: &str) -> Result<String, DataError> {
    let decoded = percent_decode_str(raw).decode_utf8();
    let not_text =
        |_| DataError::bad_request("This name cannot be: it is not UTF-8 text".to_owned(), NAME_HINT);
    decoded.map(|text| text.into_owned()).map_err(not_text)
}

/// What is wrong with a name, if anything is.
fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Some("it is longer than 1024 bytes");
    }
    if name.contains('\0') {
        return Some("it holds a NUL character");
    }
    if name.starts_with('/') {
        return Some("it begins with a slash");
    }
    if name.split(['/', '\\']).any(|part| part == ".." || part == ".") {
        return Some("a part of it is \".\" or \"..\"");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    fn from_path(path: &str) -> Result<String, DataError> {
        Name::from_path(path, "/api/cache/").map(|name| name.as_str().to_owned())
    }

    #[test]
    fn raw_and_encoded_are_the_same_name() {
        let name = "sensor:10/03/2004:18.00.00";
        for path in [
            "/api/cache/sensor:10/03/2004:18.00.00",
            "/api/cache/sensor:10%2F03%2F2004:18.00.00",
            "/api/cache/sensor%3a10%2f03%2f2004%3A18%2e00%2E00",
        ] {
            assert_eq!(from_path(path).unwrap(), name, "{path}");
        }
    }

    #[test]
    fn a_name_is_decoded_once() {
        assert_eq!(from_path("/api/cache/a%252Fb").unwrap(), "a%2Fb");
        assert_eq!(from_path("/api/cache/%252e%252e/b").unwrap(), "%2e%2e/b");
        assert_eq!(from_path("/api/cache/100%").unwrap(), "100%");
        assert_eq!(from_path("/api/cache/a+b").unwrap(), "a+b");
        // The route occurs again in the name.
        assert_eq!(from_path("/api/cache/x/api/cache/y").unwrap(), "x/api/cache/y");
    }

    #[test]
    fn bad_names_are_refused() {
        let long = format!("/api/cache/{}", "x".repeat(NAME_BYTES_MAX + 1));
        for path in [
            "/api/cache/",
            "/api/cache//etc/passwd",
            "/api/cache/%2Fetc",
            "/api/cache/../x",
            "/api/cache/a/../b",
            "/api/cache/a/..",
            "/api/cache/%2e%2e%2fx",
            "/api/cache/a%5C..%5Cb",
            "/api/cache/a%00b",
            "/api/cache/%ff",
            "/api/cache/./a",
            long.as_str(),
        ] {
            assert!(from_path(path).is_err(), "{path}");
        }
        assert!(from_path(&format!("/api/cache/{}", "x".repeat(NAME_BYTES_MAX))).is_ok());
    }

    /// Numbers without a pattern, the same in every run (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound as u64).unwrap()
        }

        fn text(&mut self) -> String {
            let parts = [
                "/", ".", "..", ":", "%", "%2F", "%252F", "\\", "a", "10", "ç", "😀", " ", "?", "#", "+",
                "\0", "_",
            ];
            (0..self.below(12)).map(|_| parts[self.below(parts.len())]).collect()
        }
    }

    #[test]
    fn property_encoding_comes_back_and_no_name_leaves_its_prefix() {
        let mut numbers = Numbers(0x5EED_CAFE);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let text = numbers.text();
            let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC);
            let Ok(name) = from_path(&format!("/api/cache/{encoded}")) else {
                assert!(Name::new(text.clone()).is_err(), "{text:?}");
                continue;
            };
            accepted += 1;
            assert_eq!(name, text);
            let mut depth = 0_i32;
            for part in name.split('/') {
                depth += if part == ".." { -1 } else { 1 };
                assert!(depth > 0, "{name:?} leaves its prefix");
            }
            assert!(!std::path::Path::new(&name).is_absolute(), "{name:?}");
        }
        assert!(accepted > 1_000, "{accepted}");
    }
}
