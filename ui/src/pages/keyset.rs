//! Pages of long lists, from place to place in both directions: the place is in the address, and stays where it is when rows
//! come and go.

use crate::error_pages::PageError;
use crate::{links, t};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esteira_store::{Column, List, Listing, Place};

/// The name of the place in an address.
const CURSOR: &str = "cursor";

/// The pages beside one, for those that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Towards the beginning of the list.
    pub(crate) before: Option<String>,
    /// Towards its end.
    pub(crate) after: Option<String>,
}

/// Narrows a list down to the page at the place that an address has; an empty one is the first page.
pub(crate) fn narrow<C: Column>(listing: &mut Listing<C>, cursor: &str) -> Result<(), PageError> {
    if cursor.is_empty() {
        return Ok(());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let place: Option<Place> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let place = place.filter(|place| listing.takes(place));
    listing.place = Some(place.ok_or_else(|| PageError::bad_request(t("That is no place in this list")))?);
    Ok(())
}

impl Beside {
    /// The pages beside one of a list at `path` with these filters.
    pub(crate) fn of<R>(list: &List<R>, path: &str, filters: &[(&str, &str)]) -> Self {
        let address = |place: &Option<Place>| {
            let text = serde_json::to_string(place.as_ref()?).ok()?;
            let cursor = URL_SAFE_NO_PAD.encode(text);
            let pairs: Vec<(&str, &str)> =
                filters.iter().copied().chain([(CURSOR, cursor.as_str())]).collect();
            Some(links::with_query(path, &pairs))
        };
        Self { before: address(&list.previous), after: address(&list.next) }
    }
}
