//! `esteira sample`: a synthetic file of readings, of the same header and shape as the Air Quality data set.

mod readings;

use super::Failure;
use super::output::{self, say};
use clap::Args;
use readings::{HEADER, Readings};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As many as the data set has.
pub(crate) const ROWS: usize = 6_941;
/// The year in which the readings begin.
pub(crate) const SEED: u64 = 2004;
/// Some centuries of readings: a file of about a gigabyte.
const ROWS_MAX: u64 = 10_000_000;

#[derive(Args, Debug)]
pub(crate) struct SampleArguments {
    /// How many readings
    #[arg(long, value_name = "N", default_value_t = ROWS as u64, value_parser = clap::value_parser!(u64).range(0..=ROWS_MAX))]
    rows: u64,
    /// The same seed gives the same file, everywhere
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn sample(arguments: &SampleArguments) -> Result<ExitCode, Failure> {
    let rows = usize::try_from(arguments.rows).unwrap_or(usize::MAX);
    match &arguments.output {
        Some(path) => {
            write_file(path, rows, arguments.seed).map_err(|error| {
                Failure::failed(format!("the file {} cannot be written: {error}", path.display()))
                    .hint("name another with --output FILE")
            })?;
            say!("wrote {} readings to {}", super::grouped(arguments.rows), path.display());
        }
        None => write_lines(io::stdout().lock(), rows, arguments.seed).map_err(output::failure)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole file as text.
pub(crate) fn generate(rows: usize, seed: u64) -> String {
    std::iter::once(HEADER.to_owned()).chain(Readings::new(seed).take(rows)).map(|line| line + "\n").collect()
}

fn write_file(path: &Path, rows: usize, seed: u64) -> io::Result<()> {
    write_lines(File::create(path)?, rows, seed)
}

/// Line by line: a large file is never held as a whole.
fn write_lines(writer: impl Write, rows: usize, seed: u64) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    writeln!(writer, "{HEADER}")?;
    for line in Readings::new(seed).take(rows) {
        writeln!(writer, "{line}")?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn rows(text: &str) -> Vec<Vec<&str>> {
        text.lines().skip(1).map(|line| line.split(';').collect()).collect()
    }

    fn number(cell: &str) -> f64 {
        cell.parse().unwrap()
    }

    #[test]
    fn the_first_lines_never_change() {
        insta::assert_snapshot!(generate(8, SEED));
    }

    #[test]
    fn the_same_seed_gives_the_same_file_and_another_seed_another() {
        assert_eq!(generate(500, 1), generate(500, 1));
        assert_ne!(generate(500, 1), generate(500, 2));
        assert!(generate(500, 1).starts_with(&generate(200, 1)));
    }

    #[test]
    fn every_line_has_the_shape_of_the_data_set() {
        let text = generate(ROWS, SEED);
        let rows = rows(&text);
        assert_eq!(rows.len(), ROWS);
        for row in &rows {
            assert_eq!(row.len(), 15, "{row:?}");
            assert_eq!((&row[0][2..3], &row[0][5..6], &row[1][2..]), ("/", "/", ".00.00"), "{row:?}");
            for (column, cell) in row.iter().enumerate().skip(2) {
                let is_empty_hydrocarbon = column == 4 && cell.is_empty();
                assert!(is_empty_hydrocarbon || number(cell).is_finite(), "{row:?}");
            }
        }
        assert!(
            !rows[0][4].is_empty() && rows[ROWS - 1][4].is_empty(),
            "hydrocarbons are measured for a week"
        );
        let moments: HashSet<(&str, &str)> = rows.iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(moments.len(), ROWS, "no hour comes twice");
        assert!(rows[ROWS - 1][0].ends_with("2005"), "a year with gaps");
    }

    #[test]
    fn a_few_percent_are_worth_an_alert() {
        for seed in [SEED, 1, 2] {
            let text = generate(ROWS, seed);
            let rows = rows(&text);
            let dioxide = rows.iter().filter(|row| number(row[9]) > 200.0).count();
            let monoxide = rows.iter().filter(|row| number(row[2]) > 10.0).count();
            assert!((ROWS / 50..ROWS / 12).contains(&dioxide), "seed {seed}: {dioxide}");
            assert!((1..40).contains(&monoxide), "seed {seed}: {monoxide}");
        }
    }
}
