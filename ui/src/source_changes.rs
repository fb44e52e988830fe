//! What changed between two versions of a DAG file, line by line.

/// A line of a source, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `same`, `added` or `removed`.
    pub(crate) kind: &'static str,
    /// Its number in the newer source; none when it is only in the older one.
    pub(crate) number: Option<usize>,
    pub(crate) text: String,
}

/// Beyond this many pairs of lines, everything between what is common at both ends counts as changed.
const PAIRS_MAX: usize = 4_000_000;

/// A source without changes.
pub(crate) fn plain(source: &str) -> Vec<Line> {
    source.lines().enumerate().map(|(place, text)| line("same", Some(place + 1), text)).collect()
}

/// The newer source with the lines that were added, and those of the older one that were removed.
pub(crate) fn between(older: &str, newer: &str) -> Vec<Line> {
    let (old, new): (Vec<&str>, Vec<&str>) = (older.lines().collect(), newer.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let most = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(one, other)| one == other).count();
    let mut lines: Vec<Line> =
        new[..head].iter().enumerate().map(|(place, text)| line("same", Some(place + 1), text)).collect();
    middle(&old[head..old.len() - tail], &new[head..new.len() - tail], head, &mut lines);
    let from = new.len() - tail;
    lines.extend(
        new[from..].iter().enumerate().map(|(place, text)| line("same", Some(from + place + 1), text)),
    );
    lines
}

/// The longest common subsequence, by the book.
fn middle(old: &[&str], new: &[&str], offset: usize, lines: &mut Vec<Line>) {
    let removed = |text: &&str| line("removed", None, text);
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        lines.extend(old.iter().map(removed));
        lines.extend(
            new.iter().enumerate().map(|(place, text)| line("added", Some(offset + place + 1), text)),
        );
        return;
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(line("same", Some(offset + j + 1), new[j]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len()
            && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            lines.push(removed(&old[i]));
            i += 1;
        } else {
            lines.push(line("added", Some(offset + j + 1), new[j]));
            j += 1;
        }
    }
}

fn line(kind: &'static str, number: Option<usize>, text: &str) -> Line {
    Line { kind, number, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_and_removed_lines_stand_in_their_places() {
        let lines = between("a\nb\nc\nd\n", "a\nx\nc\nd\ne\n");
        let shown: Vec<String> =
            lines.iter().map(|line| format!("{}{}", &line.kind[..1], line.text)).collect();
        assert_eq!(shown, ["sa", "rb", "ax", "sc", "sd", "ae"]);
        assert_eq!(lines[2].number, Some(2));
        assert!(between("a\nb", "a\nb").iter().all(|line| line.kind == "same"));
        assert_eq!(between("", "a").len(), 1);
    }
}
