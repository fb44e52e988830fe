//! Lists that are held in memory: narrowed down and ordered as Airflow does it in its database.

use super::error::ApiError;
use super::listing::alternatives;
use super::query::Pairs;
use esteira_store::Pattern;
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

/// The patterns of a query that are about one text of a row.
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// `NAME_pattern` and `NAME_prefix_pattern` of each of these names.
    pub(super) fn of(pairs: &Pairs, names: &[&str]) -> Result<Self, ApiError> {
        let mut patterns = Vec::new();
        for name in names {
            let like = alternatives(pairs, &format!("{name}_pattern"))?;
            patterns.extend(
                like.map(|texts| texts.iter().map(|text| text.to_ascii_lowercase()).collect())
                    .map(Pattern::Like),
            );
            patterns.extend(alternatives(pairs, &format!("{name}_prefix_pattern"))?.map(Pattern::Prefix));
        }
        Ok(Self(patterns))
    }

    /// Whether a text fits them all.
    pub(super) fn fits(&self, text: &str) -> bool {
        let fits = |pattern: &Pattern| match pattern {
            Pattern::Like(parts) => {
                let text = text.to_ascii_lowercase();
                parts.iter().any(|part| is_like(&text, &format!("%{part}%")))
            }
            Pattern::Prefix(parts) => parts.iter().any(|part| text.starts_with(part)),
            Pattern::Contains(part) => text.to_lowercase().contains(&part.to_lowercase()),
        };
        self.0.iter().all(fits)
    }
}

/// SQL's `LIKE`: `%` stands for any text, `_` for any character. Goes back to the last `%` where the rest does not fit, which
/// is enough, since what came before it can only have taken less.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while at < text.len() {
        match (pattern.get(place), last_any) {
            (Some('%'), _) => {
                last_any = Some((place, at));
                place += 1;
            }
            (Some(character), _) if *character == '_' || *character == text[at] => {
                (at, place) = (at + 1, place + 1);
            }
            (_, Some((any, taken))) => {
                last_any = Some((any, taken + 1));
                (at, place) = (taken + 1, any + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[place..].iter().all(|character| *character == '%')
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

    fn fits(name: &str, pattern: &str, text: &str) -> bool {
        Patterns::of(&pairs(&[(name, pattern)]), &["p"]).unwrap().fits(text)
    }

    #[test]
    fn patterns_are_found_anywhere_and_prefixes_at_the_start() {
        for pattern in ["%AIR%", "air", "~", "f_ir", "x|AIR", "a%r", ""] {
            assert!(fits("p_pattern", pattern, "Fair"), "{pattern}");
        }
        for pattern in ["y", "r%a", "f__ir", "x|y"] {
            assert!(!fits("p_pattern", pattern, "Fair"), "{pattern}");
        }
        assert!(fits("p_prefix_pattern", "x|Fa", "Fair") && !fits("p_prefix_pattern", "fa", "Fair"));
        assert!(Patterns::of(&pairs(&[("p_pattern", &"x".repeat(1_001))]), &["p"]).is_err());
    }

    #[test]
    fn many_wildcards_take_no_long_time() {
        assert!(!is_like(&"a".repeat(5_000), &format!("{}b", "%a".repeat(400))));
    }
}
