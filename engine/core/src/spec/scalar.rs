//! What a plain scalar means: the core schema of YAML 1.2. A date stays a string, `yes` and `no` too.

use super::marked::Content;
use serde_json::Number;

/// The value of an unquoted scalar; the error is one sentence and a hint.
pub(super) fn resolve(text: &str) -> Result<Content, (String, &'static str)> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "true" | "True" | "TRUE" => return Ok(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Content::Bool(false)),
        _ => {}
    }
    if is_infinite_or_nan(text) {
        return Err((
            format!("{text} is not supported: JSON has no such number"),
            "put quotes around it to mean text",
        ));
    }
    match number(text) {
        Some(Some(number)) => Ok(Content::Number(number)),
        Some(None) => {
            Err((format!("the number {} is too large", shortened(text)), "put quotes around it to mean text"))
        }
        None => Ok(Content::Text(text.to_owned())),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn is_infinite_or_nan(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// `None` for what is no number, `Some(None)` for one that does not fit.
fn number(text: &str) -> Option<Option<Number>> {
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(integer(text));
    }
    is_float(unsigned).then(|| text.parse().ok().and_then(Number::from_f64))
}

fn integer(text: &str) -> Option<Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok()
}

fn radix(digits: &str, radix: u32) -> Option<Option<Number>> {
    let fits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    fits.then(|| u64::from_str_radix(digits, radix).map(Number::from).ok())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, without the sign.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn value(text: &str) -> Value {
        match resolve(text).unwrap() {
            Content::Null => Value::Null,
            Content::Bool(value) => json!(value),
            Content::Number(value) => Value::Number(value),
            Content::Text(value) => json!(value),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let table = [
            ("", Value::Null),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("yes", json!("yes")),
            ("off", json!("off")),
            ("12", json!(12)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0755", json!(755)),
            ("0o17", json!(15)),
            ("0xFF", json!(255)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("-2.5E-1", json!(-0.25)),
            ("e3", json!("e3")),
            (".", json!(".")),
            ("1e", json!("1e")),
            ("1_000", json!("1_000")),
            ("1:30", json!("1:30")),
            ("2024-01-01", json!("2024-01-01")),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("1.2.3", json!("1.2.3")),
        ];
        for (text, expected) in table {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_refused() {
        for text in [".inf", "-.INF", ".nan", "1e999", "18446744073709551616", "0xFFFFFFFFFFFFFFFFF"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
