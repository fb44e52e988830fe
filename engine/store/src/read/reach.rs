//! Looking through the history for what is rare and has no index, such as a task's name over all DAGs: only so many events at
//! a time, so that a page comes at once however long the history is, and the next page goes on from there.

use super::Reader;
use super::lists::{Bound, EventColumn, List, Listing, Place};
use crate::error::StoreError;
use crate::rows::EventRow;

/// A page of events, and how far was looked for them.
#[derive(Clone, Debug)]
pub struct Searched {
    /// The page. Where the search ended before the page was full, the page that it leads to goes on with it.
    pub list: List<EventRow>,
    /// Whether it ended so, and not with the end of the history.
    pub is_cut: bool,
}

impl Reader {
    /// A page of events in the order of their numbers, newest first, for which at most so many are looked through; as many as
    /// there are, where an index leads to them.
    pub async fn list_within(
        &self,
        mut listing: Listing<EventColumn>,
        reach: i64,
    ) -> Result<Searched, StoreError> {
        let reach = if has_way(&listing) { i64::MAX } else { reach };
        let newest = i64::try_from(self.event_count().await?).unwrap_or(i64::MAX);
        let (first, last) = ends(&listing, newest);
        let place = listing.place.as_ref().and_then(|place| Some((place.number()?, place.is_back)));
        let (start, is_back) = place.unwrap_or((last + 1, false));
        let (from, until) = if is_back {
            (start.saturating_add(1), last.min(start.saturating_add(reach)))
        } else {
            (first.max(start.saturating_sub(reach)), start.saturating_sub(1))
        };
        listing.within.push((EventColumn::Seq, Bound::AtLeast, from));
        listing.within.push((EventColumn::Seq, Bound::AtMost, until));
        let mut list = self.list(&listing).await?;
        // The pages beside this one are those of the history, and not those of the part that was looked through.
        let is_cut;
        if is_back {
            is_cut = list.previous.is_none() && until < last;
            list.previous = list.previous.or(is_cut.then(|| Place::at(until, true)));
            list.next = list.next.or(Some(Place::at(start.saturating_add(1), false)));
        } else {
            is_cut = list.next.is_none() && from > first;
            list.next = list.next.or(is_cut.then(|| Place::at(from, false)));
            list.previous = list.previous.or(place.map(|_| Place::at(start.saturating_sub(1), true)));
        }
        Ok(Searched { list, is_cut })
    }
}

/// Whether an index leads to the events of the list. A task's name has none; a DAG, of which it is one, has.
fn has_way(listing: &Listing<EventColumn>) -> bool {
    use EventColumn as C;
    let has = |wanted: C| listing.any_of.iter().any(|(column, _)| *column == wanted);
    let is_of_some = has(C::Name) || has(C::RunKey) || has(C::Actor);
    has(C::DagId) || !listing.any_number.is_empty() || (is_of_some && !has(C::TaskId))
}

/// The first and the last event that the list may have.
fn ends(listing: &Listing<EventColumn>, newest: i64) -> (i64, i64) {
    let (mut first, mut last) = (1, newest);
    for (column, bound, seq) in &listing.within {
        match (column, bound) {
            (EventColumn::Seq, Bound::AtLeast) => first = first.max(*seq),
            (EventColumn::Seq, Bound::MoreThan) => first = first.max(seq.saturating_add(1)),
            (EventColumn::Seq, Bound::AtMost) => last = last.min(*seq),
            (EventColumn::Seq, Bound::LessThan) => last = last.min(seq.saturating_sub(1)),
            _ => {}
        }
    }
    (first, last)
}
