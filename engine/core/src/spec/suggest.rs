//! "Did you mean": the name that is meant by one that nothing has.

/// Longer names are not compared: nobody mistypes one by a letter, and comparing them costs time.
const LENGTH_MAX: usize = 64;

/// The most candidates that are compared.
const CANDIDATES_MAX: usize = 2_000;

/// The candidate closest to `name`, if it is close.
pub(super) fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > LENGTH_MAX {
        return None;
    }
    let wanted = plain(name);
    let distance_max = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= distance_max && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?`, if something is close.
pub(super) fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    closest(name, candidates).map(|candidate| format!("did you mean \"{candidate}\"?"))
}

/// Case and the choice of separator are not what a typing error is about.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found_and_far_ones_are_not() {
        let names = ["retries", "retry_delay", "depends_on", "with"];
        let table = [
            ("queue", None),
            ("retires", Some("retries")),
            ("Retries", Some("retries")),
            ("dependsOn", Some("depends_on")),
            ("retry-delay", Some("retry_delay")),
            ("wiht", Some("with")),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(closest(name, names), expected, "{name}");
        }
    }
}
