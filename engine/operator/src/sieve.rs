//! A first look for texts that hold none of many patterns, which is nearly every line of a log: Wu and Manber's shift table
//! (1994, "A fast algorithm for multi-pattern searching") over blocks of three bytes. It looks at one byte of many, where an
//! automaton looks at each.

/// The bytes of a block.
const BLOCK: usize = 3;

/// As many places as fit the processor's nearest cache.
const PLACES: usize = 1 << 14;

/// What a set of patterns leaves to be searched.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// By block: how far the window can move when its last block is this one, so that no pattern is passed over.
    shifts: Box<[u8]>,
    /// The bytes of the window: those of the shortest pattern, 255 at the most.
    window: usize,
}

impl Sieve {
    /// A sieve for these patterns; none for a pattern that is shorter than a block.
    pub(crate) fn new<'p>(patterns: impl Iterator<Item = &'p [u8]> + Clone) -> Option<Self> {
        let window = patterns.clone().map(<[u8]>::len).min()?.min(255);
        if window < BLOCK {
            return None;
        }
        // A block that no pattern has lets the window move past it whole.
        let mut shifts = vec![(window - BLOCK + 1) as u8; PLACES].into_boxed_slice();
        for pattern in patterns {
            for (at, block) in pattern[..window].windows(BLOCK).enumerate() {
                let shift = &mut shifts[place(block)];
                *shift = (*shift).min((window - BLOCK - at) as u8);
            }
        }
        Some(Self { shifts, window })
    }

    /// Whether the text may hold one of the patterns; false is certain.
    pub(crate) fn may_match(&self, text: &[u8]) -> bool {
        let mut end = self.window;
        while end <= text.len() {
            match self.shifts[place(&text[end - BLOCK..end])] {
                0 => return true,
                shift => end += usize::from(shift),
            }
        }
        false
    }
}

/// Where a block stands in the table. Two blocks may share a place: that costs a search, and hides nothing.
fn place(block: &[u8]) -> usize {
    (usize::from(block[0]) ^ usize::from(block[1]) << 4 ^ usize::from(block[2]) << 7) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_there_is_never_missed(
            patterns in proptest::collection::vec("[a-d%=\u{e4}]{3,12}", 1..20),
            before in "[a-d%= ]{0,40}",
            after in "[a-d%= ]{0,40}",
            chosen in any::<prop::sample::Index>(),
        ) {
            let sieve = Sieve::new(patterns.iter().map(String::as_bytes)).expect("three bytes or more");
            let text = format!("{before}{}{after}", chosen.get(&patterns));
            prop_assert!(sieve.may_match(text.as_bytes()));
        }
    }

    #[test]
    fn a_line_without_any_is_let_through() {
        let patterns = ["correct-horse", "battery-staple"];
        let sieve = Sieve::new(patterns.iter().map(|pattern| pattern.as_bytes())).expect("long enough");
        assert!(!sieve.may_match(b"2024-01-31 09:00:00 INFO worker-7 record 123456"));
        assert!(!sieve.may_match(b"correct"));
        assert!(!sieve.may_match(b""));
    }
}
