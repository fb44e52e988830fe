//! The period that a page or an export is about.
//!
//! Periods of hours and days end at the last reading, not now: the data set is of 2004 and 2005.

use super::reading::{time_iso, to_seconds};
use super::snapshot::Snapshot;
use crate::data_api::error::DataError;
use crate::data_api::query::Query;
use jiff::civil::DateTime;

/// Seconds in a day.
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// The parameters that name a period.
pub(crate) const PARAMETERS: [&str; 3] = ["period", "from", "to"];

/// A period that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// So many days up to the last reading.
    Last(i64),
    /// All readings.
    All,
    /// From one time to another, each open if it is missing.
    Between(Option<i64>, Option<i64>),
}

/// The periods that have a button: its name in addresses, its label, and what it means.
pub(crate) const PRESETS: [(&str, &str, Period); 4] = [
    ("24h", "24 h", Period::Last(1)),
    ("7d", "7 d", Period::Last(7)),
    ("28d", "28 d", Period::Last(28)),
    ("all", "All", Period::All),
];

impl Period {
    /// The period that an address names; `default` where it names none.
    pub(crate) fn from_query(query: &Query, default: Self) -> Result<Self, DataError> {
        let (from, to) = (instant(query, "from")?, instant(query, "to")?);
        let Some(name) = query.get("period") else {
            let is_given = from.is_some() || to.is_some();
            return Ok(if is_given { Self::Between(from, to) } else { default });
        };
        if from.is_some() || to.is_some() {
            let hint = "Give period, or from and to";
            return Err(DataError::bad_request("Both a period and its bounds are given", hint));
        }
        let preset = PRESETS.iter().find(|(known, _, _)| *known == name).map(|(_, _, period)| *period);
        preset.ok_or_else(|| {
            DataError::bad_request(format!("There is no period {name:?}"), "period is 24h, 7d, 28d or all")
        })
    }

    /// Its name in addresses; empty for one that has no button.
    pub(crate) fn name(self) -> &'static str {
        PRESETS.iter().find(|(_, _, period)| *period == self).map_or("", |(name, _, _)| name)
    }

    /// The query that names it.
    pub(crate) fn query(self) -> String {
        let Self::Between(from, to) = self else { return format!("period={}", self.name()) };
        let bounds = [("from", from), ("to", to)];
        let bounds = bounds.iter().filter_map(|(name, time)| Some(format!("{name}={}", time_iso((*time)?))));
        bounds.collect::<Vec<_>>().join("&")
    }

    /// From when to when it is, for these readings.
    pub(crate) fn bounds(self, snapshot: &Snapshot) -> (i64, i64) {
        match self {
            Self::All => (i64::MIN, i64::MAX),
            Self::Between(from, to) => (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX)),
            Self::Last(days) => {
                let end = snapshot.last().map_or(0, |reading| reading.time);
                (end - days * DAY, end)
            }
        }
    }
}

fn instant(query: &Query, name: &str) -> Result<Option<i64>, DataError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let seconds = text.parse::<i64>().ok().or_else(|| to_seconds(text.parse::<DateTime>().ok()?));
    // Outside of these years no calendar can show it.
    match seconds.filter(|seconds| (-62_000_000_000..=250_000_000_000).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(DataError::bad_request(
            format!("{name} cannot be {text:?}"),
            "from and to are times like 2004-03-10T18:00, or seconds since 1970",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(query: &str) -> Result<Period, DataError> {
        Period::from_query(&Query::parse(Some(query), &PARAMETERS).unwrap(), Period::Last(28))
    }

    #[test]
    fn periods_are_named_or_bounded() {
        assert_eq!(period("").unwrap(), Period::Last(28));
        assert_eq!(period("period=all").unwrap(), Period::All);
        assert_eq!(period("from=2004-03-10T18:00").unwrap(), Period::Between(Some(1_078_941_600), None));
        assert_eq!(
            period("from=1078941600&to=2004-03-11").unwrap(),
            Period::Between(Some(1_078_941_600), Some(1_078_963_200))
        );
        for bad in ["period=1y", "period=all&to=2004-03-11", "from=yesterday", "to=99999999999999999"] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn its_query_names_it_again() {
        for query in
            ["period=7d", "from=2004-03-10T18:00:00&to=2004-03-11T00:00:00", "to=2004-03-11T00:00:00"]
        {
            assert_eq!(period(query).unwrap().query(), query);
        }
    }
}
