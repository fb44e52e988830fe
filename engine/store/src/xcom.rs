//! XCom values as they are kept: JSON text, compressed when that pays.

use esteira_core::run::InstanceKey;
use serde_json::Value;

/// The largest value an instance may push under one key, in bytes of JSON text, unless configured otherwise.
pub const XCOM_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Smaller values are kept as they are: compressing them would cost more than it saves.
const COMPRESS_FROM: usize = 4 * 1024;

/// A fast level: XCom is written on the way of the run.
const COMPRESSION_LEVEL: i32 = 1;

/// A value ready to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedXcom {
    pub(crate) key: String,
    pub(crate) size: usize,
    pub(crate) encoding: i64,
    pub(crate) bytes: Vec<u8>,
}

/// A value that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XcomError {
    /// It is larger than the limit.
    #[error("the XCom value \"{key}\" is {size} bytes of JSON, more than the limit of {limit} bytes")]
    TooLarge {
        /// Its key.
        key: String,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// It could not be written as JSON or compressed.
    #[error("the XCom value \"{key}\" cannot be encoded: {reason}")]
    Unencodable {
        /// Its key.
        key: String,
        /// Why.
        reason: String,
    },
}

impl EncodedXcom {
    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Encodes a value; one whose JSON text is longer than `size_max` bytes is refused.
    pub fn encode(key: &str, value: &Value, size_max: usize) -> Result<Self, XcomError> {
        let unencodable = |reason: String| XcomError::Unencodable { key: key.to_owned(), reason };
        let text = serde_json::to_vec(value).map_err(|error| unencodable(error.to_string()))?;
        let size = text.len();
        if size > size_max {
            return Err(XcomError::TooLarge { key: key.to_owned(), size, limit: size_max });
        }
        let (encoding, bytes) = if size < COMPRESS_FROM {
            (0, text)
        } else {
            (
                1,
                zstd::bulk::compress(&text, COMPRESSION_LEVEL)
                    .map_err(|error| unencodable(error.to_string()))?,
            )
        };
        Ok(Self { key: key.to_owned(), size, encoding, bytes })
    }
}

/// Reads a value back.
pub(crate) fn decode(size: i64, encoding: i64, bytes: &[u8]) -> Result<Value, String> {
    let parse = |text: &[u8]| serde_json::from_slice(text).map_err(|error| error.to_string());
    match encoding {
        0 => parse(bytes),
        1 => {
            let size = usize::try_from(size).map_err(|error| error.to_string())?;
            parse(&zstd::bulk::decompress(bytes, size).map_err(|error| error.to_string())?)
        }
        other => Err(format!("encoding {other} is not known")),
    }
}

/// A value and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct InstanceXcom<'a> {
    pub(crate) run_key: i64,
    pub(crate) instance: InstanceKey,
    pub(crate) at_micros: i64,
    pub(crate) xcom: &'a EncodedXcom,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn small_and_large_values_come_back_and_too_large_ones_are_named() {
        for value in [json!(null), json!({"a": [1, 2.5, "ü"]}), json!(vec!["reading"; 5000])] {
            let encoded = EncodedXcom::encode("k", &value, XCOM_SIZE_MAX).unwrap();
            assert_eq!(decode(encoded.size as i64, encoded.encoding, &encoded.bytes).unwrap(), value);
        }
        let error = EncodedXcom::encode("k", &json!("x".repeat(100)), 50).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the XCom value \"k\" is 102 bytes of JSON, more than the limit of 50 bytes"
        );
    }
}
