//! A log of 100 MB: its page at the first opening and later, a window of lines, and a look through all of it. The log is written
//! beside a task instance that the home has, and removed afterwards.

use super::site::Site;
use super::{millis, quantile};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the log is, in bytes.
const LENGTH: u64 = 100 * 1024 * 1024;

/// How often each is asked for.
const TIMES: usize = 10;

/// A text that no line holds, so that a search goes through all of them.
const NOWHERE: &str = "nowhere+to+be+found";

/// Writes the log of the first task of a run, and measures.
pub(super) async fn measure(site: &Site, home: &Path, dag_id: &str) -> Result<()> {
    let runs = site.json(&format!("/api/v2/dags/{dag_id}/dagRuns?limit=1")).await?;
    let run_id = runs["dag_runs"][0]["dag_run_id"].as_str().context("the DAG has no run")?.to_owned();
    let log = LongLog::write(&home.join("logs").join(dag_id).join(&run_id).join("task_0"))?;
    let page = format!("/dags/{dag_id}/runs/{}/tasks/task_0", run_id.replace('+', "%2B"));
    let lines = format!("{page}/log?try=1");
    println!("a log of {} MB, {} lines", LENGTH / 1_048_576, log.lines);
    print("its page at the first opening", &[site.time_of(&page).await?], 300.0);
    // The script of the page asks how many lines there are, for which they are counted.
    print(
        "its lines, counted for the first time",
        &[site.time_of(&format!("{lines}&from=0&count=0")).await?],
        300.0,
    );
    let middle = format!("{lines}&from={}&count=500", log.lines / 2);
    print("its page", &often(site, &page).await?, 50.0);
    print("500 lines from its middle", &often(site, &middle).await?, 50.0);
    let search = format!("{page}/log/search?try=1&q={NOWHERE}&level=");
    print("a search through all of it", &[through(site, &search, log.lines).await?], 1_000.0);
    Ok(())
}

fn print(what: &str, times: &[Duration], wanted: f64) {
    let mut times = times.to_vec();
    times.sort();
    let (median, last) = (millis(quantile(&times, 0.5)), millis(quantile(&times, 1.0)));
    println!("    {what:<40} median {median:>7.1} ms, slowest {last:>7.1} ms; wanted: under {wanted} ms");
}

async fn often(site: &Site, path: &str) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        times.push(site.time_of(path).await?);
    }
    Ok(times)
}

/// One search from the first line to the last, part by part as the page asks.
async fn through(site: &Site, search: &str, lines: u64) -> Result<Duration> {
    let begun = Instant::now();
    let mut next = 0;
    while next < lines {
        let found: Value = site.json(&format!("{search}&from={next}")).await?;
        next = found["next"].as_u64().context("a search says how far it came")?;
    }
    Ok(begun.elapsed())
}

/// A log that goes with the measurement.
struct LongLog {
    path: PathBuf,
    lines: u64,
}

impl LongLog {
    fn write(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut log = Self { path: folder.join("attempt_1.ndjson"), lines: 0 };
        let mut file = BufWriter::new(File::create(&log.path)?);
        let mut length = 0;
        while length < LENGTH {
            let line = format!(
                "{{\"timestamp\":\"2026-01-01T00:{:02}:{:02}.{:03}Z\",\"level\":\"info\",\"source\":\"stdout\",\
                 \"event\":\"row {} of the day was written{}\"}}\n",
                log.lines / 60_000 % 60,
                log.lines / 1_000 % 60,
                log.lines % 1_000,
                log.lines,
                " and checked".repeat((log.lines % 9) as usize)
            );
            file.write_all(line.as_bytes())?;
            length += line.len() as u64;
            log.lines += 1;
        }
        file.flush()?;
        Ok(log)
    }
}

impl Drop for LongLog {
    fn drop(&mut self) {
        // What is left behind is a log that nobody misses.
        let _ = fs::remove_file(&self.path);
    }
}
