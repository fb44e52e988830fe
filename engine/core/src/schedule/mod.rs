//! When a DAG runs by itself: crontab lines, presets and intervals, in the DAG's time zone. Pure: every instant comes in
//! as an argument.
//!
//! [`line`] is one line, [`wall_clock`] says what the clock changes of a zone do to it, [`ticks`] puts the lines of a
//! DAG together with its dates, and says which runs are due: also after a pause.

mod line;
mod ticks;
mod wall_clock;

pub use line::{Line, PRESETS};
pub use ticks::{Tick, Ticks};

use crate::asset::AssetCondition;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

crate::states::labelled! {
    /// What of the time a run is about (Airflow's two families of timetables).
    TimetableKind {
        /// The instant at which it is due; its data interval is that instant (Airflow 3's default).
        Trigger = "trigger",
        /// The time since it was due before: it starts when its data interval is over, and its logical date is the
        /// interval's start.
        DataInterval = "data_interval",
    }
}

crate::states::labelled! {
    /// What becomes of the runs that were due while the DAG was paused or no engine served it.
    Missed {
        /// Nothing: the schedule goes on with the next one (Airflow's `catchup: false`, without its surprise run).
        Skip = "skip",
        /// The newest of them starts.
        Last = "last",
        /// All of them start, oldest first (Airflow's `catchup: true`).
        All = "all",
    }
}

/// When a DAG runs by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// At which times.
    pub when: When,
    /// The zone whose wall clock crontab lines go by.
    #[serde(serialize_with = "zone_name")]
    pub timezone: TimeZone,
    /// What of the time a run is about.
    pub timetable: TimetableKind,
    /// What becomes of what was missed.
    pub missed: Missed,
    /// The assets for whose updates it runs besides.
    pub assets: Option<AssetCondition>,
}

/// At which times a DAG runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum When {
    /// Only when it is triggered.
    #[default]
    Never,
    /// Once: at its start date, or as soon as it is seen.
    Once,
    /// Again as soon as the run before has ended.
    Continuous,
    /// Whenever one of these lines is due; once, where several are.
    Lines(Vec<Line>),
}

fn zone_name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

/// The lines as they are written in the DAG.
impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts())
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            when: When::Never,
            timezone: TimeZone::UTC,
            timetable: TimetableKind::Trigger,
            missed: Missed::Skip,
            assets: None,
        }
    }
}

impl Schedule {
    /// Whether there is a time at which it could be due: a crontab line may name a day that no year has.
    pub fn ever_fires(&self) -> bool {
        match &self.when {
            When::Never => false,
            When::Once | When::Continuous => true,
            When::Lines(lines) => lines.iter().any(|line| line.ever_fires(&self.timezone)),
        }
    }

    /// The schedule for people: as it is written, with its zone where that matters, or `never`.
    pub fn describe(&self) -> String {
        let text = match (&self.assets, &self.when) {
            (None, when) => when.to_string(),
            (Some(assets), When::Never) => return format!("assets: {assets}"),
            (Some(assets), when) => format!("{when}; assets: {assets}"),
        };
        let uses_zone =
            matches!(&self.when, When::Lines(lines) if lines.iter().any(Line::goes_by_the_wall_clock));
        match self.timezone.iana_name() {
            Some(zone) if uses_zone && self.timezone != TimeZone::UTC => format!("{text} ({zone})"),
            _ => text,
        }
    }
}

impl When {
    /// Reads one line as it is written in a DAG: a crontab line, a preset, or `every 15m`. The error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "@once" => Ok(Self::Once),
            "@continuous" => Ok(Self::Continuous),
            line => Line::parse(line).map(|line| Self::Lines(vec![line])),
        }
    }

    fn texts(&self) -> Vec<String> {
        match self {
            Self::Never => Vec::new(),
            Self::Once => vec!["@once".to_owned()],
            Self::Continuous => vec!["@continuous".to_owned()],
            Self::Lines(lines) => lines.iter().map(Line::to_string).collect(),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.texts() {
            texts if texts.is_empty() => formatter.write_str("never"),
            texts => formatter.write_str(&texts.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests;
