//! Texts in the language of whoever asks. The English text is the key.

use super::{Language, language};
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

/// The Portuguese texts, by the part of the pages that says them first.
const PORTUGUESE_FILES: [&str; 6] = [
    include_str!("../../languages/pt-BR/shared.json"),
    include_str!("../../languages/pt-BR/home.json"),
    include_str!("../../languages/pt-BR/dags.json"),
    include_str!("../../languages/pt-BR/runs.json"),
    include_str!("../../languages/pt-BR/admin.json"),
    include_str!("../../languages/pt-BR/sensors.json"),
];

static PORTUGUESE: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    // A test reads the files too: they are right, or the tests do not pass.
    let texts = |file| serde_json::from_str::<HashMap<String, String>>(file).unwrap_or_default();
    PORTUGUESE_FILES.into_iter().flat_map(texts).collect()
});

/// A text.
pub(crate) fn t(text: &'static str) -> &'static str {
    match language() {
        Language::English => text,
        Language::Portuguese => PORTUGUESE.get(text).map_or(text, String::as_str),
    }
}

/// A text with a value at its `{}`.
pub(crate) fn t1(text: &'static str, value: impl Display) -> String {
    tm(text, &[&value])
}

/// A text with several values at its `{}`, in their order. Portuguese keeps the order.
pub(crate) fn tm(text: &'static str, values: &[&dyn Display]) -> String {
    let mut parts = t(text).split("{}");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for (part, value) in parts.zip(values) {
        written.push_str(&format!("{value}{part}"));
    }
    written
}

/// A text about one thing, or about several, with their number at its `{}`.
pub(crate) fn tn(count: impl Into<u64>, one: &'static str, other: &'static str) -> String {
    let count = count.into();
    if count == 1 { t(one).to_owned() } else { t1(other, crate::show::count(count)) }
}

#[cfg(test)]
mod tests {
    use super::super::as_in;
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    #[test]
    fn texts_take_their_values() {
        assert_eq!((t("Runs"), t1("in {}", "3 s").as_str()), ("Runs", "in 3 s"));
        assert_eq!(tm("{} of {}, {}", &[&1, &2, &"{}"]), "1 of 2, {}");
        assert_eq!(
            [tn(1u32, "1 instance", "{} instances"), tn(2000u32, "1 instance", "{} instances")],
            ["1 instance", "2,000 instances"]
        );
        as_in(Language::Portuguese, "UTC", || {
            assert_eq!((t("Runs"), t1("in {}", "3 s").as_str()), ("Execuções", "em 3 s"));
            assert_eq!(tn(2000u32, "1 instance", "{} instances"), "2.000 instâncias");
            assert_eq!(t("a text that nobody has translated"), "a text that nobody has translated");
        });
    }

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                files(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }

    /// The texts in the calls of `t`, `t1`, `tm` and `tn`, read as Rust reads them.
    fn keys(source: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for call in ["t(", "t1(", "tm(", "tn("] {
            for (place, _) in source.match_indices(call) {
                let before = source[..place].chars().next_back();
                if before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '!'))
                {
                    continue;
                }
                found.extend(literals(&source[place + call.len()..], call == "tn("));
            }
        }
        found
    }

    /// The literal that a call begins with, or the two that follow its first argument.
    fn literals(arguments: &str, is_counted: bool) -> Vec<String> {
        let mut rest = arguments.trim_start();
        if is_counted {
            // The texts may stand on lines of their own.
            let starts = [", \"", ",\n"].iter().filter_map(|joint| rest.find(joint));
            let Some(start) = starts.min() else { return Vec::new() };
            rest = rest[start + 1..].trim_start();
        }
        let mut found = Vec::new();
        while let Some((text, after)) = literal(rest) {
            found.push(text);
            rest = after.trim_start().trim_start_matches(',').trim_start();
            if found.len() > usize::from(is_counted) {
                break;
            }
        }
        found
    }

    fn literal(source: &str) -> Option<(String, &str)> {
        let inner = source.strip_prefix('"')?;
        let mut escaped = false;
        let end = inner.find(|letter| {
            let is_end = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            is_end
        })?;
        Some((inner[..end].replace("\\\"", "\"").replace("\\\\", "\\"), &inner[end + 1..]))
    }

    #[test]
    fn calls_are_found_in_sources() {
        let source =
            r#"{{ crate::t("A \"b\"") }} t1("c {}", x) tn(n.len(), "one", "more") at("no") self.t("no")"#;
        let expected = ["A \"b\"", "c {}", "more", "one"].map(str::to_owned);
        assert_eq!(keys(source), BTreeSet::from(expected));
    }

    #[test]
    fn every_text_is_there_in_portuguese_and_none_is_left_over() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = Vec::new();
        for folder in ["templates", "src"] {
            files(&root.join(folder), &mut sources);
        }
        let mut wanted = BTreeSet::new();
        for path in sources.iter().filter(|path| !path.ends_with("locale/phrases.rs")) {
            let source = std::fs::read_to_string(path).unwrap();
            // Tests may speak of what no page says, and so may comments.
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            wanted.extend(keys(&lines.collect::<Vec<_>>().join("\n")));
        }
        let there: BTreeSet<String> = PORTUGUESE.keys().cloned().collect();
        let texts = |file| serde_json::from_str::<HashMap<String, String>>(file).unwrap().len();
        assert_eq!(PORTUGUESE_FILES.map(texts).iter().sum::<usize>(), there.len(), "a text stands twice");
        let missing: Vec<_> = wanted.difference(&there).collect();
        assert!(missing.is_empty(), "languages/pt-BR has no text for {missing:#?}");
        let labels: BTreeSet<String> =
            crate::show::STATE_LABELS.iter().map(|label| (*label).to_owned()).collect();
        let left_over: Vec<_> = there.difference(&wanted).filter(|text| !labels.contains(*text)).collect();
        assert!(left_over.is_empty(), "no page says {left_over:#?}; take them out of languages/pt-BR");
        assert!(labels.is_subset(&there), "{:?}", labels.difference(&there));
    }

    /// The texts of `static/language_pt_BR.js`.
    fn of_scripts(root: &Path) -> HashMap<String, String> {
        let source = std::fs::read_to_string(root.join("static/language_pt_BR.js")).unwrap();
        let object = &source[source.find('{').unwrap()..source.rfind('}').unwrap()];
        let object = format!("{}}}", object.trim_end().trim_end_matches(','));
        serde_json::from_str(&object).unwrap()
    }

    #[test]
    fn what_scripts_say_is_there_in_portuguese_and_none_is_left_over() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut scripts = Vec::new();
        files(&root.join("static"), &mut scripts);
        let mut wanted: BTreeSet<String> =
            crate::show::STATE_LABELS.iter().map(|label| (*label).to_owned()).collect();
        for path in scripts.iter().filter(|path| path.extension().is_some_and(|it| it == "js")) {
            wanted.extend(keys(&std::fs::read_to_string(path).unwrap()));
        }
        let there: BTreeSet<String> = of_scripts(root).into_keys().collect();
        assert_eq!(wanted.difference(&there).collect::<Vec<_>>(), [""; 0], "missing");
        assert_eq!(there.difference(&wanted).collect::<Vec<_>>(), [""; 0], "left over");
    }

    #[test]
    fn a_translation_takes_the_same_values() {
        let scripts = of_scripts(Path::new(env!("CARGO_MANIFEST_DIR")));
        for (english, portuguese) in PORTUGUESE.iter().chain(&scripts) {
            let values = |text: &str| text.matches("{}").count();
            assert_eq!(values(english), values(portuguese), "{english:?}: {portuguese:?}");
        }
    }
}
