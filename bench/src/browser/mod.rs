//! What a person at the browser waits for: a large grid until it is drawn, a long log until it is open and while it is
//! followed, and the first paint of the pages between.
//!
//!     cargo run --release -p esteira-bench -- browser [--keep FOLDER]
//!
//! It needs Chromium and its driver, as the browser tests do.

mod grid;
mod log;
mod paint;

use crate::api::{Arguments, Site, Size, in_folder};
use crate::chromium::Chromium;
use crate::server::Server;
use anyhow::{Context, Error, Result, ensure};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// One DAG with many tasks, and a hundred runs of it.
const SIZE: Size = Size { dags: 1, tasks: 500 };

/// How wide the window is.
const WIDTH: u32 = 1_440;

/// How often a page is opened. The first time, the browser has not all of its scripts yet.
const TIMES: usize = 6;

/// How long the browser may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fills a home, serves it, and looks at it.
pub(crate) async fn measure(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::read(words)?;
    let (folder, _temporary) = arguments.folder()?;
    in_folder(&folder, SIZE).await?;
    log::write_dags(&folder.join("dags"))?;
    let mut server = Server::start(&folder.join("home"), &folder.join("dags"))?;
    server.wait_for_answer()?;
    let site = Site::of(&server)?;
    let run_id = log::write_long_log(&site).await?;
    site.settle().await?;
    grid::measure(&server.url()).await?;
    log::measure(&site, &server.url(), &run_id).await?;
    paint::measure(&server.url()).await
}

/// A browser that has been to the home page: its own start is not what is measured.
async fn browser_at(url: &str) -> Result<Chromium> {
    let browser = Chromium::start(WIDTH).await.map_err(Error::msg)?;
    browser.client.goto(url).await?;
    Ok(browser)
}

/// Opens a page, waits until a script says that it is there, and gives what another script tells of it.
async fn open<T: DeserializeOwned>(
    browser: &Chromium,
    address: &str,
    is_there: &str,
    figures: &str,
) -> Result<T> {
    browser.client.goto(address).await?;
    until(browser, is_there).await.with_context(|| format!("{address} is not drawn"))?;
    told(browser, figures).await
}

/// Waits until a script gives true.
async fn until(browser: &Chromium, is_there: &str) -> Result<()> {
    let begun = Instant::now();
    while browser.client.execute(is_there, Vec::new()).await? != true {
        ensure!(begun.elapsed() < PATIENCE, "{is_there} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What a script gives.
async fn told<T: DeserializeOwned>(browser: &Chromium, script: &str) -> Result<T> {
    let answer = browser.client.execute(script, Vec::new()).await?;
    serde_json::from_value(answer).with_context(|| format!("the page does not tell {script}"))
}
