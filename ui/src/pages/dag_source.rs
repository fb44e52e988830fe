//! The YAML of a DAG, by version, and what changed between any two of them.

use super::dag_head::DagHead;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::Instant;
use crate::source_changes::{self, Line};
use crate::{AppState, t, tm, tn};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::VersionRow;
use jiff::Timestamp;
use serde::Deserialize;

/// Which version is wanted, and against which other. Empty fields, as forms send them, say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    version: String,
    against: String,
}

#[derive(Template)]
#[template(path = "dag_source.html")]
struct SourcePage {
    frame: Frame,
    head: DagHead,
    versions: Vec<Version>,
    /// How many versions there are, in words; none where there is one.
    versions_told: Option<String>,
    file: String,
    hash: String,
    created: Instant,
    /// How many lines differ, in words; none where the source stands alone.
    difference: Option<String>,
    lines: Vec<Line>,
}

/// A version on the list.
struct Version {
    number: i64,
    is_shown: bool,
    is_against: bool,
    created: Instant,
    file: String,
    hash: String,
    /// The version before it, if it is kept.
    before: Option<i64>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "source").await?;
    let versions = state.handle.reader().versions(&dag_id).await?;
    let shown = if wanted.version.is_empty() { head.version.to_string() } else { wanted.version };
    let shown = find(&versions, &dag_id, &shown)?;
    let other = match wanted.against.as_str() {
        "" => None,
        against => Some(find(&versions, &dag_id, against)?),
    };
    let other = other.filter(|other| other.version_number != shown.version_number);
    let lines = match other {
        Some(other) => source_changes::between(&other.source, &shown.source),
        None => source_changes::plain(&shown.source),
    };
    let now = Timestamp::now();
    let page = SourcePage {
        frame: head.frame(&visitor, t("Source")),
        versions_told: (versions.len() > 1).then(|| tn(versions.len() as u64, "1 version", "{} versions")),
        file: shown.file.clone(),
        hash: shown.source_hash.clone(),
        created: Instant::new(shown.created_at, now),
        difference: other.map(|_| difference(&lines)),
        lines,
        versions: versions
            .iter()
            .enumerate()
            .map(|(place, version)| Version {
                number: version.version_number,
                is_shown: version.version_number == shown.version_number,
                is_against: other.is_some_and(|other| other.version_number == version.version_number),
                created: Instant::new(version.created_at, now),
                file: version.file.clone(),
                hash: version.source_hash.chars().take(7).collect(),
                before: versions.get(place + 1).map(|before| before.version_number),
            })
            .collect(),
        head,
    };
    Ok(frame::html(&page))
}

fn find<'a>(versions: &'a [VersionRow], dag_id: &str, number: &str) -> Result<&'a VersionRow, PageError> {
    let found = versions.iter().find(|version| number.parse() == Ok(version.version_number));
    found.ok_or_else(|| PageError::not_found(tm("DAG \"{}\" has no version {}", &[&dag_id, &number])))
}

/// How many lines were added and removed.
fn difference(lines: &[Line]) -> String {
    let count = |kind: &str| lines.iter().filter(|line| line.kind == kind).count() as u64;
    match (count("added"), count("removed")) {
        (0, 0) => t("no line differs").to_owned(),
        (added, removed) => format!(
            "{}, {}",
            tn(added, "1 line added", "{} lines added"),
            tn(removed, "1 line removed", "{} lines removed")
        ),
    }
}
