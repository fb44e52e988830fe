//! The served engine on a large home: 1,000 DAGs, 100,000 runs, 1,000,000 task instances. What its lists take while
//! runs go on, how soon a run that is asked for begins, what it holds in memory, and what open streams cost.
//!
//!     cargo run --release -p esteira-bench -- api [--keep FOLDER] [--dags NUMBER]
//!     cargo run --release -p esteira-bench -- pages [--keep FOLDER] [--dags NUMBER]
//!
//! Filling the home takes a minute; with `--keep` it is left in that folder, and used again the next time.

mod history;
mod lists;
mod long_log;
mod pages;
mod site;
mod story;
mod streams;
mod triggers;

use crate::process;
use crate::server::Server;
use anyhow::{Context, Result, bail};
pub(crate) use history::{RUNS, Size, dag_id, in_folder};
pub(crate) use site::Site;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How many DAGs the home has, unless it is told otherwise.
const DAGS: usize = 1_000;

/// How many tasks each of them has.
const TASKS: usize = 10;

/// Once it answers, how long the server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// What the command line says.
pub(crate) struct Arguments {
    dags: usize,
    kept_in: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self { dags: DAGS, kept_in: None };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} says nothing"))?;
            match word.as_str() {
                "--dags" => arguments.dags = value.parse().context("--dags is a number")?,
                "--keep" => arguments.kept_in = Some(value.into()),
                other => bail!("api knows --dags and --keep (not {other:?})"),
            }
        }
        Ok(arguments)
    }

    /// Where the home is; one that is not kept goes with what is returned beside it.
    pub(crate) fn folder(&self) -> Result<(PathBuf, Option<TempDir>)> {
        if let Some(folder) = &self.kept_in {
            return Ok((folder.clone(), None));
        }
        let folder = tempfile::Builder::new().prefix("esteira-bench").tempdir_in(".")?;
        Ok((folder.path().to_owned(), Some(folder)))
    }
}

/// The API: triggers, lists, streams.
pub(crate) async fn measure(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::read(words)?;
    let (folder, _temporary) = arguments.folder()?;
    api_on_home_in(&folder, arguments.dags).await
}

/// The pages.
pub(crate) async fn measure_pages(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::read(words)?;
    let (folder, _temporary) = arguments.folder()?;
    pages_on_home_in(&folder, arguments.dags).await
}

async fn pages_on_home_in(folder: &Path, dags: usize) -> Result<()> {
    let past = history::in_folder(folder, Size { dags, tasks: TASKS }).await?;
    let mut server = Server::start(&folder.join("home"), &folder.join("dags"))?;
    server.wait_for_answer()?;
    let site = Site::of(&server)?;
    site.settle().await?;
    lists::measure(&site, &past, &pages::PAGES).await?;
    long_log::measure(&site, &folder.join("home"), &history::dag_id(0)).await?;
    print_memory(&server, "after the pages")
}

async fn api_on_home_in(folder: &Path, dags: usize) -> Result<()> {
    let past = history::in_folder(folder, Size { dags, tasks: TASKS }).await?;
    let mut server = Server::start(&folder.join("home"), &folder.join("dags"))?;
    let started = server.wait_for_answer()?;
    println!("start to first answer on this home   {:>8.0} ms", millis(started));
    tokio::time::sleep(SETTLE).await;
    print_memory(&server, "after the start")?;
    let site = Site::of(&server)?;
    triggers::measure(&site).await?;
    lists::measure(&site, &past, &lists::LISTS).await?;
    print_memory(&server, "after the lists")?;
    site.settle().await?;
    streams::measure(&site).await?;
    print_memory(&server, "after the streams")
}

fn print_memory(server: &Server, when: &str) -> Result<()> {
    let memory = process::memory(server.process())?;
    println!("resident {when:<27} {memory:>9.1} MB; wanted: under 150 MB");
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The time that this share of all stays within. The list is in order.
fn quantile(times: &[Duration], share: f64) -> Duration {
    let place = (times.len() as f64 * share).ceil() as usize;
    times.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
