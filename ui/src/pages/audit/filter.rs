//! Which events are wanted: as an address has it, and as the store reads it.

use crate::error_pages::PageError;
use crate::locale::typed_instant;
use crate::pages::keyset;
use crate::{AppState, links, t, t1};
use esteira_store::{EventColumn, EventFilter, Listing};
use jiff::Timestamp;
use serde::Deserialize;

/// Which events are wanted. Empty fields, as forms send them, say nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub(crate) dag: String,
    pub(crate) run: String,
    pub(crate) task: String,
    pub(crate) name: String,
    pub(crate) actor: String,
    /// A day, or a day and a time, in the zone of whoever asks.
    pub(crate) from: String,
    /// The same; the day or the minute itself is in.
    pub(crate) until: String,
    /// `people`: only what people and their programs did.
    pub(crate) by: String,
    /// The place of the page.
    pub(crate) cursor: String,
}

/// The value of `by` that leaves out what the engine did.
pub(crate) const PEOPLE: &str = "people";

impl Wanted {
    /// The filters as an address has them, without the place.
    pub(crate) fn filters(&self) -> [(&'static str, &str); 8] {
        [
            ("dag", &self.dag),
            ("run", &self.run),
            ("task", &self.task),
            ("name", &self.name),
            ("actor", &self.actor),
            ("from", &self.from),
            ("until", &self.until),
            ("by", &self.by),
        ]
    }

    /// Whether any of them narrows the history down.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.filters().iter().any(|(_, value)| !value.trim().is_empty())
    }

    /// An address with these filters, one of them with another value.
    pub(crate) fn with(&self, path: &str, name: &str, value: &str) -> String {
        let pairs = self.filters().map(|(known, old)| (known, if known == name { value } else { old }));
        links::with_query(path, &pairs)
    }

    /// The list that the store reads, newest first; what cannot be read is a sentence for people.
    pub(crate) async fn listing(
        &self,
        state: &AppState,
        length: u32,
    ) -> Result<Listing<EventColumn>, FilterError> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (dag_id, run_id) = (given(&self.dag), given(&self.run));
        if run_id.is_some() && dag_id.is_none() {
            return Err(FilterError::Said(
                t("A run is only found together with its DAG: name that too").to_owned(),
            ));
        }
        let mut filter = EventFilter {
            dag_id: dag_id.clone(),
            task_id: given(&self.task),
            name: given(&self.name),
            actor: given(&self.actor),
            since: given(&self.from).map(|text| instant(&text, false)).transpose()?,
            until: given(&self.until).map(|text| instant(&text, true)).transpose()?,
            is_by_people: self.by == PEOPLE,
            ..EventFilter::default()
        };
        let reader = state.handle.reader();
        let mut removed_run = None;
        if let (Some(dag_id), Some(run_id)) = (&dag_id, run_id) {
            match reader.run(dag_id, &run_id).await? {
                Some(run) => filter.run_key = Some(run.run_key),
                // A run that was removed is still in the history.
                None => removed_run = Some(run_id),
            }
        }
        let mut listing = reader.event_listing(&filter, length).await?;
        if let Some(run_id) = removed_run {
            listing = listing.with(EventColumn::RunId, run_id);
        }
        keyset::narrow(&mut listing, &self.cursor)?;
        Ok(listing)
    }
}

/// Why there is no list.
#[derive(Debug)]
pub(crate) enum FilterError {
    /// The filters cannot be read; a sentence for whoever typed them.
    Said(String),
    /// There is no page at all.
    Page(PageError),
}

impl From<PageError> for FilterError {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<esteira_store::StoreError> for FilterError {
    fn from(error: esteira_store::StoreError) -> Self {
        Self::Page(error.into())
    }
}

/// A time that somebody typed.
fn instant(text: &str, is_end: bool) -> Result<Timestamp, FilterError> {
    let message = |text| t1("\"{}\" is no time: write a day such as 2026-11-26, or 2026-11-26T14:30", text);
    typed_instant(text, is_end).ok_or_else(|| FilterError::Said(message(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_other_filters() {
        let wanted = Wanted { dag: "d".to_owned(), by: PEOPLE.to_owned(), ..Wanted::default() };
        assert_eq!(wanted.with("/audit", "by", ""), "/audit?dag=d");
        assert!(wanted.is_narrowed() && !Wanted::default().is_narrowed());
    }
}
