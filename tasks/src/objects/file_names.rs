//! From object keys to file names and back.
//!
//! A key's parts between slashes become folders and a file, named as they are wherever that is possible:
//! `processed/10:03.json` is the file `10:03.json` in the folder `processed%`. The `%` after a folder's name keeps the
//! keys `a` and `a/b` apart, which S3 allows together and a file system does not. `%` and control characters, and the
//! parts that would mean something else to a file system (``, `.`, `..`), are written with `%` and two hex digits, or
//! as `%-` for the empty part; so no key can leave its bucket, and every name reads back to one key only.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::path::{Path, PathBuf};

/// The longest name that file systems take, less the mark of a folder.
pub(super) const FILE_NAME_LENGTH_MAX: usize = 254;

const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b'/');

const FOLDER_MARK: char = '%';

/// What stands for the empty part: of `a//b`, or after the last slash of `a/`.
const EMPTY_PART: &str = "%-";

/// The name on disk of one part of a key.
pub(super) fn encode(part: &str) -> String {
    match part {
        "" => EMPTY_PART.to_owned(),
        "." | ".." => part.replace('.', "%2E"),
        _ => part.chars().fold(String::new(), push_encoded),
    }
}

/// Letters beyond ASCII stay as they are, which the crate's own encoding would not let them.
fn push_encoded(mut name: String, letter: char) -> String {
    if letter.is_ascii() {
        name.extend(utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), ENCODED));
    } else {
        name.push(letter);
    }
    name
}

/// The part of a key that a name on disk stands for; none for a name that this module does not write.
fn decode(name: &str) -> Option<String> {
    let part = if name == EMPTY_PART {
        String::new()
    } else {
        percent_decode_str(name).decode_utf8().ok()?.into_owned()
    };
    (encode(&part) == name).then_some(part)
}

/// The file that holds an object, below its bucket's folder.
pub(super) fn path_of(bucket_folder: &Path, key: &str) -> PathBuf {
    let mut path = bucket_folder.to_owned();
    let mut parts = key.split('/').peekable();
    while let Some(part) = parts.next() {
        let mut name = encode(part);
        if parts.peek().is_some() {
            name.push(FOLDER_MARK);
        }
        path.push(name);
    }
    path
}

/// What a file or folder adds to the key: the part, with a slash after it for a folder.
pub(super) fn key_part(name: &str, is_folder: bool) -> Option<String> {
    if !is_folder {
        return decode(name);
    }
    let mut part = decode(name.strip_suffix(FOLDER_MARK)?)?;
    part.push('/');
    Some(part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_keys_stay_readable() {
        let path = path_of(Path::new("bucket"), "processed/10/03/2004_18.00.00 ü:x.json");
        assert_eq!(path, Path::new("bucket/processed%/10%/03%/2004_18.00.00 ü:x.json"));
    }

    #[test]
    fn no_key_leaves_the_folder() {
        for key in ["../x", "a/../../x", "/etc/passwd", "..", ".", "a//b", "a/", "%2E%2E/x", "\0"] {
            let path = path_of(Path::new("bucket"), key);
            let names: Vec<_> = path.components().skip(1).collect();
            assert_eq!(names.len(), key.split('/').count(), "{key:?} -> {path:?}");
            assert!(
                names.iter().all(|name| matches!(name, std::path::Component::Normal(_))),
                "{key:?} -> {path:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_path_reads_back_to_its_key(key in "[a-c/%.\\-\u{0}é ]{1,12}|\\PC{1,20}") {
            let path = path_of(Path::new(""), &key);
            let count = path.components().count();
            let parts = path.components().enumerate().map(|(index, component)| {
                key_part(component.as_os_str().to_str().unwrap(), index + 1 < count).unwrap()
            });
            prop_assert_eq!(parts.collect::<String>(), key);
        }
    }
}
