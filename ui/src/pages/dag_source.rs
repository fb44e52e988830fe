//! The YAML of a DAG, by version, with what changed since the version before.

use super::dag_head::DagHead;
use crate::AppState;
use crate::error_pages::PageError;
use crate::frame::{self, Frame, Visitor};
use crate::show::Instant;
use crate::source_changes::{self, Line};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use esteira_store::VersionRow;
use jiff::Timestamp;
use serde::Deserialize;

/// Which version is wanted, and whether against the one before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    version: Option<i64>,
    changes: bool,
}

#[derive(Template)]
#[template(path = "dag_source.html")]
struct SourcePage {
    frame: Frame,
    head: DagHead,
    versions: Vec<(i64, bool, Instant)>,
    number: i64,
    file: String,
    hash: String,
    created: Instant,
    has_before: bool,
    changes: bool,
    lines: Vec<Line>,
}

pub(crate) async fn page(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let head = DagHead::read(&state, &dag_id, "source").await?;
    let versions = state.handle.reader().versions(&dag_id).await?;
    let number = wanted.version.unwrap_or(head.version);
    let place = versions.iter().position(|version| version.version_number == number);
    let place =
        place.ok_or_else(|| PageError::not_found(format!("DAG \"{dag_id}\" has no version {number}")))?;
    let (shown, before) = (&versions[place], versions.get(place + 1));
    let now = Timestamp::now();
    let page = SourcePage {
        frame: head.frame(&visitor, "Source"),
        versions: versions
            .iter()
            .map(|version| {
                (
                    version.version_number,
                    version.version_number == number,
                    Instant::new(version.created_at, now),
                )
            })
            .collect(),
        number,
        file: shown.file.clone(),
        hash: shown.source_hash.clone(),
        created: Instant::new(shown.created_at, now),
        has_before: before.is_some(),
        changes: wanted.changes,
        lines: lines(shown, before.filter(|_| wanted.changes)),
        head,
    };
    Ok(frame::html(&page))
}

fn lines(shown: &VersionRow, before: Option<&VersionRow>) -> Vec<Line> {
    match before {
        Some(before) => source_changes::between(&before.source, &shown.source),
        None => source_changes::plain(&shown.source),
    }
}
