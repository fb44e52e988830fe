//! Lists that are held in memory: narrowed down and ordered as Airflow does it in its database.

use super::error::ApiError;
use super::query::Pairs;
use std::cmp::Ordering;

/// A column that a list can be ordered by: Airflow's name of it, and how two rows compare in it.
pub(super) type Column<T> = (&'static str, fn(&T, &T) -> Ordering);

/// Orders the rows by `order_by`, repeated or with commas; a `-` before a column turns it round. What is equal stays as it was.
pub(super) fn order<T>(pairs: &Pairs, rows: &mut [T], columns: &[Column<T>]) -> Result<(), ApiError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let wanted = pairs.order(&names)?;
    let compare = |one: &T, other: &T| {
        let steps = wanted.iter().map(|(place, is_backwards)| {
            let ordering = columns[*place].1(one, other);
            if *is_backwards { ordering.reverse() } else { ordering }
        });
        steps.fold(Ordering::Equal, Ordering::then)
    };
    rows.sort_by(compare);
    Ok(())
}

/// Whether a text fits the pattern of this name: Airflow searches for it anywhere, whatever the case; `~` stands for all, and
/// `%` and `*` are no part of it.
pub(super) fn fits(pairs: &Pairs, name: &str, text: &str) -> bool {
    let pattern = pairs.text(name).map(|pattern| pattern.replace(['%', '*'], "").to_lowercase());
    pattern.is_none_or(|pattern| pattern == "~" || text.to_lowercase().contains(&pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(i32, &str)>; 2] =
        [("number", |one, other| one.0.cmp(&other.0)), ("name", |one, other| one.1.cmp(other.1))];

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        Pairs::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn rows_are_ordered_by_several_columns_and_backwards() {
        let mut rows = [(1, "b"), (2, "a"), (1, "a")];
        order(&pairs(&[("order_by", "-number,name")]), &mut rows, &COLUMNS).unwrap();
        assert_eq!(rows, [(2, "a"), (1, "a"), (1, "b")]);
        order(&pairs(&[("order_by", "name"), ("order_by", "number")]), &mut rows, &COLUMNS).unwrap();
        assert_eq!(rows, [(1, "a"), (2, "a"), (1, "b")]);
        assert!(order(&pairs(&[("order_by", "colour")]), &mut rows, &COLUMNS).is_err());
    }

    #[test]
    fn patterns_are_found_anywhere() {
        let pattern = |text| pairs(&[("p", text)]);
        assert!(
            fits(&pattern("%AIR%"), "p", "Fair")
                && fits(&pattern("~"), "p", "x")
                && fits(&pairs(&[]), "p", "x")
        );
        assert!(!fits(&pattern("y"), "p", "x"));
    }
}
