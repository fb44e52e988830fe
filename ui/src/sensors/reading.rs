//! One reading of the sensors: what the cache holds as text, as numbers.
//!
//! The readings' times carry no zone. They are kept as they stand on the wall, as if the wall were in UTC.

use crate::locale::t;
use crate::show::decimal;
use esteira_tasks::cache::Hash;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Something that is measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantity {
    /// The field's name in hashes, JSON and CSV.
    pub(crate) field: &'static str,
    /// The unit for people.
    pub(crate) unit: &'static str,
    /// Above this there is an alert.
    pub(crate) limit: Option<f64>,
    /// Digits after the point, for people.
    pub(crate) digits: usize,
}

/// How many quantities there are.
pub(crate) const QUANTITY_COUNT: usize = 5;

/// What is measured, in the order of the page.
pub(crate) static QUANTITIES: [Quantity; QUANTITY_COUNT] = [
    Quantity { field: "CO", unit: "mg/m³", limit: Some(10.0), digits: 1 },
    Quantity { field: "NO2", unit: "µg/m³", limit: Some(200.0), digits: 0 },
    Quantity { field: "Temperature", unit: "°C", limit: None, digits: 1 },
    Quantity { field: "Relative_Humidity", unit: "%", limit: None, digits: 1 },
    Quantity { field: "Absolute_Humidity", unit: "g/m³", limit: None, digits: 3 },
];

impl Quantity {
    /// The name for people.
    pub(crate) fn name(&self) -> &'static str {
        match self.field {
            "NO2" => "NO₂",
            "Temperature" => t("Temperature"),
            "Relative_Humidity" => t("Relative humidity"),
            "Absolute_Humidity" => t("Absolute humidity"),
            formula => formula,
        }
    }

    /// A value for people, with as many digits as mean something.
    pub(crate) fn text(&self, value: f64) -> String {
        decimal(format!("{value:.*}", self.digits))
    }
}

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// Seconds since 1970.
    pub(crate) time: i64,
    /// The value of each quantity; none where the sensor gave none.
    pub(crate) values: [Option<f64>; QUANTITY_COUNT],
}

impl Reading {
    /// The reading in a hash; none where the hash has no date and time that can be read.
    pub(crate) fn from_hash(hash: &Hash) -> Option<Self> {
        let time = parse_time(hash.get("date")?, hash.get("time")?)?;
        let values = QUANTITIES.each_ref().map(|quantity| parse_value(hash.get(quantity.field)?));
        Some(Self { time, values })
    }

    /// Whether a value is above its limit.
    pub(crate) fn is_over(&self, index: usize) -> bool {
        match (self.values[index], QUANTITIES[index].limit) {
            (Some(value), Some(limit)) => value > limit,
            _ => false,
        }
    }
}

/// How the original data set says "the sensor gave no value".
const MISSING: f64 = -200.0;

fn parse_value(text: &str) -> Option<f64> {
    let value: f64 = text.trim().replace(',', ".").parse().ok()?;
    (value.is_finite() && value != MISSING).then_some(value)
}

/// Reads `10/03/2004` or `2004-03-10`, with `18.00.00`, `18:00:00` or `18:00`.
pub(crate) fn parse_time(date: &str, time: &str) -> Option<i64> {
    let date: Vec<&str> = date.trim().split(['/', '-']).collect();
    let [first, month, last] = date[..] else { return None };
    let (year, day) = if first.len() == 4 { (first, last) } else { (last, first) };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let mut parts = time.trim().split(['.', ':']);
    let mut next = |default: Option<&'static str>| parts.next().or(default)?.parse::<i8>().ok();
    let time = Time::new(next(None)?, next(None)?, next(Some("0"))?, 0).ok()?;
    to_seconds(date.to_datetime(time))
}

/// A time on the wall as seconds since 1970.
pub(crate) fn to_seconds(time: DateTime) -> Option<i64> {
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Seconds since 1970 as a time on the wall.
pub(crate) fn to_wall(seconds: i64) -> DateTime {
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    instant.to_zoned(TimeZone::UTC).datetime()
}

/// A time for people, as the data set writes dates: `04/04/2005 14:00`.
pub(crate) fn time_text(seconds: i64) -> String {
    to_wall(seconds).strftime("%d/%m/%Y %H:%M").to_string()
}

/// A time for programs: `2005-04-04T14:00:00`.
pub(crate) fn time_iso(seconds: i64) -> String {
    to_wall(seconds).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(pairs: &[(&str, &str)]) -> Hash {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn times_are_read_in_the_forms_that_data_sets_use() {
        let expected = Some(1_078_941_600);
        for (date, time) in [
            ("10/03/2004", "18.00.00"),
            ("10/03/2004", "18:00"),
            ("2004-03-10", "18:00:00"),
            (" 10/3/2004", "18.0.0 "),
        ] {
            assert_eq!(parse_time(date, time), expected, "{date} {time}");
        }
        for (date, time) in [("", ""), ("10/13/2004", "18.00.00"), ("10/03/2004", "24.00.00"), ("x", "y")] {
            assert_eq!(parse_time(date, time), None, "{date} {time}");
        }
        assert_eq!(time_text(1_078_941_600), "10/03/2004 18:00");
        assert_eq!(time_iso(1_078_941_600), "2004-03-10T18:00:00");
    }

    #[test]
    fn what_is_no_number_is_missing() {
        let reading = Reading::from_hash(&hash(&[
            ("date", "10/03/2004"),
            ("time", "18.00.00"),
            ("CO", "2.6"),
            ("NO2", "-200"),
            ("Temperature", "1,5"),
            ("Relative_Humidity", "NaN"),
        ]))
        .unwrap();
        assert_eq!(reading.values, [Some(2.6), None, Some(1.5), None, None]);
        assert_eq!(Reading::from_hash(&hash(&[("date", "10/03/2004")])), None);
    }
}
