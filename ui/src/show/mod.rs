//! How values are shown: times, durations, states, numbers. Types that are [`askama::filters::HtmlSafe`] write
//! their own markup, so that a state or a time looks the same on every page.

mod instant;
mod mark;
mod numbers;
mod summary;

pub(crate) use instant::{Elapsed, Instant, clock, day, duration, exact, relative, span};
#[cfg(test)]
pub(crate) use mark::STATE_LABELS;
pub(crate) use mark::{Mark, mark_of_event, state_after};
pub(crate) use numbers::{count, decimal, size};
pub(crate) use summary::{counts as instance_counts, state_among};

use std::fmt;

/// Writes text into markup, with what would be read as markup escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                _ => fmt::Write::write_char(formatter, letter)?,
            }
        }
        Ok(())
    }
}
