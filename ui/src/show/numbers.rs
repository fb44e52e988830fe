//! Numbers for people, as their language writes them.

use crate::locale::{Language, language};

/// A number with its thousands apart: `6,941`, in Portuguese `6.941`.
pub(crate) fn count(number: impl Into<u64>) -> String {
    let separator = if language() == Language::Portuguese { '.' } else { ',' };
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A size in bytes: `412 B`, `1.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    decimal(format!("{value:.decimals$} {}", units[unit]))
}

/// A text with one number in it, whose point is a comma in Portuguese.
pub(crate) fn decimal(text: String) -> String {
    if language() == Language::Portuguese { text.replacen('.', ",", 1) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0u64), count(999u64), count(6941u64), count(1_234_567u64)],
            ["0", "999", "6,941", "1,234,567"]
        );
        assert_eq!(
            [size(0), size(999), size(1000), size(1_234_567), size(999_900_000)],
            ["0 B", "999 B", "1.0 kB", "1.2 MB", "1.0 GB"]
        );
    }
}
